"""Pieces of a long array of bytes, joined: a compiled loop, loaded by those who read many texts."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

LINE_FEED = np.uint8(10)


@numba.njit(cache=True, nogil=True)
def join_pieces(
    bounds: NDArray[np.int32], written: NDArray[np.uint8], places: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Return some pieces of bytes with a line feed between them.

    Parameters
    ----------
    bounds
        int32 (pieces + 1,): piece p is `written[bounds[p]:bounds[p + 1]]`.
    written
        uint8: the bytes of all pieces.
    places
        int64 (m,), m ≥ 1: the pieces, from 0; one that does not exist raises `IndexError`.
    """
    size = len(places) - 1
    for place in places:
        if not 0 <= place < len(bounds) - 1:
            raise IndexError("there is no such text")
        size += bounds[place + 1] - bounds[place]
    joined, to = np.empty(size, np.uint8), 0
    for at in range(len(places)):
        if at:
            joined[to] = LINE_FEED
            to += 1
        for byte in range(bounds[places[at]], bounds[places[at] + 1]):
            joined[to] = written[byte]
            to += 1
    return joined

"""Look up which places of a list are hits, and the gain of each hit.

One pass over the lists: a user's relevant items are written into a table over the catalogue, the list is looked up in
it, and only what was written is cleared again. Rows are divided into chunks that run in parallel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray

CHUNKS_PER_THREAD = 4
"""More chunks than threads, so that a thread with short rows takes another chunk."""


def ragged(
    parts: Sequence[NDArray[np.integer]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Concatenate arrays of different lengths.

    Returns
    -------
    indptr : ndarray of int64, shape (n + 1,)
        Row b is `flat[indptr[b]:indptr[b + 1]]`.
    flat : ndarray of int64
        The values, end to end.
    """
    indptr = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    flat = np.concatenate(parts).astype(np.int64) if parts else np.empty(0, np.int64)
    return indptr, flat


def gains(
    items: NDArray[np.integer],
    indptr: NDArray[np.int64],
    relevant: NDArray[np.integer],
    gain: NDArray[np.floating] | None = None,
) -> NDArray[np.float32]:
    """Return the gain of each place of each list.

    Costs O(B · K + number of relevant items).

    Parameters
    ----------
    items : ndarray of int, shape (B, K)
        Item codes, −1 where a list is shorter.
    indptr : ndarray of int64, shape (B + 1,)
        The relevant items of user b are `relevant[indptr[b]:indptr[b + 1]]`.
    relevant : ndarray of int
        Item codes.
    gain : ndarray of float, optional
        The gain of each entry of `relevant` (default: 1).

    Returns
    -------
    ndarray of float32, shape (B, K)
        0 where the item is not relevant.

    Examples
    --------
    >>> gains(np.array([[3, 1, 2]]), np.array([0, 2]), np.array([2, 3]))
    array([[1., 0., 1.]], dtype=float32)
    """
    size = int(max(items.max(initial=-1), relevant.max(initial=-1))) + 1
    out = np.zeros(items.shape, np.float32)
    value = np.ones(len(relevant), np.float32) if gain is None else np.ascontiguousarray(gain, np.float32)
    bounds = chunk_bounds(len(items))
    _gains(bounds, np.ascontiguousarray(items, np.int64), indptr, relevant.astype(np.int64), value, size, out)
    return out


def chunk_bounds(n: int) -> NDArray[np.int64]:
    """Return where n rows are cut into chunks for parallel kernels: chunk c is the rows `bounds[c]` to `bounds[c + 1] − 1`."""
    chunks = max(1, min(n, CHUNKS_PER_THREAD * numba.get_num_threads()))
    return np.linspace(0, n, chunks + 1).astype(np.int64)


@numba.njit(cache=True, nogil=True, parallel=True)
def _gains(
    bounds: NDArray[np.int64],
    items: NDArray[np.int64],
    indptr: NDArray[np.int64],
    relevant: NDArray[np.int64],
    value: NDArray[np.float32],
    size: int,
    out: NDArray[np.float32],
) -> None:
    for chunk in numba.prange(len(bounds) - 1):
        table = np.zeros(size, np.float32)
        for row in range(bounds[chunk], bounds[chunk + 1]):
            for entry in range(indptr[row], indptr[row + 1]):
                table[relevant[entry]] = value[entry]
            for place in range(items.shape[1]):
                if items[row, place] >= 0:
                    out[row, place] = table[items[row, place]]
            for entry in range(indptr[row], indptr[row + 1]):
                table[relevant[entry]] = 0.0

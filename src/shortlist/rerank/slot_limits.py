"""Which candidates the slots of a slate may choose from, for the greedy re-rankers."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

POOL = 100
"""Number of the best candidates that every slot considers."""
PER_SLOT = 5
"""Slot s, from 0, considers the best 5 · (s + 1) candidates where they are more."""
NO_CAP = 2**31
"""A limit that no slate reaches."""


class SlotLimits(NamedTuple):
    """What a slot may choose from, over all pages of a slate.

    It depends on the position of a slot and not on the length of the slate, so that a long slate begins with the items of a shorter
    one, and pages together are the long slate.

    Attributes
    ----------
    opens : ndarray of shape (rows,), int64
        The first slot that considers a row; 0 for the rows over which utilities are scaled.
    provider : ndarray of shape (rows,), int64
        Provider of each row, from 0; −1: the row counts for none.
    held : ndarray of shape (providers,), int64
        Number of items that each provider has on earlier pages.
    cap
        Maximum number of items of one provider.
    """

    opens: NDArray[np.int64]
    provider: NDArray[np.int64]
    held: NDArray[np.int64]
    cap: int


def no_limits(rows: int) -> SlotLimits:
    """Return limits under which each slot considers all rows."""
    return SlotLimits(np.zeros(rows, np.int64), np.full(rows, -1), np.zeros(0, np.int64), NO_CAP)


def opening_slots(utility: NDArray[np.float64], items: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the first slot that considers each row, int64 (rows,): the best 100 rows are open to all.

    Parameters
    ----------
    utility : ndarray of shape (rows,), float64
        Utility of each row.
    items : ndarray of shape (rows,), int32
        Item codes, which decide between equal utilities.

    Examples
    --------
    >>> opening_slots(-np.arange(106.0), np.arange(106, dtype=np.int32))[98:].tolist()
    [0, 0, 20, 20, 20, 20, 20, 21]
    """
    rank = np.empty(len(utility), np.int64)
    rank[np.lexsort((items, -utility))] = np.arange(len(utility))
    return np.where(rank < POOL, 0, rank // PER_SLOT)


@numba.njit(cache=True, nogil=True)
def choose(
    score: NDArray[np.float64],
    taken: NDArray[np.bool_],
    limits: SlotLimits,
    held: NDArray[np.int64],
    slot: int,
) -> int:
    """Return the row of the greatest score that may take a slot, −1 if there is none, and count it in `held`.

    Rows that open at a later slot are considered only where no other is left. Ties go to the earlier row.
    """
    best, later = -1, -1
    for row in range(len(score)):
        provider = limits.provider[row]
        if taken[row] or (provider >= 0 and held[provider] >= limits.cap):
            continue
        if limits.opens[row] <= slot:
            if best < 0 or score[row] > score[best]:
                best = row
        elif later < 0 or score[row] > score[later]:
            later = row
    if best < 0:
        best = later
    if best >= 0 and limits.provider[best] >= 0:
        held[limits.provider[best]] += 1
    return best

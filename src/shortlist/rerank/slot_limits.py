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
    pinned : ndarray of shape (rows,), int64
        The slot of a row that a pin takes: it gets that slot and no other, and `held` counts it from the start. −1 for the others.
    """

    opens: NDArray[np.int64]
    provider: NDArray[np.int64]
    held: NDArray[np.int64]
    cap: int
    pinned: NDArray[np.int64]

    @classmethod
    def opening(cls, opens: NDArray[np.int64], pinned: NDArray[np.int64]) -> SlotLimits:
        """Return limits without a cap."""
        return cls(opens, np.full(len(opens), -1), np.zeros(0, np.int64), NO_CAP, pinned)

    def capped(self, codes: NDArray[np.int32], before: NDArray[np.int32], cap: int) -> SlotLimits:
        """Return the limits with a cap a provider.

        Parameters
        ----------
        codes : ndarray of shape (rows,), int32
            Provider code of each row; −1 where it is unknown.
        before : ndarray of shape (items,), int32
            Those of the items that count from the start.
        cap
            Maximum number of items of one provider.
        """
        known = np.unique(codes)
        known = known[known >= 0]
        provider = np.where(codes < 0, -1, np.searchsorted(known, codes))
        return self._replace(provider=provider, held=(before[:, None] == known).sum(0), cap=cap)

    def of(self, rows: NDArray[np.bool_]) -> SlotLimits:
        """Return the limits of some rows."""
        return self._replace(opens=self.opens[rows], provider=self.provider[rows], pinned=self.pinned[rows])


def no_limits(rows: int) -> SlotLimits:
    """Return limits under which each slot considers all rows."""
    return SlotLimits.opening(np.zeros(rows, np.int64), np.full(rows, -1))


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

    A row that is pinned to the slot has it. Rows that open at a later slot are considered only where no other is left. Ties go to the earlier row.
    """
    best, later = -1, -1
    for row in range(len(score)):
        if limits.pinned[row] >= 0:
            if limits.pinned[row] == slot:
                return row
            continue
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

"""Histories: what each person did, in order of time.

A batch of histories is ragged: the events of person b are rows `indptr[b]:indptr[b+1]` of flat arrays, oldest first.
That is the form every retriever and feature takes, whether the history is a known user's, a visitor's, or one that
ends at a moment of the past.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Histories:
    """B histories. `indptr` int64 (B+1,); `item` int32, `time` int64 ms, `kind` int16, `value` float32, all (E,).

    `arrived` int64 ms (E,): when each event became known, where that can be later than its time.
    """

    indptr: np.ndarray
    item: np.ndarray
    time: np.ndarray
    kind: np.ndarray
    value: np.ndarray
    arrived: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def owner(self) -> np.ndarray:
        """Which history each event belongs to, int64 (E,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    def pick(self, starts: np.ndarray, ends: np.ndarray) -> Histories:
        """One history per (start, end) range of rows."""
        sizes = np.maximum(ends - starts, 0)
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        rows = np.arange(indptr[-1]) - np.repeat(indptr[:-1], sizes) + np.repeat(starts, sizes)
        return self._take(indptr, rows)

    def _take(self, indptr: np.ndarray, rows: np.ndarray) -> Histories:
        arrived = None if self.arrived is None else self.arrived[rows]
        return Histories(indptr, self.item[rows], self.time[rows], self.kind[rows], self.value[rows], arrived)

    def only(self, wanted: np.ndarray) -> Histories:
        """The events chosen by a mask, bool (E,)."""
        indptr = np.concatenate([[0], np.cumsum(wanted)])[self.indptr]
        return self._take(indptr, np.flatnonzero(wanted))

    def last(self, n: int) -> Histories:
        """Each history's latest n events."""
        ends = self.indptr[1:]
        return self.pick(np.maximum(self.indptr[:-1], ends - n), ends)

    @classmethod
    def empty(cls, n: int) -> Histories:
        none = np.empty(0, np.int32)
        return cls(
            np.zeros(n + 1, np.int64),
            none,
            none.astype(np.int64),
            none.astype(np.int16),
            none.astype(np.float32),
        )

    @classmethod
    def of(
        cls,
        owner: np.ndarray,
        n: int,
        item: np.ndarray,
        time: np.ndarray,
        kind: np.ndarray,
        value: np.ndarray,
        arrived: np.ndarray | None = None,
    ) -> Histories:
        """Group events that are ordered by time by their owner (−1: nobody's, left out)."""
        order = np.argsort(owner, kind="stable")
        order = order[np.searchsorted(owner[order], 0) :]
        counts = np.bincount(owner[order], minlength=n) if len(order) else np.zeros(n, np.int64)
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        arrived = None if arrived is None else arrived[order]
        return cls(indptr, item[order], time[order], kind[order], value[order], arrived)


def as_of(
    histories: Histories, owners: np.ndarray, moments: np.ndarray, most: int | None = None
) -> Histories:
    """The history of each owner strictly before a moment, or its latest `most` events; owner −1 has none.

    owners int (R,), moments int64 ms (R,). One binary search a request over that owner's events.
    """
    known = owners >= 0
    safe = np.where(known, owners, 0)
    starts, ends = histories.indptr[safe], histories.indptr[safe + 1]
    low, high = starts.copy(), ends.copy()
    while (open_ := low < high).any():
        middle = (low + high) // 2
        earlier = open_ & (histories.time[np.minimum(middle, max(len(histories.time) - 1, 0))] < moments)
        low = np.where(earlier, middle + 1, low)
        high = np.where(open_ & ~earlier, middle, high)
    ends = np.where(known, low, starts)
    if histories.arrived is None:
        return histories.pick(starts if most is None else np.maximum(starts, ends - most), ends)
    past = histories.pick(starts, ends)
    past = past.only(past.arrived < moments[past.owner])
    return past if most is None else past.last(most)

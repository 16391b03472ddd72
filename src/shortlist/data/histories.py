"""Histories: the events of each user, in order of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.integer]


@dataclass(frozen=True, repr=False)
class Histories:
    """The events of B users, ragged: those of user b are rows `indptr[b]:indptr[b + 1]` of flat arrays, oldest first.

    Every retriever and feature takes this form, whether the history is a known user's, a visitor's, or one that ends
    at a moment in the past.

    Attributes
    ----------
    indptr : ndarray of shape (B + 1,), int64
        Where each history begins.
    item : ndarray of shape (E,), int32
        Item codes.
    time : ndarray of shape (E,), int64
        Milliseconds since 1970.
    kind : ndarray of shape (E,), int16
        Codes of the kinds of events.
    value : ndarray of shape (E,), float32
        Values of the events, NaN where there is none.
    arrived : ndarray of shape (E,), int64, or None
        When each event became known, ms, where that can be later than its time.
    """

    indptr: NDArray[np.int64]
    item: NDArray[np.int32]
    time: NDArray[np.int64]
    kind: NDArray[np.int16]
    value: NDArray[np.float32]
    arrived: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def owner(self) -> NDArray[np.int64]:
        """The history that each event belongs to, int64 (E,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    @property
    def steps_back(self) -> NDArray[np.int64]:
        """How many events of its history follow each event, int64 (E,): 0 for the latest."""
        return self.indptr[1:][self.owner] - 1 - np.arange(len(self.item))

    def pick(self, starts: Codes, ends: Codes) -> Histories:
        """Return one history a range of rows, from `starts` up to `ends`, int (R,) each."""
        if len(starts) == 1:  # most batches of a server that is not busy
            return self._one(int(starts[0]), max(int(starts[0]), int(ends[0])))
        sizes = np.maximum(ends - starts, 0)
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        rows = np.arange(indptr[-1]) - np.repeat(indptr[:-1], sizes) + np.repeat(starts, sizes)
        return self._take(indptr, rows)

    def _one(self, low: int, high: int) -> Histories:
        """Return one history of consecutive rows; as copies, because kernels are compiled for arrays that can be written."""
        return Histories(
            np.array([0, high - low]),
            self.item[low:high].copy(),
            self.time[low:high].copy(),
            self.kind[low:high].copy(),
            self.value[low:high].copy(),
            None if self.arrived is None else self.arrived[low:high].copy(),
        )

    def _take(self, indptr: NDArray[np.int64], rows: Codes) -> Histories:
        arrived = None if self.arrived is None else self.arrived[rows]
        return Histories(indptr, self.item[rows], self.time[rows], self.kind[rows], self.value[rows], arrived)

    def only(self, wanted: NDArray[np.bool_]) -> Histories:
        """Return the events that a mask selects, bool (E,)."""
        indptr = np.concatenate([[0], np.cumsum(wanted)])[self.indptr]
        return self._take(indptr, np.flatnonzero(wanted))

    def last(self, n: int) -> Histories:
        """Return the latest n events of each history."""
        starts, ends = self.indptr[:-1], self.indptr[1:]
        if len(starts) and int((ends - starts).max()) <= n:
            return self
        return self.pick(np.maximum(starts, ends - n), ends)

    @classmethod
    def empty(cls, n: int) -> Histories:
        """Return n histories without events."""
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
        owner: Codes,
        n: int,
        item: NDArray[np.int32],
        time: NDArray[np.int64],
        kind: NDArray[np.int16],
        value: NDArray[np.float32],
        arrived: NDArray[np.int64] | None = None,
    ) -> Histories:
        """Group events that are ordered by time into n histories.

        Parameters
        ----------
        owner
            The history that each event belongs to; events with −1 are left out.
        n
            Number of histories.
        item, time, kind, value, arrived
            The events, as in the attributes of the class.
        """
        order = np.argsort(owner, kind="stable")
        order = order[np.searchsorted(owner[order], 0) :]
        counts = np.bincount(owner[order], minlength=n) if len(order) else np.zeros(n, np.int64)
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        arrived = None if arrived is None else arrived[order]
        return cls(indptr, item[order], time[order], kind[order], value[order], arrived)

    def __repr__(self) -> str:
        return f"Histories({len(self):,} histories, {len(self.item):,} events)"


def as_of(
    histories: Histories, owners: Codes, moments: NDArray[np.int64], most: int | None = None
) -> Histories:
    """Return what was known of some users strictly before some moments.

    Parameters
    ----------
    histories
        All histories.
    owners
        Row of a history, int (R,); −1 has no events.
    moments
        ms, int64 (R,).
    most
        At most this many events each, the latest (default: all).

    Notes
    -----
    Cost: one binary search over the owner's events a request.
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
    assert past.arrived is not None
    past = past.only(past.arrived < moments[past.owner])
    return past if most is None else past.last(most)

"""Running sums over events, read at marks: (key, moment) pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.engines import Engine
from shortlist.features.sql import RUNNING_SQL

Integers64 = NDArray[np.int64]


@dataclass(frozen=True, repr=False)
class Marks:
    """Distinct (key, moment) pairs, ordered.

    Attributes
    ----------
    key, moment
        int64 (marks,).
    inverse
        int64 (pairs,), the mark of each of the pairs that they were made of.
    """

    key: NDArray[np.int64]
    moment: NDArray[np.int64]
    inverse: NDArray[np.int64]

    @classmethod
    def of(cls, keys: NDArray[np.integer], moments: NDArray[np.int64]) -> Marks:
        """Return the distinct pairs of keys and moments."""
        order = np.lexsort([moments, keys])
        key, moment = keys[order].astype(np.int64), moments[order].astype(np.int64)
        new = np.ones(len(order), bool)
        new[1:] = (key[1:] != key[:-1]) | (moment[1:] != moment[:-1])
        inverse = np.empty(len(order), np.int64)
        inverse[order] = np.cumsum(new) - 1
        return cls(key[new], moment[new], inverse)

    def __len__(self) -> int:
        return len(self.key)

    def __repr__(self) -> str:
        return f"Marks({len(self):,} of {len(self.inverse):,} pairs)"

    def table(self, **columns: NDArray[np.int64]) -> pa.Table:
        """Return key, t (the moment), mark (the number), and more columns."""
        return pa.table({"key": self.key, "t": self.moment, "mark": np.arange(len(self)), **columns})


@dataclass(frozen=True, repr=False)
class RunningSums:
    """Events before each mark.

    Attributes
    ----------
    n, total
        int64 (marks,), number of events and sum of their values.
    place
        int64 (marks,), the greatest `place` of an event; −1 without events.
    """

    n: NDArray[np.int64]
    total: NDArray[np.int64]
    place: NDArray[np.int64]

    def __repr__(self) -> str:
        return f"RunningSums({len(self.n):,} marks)"


def running_sums(engine: Engine, events: pa.Table, marks: Marks) -> RunningSums:
    """Sum events up to each mark. events: key, t (ms), n, v (value) and place, int64.

    Of the events between two marks of a key, only the sums matter, so that the query reads one row a mark at most, however long the
    log is.
    """
    found = engine.run(RUNNING_SQL, {"events": _between_marks(events, marks), "marks": marks.table()})
    mark, size = found.column("mark").to_numpy(), len(marks)
    n, total, place = np.zeros(size, np.int64), np.zeros(size, np.int64), np.full(size, -1)
    n[mark] = found.column("n").to_numpy()
    total[mark] = found.column("total").to_numpy()
    place[mark] = found.column("place").fill_null(-1).to_numpy()
    return RunningSums(n, total, place)


def _between_marks(events: pa.Table, marks: Marks) -> pa.Table:
    """Return the sums of events before the mark that follows them, as events just before it; those after the last mark of a key go."""
    size = len(marks)
    sums = np.zeros(size, np.int64), np.zeros(size, np.int64), np.full(size, -1)
    key, t, n, v, place = (_integers(events.column(name)) for name in ("key", "t", "n", "v", "place"))
    _add_before_marks((key, t, n, v, place), (marks.key, marks.moment), sums)
    some = np.flatnonzero((sums[0] != 0) | (sums[1] != 0) | (sums[2] >= 0))
    found = dict(zip(("n", "v", "place"), (part[some] for part in sums), strict=True))
    return pa.table({"key": marks.key[some], "t": marks.moment[some] - 1, **found})


def _integers(column: pa.ChunkedArray) -> Integers64:
    """Return a column as int64, −1 for null. All are read-only, so that the kernel is compiled once."""
    values = np.asarray(column.fill_null(-1).to_numpy(), np.int64).view()
    values.flags.writeable = False
    return values


@numba.njit(cache=True, nogil=True)
def _add_before_marks(
    events: tuple[Integers64, Integers64, Integers64, Integers64, Integers64],
    marks: tuple[Integers64, Integers64],
    sums: tuple[Integers64, Integers64, Integers64],
) -> None:
    """Add each event to the sums of the first mark of its key with a later moment."""
    keys, times, n, values, places = events
    mark_key, moment = marks
    for at in range(len(keys)):
        key, t = keys[at], times[at]
        low, high = 0, len(mark_key)
        while low < high:
            middle = (low + high) // 2
            if mark_key[middle] < key or (mark_key[middle] == key and moment[middle] <= t):
                low = middle + 1
            else:
                high = middle
        if low < len(mark_key) and mark_key[low] == key:
            sums[0][low] += n[at]
            sums[1][low] += values[at]
            sums[2][low] = max(sums[2][low], places[at])

"""Running sums over events, read at marks: (key, moment) pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.engines import Engine
from shortlist.features.sql import RUNNING_SQL


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
    """Sum events up to each mark. events: key, t (ms), n, v (value) and place, int64."""
    found = engine.run(RUNNING_SQL, {"events": events, "marks": marks.table()})
    mark, size = found.column("mark").to_numpy(), len(marks)
    n, total, place = np.zeros(size, np.int64), np.zeros(size, np.int64), np.full(size, -1)
    n[mark] = found.column("n").to_numpy()
    total[mark] = found.column("total").to_numpy()
    place[mark] = found.column("place").fill_null(-1).to_numpy()
    return RunningSums(n, total, place)

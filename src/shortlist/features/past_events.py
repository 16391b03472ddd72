"""Events that are summed elsewhere, because a data set holds a part of them only.

All counts of a key need the running sums of its events at marks: (key, moment) pairs. Between two marks of a key, only the sum of the
events matters, not each of them. So a cluster adds up what lies between marks, in one pass and without a sort, however many events a
key has, and the SQL of the features reads these sums as if each were one event: the counts are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.features.aggregates import Aggregate
from shortlist.features.running import Marks

Integers64 = NDArray[np.int64]


@dataclass(frozen=True, repr=False)
class SummedEvents:
    """Sums of the events between marks, int64 (sums,) each.

    Attributes
    ----------
    mark
        The mark that follows the events: the first of their key with a later moment.
    n, total
        Number of events, and sum of their values in thousandths.
    last, value
        Time (ms) and value (thousandths) of the latest event; of several at one time, the largest value.
    """

    mark: Integers64
    n: Integers64
    total: Integers64
    last: Integers64
    value: Integers64

    @classmethod
    def of(
        cls, mark: Integers64, time: Integers64, value: Integers64, n: Integers64, total: Integers64
    ) -> Self:
        """Add up events, or sums of events, that are before the same mark."""
        order = np.lexsort([value, time, mark])
        mark, time, value, n, total = (array[order] for array in (mark, time, value, n, total))
        begins = np.flatnonzero(np.concatenate([[True], mark[1:] != mark[:-1]])) if len(mark) else mark
        ends = np.append(begins[1:], len(mark)) - 1 if len(mark) else mark
        sums = [np.add.reduceat(amounts, begins) if len(mark) else amounts for amounts in (n, total)]
        return cls(mark[begins], sums[0], sums[1], time[ends], value[ends])

    def table(self) -> pa.Table:
        """Return the sums as columns."""
        return pa.table(
            {"mark": self.mark, "n": self.n, "total": self.total, "last": self.last, "value": self.value}
        )

    def __repr__(self) -> str:
        return f"SummedEvents({len(self.mark):,} sums of {int(self.n.sum()):,} events)"


class PastEvents(Protocol):
    """Where events of some keys are summed."""

    def has(self, aggregate: Aggregate) -> bool:
        """Return whether the events of an aggregate are summed here; otherwise the log holds all of them."""

    def before(self, wanted: Sequence[tuple[Aggregate, Marks]]) -> Sequence[SummedEvents]:
        """Return, for aggregates by one key, the sums of the events that each counts, between its marks."""


def next_marks(keys: Integers64, times: Integers64, marks: Marks) -> Integers64:
    """Return the mark that follows each event: the first of its key with a later moment, −1 where there is none.

    Parameters
    ----------
    keys, times
        int64 (events,): keys and times (ms).
    marks
        Distinct (key, moment) pairs, ordered.
    """
    low, end = np.searchsorted(marks.key, keys), np.searchsorted(marks.key, keys, side="right")
    high = end.copy()
    last = max(len(marks) - 1, 0)
    while (open_ := low < high).any():
        middle = (low + high) // 2
        earlier = open_ & (marks.moment[np.minimum(middle, last)] <= times)
        low = np.where(earlier, middle + 1, low)
        high = np.where(open_ & ~earlier, middle, high)
    return np.where(low < end, low, -1)

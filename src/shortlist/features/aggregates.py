"""Aggregates: the integers that counted features are made of.

SQL computes them as of moments of the past (`offline`), counters as of now (`online`). A formula turns them into the
value of a feature (`formulas`), and it is the same formula for both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

STEPS = 24
"""Number of steps of a window."""
NEVER = int(np.iinfo(np.int64).min // 4)
"""A moment before all others, ms. A quarter of the range: differences of two moments do not overflow."""
FOREVER = int(np.iinfo(np.int64).max // 4)
"""A moment after all others, ms."""
LARGEST = int(np.iinfo(np.int64).max)
SMALLEST = int(np.iinfo(np.int64).min)

Integers = NDArray[np.int64] | NDArray[np.int32] | NDArray[np.float64]
"""Counts of rows: whole numbers, or means of whole numbers where a row has several keys."""


@dataclass(frozen=True)
class Aggregate:
    """A count of events by a key over a window. Features share aggregates.

    A window moves in 24 steps: a window of 30 days is the current step of 30 hours and the 23 steps before it. Counters
    therefore need O(1) operations an event, and SQL uses the same steps.

    Parameters
    ----------
    by
        The key, for example `item` or `user*item.genres`; see `keys`.
    event
        The kind of the counted events.
    at_least
        Count events with at least this value (`None`: all).
    window_ms
        Length of the window in milliseconds (`None`: all events).
    distinct
        Count the distinct values of this key (`item`, `user`, `item.genres`) instead of the events.
    extremes
        Keep the smallest and the largest value too.
    """

    by: str
    event: str
    at_least: float | None
    window_ms: int | None
    distinct: str | None = None
    extremes: bool = False
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compute the hash once: a request looks up each aggregate several times."""
        facts = (self.by, self.event, self.at_least, self.window_ms, self.distinct, self.extremes)
        object.__setattr__(self, "_hash", hash(facts))

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type[Aggregate], tuple[object, ...]]:
        """Copy by value: the hash of a text differs between processes."""
        facts = (self.by, self.event, self.at_least, self.window_ms, self.distinct, self.extremes)
        return type(self), facts

    @property
    def step_ms(self) -> int:
        """Length of a step, ms."""
        assert self.window_ms is not None
        return max(self.window_ms // STEPS, 1)

    def start(self, moments: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the begin of the window of each moment, ms."""
        if self.window_ms is None:
            return np.full(len(moments), NEVER)
        return (moments // self.step_ms - STEPS + 1) * self.step_ms

    def end(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the first moment, ms, whose window does not contain an event of each time."""
        if self.window_ms is None:
            return np.full(len(times), FOREVER)
        return (times // self.step_ms + STEPS) * self.step_ms


class Counts(Protocol):
    """Values of an aggregate, arrays (rows,). Where `n` is 0 the others are undefined.

    Attributes
    ----------
    n
        Number of events.
    total
        Sum of their values, thousandths.
    last
        Time of the latest event, ms.
    value
        Value of the latest event, thousandths; the largest of several at the same time.
    low, high
        Smallest and largest value, thousandths; only for aggregates with `extremes`.
    """

    @property
    def n(self) -> Integers:
        """Number of events."""

    @property
    def total(self) -> Integers:
        """Sum of their values, thousandths."""

    @property
    def last(self) -> Integers:
        """Time of the latest event, ms."""

    @property
    def value(self) -> Integers:
        """Value of the latest event, thousandths."""

    @property
    def low(self) -> Integers:
        """Smallest value, thousandths."""

    @property
    def high(self) -> Integers:
        """Largest value, thousandths."""


@dataclass(frozen=True, repr=False)
class CountArrays:
    """`Counts` as arrays int64 (rows,)."""

    n: NDArray[np.int64]
    total: NDArray[np.int64]
    last: NDArray[np.int64]
    value: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]

    def __repr__(self) -> str:
        return f"CountArrays({len(self.n):,} rows)"

"""From counts of keys to counts of rows.

A row with several keys (an item of three genres) gets the mean of their numbers and sums, the latest of their times, and
the extremes of their values. All arrays are computed when they are read, once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from shortlist.features.aggregates import LARGEST, NEVER, SMALLEST, Counts, Integers


def is_one_each(owner: NDArray[np.int64], rows: int) -> bool:
    """Return whether every row has exactly one key. owner: the row of each key, ascending."""
    return len(owner) == rows and (rows == 0 or bool((owner == np.arange(rows)).all()))


class _LazyCounts(ABC):
    """`Counts` whose arrays are computed when they are first read. An object belongs to one call.

    One class serves six names, so it holds a table of values and not a `lazy_property` for each.
    """

    def __init__(self) -> None:
        self._computed: dict[str, Integers] = {}

    def _get(self, name: str) -> Integers:
        if name not in self._computed:
            self._computed[name] = self._compute(name)
        return self._computed[name]

    @abstractmethod
    def _compute(self, name: str) -> Integers: ...

    @property
    def n(self) -> Integers:
        """Number of events."""
        return self._get("n")

    @property
    def total(self) -> Integers:
        """Sum of values, thousandths."""
        return self._get("total")

    @property
    def last(self) -> Integers:
        """Time of the latest event, ms."""
        return self._get("last")

    @property
    def value(self) -> Integers:
        """Value of the latest event, thousandths."""
        return self._get("value")

    @property
    def low(self) -> Integers:
        """Smallest value, thousandths."""
        return self._get("low")

    @property
    def high(self) -> Integers:
        """Largest value, thousandths."""
        return self._get("high")


class PooledCounts(_LazyCounts):
    """`Counts` of rows 0 … rows−1, from counts of (owner, key) pairs with ascending owners.

    Parameters
    ----------
    counts
        Counts of the pairs.
    owner
        int64 (pairs,), the row of each pair.
    rows
        Number of rows; a row without a key has no events.
    """

    def __init__(self, counts: Counts, owner: NDArray[np.int64], rows: int) -> None:
        super().__init__()
        self._counts, self._owner, self._rows = counts, owner, rows
        first = np.concatenate([[True], owner[1:] != owner[:-1]]) if len(owner) else owner[:0].astype(bool)
        self._starts = np.flatnonzero(first)
        """The first pair of each row that has any."""
        self._several = len(self._starts) < len(owner)
        self._n_of_pairs = counts.n

    def __repr__(self) -> str:
        return f"PooledCounts({len(self._owner):,} keys of {self._rows:,} rows)"

    def _compute(self, name: str) -> Integers:
        match name:
            case "n":
                return self._mean(self._n_of_pairs)
            case "total":
                return self._mean(self._counts.total)
            case "last":
                return self._extreme(self._counts.last, NEVER, np.maximum)
            case "value":
                return self._latest_value()
            case "low":
                return self._extreme(self._counts.low, LARGEST, np.minimum)
        return self._extreme(self._counts.high, SMALLEST, np.maximum)

    def _place(self, values: Integers, missing: int, dtype: type = np.int64) -> Integers:
        placed: Integers = np.full(self._rows, missing, dtype)
        placed[self._owner[self._starts]] = values
        return placed

    def _mean(self, values: Integers) -> Integers:
        if not self._several:
            return self._place(values, 0)
        sizes = np.diff(np.append(self._starts, len(self._owner)))
        return self._place(np.add.reduceat(values, self._starts) / sizes, 0, np.float64)

    def _extreme(self, values: Integers, missing: int, reduce: np.ufunc) -> Integers:
        values = np.where(self._n_of_pairs > 0, values, missing)
        return self._place(reduce.reduceat(values, self._starts) if self._several else values, missing)

    def _latest_value(self) -> Integers:
        if not self._several:
            return self._extreme(self._counts.value, 0, np.maximum)
        latest = (self._counts.last == self.last[self._owner]) & (self._n_of_pairs > 0)
        values = np.where(latest, self._counts.value, SMALLEST)
        return self._place(np.maximum.reduceat(values, self._starts), 0)


class RepeatedCounts(_LazyCounts):
    """`Counts` of requests, repeated for each of their rows."""

    def __init__(self, counts: Counts, request: NDArray[np.int64]) -> None:
        super().__init__()
        self._counts, self._request = counts, request

    def __repr__(self) -> str:
        return f"RepeatedCounts({len(self._request):,} rows)"

    def _compute(self, name: str) -> Integers:
        values: Integers = getattr(self._counts, name)[self._request]
        return values


class _ConcatenatedCounts(_LazyCounts):
    """`Counts` of several lists of pairs one after the other, reordered."""

    def __init__(self, parts: list[Counts], order: NDArray[np.int64]) -> None:
        super().__init__()
        self._parts, self._order = parts, order

    def _compute(self, name: str) -> Integers:
        values: Integers = np.concatenate([getattr(counts, name) for counts in self._parts])[self._order]
        return values


def concatenate(parts: list[tuple[Counts, NDArray[np.int64]]]) -> tuple[Counts, NDArray[np.int64]]:
    """Join the counts of several lists of (owner, key) pairs to one list, owners ascending."""
    owner = np.concatenate([owner for _, owner in parts])
    order = np.argsort(owner, kind="stable")
    return _ConcatenatedCounts([counts for counts, _ in parts], order), owner[order]

"""From counts of keys to counts of rows: a row of several keys (a film of three genres) takes the mean of how many and
how much, the latest time, and the least and greatest value. Gathered when a feature asks, once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np

from shortlist.features.counter import NEVER
from shortlist.features.spec import Counts

NAMES = ("n", "total", "last", "value", "low", "high")


def is_plain(owner: np.ndarray, rows: int) -> bool:
    """Whether every row has exactly one key, so that its counts are the key's. owner ascending."""
    return len(owner) == rows and (rows == 0 or bool((owner == np.arange(rows)).all()))


class Lifted:
    """`Counts` of rows 0 … rows−1 from counts of (owner, key) pairs, owners ascending."""

    def __init__(self, counts: Counts, owner: np.ndarray, rows: int) -> None:
        self._counts, self._owner, self._rows = counts, owner, rows
        self._plain = is_plain(owner, rows)

    @cached_property
    def _starts(self) -> np.ndarray:
        owner = self._owner
        return np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]])) if len(owner) else owner[:0]

    @cached_property
    def _several(self) -> bool:
        return len(self._starts) < len(self._owner)

    def _placed(self, values: np.ndarray, missing: int, dtype: type = np.int64) -> np.ndarray:
        answer: np.ndarray = np.full(self._rows, missing, dtype)
        answer[self._owner[self._starts]] = values
        return answer

    def _mean(self, values: np.ndarray) -> np.ndarray:
        if not self._several:
            return self._placed(values, 0)
        size = np.diff(np.append(self._starts, len(self._owner)))
        return self._placed(np.add.reduceat(values, self._starts) / size, 0, np.float64)

    def _best(self, values: np.ndarray, missing: int, reduce: np.ufunc) -> np.ndarray:
        values = np.where(self._base_n > 0, values, missing)
        return self._placed(reduce.reduceat(values, self._starts) if self._several else values, missing)

    @cached_property
    def _base_n(self) -> np.ndarray:
        return self._counts.n

    @cached_property
    def n(self) -> np.ndarray:
        return self._base_n if self._plain else self._mean(self._base_n)

    @cached_property
    def total(self) -> np.ndarray:
        return self._counts.total if self._plain else self._mean(self._counts.total)

    @cached_property
    def last(self) -> np.ndarray:
        return self._counts.last if self._plain else self._best(self._counts.last, NEVER, np.maximum)

    @cached_property
    def value(self) -> np.ndarray:
        if self._plain or not self._several:
            return self._counts.value if self._plain else self._best(self._counts.value, 0, np.maximum)
        newest = (self._counts.last == self.last[self._owner]) & (self._base_n > 0)
        values = np.where(newest, self._counts.value, np.iinfo(np.int64).min)
        return self._placed(np.maximum.reduceat(values, self._starts), 0)

    @cached_property
    def low(self) -> np.ndarray:
        low = self._counts.low
        return low if self._plain else self._best(low, np.iinfo(np.int64).max, np.minimum)

    @cached_property
    def high(self) -> np.ndarray:
        high = self._counts.high
        return high if self._plain else self._best(high, np.iinfo(np.int64).min, np.maximum)


class _Gathered(ABC):
    """`Counts` whose arrays are made when they are first asked for."""

    def __getattr__(self, name: str) -> np.ndarray:
        if name not in NAMES:
            raise AttributeError(name)
        values = self._gather(name)
        setattr(self, name, values)
        return values

    @abstractmethod
    def _gather(self, name: str) -> np.ndarray: ...


class Spread(_Gathered):
    """`Counts` of requests, as counts of their rows."""

    def __init__(self, counts: Counts, request: np.ndarray) -> None:
        self._counts, self._request = counts, request

    def _gather(self, name: str) -> np.ndarray:
        values: np.ndarray = getattr(self._counts, name)[self._request]
        return values


class _Joined(_Gathered):
    """`Counts` of some lists one after the other, in another order."""

    def __init__(self, parts: list[Counts], order: np.ndarray) -> None:
        self._parts, self._order = parts, order

    def _gather(self, name: str) -> np.ndarray:
        return np.concatenate([_safe(counts, name) for counts in self._parts])[self._order]


def joined(parts: list[tuple[Counts, np.ndarray]]) -> tuple[Counts, np.ndarray]:
    """Counts of several lists of (owner, key) pairs as one list, owners ascending."""
    owner = np.concatenate([owner for _, owner in parts])
    order = np.argsort(owner, kind="stable")
    return _Joined([counts for counts, _ in parts], order), owner[order]


def _safe(counts: Counts, name: str) -> np.ndarray:
    """An array of counts; zeros for what this aggregate does not keep."""
    try:
        values: np.ndarray = getattr(counts, name)
    except ValueError:  # no extremes are kept: a ring of no steps has no least
        return np.zeros(len(counts.n), np.int64)
    return values

"""The event log as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.config.base import IMPRESSION
from shortlist.data.attributes import Attribute
from shortlist.data.given_lists import GivenLists
from shortlist.data.lazy import lazy_property

ARRAYS = ("user", "item", "time", "kind", "value", "slate", "position", "propensity")


@dataclass(frozen=True, repr=False)
class Log:
    """Events in order of time, one array a column. Immutable.

    Attributes
    ----------
    kinds : list[str]
        Names of the kinds of events, by code.
    user, item : ndarray of shape (n,), int32
        Codes of users and items.
    time : ndarray of shape (n,), int64
        Milliseconds since 1970.
    kind : ndarray of shape (n,), int16
        Codes into `kinds`.
    value : ndarray of shape (n,), float32
        Seconds, rating or price; NaN where there is none.
    slate : ndarray of shape (n,), int32
        The slate that an event belongs to; −1 where there is none.
    position : ndarray of shape (n,), int16
        Position of an impression on its slate, from 0; −1 where there is none.
    propensity : ndarray of shape (n,), float32
        Probability with which the item was shown; NaN where it is unknown.
    context : dict[str, Attribute]
        Context column → attribute with n rows.
    arrival : ndarray of shape (n,), int64, or None
        When each event became known, ms, where that can be later than the event.
    given : dict[str, ndarray of shape (n,), float32]
        Column of `data.given` → the number of the shown item at that moment; NaN where there is none.
    lists : GivenLists or None
        The lists that some slates were ranked from, where people did not see all of their items.
    """

    kinds: list[str]
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    time: NDArray[np.int64]
    kind: NDArray[np.int16]
    value: NDArray[np.float32]
    slate: NDArray[np.int32]
    position: NDArray[np.int16]
    propensity: NDArray[np.float32]
    context: dict[str, Attribute] = field(default_factory=dict)
    arrival: NDArray[np.int64] | None = None
    given: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    lists: GivenLists | None = None

    def __len__(self) -> int:
        return len(self.user)

    @property
    def arrived(self) -> NDArray[np.int64]:
        """When each event became known, int64 ms (n,): its arrival, or its time where the log has no arrivals."""
        return self.time if self.arrival is None else self.arrival

    def rows(self, rows: NDArray[Any] | slice) -> Log:
        """Return some events: a slice, a mask or row numbers."""
        index = np.arange(len(self))[rows]
        arrays: dict[str, Any] = {name: getattr(self, name)[rows] for name in ARRAYS}
        arrival = None if self.arrival is None else self.arrival[rows]
        context = {name: attribute.take(index) for name, attribute in self.context.items()}
        given = {name: numbers[rows] for name, numbers in self.given.items()}
        return replace(self, **arrays, context=context, arrival=arrival, given=given)

    def with_kinds(self, names: Iterable[str]) -> Log:
        """Return the log with further kinds of events, which may not occur yet; codes stay as they are."""
        more = [name for name in dict.fromkeys(names) if name not in self.kinds]
        return replace(self, kinds=[*self.kinds, *more]) if more else self

    def is_kind(self, names: Iterable[str], at_least: float | None = None) -> NDArray[np.bool_]:
        """Return which events are of these kinds, and have at least this value where one is given; bool (n,)."""
        names = set(names)
        wanted = np.isin(self.kind, [code for code, name in enumerate(self.kinds) if name in names])
        return wanted if at_least is None else wanted & (np.nan_to_num(self.value, nan=-np.inf) >= at_least)

    @lazy_property
    def acted(self) -> NDArray[np.bool_]:
        """Which events are not impressions, bool (n,). Histories and splits are made of these."""
        return ~self.is_kind([IMPRESSION])

    def __repr__(self) -> str:
        if not len(self):
            return "Log(0 events)"
        first, last = (str(np.datetime64(int(t), "ms"))[:10] for t in (self.time[0], self.time[-1]))
        return f"Log({len(self):,} events of kinds {', '.join(self.kinds)}; {first} to {last})"


def repeated_rows(keys: Sequence[NDArray[Any]]) -> NDArray[np.bool_]:
    """Return which rows have the same keys as an earlier row, bool (n,). Each key is an array (n,)."""
    n = len(keys[0])
    order = np.lexsort(list(reversed(keys)))  # stable: of equal rows, the earlier one comes first
    same = np.ones(n, bool)
    for key in keys:
        ordered = key[order]
        same[1:] &= ordered[1:] == ordered[:-1]
    if n:
        same[0] = False
    repeated = np.zeros(n, bool)
    repeated[order] = same
    return repeated

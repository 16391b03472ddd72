"""Counts by the user for visitors: users without counters, whose history and impressions come with the request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.config.base import IMPRESSION
from shortlist.data.attributes import Attribute
from shortlist.data.histories import Histories
from shortlist.features.aggregates import LARGEST, NEVER, SMALLEST, Aggregate, CountArrays
from shortlist.features.formulas import thousandths
from shortlist.features.keys import KeyEncoder, KeyRows, RequestKeys
from shortlist.features.rows import FeatureRows


def without_user(by: str) -> str:
    """Return a key without the user: `user*item.genres` → `item.genres`."""
    return "*".join(part for part in by.split("*") if part != "user") or "all"


class VisitorCounts:
    """Counts by the user, from the histories of the requests.

    Parameters
    ----------
    encoder
        Encodes keys.
    rows
        The requests with their histories.
    kinds
        Names of the kinds of events in the histories.
    items
        Name → attribute of the catalogue's items.
    """

    def __init__(
        self, encoder: KeyEncoder, rows: FeatureRows, kinds: Sequence[str], items: Mapping[str, Attribute]
    ) -> None:
        self._encoder, self._rows, self._kinds, self._items = encoder, rows, list(kinds), items

    def __repr__(self) -> str:
        return f"VisitorCounts({self._rows!r})"

    def lookup(self, aggregate: Aggregate, owner: NDArray[np.int64], rest: NDArray[np.int64]) -> CountArrays:
        """Return the counts of (request, key without the user) pairs, int64 (pairs,) each."""
        histories = self._past(aggregate)
        by = without_user(aggregate.by)
        events = self._counted_events(histories, aggregate)
        row, key = self._encoder.encode(by, self._events(histories, events))
        size = self._encoder.size(by)
        events = events[row]
        line, wanted = histories.owner[events] * size + key, owner * size + rest
        found = np.unique(wanted)
        place = np.searchsorted(found, line)
        place[place == len(found)] = 0
        keep = found[place] == line if len(found) else np.zeros(0, bool)
        place, events = place[keep], events[keep]
        counts = self._count(histories, len(found), place, events)
        if aggregate.distinct is not None:
            counts[0] = self._count_distinct(histories, aggregate.distinct, len(found), place, events)
        at = np.searchsorted(found, wanted)
        return CountArrays(*(array[at] for array in counts))

    def _past(self, aggregate: Aggregate) -> Histories:
        """Return the histories that hold the events of an aggregate."""
        if aggregate.event == IMPRESSION and self._rows.shown is not None:
            return self._rows.shown
        return self._rows.histories

    def _counted_events(self, histories: Histories, aggregate: Aggregate) -> NDArray[np.int64]:
        """Return the events of all histories that an aggregate counts."""
        if aggregate.event not in self._kinds:
            return np.empty(0, np.int64)
        chosen = histories.kind == self._kinds.index(aggregate.event)
        if aggregate.at_least is not None:
            chosen &= np.nan_to_num(histories.value, nan=-np.inf) >= aggregate.at_least
        chosen &= histories.time >= aggregate.start(self._rows.moments)[histories.owner]
        return np.flatnonzero(chosen)

    def _events(self, histories: Histories, events: NDArray[np.int64]) -> KeyRows:
        """Return events of the histories as rows of keys. The context of a past event is unknown: such keys have no events."""
        requests = self._rows.requests
        owner = histories.owner[events]
        attributes = {name: a.take(owner) for name, a in requests.user_attributes.items()}
        of_events = RequestKeys(requests.users[owner], {}, attributes)
        return KeyRows.one_each(of_events, histories.item[events], self._items)

    @staticmethod
    def _count(
        histories: Histories, size: int, place: NDArray[np.int64], events: NDArray[np.int64]
    ) -> list[NDArray[np.int64]]:
        """Return n, total, last, value, low and high of `size` groups of events, int64 (size,)."""
        time, value = histories.time[events], thousandths(histories.value[events])
        last, latest = np.full(size, NEVER), np.full(size, SMALLEST)
        np.maximum.at(last, place, time)
        newest = time == last[place]
        np.maximum.at(latest, place[newest], value[newest])
        low, high = np.full(size, LARGEST), np.full(size, SMALLEST)
        np.minimum.at(low, place, value)
        np.maximum.at(high, place, value)
        total = np.zeros(size, np.int64)
        np.add.at(total, place, value)
        n = np.bincount(place, minlength=size).astype(np.int64)
        return [n, total, last, latest, low, high]

    def _count_distinct(
        self,
        histories: Histories,
        distinct: str,
        size: int,
        place: NDArray[np.int64],
        events: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Return the number of distinct values of a key in each group, int64 (size,)."""
        row, other = self._encoder.encode(distinct, self._events(histories, events))
        values = self._encoder.size(distinct)
        pairs = np.unique(place[row] * values + other)
        return np.bincount(pairs // values, minlength=size).astype(np.int64)

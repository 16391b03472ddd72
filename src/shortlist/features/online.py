"""Online: the same counts as `history.py`, kept up to date event by event.

Each aggregate has a `Counter`. A restart rebuilds them from the log and the event store (`LiveCounts.of`), in any order.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from shortlist.data.attributes import Attribute
from shortlist.data.histories import Histories
from shortlist.data.log import Log
from shortlist.features.counter import Counter, Directory, LiveView
from shortlist.features.formulas import THOUSANDTHS
from shortlist.features.keys import Asked, Keys
from shortlist.features.offline import PastCounts, thousandths
from shortlist.features.spec import Aggregate

PART = 250_000
"""Events that are counted at once."""


class LiveCounts:
    """All counters of a project's features, and the lookups that the matrix needs."""

    def __init__(
        self, aggregates: list[Aggregate], keys: Keys, kinds: list[str], summed: set[Aggregate] | None = None
    ) -> None:
        self.keys = keys
        self.kinds = kinds
        directories: defaultdict[str, Directory] = defaultdict(Directory)
        self.counters = {
            a: Counter(a, keys.size(a.by), summed is None or a in summed, directories[a.by])
            for a in dict.fromkeys(aggregates)
        }
        self.by_kind: dict[str, list[tuple[Aggregate, Counter]]] = defaultdict(list)
        for aggregate, counter in self.counters.items():
            self.by_kind[aggregate.event].append((aggregate, counter))

    @classmethod
    def of(
        cls, log: Log, aggregates: list[Aggregate], keys: Keys, summed: set[Aggregate] | None = None
    ) -> LiveCounts:
        """As if every event of a log had been added. summed: the aggregates whose total somebody reads."""
        live = cls(aggregates, keys, log.kinds, summed)
        for kind in live.by_kind:
            every = np.flatnonzero(log.is_kind([kind]))
            # in parts: a table makes room for as many new keys as there are events, of which few are new
            for start in range(0, len(every), PART):
                rows = every[start : start + PART]
                live.add_many(kind, Asked.events(log, rows), log.item[rows], log.time[rows], log.value[rows])
        return live

    def add(
        self,
        user: int,
        item: int,
        time: int,
        kind: str,
        value: float,
        context: dict[str, Attribute] | None = None,
    ) -> None:
        """One event; user −1 is a visitor, who counts for items and for all but has no counters."""
        if kind in self.by_kind:
            asked = Asked(np.array([user], np.int32), context or {})
            given = np.array([value], np.float32)
            self.add_many(kind, asked, np.array([item], np.int32), np.array([time]), given)

    def add_many(
        self, kind: str, asked: Asked, items: np.ndarray, times: np.ndarray, values: np.ndarray
    ) -> None:
        """Events of one kind, in any order: who acted in which context, on which item, when (ms), with which value."""
        each = np.arange(len(items))
        cache: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        amounts = thousandths(values) if len(values) != 1 else _one_amount(float(values[0]))

        def keyed(by: str) -> tuple[np.ndarray, np.ndarray]:
            if by not in cache:
                cache[by] = self.keys.of(by, asked, each, items)
            return cache[by]

        for aggregate, counter in self.by_kind.get(kind, ()):
            rows, keys = keyed(aggregate.by)
            if aggregate.at_least is not None:
                enough = np.nan_to_num(values, nan=-np.inf)[rows] >= aggregate.at_least
                rows, keys = rows[enough], keys[enough]
            if aggregate.distinct is None:
                counter.add(keys, times[rows], amounts[rows])
                continue
            row, other = keyed(aggregate.distinct)
            low, high = np.searchsorted(row, rows), np.searchsorted(row, rows, side="right")
            sizes = high - low
            inner = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes - low, sizes)
            keys, rows = np.repeat(keys, sizes), np.repeat(rows, sizes)
            pairs = keys * self.keys.size(aggregate.distinct) + other[inner]
            counter.add_pairs(keys, pairs, times[rows])

    def lookup(self, aggregate: Aggregate, keys: np.ndarray, moments: np.ndarray) -> LiveView:
        """What is known of each key as of now: the latest of the moments."""
        return self.counters[aggregate].view(keys, int(moments.max()) if len(moments) else 0)


class Direct:
    """The features that are read straight from counters: what `formulas.fill` needs of them, worked out once and again when
    a counter has moved.
    """

    def __init__(
        self, live: LiveCounts, features: list[tuple[str, int, int, float, float, list[Aggregate]]]
    ) -> None:
        """features: what it is counted by, column, formula, x, y, and its one or two aggregates."""
        self.live = live
        self.groups = list(dict.fromkeys(by for by, *_ in features))
        self.plan = np.array(
            [(c, op, self.groups.index(by)) for by, c, op, *_ in features], np.int64
        ).reshape(-1, 3)
        self.parameters = np.array([(x, y) for _, _, _, x, y, _ in features], np.float64).reshape(-1, 2)
        self.pairs = [(live.counters[a[0]], live.counters[a[-1]]) for *_, a in features]
        self.counters = list(dict.fromkeys(c for pair in self.pairs for c in pair))
        self.first = [next(c for c in self.counters if c.aggregate.by == by) for by in self.groups]
        self.addresses, self.sizes = np.empty((0, 5), np.int64), np.empty(0, np.int64)
        self._made = -1

    def now(self, moment: int) -> None:
        """Bring the counters to a moment, and find them where they lie."""
        for counter in self.counters:
            counter.advance(moment)
        made = sum(counter.made for counter in self.counters)
        if made != self._made:
            arrays = [(c.n, c.total, c.last, c.value, other.n) for c, other in self.pairs]
            self.addresses = np.array([[a.ctypes.data for a in row] for row in arrays], np.int64).reshape(
                -1, 5
            )
            self.sizes = np.array([min(len(a) for a in row) for row in arrays], np.int64)
            self._made = made


def _one_amount(value: float) -> np.ndarray:
    """`thousandths` of a single value, without the cost of arrays for one number."""
    return np.array([0 if value != value else round(value * THOUSANDTHS)], np.int64)


def visitor_counts(
    aggregate: Aggregate,
    keys: Keys,
    histories: Histories,
    asked: Asked,
    kinds: list[str],
    owner: np.ndarray,
    rest: np.ndarray,
    moments: np.ndarray,
) -> PastCounts:
    """Counts by a person (and more) who has no counters: from the history that came with the request.

    owner, rest: for each answer wanted, the request and the key but for the person, (P,).
    """
    chosen = np.zeros(len(histories.item), bool)
    if aggregate.event in kinds:
        chosen = histories.kind == kinds.index(aggregate.event)
    if aggregate.at_least is not None:
        chosen &= np.nan_to_num(histories.value, nan=-np.inf) >= aggregate.at_least
    chosen &= histories.time >= aggregate.start(moments)[histories.owner]
    events = np.flatnonzero(chosen)
    request = histories.owner[events]
    # the moment of a past event is not known here, so a key with a context has no events
    blank = Asked(asked.users[request], {}, {n: a.take(request) for n, a in asked.told.items()})
    row, key = keys.of(without_user(aggregate.by), blank, np.arange(len(events)), histories.item[events])
    size = keys.size(without_user(aggregate.by))
    line, wanted = request[row] * size + key, owner * size + rest
    events = events[row]
    found = np.unique(wanted)
    place = np.searchsorted(found, line)
    place[place == len(found)] = 0
    kept = found[place] == line if len(found) else np.zeros(0, bool)
    place, events = place[kept], events[kept]
    m = len(found)
    value = thousandths(histories.value[events])
    last, latest = np.full(m, np.iinfo(np.int64).min // 4), np.full(m, np.iinfo(np.int64).min)
    np.maximum.at(last, place, histories.time[events])
    newest = histories.time[events] == last[place]
    np.maximum.at(latest, place[newest], value[newest])
    low, high = np.full(m, np.iinfo(np.int64).max), np.full(m, np.iinfo(np.int64).min)
    np.minimum.at(low, place, value)
    np.maximum.at(high, place, value)
    total = np.zeros(m, np.int64)
    np.add.at(total, place, value)
    n = np.bincount(place, minlength=m).astype(np.int64)
    if aggregate.distinct is not None:
        who = Asked(asked.users[histories.owner[events]])
        row, other = keys.of(aggregate.distinct, who, np.arange(len(events)), histories.item[events])
        pairs = np.unique(place[row] * keys.size(aggregate.distinct) + other)
        n = np.bincount(pairs // keys.size(aggregate.distinct), minlength=m).astype(np.int64)
    at = np.searchsorted(found, wanted)
    return PastCounts(*(array[at] for array in (n, total, last, latest, low, high)))


def without_user(by: str) -> str:
    """A key but for the person: `user*item.genres` → `item.genres`."""
    return "*".join(part for part in by.split("*") if part != "user") or "all"

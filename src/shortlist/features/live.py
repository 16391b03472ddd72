"""Online: the same counts, kept up to date event by event.

Each aggregate is a ring of 24 steps a key and a running total: an event adds one, a step that leaves the window is
subtracted when time passes it. So an event costs O(1), a lookup is one gather, and memory is bounded by the keys.
A restart rebuilds the rings from the log (`LiveCounts.of`).
"""

from __future__ import annotations

import numba
import numpy as np

from shortlist.data.attributes import Attribute
from shortlist.data.dataset import Log
from shortlist.data.histories import Histories
from shortlist.features.history import thousandths
from shortlist.features.keys import Keys
from shortlist.features.spec import STEPS, Aggregate


class Counter:
    """One aggregate: `n`, `total` (thousandths) and `last` (ms), int64, one a key; rings where there is a window."""

    def __init__(self, aggregate: Aggregate, keys: int) -> None:
        self.aggregate = aggregate
        self.n = np.zeros(keys, np.int64)
        self.total = np.zeros(keys, np.int64)
        self.last = np.full(keys, np.iinfo(np.int64).min)
        self.head = np.iinfo(np.int64).min
        """The newest step that any event or lookup has reached."""
        if aggregate.window_ms is not None:
            self.ring_n = np.zeros((STEPS, keys), np.int32)
            self.ring_total = np.zeros((STEPS, keys), np.int64)

    def advance(self, moment: int) -> None:
        """Let the steps that have left the window at this moment go."""
        if self.aggregate.window_ms is None:
            return
        step = moment // self.aggregate.step_ms
        if step <= self.head:
            return
        for passed in range(max(self.head + 1, step - STEPS + 1), step + 1):
            slot = passed % STEPS
            self.n -= self.ring_n[slot]
            self.total -= self.ring_total[slot]
            self.ring_n[slot] = 0
            self.ring_total[slot] = 0
        self.head = step

    def add(self, key: int, time: int, value: int) -> None:
        """One event, O(1). One that is older than the window only moves `last`."""
        if time > self.last[key]:
            self.last[key] = time
        if self.aggregate.window_ms is not None:
            self.advance(time)
            step = time // self.aggregate.step_ms
            if step <= self.head - STEPS:
                return
            self.ring_n[step % STEPS, key] += 1
            self.ring_total[step % STEPS, key] += value
        self.n[key] += 1
        self.total[key] += value

    def add_many(self, keys: np.ndarray, times: np.ndarray, values: np.ndarray) -> None:
        """Many events at once, in any order."""
        if not len(keys):
            return
        np.maximum.at(self.last, keys, times)
        if self.aggregate.window_ms is not None:
            self.advance(int(times.max()))
            steps = times // self.aggregate.step_ms
            inside = steps > self.head - STEPS
            keys, values, slots = keys[inside], values[inside], steps[inside] % STEPS
            np.add.at(self.ring_n, (slots, keys), 1)
            np.add.at(self.ring_total, (slots, keys), values)
        np.add.at(self.n, keys, 1)
        np.add.at(self.total, keys, values)


class LiveCounts:
    """All counters of a project's features, and the lookups that the matrix needs."""

    def __init__(self, aggregates: list[Aggregate], keys: Keys, kinds: list[str]) -> None:
        self.keys = keys
        self.kinds = kinds
        self.counters = {a: Counter(a, keys.size(a.by)) for a in dict.fromkeys(aggregates)}

    @classmethod
    def of(cls, log: Log, aggregates: list[Aggregate], keys: Keys) -> LiveCounts:
        """As if every event of a log had been added."""
        live = cls(aggregates, keys, log.kinds)
        for aggregate, counter in live.counters.items():
            chosen = np.flatnonzero(log.is_kind([aggregate.event], aggregate.at_least))
            rows, event_keys = keys.of(aggregate.by, log.user[chosen], log.item[chosen])
            rows = chosen[rows]
            counter.add_many(event_keys, log.time[rows], thousandths(log.value[rows]))
        return live

    def add(self, user: int, item: int, time: int, kind: str, value: float) -> None:
        """One event; user −1 is a visitor, who counts for items and for all but has no counters."""
        amount = int(thousandths(np.array([value], np.float32))[0])
        users, items = np.array([user]), np.array([item])
        for aggregate, counter in self.counters.items():
            if aggregate.event != kind or (
                aggregate.at_least is not None and not value >= aggregate.at_least
            ):
                continue
            for key in self.keys.of(aggregate.by, users, items)[1].tolist():
                counter.add(key, time, amount)

    def lookup(
        self, aggregate: Aggregate, keys: np.ndarray, moments: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(n, sum in thousandths, last ms), int64 (P,), as of now: the latest of the moments."""
        counter = self.counters[aggregate]
        if len(moments):
            counter.advance(int(moments.max()))
        return counter.n[keys], counter.total[keys], counter.last[keys]


def history_counts(
    aggregate: Aggregate, histories: Histories, moments: np.ndarray, kinds: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The counts by user of people who have no counters: from the history that came with the request. All (B,)."""
    chosen = np.zeros(len(histories.item), bool)
    if aggregate.event in kinds:
        chosen = histories.kind == kinds.index(aggregate.event)
    if aggregate.at_least is not None:
        chosen &= np.nan_to_num(histories.value, nan=-np.inf) >= aggregate.at_least
    owner = histories.owner
    chosen &= histories.time >= aggregate.start(moments)[owner]
    last = np.full(len(histories), np.iinfo(np.int64).min)
    np.maximum.at(last, owner[chosen], histories.time[chosen])
    total = np.zeros(len(histories), np.int64)
    np.add.at(total, owner[chosen], thousandths(histories.value[chosen]))
    return np.bincount(owner[chosen], minlength=len(histories)).astype(np.int64), total, last


def live_affinity(
    attribute: Attribute, last: int, histories: Histories, request: np.ndarray, item: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(hits, history length), int64 (rows,): how often the candidate's values occur in the latest events."""
    latest = histories.last(last)
    indptr, values = attribute.ragged()
    hits = _hits(latest.indptr, latest.item, indptr, values, max(len(attribute.vocabulary), 1), request, item)
    return hits, np.diff(latest.indptr)[request]


@numba.njit(cache=True, nogil=True)
def _hits(  # type: ignore[no-untyped-def]
    history_indptr, history_item, value_indptr, values, n_values, request, item
):
    """A counter per value is filled for one request at a time; rows of one request are expected side by side."""
    profile = np.zeros(n_values, np.int64)
    hits = np.zeros(len(item), np.int64)
    current = -1
    for row in range(len(item)):
        if request[row] != current:
            current = request[row]
            profile[:] = 0
            for event in range(history_indptr[current], history_indptr[current + 1]):
                taken = history_item[event]
                for at in range(value_indptr[taken], value_indptr[taken + 1]):
                    profile[values[at]] += 1
        candidate = item[row]
        for at in range(value_indptr[candidate], value_indptr[candidate + 1]):
            hits[row] += profile[values[at]]
    return hits

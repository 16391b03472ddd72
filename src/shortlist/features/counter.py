"""One aggregate, kept up to date event by event.

A window is a ring of 24 steps a key and a running total: an event adds one, a step that leaves the window is subtracted
when time passes it. So an event costs O(1), a lookup is one gather, and memory is bounded by the keys that occur. Least
and greatest values are kept by step, and a lookup reads the 24. A count of different things remembers when each pair was
last seen, and counts a pair in the step of that moment only.
"""

from __future__ import annotations

import numba
import numpy as np

from shortlist.features.slots import Slots
from shortlist.features.spec import STEPS, Aggregate

NEVER = np.iinfo(np.int64).min // 4
DENSE = 4_000_000
"""Up to this many possible keys, a counter has a place for each; above, only for those that occur."""
HIGH, LOW = np.iinfo(np.int64).max, np.iinfo(np.int64).min


class Directory:
    """Which slot each key has, for all counters that count by the same thing: a key is looked up once for all of them."""

    def __init__(self) -> None:
        self.slots = Slots()
        self.members: list[Counter] = []

    def put(self, keys: np.ndarray) -> np.ndarray:
        """The slots of keys, new ones for new keys; every member has room for them."""
        size = len(self.members[0].n)
        if self.slots.count + len(keys) + 1 > size:
            self._forget()
            while self.slots.count + len(keys) + 1 > size // 2:
                size *= 2
            for member in self.members:
                member.keep(slice(None), size)
        return self.slots.put(keys) + 1

    def _forget(self) -> None:
        """Give up keys of which no member's window holds anything: they read like keys that never occurred."""
        kept = np.zeros(self.slots.count, bool)
        for member in self.members:
            kept |= member.n[1 : self.slots.count + 1] > 0
        if kept.all():
            return
        rows = np.concatenate([[0], 1 + np.flatnonzero(kept)])
        self.slots.renumber(kept)
        for member in self.members:
            member.keep(rows, len(member.n))


class Counter:
    """`n` int32, `total` (thousandths), `last` (ms), `value` (thousandths) int64, one a slot; rings (24, slots) where there
    is a window, by step, so that a step which passes is one run of memory. Slot 0 stays empty: it is the answer for keys that never occurred.
    """

    def __init__(
        self, aggregate: Aggregate, keys: int, sums: bool = True, directory: Directory | None = None
    ) -> None:
        """directory: of the keys it counts by, shared with others; with few possible keys none is needed."""
        self.aggregate = aggregate
        self.directory = None if is_dense(aggregate.by, keys) else directory or Directory()
        self.pairs = Slots() if aggregate.distinct is not None else None
        """Which (key, other) pairs were ever seen; their slots index `seen`."""
        self.seen = np.full(1024, NEVER)
        """When each pair was last seen, ms."""
        self.head = NEVER
        """The newest step that any event or lookup has reached."""
        self.step = 0 if aggregate.window_ms is None else aggregate.step_ms
        self.rings = STEPS if self.step else 0
        self.sums = sums
        """Whether anybody reads `total`; without, a window keeps no ring of it."""
        self._make(keys + 1 if self.directory is None else 1024)
        if self.directory is not None:
            if self.directory.members:
                self._make(len(self.directory.members[0].n))
            self.directory.members.append(self)

    made = 0
    """How often the arrays were made anew: who has kept their addresses must look again."""

    def _make(self, size: int) -> None:
        self.made += 1
        self.n = np.zeros(size, np.int32)
        self.total, self.value = (np.zeros(size, np.int64) for _ in range(2))
        self.last = np.full(size, NEVER)
        self.ring_n = np.zeros((self.rings, size), np.int32)
        self.ring_total = np.zeros((self.rings if self.sums else 0, size), np.int64)
        deep = max(self.rings, 1) if self.aggregate.extremes else 0
        self.ring_low = np.full((deep, size), HIGH)
        self.ring_high = np.full((deep, size), LOW)

    ARRAYS = ("n", "total", "value", "last", "ring_n", "ring_total", "ring_low", "ring_high")

    def at(self, keys: np.ndarray) -> np.ndarray:
        """Slots of keys, 0 where a key never occurred (or is −1)."""
        return keys + 1 if self.directory is None else self.directory.slots.of(keys) + 1

    def _at_new(self, keys: np.ndarray) -> np.ndarray:
        return keys + 1 if self.directory is None else self.directory.put(keys)

    def keep(self, rows: np.ndarray | slice, size: int) -> None:
        """Only some slots, in this order, with room for `size`."""
        old = {name: getattr(self, name)[..., rows] for name in self.ARRAYS}
        self._make(size)
        for name, array in old.items():
            getattr(self, name)[..., : array.shape[-1]] = array

    def advance(self, moment: int) -> None:
        """Let the steps that have left the window at this moment go."""
        if not self.step:
            return
        step = moment // self.step
        if step <= self.head:
            return
        for passed in range(max(self.head + 1, step - STEPS + 1), step + 1):
            slot = passed % STEPS
            self.n -= self.ring_n[slot]
            self.ring_n[slot] = 0
            if self.sums:
                self.total -= self.ring_total[slot]
                self.ring_total[slot] = 0
            if self.aggregate.extremes:
                self.ring_low[slot] = HIGH
                self.ring_high[slot] = LOW
        self.head = step

    def add(self, keys: np.ndarray, times: np.ndarray, values: np.ndarray) -> None:
        """Events: int64 (P,) each; in any order. One that is older than the window only moves `last`."""
        if not len(keys):
            return
        if self.step:
            self.advance(int(times.max()) if len(times) > 1 else int(times[0]))
        slots = self._at_new(keys)
        _add(
            slots,
            times,
            values,
            self.step,
            self.head,
            self.n,
            self.total,
            self.value,
            self.last,
            self.ring_n,
            self.ring_total,
            self.ring_low,
            self.ring_high,
        )

    def add_pairs(self, keys: np.ndarray, pairs: np.ndarray, times: np.ndarray) -> None:
        """Events of a count of different things: pairs are (key, other) as one number."""
        if not len(keys):
            return
        assert self.pairs is not None
        if self.step:
            self.advance(int(times.max()))
        slots = self._at_new(keys)
        if self.pairs.count + len(pairs) > len(self.seen):
            self._forget_pairs()
            size = len(self.seen)
            while self.pairs.count + len(pairs) > size // 2:
                size *= 2
            self.seen = np.concatenate([self.seen, np.full(size - len(self.seen), NEVER)])
        _add_pairs(
            slots,
            self.pairs.put(pairs),
            times,
            self.step,
            self.head,
            self.n,
            self.last,
            self.ring_n,
            self.seen,
        )

    def _forget_pairs(self) -> None:
        assert self.pairs is not None
        if not self.step:
            return
        kept = self.seen[: self.pairs.count] // self.step > self.head - STEPS
        seen = self.seen[: self.pairs.count][kept]
        self.pairs.renumber(kept)
        self.seen[:] = NEVER
        self.seen[: len(seen)] = seen

    def view(self, keys: np.ndarray, moment: int) -> LiveView:
        """What is known of each key now."""
        self.advance(moment)
        return LiveView(self, self.at(keys))


def is_dense(by: str, keys: int) -> bool:
    """Whether a counter has a place for each possible key."""
    return keys <= DENSE and "*" not in by


class LiveView:
    """`Counts` that are gathered when they are asked for."""

    def __init__(self, counter: Counter, slots: np.ndarray) -> None:
        self._counter, self._slots = counter, slots

    @property
    def n(self) -> np.ndarray:
        return self._counter.n[self._slots]

    @property
    def total(self) -> np.ndarray:
        return self._counter.total[self._slots]

    @property
    def last(self) -> np.ndarray:
        return self._counter.last[self._slots]

    @property
    def value(self) -> np.ndarray:
        return self._counter.value[self._slots]

    @property
    def low(self) -> np.ndarray:
        return self._counter.ring_low[:, self._slots].min(0)

    @property
    def high(self) -> np.ndarray:
        return self._counter.ring_high[:, self._slots].max(0)


@numba.njit(cache=True, nogil=True)
def _add(  # type: ignore[no-untyped-def]
    slots, times, values, step, head, n, total, value, last, ring_n, ring_total, ring_low, ring_high
):
    deep = ring_low.shape[0] > 0
    sums = ring_total.shape[0] > 0
    for i in range(len(slots)):
        s, t, v = slots[i], times[i], values[i]
        if t > last[s] or (t == last[s] and v > value[s]):
            last[s] = t
            value[s] = v
        at = 0
        if step > 0:
            now = t // step
            if now <= head - STEPS:
                continue
            at = now % STEPS
            ring_n[at, s] += 1
            if sums:
                ring_total[at, s] += v
        if deep:
            ring_low[at, s] = min(ring_low[at, s], v)
            ring_high[at, s] = max(ring_high[at, s], v)
        n[s] += 1
        total[s] += v


@numba.njit(cache=True, nogil=True)
def _add_pairs(slots, pairs, times, step, head, n, last, ring_n, seen):  # type: ignore[no-untyped-def]
    for i in range(len(slots)):
        s, p, t = slots[i], pairs[i], times[i]
        last[s] = max(last[s], t)
        old = seen[p]
        if t <= old:
            continue
        seen[p] = t
        if step == 0:
            if old == NEVER:
                n[s] += 1
            continue
        now, before = t // step, old // step
        if now <= head - STEPS or now == before:
            continue
        if before > head - STEPS and old != NEVER:
            ring_n[before % STEPS, s] -= 1
            n[s] -= 1
        ring_n[now % STEPS, s] += 1
        n[s] += 1

"""One aggregate, updated event by event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from shortlist.features.aggregates import FOREVER, LARGEST, NEVER, SMALLEST, STEPS, Aggregate
from shortlist.features.hash_table import HashTable
from shortlist.features.window_kernels import add_events, add_pair_events, add_summed_events

MOST_DENSE_KEYS = 4_000_000
"""A counter has a slot for each possible key up to this many; above, only for keys that occur."""
INITIAL_SLOTS = 1024


class KeyIndex:
    """The slots of keys, shared by all counters that count by the same key: a key is looked up once for all of them.

    Slot 0 belongs to no key. It stays empty and is the slot of keys that never occurred.

    Counters refer to their index, and the index only weakly to its counters: a cycle would keep the files of a model mapped that a
    server has replaced, because servers exempt what they have loaded from the collector.
    """

    def __init__(self) -> None:
        self.table = HashTable()
        self._members: list[ref[WindowCounter]] = []

    @property
    def members(self) -> list[WindowCounter]:
        """The counters that count by the keys, as far as they are still used."""
        return [member for one in self._members if (member := one()) is not None]

    def join(self, member: WindowCounter) -> None:
        """Take in a counter, which has as many slots as the others."""
        self._members.append(ref(member))

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles carry the counters."""
        return {"table": self.table, "members": self.members}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.table = state["table"]
        self._members = [ref(member) for member in state["members"]]

    def __repr__(self) -> str:
        return f"KeyIndex({self.table.count:,} keys, {len(self.members)} counters)"

    def find(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the slots of keys, 0 for a key that never occurred."""
        return self.table.find(keys) + 1

    def insert(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the slots of keys, new slots for new keys. All members have room for them."""
        members = self.members
        size = len(members[0].n)
        if self.table.count + len(keys) + 1 > size:
            self._remove_empty()
            while self.table.count + len(keys) + 1 > size // 2:
                size *= 2
            for member in members:
                member.move(slice(None), size)
        return self.table.insert(keys) + 1

    def _remove_empty(self) -> None:
        """Remove keys whose windows are empty in all members: they read like keys that never occurred."""
        keep = np.zeros(self.table.count, bool)
        for member in self.members:
            keep |= member.n[1 : self.table.count + 1] > 0
        if keep.all():
            return
        slots = np.concatenate([[0], 1 + np.flatnonzero(keep)])
        self.table.renumber(keep)
        for member in self.members:
            member.move(slots, len(member.n))


@dataclass(frozen=True, repr=False)
class StepSums:
    """Events summed by key and step, int64 (sums,) each.

    Attributes
    ----------
    key, step
        The key, and the number of the step; 0 without a window. Events before the window can be one step: they only move `last`.
    n, total
        Number of events, and sum of their values, thousandths.
    last, value
        Time (ms) and value (thousandths) of the latest event.
    low, high
        Smallest and largest value, thousandths.
    """

    key: NDArray[np.int64]
    step: NDArray[np.int64]
    n: NDArray[np.int64]
    total: NDArray[np.int64]
    last: NDArray[np.int64]
    value: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]

    def __repr__(self) -> str:
        return f"StepSums({len(self.key):,} sums of {int(self.n.sum()):,} events)"


class WindowCounter:
    """Counts events by key over a window that moves in 24 steps.

    A window is a ring of 24 steps for each key, and a running total. An event adds one to the current step and to the
    total; when time passes a step, `advance` subtracts it from the total. So an event costs O(1), a lookup is one
    gather, and memory is bounded by the number of keys that occur. Smallest and largest values cannot be subtracted:
    they are kept a step, and a lookup reads 24 of them. A distinct count remembers when each (key, value) pair was last
    seen, and counts the pair in that step only.

    Only `add`, `add_pairs` and `advance` change a counter; lookups do not. Any number of threads may look up at the same
    time, as long as no thread changes the counter.

    Parameters
    ----------
    aggregate
        What is counted.
    keys
        Number of possible keys.
    sums
        Keep the window's sum of values (`total`).
    index
        Slots of the keys, shared with other counters; not used if `keys` is small enough for a slot each.

    Attributes
    ----------
    n
        int32 (slots,), number of events in the window.
    total, value
        int64 (slots,), sum of values and value of the latest event, thousandths.
    last
        int64 (slots,), time of the latest event, ms.
    ring_n, ring_total
        int32 and int64 (24, slots), by step: a step that passes is contiguous memory.
    ring_low, ring_high
        int64 (24, slots), or (1, slots) without a window; (0, slots) if no extremes are kept.
    head
        Number of the newest step.
    """

    ARRAYS = ("n", "total", "value", "last", "ring_n", "ring_total", "ring_low", "ring_high")

    def __init__(
        self, aggregate: Aggregate, keys: int, sums: bool = True, index: KeyIndex | None = None
    ) -> None:
        self.aggregate = aggregate
        self.index = None if is_dense(aggregate.by, keys) else index or KeyIndex()
        self.pairs = HashTable() if aggregate.distinct is not None else None
        """(key, value) pairs of a distinct count; their slots index `seen`."""
        self.seen: NDArray[np.int64] = np.full(INITIAL_SLOTS, NEVER)
        """When each pair was last seen, ms."""
        self.head = NEVER
        self.step = 0 if aggregate.window_ms is None else aggregate.step_ms
        """Length of a step, ms; 0 without a window."""
        self.sums = sums
        size = keys + 1 if self.index is None else INITIAL_SLOTS
        if self.index is not None:
            if members := self.index.members:
                size = len(members[0].n)
            self.index.join(self)
        self._allocate(size)

    def __repr__(self) -> str:
        return f"WindowCounter({self.aggregate.event} by {self.aggregate.by}, {len(self.n):,} slots)"

    def _allocate(self, size: int) -> None:
        rings = STEPS if self.step else 0
        depth = max(rings, 1) if self.aggregate.extremes else 0
        self.n: NDArray[np.int32] = np.zeros(size, np.int32)
        self.total: NDArray[np.int64] = np.zeros(size, np.int64)
        self.value: NDArray[np.int64] = np.zeros(size, np.int64)
        self.last: NDArray[np.int64] = np.full(size, NEVER)
        self.ring_n: NDArray[np.int32] = np.zeros((rings, size), np.int32)
        self.ring_total: NDArray[np.int64] = np.zeros((rings if self.sums else 0, size), np.int64)
        self.ring_low: NDArray[np.int64] = np.full((depth, size), LARGEST)
        self.ring_high: NDArray[np.int64] = np.full((depth, size), SMALLEST)

    def slots(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the slots of keys, 0 for a key that never occurred (and for the key −1)."""
        return keys + 1 if self.index is None else self.index.find(keys)

    def _new_slots(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        return keys + 1 if self.index is None else self.index.insert(keys)

    def move(self, slots: NDArray[np.int64] | slice, size: int) -> None:
        """Keep some slots only, in this order, in arrays of `size` slots."""
        old = {name: getattr(self, name)[..., slots] for name in self.ARRAYS}
        self._allocate(size)
        for name, array in old.items():
            getattr(self, name)[..., : array.shape[-1]] = array

    def arrays(self, slots: int) -> dict[str, NDArray[np.int32] | NDArray[np.int64]]:
        """Return the first slots of all arrays, by name."""
        return {name: getattr(self, name)[..., :slots] for name in self.ARRAYS}

    def restore(
        self,
        arrays: dict[str, NDArray[np.int32] | NDArray[np.int64]],
        head: int,
        seen: NDArray[np.int64] | None,
    ) -> None:
        """Replace all arrays, by name, the newest step, and the times of a distinct count."""
        for name in self.ARRAYS:
            setattr(self, name, arrays[name])
        self.head = head
        if seen is not None:
            self.seen = seen

    @property
    def next_step_at(self) -> int:
        """The moment, ms, at which the next step begins."""
        if not self.step:
            return FOREVER
        return NEVER if self.head == NEVER else (self.head + 1) * self.step

    def advance(self, moment: int) -> None:
        """Move the window to a moment, ms: subtract the steps that leave it. A window never moves back."""
        if not self.step:
            return
        step = moment // self.step
        if step <= self.head:
            return
        for passed in range(max(self.head + 1, step - STEPS + 1), step + 1):
            place = passed % STEPS
            self.n -= self.ring_n[place]
            self.ring_n[place] = 0
            if self.sums:
                self.total -= self.ring_total[place]
                self.ring_total[place] = 0
            if self.aggregate.extremes:
                self.ring_low[place] = LARGEST
                self.ring_high[place] = SMALLEST
        self.head = step

    def add(self, keys: NDArray[np.int64], times: NDArray[np.int64], values: NDArray[np.int64]) -> None:
        """Count events in any order, not later than the newest step. An event before the window only moves `last`."""
        if not len(keys):
            return
        slots = self._new_slots(keys)
        totals = (self.n, self.total, self.value, self.last)
        rings = (self.ring_n, self.ring_total, self.ring_low, self.ring_high)
        add_events(slots, times, values, self.step, self.head, totals, rings)

    def add_steps(self, sums: StepSums) -> None:
        """Count events that were summed by key and step, not later than the newest step."""
        if not len(sums.key):
            return
        slots = self._new_slots(sums.key)
        totals = (self.n, self.total, self.value, self.last)
        rings = (self.ring_n, self.ring_total, self.ring_low, self.ring_high)
        events = (sums.step, sums.n, sums.total, sums.last, sums.value, sums.low, sums.high)
        add_summed_events(slots, events, (self.step, self.head), totals, rings)

    def add_pairs(self, keys: NDArray[np.int64], pairs: NDArray[np.int64], times: NDArray[np.int64]) -> None:
        """Count events of a distinct count. A pair is (key, value) as one integer."""
        if not len(keys):
            return
        assert self.pairs is not None
        slots = self._new_slots(keys)
        if self.pairs.count + len(pairs) > len(self.seen):
            self._remove_old_pairs()
            size = len(self.seen)
            while self.pairs.count + len(pairs) > size // 2:
                size *= 2
            self.seen = np.concatenate([self.seen, np.full(size - len(self.seen), NEVER)])
        arrays = (self.n, self.last, self.ring_n, self.seen)
        add_pair_events(slots, self.pairs.insert(pairs), times, (self.step, self.head), arrays)

    def _remove_old_pairs(self) -> None:
        assert self.pairs is not None
        if not self.step:
            return
        keep = self.seen[: self.pairs.count] // self.step > self.head - STEPS
        seen = self.seen[: self.pairs.count][keep]
        self.pairs.renumber(keep)
        self.seen[:] = NEVER
        self.seen[: len(seen)] = seen

    def lookup(self, keys: NDArray[np.int64]) -> SlotCounts:
        """Return the counts of keys, as of the newest step."""
        return SlotCounts(self, self.slots(keys))


def is_dense(by: str, keys: int) -> bool:
    """Return whether a counter has a slot for each possible key."""
    return keys <= MOST_DENSE_KEYS and "*" not in by


class SlotCounts:
    """`Counts` of some slots of a counter. Arrays are gathered at each access."""

    def __init__(self, counter: WindowCounter, slots: NDArray[np.int64]) -> None:
        self._counter, self._slots = counter, slots

    def __repr__(self) -> str:
        return f"SlotCounts({len(self._slots):,} slots of {self._counter!r})"

    @property
    def n(self) -> NDArray[np.int32]:
        """Number of events."""
        return self._counter.n[self._slots]

    @property
    def total(self) -> NDArray[np.int64]:
        """Sum of values, thousandths."""
        return self._counter.total[self._slots]

    @property
    def last(self) -> NDArray[np.int64]:
        """Time of the latest event, ms."""
        return self._counter.last[self._slots]

    @property
    def value(self) -> NDArray[np.int64]:
        """Value of the latest event, thousandths."""
        return self._counter.value[self._slots]

    @property
    def low(self) -> NDArray[np.int64]:
        """Smallest value, thousandths."""
        low: NDArray[np.int64] = self._counter.ring_low[:, self._slots].min(0, initial=LARGEST)
        return low

    @property
    def high(self) -> NDArray[np.int64]:
        """Largest value, thousandths."""
        high: NDArray[np.int64] = self._counter.ring_high[:, self._slots].max(0, initial=SMALLEST)
        return high

"""Online counters: the integers of `offline`, updated event by event."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from shortlist.data.attributes import Attribute
from shortlist.data.log import Log
from shortlist.features.aggregates import FOREVER, NEVER, Aggregate
from shortlist.features.counter_files import load_counters, save_counters
from shortlist.features.formulas import THOUSANDTHS, thousandths
from shortlist.features.keys import KeyEncoder, KeyRows
from shortlist.features.window_counter import KeyIndex, SlotCounts, StepSums, WindowCounter

EVENTS_AT_ONCE = 250_000
Encoded: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]


class OnlineCounters:
    """All counters of a project's features.

    Each aggregate has a `WindowCounter`; an event updates those of its kind. A restart rebuilds the counters from the log
    and the event store (`add_log`), or reads them from a bundle (`load`). The order of the events does not matter.

    `add_many` and `advance` change the counters and belong to one owner at a time. Lookups change nothing: any number of
    threads may read at once while nobody changes them.

    Parameters
    ----------
    aggregates
        What is counted; duplicates are counted once.
    encoder
        Encodes the keys of events and rows.
    kinds
        Names of the kinds of events.
    summed
        The aggregates whose sum of values is read (default: all).

    Attributes
    ----------
    counters
        Aggregate → its counter.
    next_step_at
        The moment, ms, at which the next step of any window begins: until then, `advance` has nothing to do.
    """

    def __init__(
        self,
        aggregates: Sequence[Aggregate],
        encoder: KeyEncoder,
        kinds: Sequence[str],
        summed: set[Aggregate] | None = None,
    ) -> None:
        self.encoder = encoder
        self.kinds = list(kinds)
        indexes: defaultdict[str, KeyIndex] = defaultdict(KeyIndex)
        self.counters = {
            a: WindowCounter(a, encoder.size(a.by), summed is None or a in summed, indexes[a.by])
            for a in dict.fromkeys(aggregates)
        }
        self._of_kind: dict[str, list[tuple[Aggregate, WindowCounter]]] = defaultdict(list)
        for aggregate, counter in self.counters.items():
            self._of_kind[aggregate.event].append((aggregate, counter))
        self.next_step_at = NEVER

    def __repr__(self) -> str:
        return f"OnlineCounters({len(self.counters)} aggregates of {', '.join(self._of_kind) or 'no events'})"

    def advance(self, moment: int) -> None:
        """Move all windows to a moment, ms. Windows never move back; the cost is O(1) until `next_step_at`."""
        if moment < self.next_step_at:
            return
        for counter in self.counters.values():
            counter.advance(moment)
        self._schedule()

    def _schedule(self) -> None:
        self.next_step_at = min((c.next_step_at for c in self.counters.values()), default=FOREVER)

    def add_log(
        self, log: Log, items: Mapping[str, Attribute], among: Collection[Aggregate] | None = None
    ) -> None:
        """Count every event of a log, in some aggregates (default: all). items: name → attribute of the catalogue's items."""
        for kind in list(self._of_kind):
            events = np.flatnonzero(log.is_kind([kind]))
            # in parts: a hash table makes room for as many new keys as there are events, of which few are new
            for start in range(0, len(events), EVENTS_AT_ONCE):
                rows = events[start : start + EVENTS_AT_ONCE]
                self.add_many(
                    kind, KeyRows.of_events(log, rows, items), log.time[rows], log.value[rows], among
                )

    def add_steps(self, aggregate: Aggregate, sums: StepSums) -> None:
        """Count events that were summed by key and step, in one aggregate without distinct values."""
        self.counters[aggregate].add_steps(sums)

    def add_many(
        self,
        kind: str,
        events: KeyRows,
        times: NDArray[np.int64],
        values: NDArray[np.float32],
        among: Collection[Aggregate] | None = None,
    ) -> None:
        """Count events of one kind, in any order, and move the windows to the latest of them.

        Parameters
        ----------
        kind
            The kind of the events. Kinds that no feature counts are ignored.
        events
            Users (−1: a visitor, who counts for items but has no counters), contexts and items of the events.
        times
            int64 (events,), ms.
        values
            float32 (events,), NaN where there is no value.
        among
            The aggregates that count them (default: all).
        """
        counters = self._of_kind.get(kind)
        if not counters or not len(times):
            return
        self.advance(int(times.max()))
        encoded: dict[str, Encoded] = {}

        def encode(by: str) -> Encoded:
            if by not in encoded:
                encoded[by] = self.encoder.encode(by, events)
            return encoded[by]

        amounts = thousandths(values) if len(values) != 1 else _one_amount(float(values[0]))
        for aggregate, counter in counters:
            if among is not None and aggregate not in among:
                continue
            rows, keys = encode(aggregate.by)
            if aggregate.at_least is not None:
                enough = np.nan_to_num(values, nan=-np.inf)[rows] >= aggregate.at_least
                rows, keys = rows[enough], keys[enough]
            if aggregate.distinct is None:
                counter.add(keys, times[rows], amounts[rows])
            else:
                size = self.encoder.size(aggregate.distinct)
                keys, pairs, rows = _pairs((rows, keys), encode(aggregate.distinct), size)
                counter.add_pairs(keys, pairs, times[rows])

    def lookup(self, aggregate: Aggregate, keys: NDArray[np.int64]) -> SlotCounts:
        """Return the counts of keys, as of the latest `advance`."""
        return self.counters[aggregate].lookup(keys)

    def save(self, folder: Path) -> None:
        """Write the counters to a folder."""
        save_counters(self.counters, self.encoder, folder)

    def load(self, folder: Path) -> bool:
        """Replace the counters by saved ones.

        Returns
        -------
        bool
            Whether the files are of these aggregates. If not, nothing is changed.

        Raises
        ------
        BundleError
            If a file is damaged.
        """
        loaded = load_counters(self.counters, self.encoder, folder)
        if loaded:
            self._schedule()
        return loaded


def _pairs(
    keyed: Encoded, valued: Encoded, size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Join the keys of events with the values that a distinct count counts; return keys, (key, value) pairs and events.

    keyed, valued: (event, key) and (event, value) pairs, events ascending. size: number of possible values.
    """
    rows, keys = keyed
    row, value = valued
    low, high = np.searchsorted(row, rows), np.searchsorted(row, rows, side="right")
    sizes = high - low
    inner = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes - low, sizes)
    keys, rows = np.repeat(keys, sizes), np.repeat(rows, sizes)
    return keys, keys * size + value[inner], rows


def _one_amount(value: float) -> NDArray[np.int64]:
    """`thousandths` of one value, without the overhead of arrays."""
    return np.array([0 if value != value else round(value * THOUSANDTHS)], np.int64)

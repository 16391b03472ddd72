"""Offline counts: what was known just before each request, by SQL over the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.engines import Engine
from shortlist.features.aggregates import NEVER, STEPS, Aggregate, CountArrays, Counts
from shortlist.features.formulas import thousandths
from shortlist.features.keys import KeyEncoder, KeyRows
from shortlist.features.past_events import PastEvents, SummedEvents
from shortlist.features.running import Marks, RunningSums, running_sums
from shortlist.features.sql import EXTREMES_SQL, LIFETIMES_SQL

Integers64 = NDArray[np.int64]


class _Sums(NamedTuple):
    """Sums of a stream of events at marks: as the moment of a request, and as the start of a window.

    `latest` returns time (ms) and value (thousandths) of the events at some places, −1 for none; `rows` and `keys` are the events
    of the log, where they are read from it.
    """

    at_moment: RunningSums
    at_start: RunningSums
    latest: Callable[[Integers64], tuple[Integers64, Integers64]]
    rows: Integers64
    keys: Integers64


class OfflineCounts:
    """Counts as of moments of the past.

    The log is read *strictly before* each moment. An event counts from the instant after it became known: its time, or its
    arrival where the log has such a column.

    The count of a window is the running sum at the moment minus that at the start of the window. Starts fall on steps, so
    the requests of a step share a mark. A distinct count is the same query over lifetimes: a pair (user, item) begins to
    count at its first event and ends when the window has left its last one. Smallest and largest values cannot be
    subtracted: they are computed a step, and a window reads 24 of them.

    The SQL is standard text (`sql`). DuckDB runs it in this process; a test runs the same text on Spark and compares. The
    cost is one sort of events and marks a stream.

    Parameters
    ----------
    dataset
        The log, and the attributes of the items in it.
    encoder
        Encodes keys.
    engine
        Runs the SQL.
    past
        Where the events of some keys are summed beforehand, if the log holds a part of them only.
    """

    def __init__(
        self, dataset: Dataset, encoder: KeyEncoder, engine: Engine, past: PastEvents | None = None
    ) -> None:
        self._log = log = dataset.log
        self._past = past
        self._items = dataset.items.attributes
        self._encoder = encoder
        self._engine = engine
        # the place of an event by time, then value: of events at the same time, the largest value is the latest
        self._order = np.lexsort([thousandths(log.value), log.time])
        self._place = np.empty(len(log), np.int64)
        self._place[self._order] = np.arange(len(log))
        self._late = bool((log.arrived > log.time).any())

    def __repr__(self) -> str:
        return f"OfflineCounts({len(self._log):,} events)"

    def lookup(
        self, streams: list[list[Aggregate]], keys: Integers64, moments: Integers64
    ) -> Mapping[Aggregate, Counts]:
        """Return the counts of (key, moment) pairs, int64 (pairs,) each.

        streams: aggregates by one key; those of a stream count the same events and differ in their windows only.
        """
        found: dict[Aggregate, CountArrays] = {}
        if self._past is not None and self._past.has(streams[0][0]):
            marks = [_marks(stream, keys, moments) for stream in streams]
            wanted = [(stream[0], own) for stream, own in zip(streams, marks, strict=True)]
            for stream, own, summed in zip(streams, marks, self._past.before(wanted), strict=True):
                found |= self._lookup(stream, keys, moments, own, self._of_past(summed, own))
            return found
        for stream in streams:
            alone = stream[0].distinct is not None or self._late
            for part in [[a] for a in stream] if alone else [stream]:
                own = _marks(part, keys, moments)
                found |= self._lookup(part, keys, moments, own, self._of_log(part[0], np.unique(keys), own))
        return found

    def _lookup(
        self,
        aggregates: list[Aggregate],
        keys: Integers64,
        moments: Integers64,
        marks: Marks,
        sums: _Sums,
    ) -> dict[Aggregate, CountArrays]:
        """Read the counts of a stream from its sums at marks."""
        first, pairs = aggregates[0], len(keys)
        at_moment, at_start = sums.at_moment, sums.at_start
        now, offset = marks.inverse[:pairs], pairs
        found: dict[Aggregate, CountArrays] = {}
        for aggregate in aggregates:
            n, total = at_moment.n[now], at_moment.total[now]
            if aggregate.window_ms is not None:
                start = marks.inverse[offset : offset + pairs]
                offset += pairs
                if first.distinct is None:
                    n, total = n - at_start.n[start], total - at_start.total[start]
            low = high = np.zeros(pairs, np.int64)
            if aggregate.extremes:
                low, high = self._extremes(aggregate, sums.rows, sums.keys, Marks.of(keys, moments))
            last, value = sums.latest(at_moment.place[now])
            found[aggregate] = CountArrays(n, total, last, value, low, high)
        return found

    def _of_log(self, aggregate: Aggregate, wanted: Integers64, marks: Marks) -> _Sums:
        """Sum the events of the log that have the wanted keys."""
        rows, keys = self._events(aggregate, wanted)
        return _Sums(*self._sums(aggregate, rows, keys, marks), self._latest, rows, keys)

    def _of_past(self, found: SummedEvents, marks: Marks) -> _Sums:
        """Sum events that were summed between marks: each sum is one event, just before the mark that follows it."""
        order = np.lexsort([found.value, found.last])
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        t = marks.moment[found.mark] - 1
        events = {"key": marks.key[found.mark], "t": t, "n": found.n, "v": found.total, "place": place}
        sums = running_sums(self._engine, pa.table(events), marks)

        def latest(places: Integers64) -> tuple[Integers64, Integers64]:
            if not len(order):
                return np.full(len(places), NEVER), np.zeros(len(places), np.int64)
            row, known = order[np.maximum(places, 0)], places >= 0
            return np.where(known, found.last[row], NEVER), np.where(known, found.value[row], 0)

        return _Sums(sums, sums, latest, np.empty(0, np.int64), np.empty(0, np.int64))

    def _sums(
        self, aggregate: Aggregate, rows: Integers64, keys: Integers64, marks: Marks
    ) -> tuple[RunningSums, RunningSums]:
        """Return the sums up to each mark as the moment of a request, and as the start of a window."""
        log = self._log
        if aggregate.distinct is not None:
            sums = self._distinct(aggregate, rows, keys, marks)
            return sums, sums
        late = self._late and aggregate.window_ms is not None
        if late:  # an event that arrives after its window never counts
            inside = aggregate.end(log.time[rows]) > log.arrived[rows]
            rows, keys = rows[inside], keys[inside]
        events = {
            "key": keys,
            "t": log.arrived[rows],
            "n": np.ones(len(keys), np.int64),
            "v": thousandths(log.value[rows]),
            "place": self._place[rows],
        }
        sums = running_sums(self._engine, pa.table(events), marks)
        if not late:
            return sums, sums
        return sums, running_sums(self._engine, pa.table({**events, "t": log.time[rows]}), marks)

    def _latest(self, place: Integers64) -> tuple[Integers64, Integers64]:
        """Return time (ms) and value (thousandths) of the events at some places; −1: no event."""
        log = self._log
        if not len(log):
            return np.full(len(place), NEVER), np.zeros(len(place), np.int64)
        event, known = self._order[np.maximum(place, 0)], place >= 0
        time = np.where(known, log.time[event], NEVER)
        return time, np.where(known, thousandths(log.value[event]), 0)

    def _events(self, aggregate: Aggregate, wanted: Integers64) -> tuple[Integers64, Integers64]:
        """Return the events that are counted and their keys, for the wanted keys."""
        log = self._log
        chosen = np.flatnonzero(log.is_kind([aggregate.event], aggregate.at_least))
        row, keys = self._encoder.encode(aggregate.by, KeyRows.of_events(log, chosen, self._items))
        if len(wanted) < self._encoder.size(aggregate.by):
            keep = np.isin(keys, wanted)
            row, keys = row[keep], keys[keep]
        return chosen[row], keys

    def _distinct(
        self, aggregate: Aggregate, rows: Integers64, keys: Integers64, marks: Marks
    ) -> RunningSums:
        """Return the number of distinct values before each mark."""
        assert aggregate.distinct is not None
        log = self._log
        row, other = self._encoder.encode(aggregate.distinct, KeyRows.of_events(log, rows, self._items))
        rows, keys = rows[row], keys[row]
        ends = aggregate.end(log.time[rows])
        pairs = pa.table({"key": keys, "other": other, "known": log.arrived[rows], "ends": ends})
        return running_sums(self._engine, self._engine.run(LIFETIMES_SQL, {"pairs": pairs}), marks)

    def _extremes(
        self, aggregate: Aggregate, rows: Integers64, keys: Integers64, marks: Marks
    ) -> tuple[Integers64, Integers64]:
        """Return the smallest and the largest value of each pair that the marks were made of."""
        log = self._log

        def step(times: Integers64) -> Integers64:
            return (
                np.zeros(len(times), np.int64) if aggregate.window_ms is None else times // aggregate.step_ms
            )

        events = {
            "key": keys,
            "step": step(log.time[rows]),
            "known": log.arrived[rows],
            "known_step": step(log.arrived[rows]),
            "v": thousandths(log.value[rows]),
        }
        tables = {
            "events": pa.table(events),
            "marks": marks.table(step=step(marks.moment)),
            "offsets": pa.table({"back": np.arange(STEPS, dtype=np.int64)}),
        }
        found = self._engine.run(EXTREMES_SQL.format(steps=STEPS), tables)
        low, high = np.zeros(len(marks), np.int64), np.zeros(len(marks), np.int64)
        mark = found.column("mark").to_numpy()
        low[mark] = found.column("low").fill_null(0).to_numpy()
        high[mark] = found.column("high").fill_null(0).to_numpy()
        return low[marks.inverse], high[marks.inverse]


def _marks(aggregates: list[Aggregate], keys: Integers64, moments: Integers64) -> Marks:
    """Return the marks at which a stream is read: the moments, and the start of each window."""
    windows = [a for a in aggregates if a.window_ms is not None]
    times = np.concatenate([moments, *(a.start(moments) for a in windows)])
    return Marks.of(np.tile(keys, 1 + len(windows)), times)

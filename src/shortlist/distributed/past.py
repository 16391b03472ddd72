"""Counts of items from a whole log: as of moments of the past for training, and as of its end for serving.

A sample of users has all events of each user, so counts by user are complete in it. Counts by item, by attributes of items, by context
and over everything are not: they are summed here, on the executors, in one pass for all counts by a key.

The driver collects one sum a mark (at most `rank.max_rows` requests times the windows by a key), and for serving one sum a key
and step (keys times 25; of several aggregates at a time, where they are few).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.config.project import Project
from shortlist.data.attributes import Attribute, CategoryAttribute, encode
from shortlist.data.dataset import Dataset
from shortlist.distributed.blocks import BLOCKS, added_up, block_batch, collected_blocks, merged
from shortlist.distributed.on_executors import on_executors
from shortlist.distributed.usable_events import ITEM, KIND, TIME, VALUE, is_kind
from shortlist.distributed.whole_log import WholeLog, collected
from shortlist.engines.plain_types import plain_array
from shortlist.errors import ProjectError
from shortlist.features.aggregates import STEPS, Aggregate
from shortlist.features.feature_set import FeatureSet
from shortlist.features.formulas import thousandths
from shortlist.features.keys import KeyEncoder, KeyRows, RequestKeys
from shortlist.features.online import OnlineCounters
from shortlist.features.past_events import SummedEvents, next_marks
from shortlist.features.running import Marks
from shortlist.features.window_counter import StepSums

AT_ONCE = 500_000
"""Events that a task adds up at a time."""
MARKS_A_BLOCK = 100_000
KEYS_A_BLOCK = 4_000
SUMS_A_PASS = 10_000_000
"""So many sums of keys and steps the driver gets at a time."""
Integers64 = NDArray[np.int64]


@dataclass(frozen=True, repr=False)
class EventKeys:
    """Encodes the keys of events on an executor.

    Attributes
    ----------
    encoder
        That of the training, without its users.
    by
        The key.
    items
        The attributes of items that are parts of it.
    contexts
        Context columns that are parts of it → their words in the training.
    """

    encoder: KeyEncoder
    by: str
    items: Mapping[str, Attribute]
    contexts: Mapping[str, list[str]]

    @classmethod
    def of(cls, by: str, encoder: KeyEncoder, dataset: Dataset) -> EventKeys:
        """Take from a data set what a key needs."""
        items, contexts = {}, {}
        for part in by.split("*"):
            side, _, name = part.partition(".")
            if side == "item" and name:
                items[name] = dataset.items.attributes[name]
            if side == "context":
                attribute = dataset.log.context[name]
                assert isinstance(attribute, CategoryAttribute)
                contexts[name] = list(attribute.vocabulary)
        return cls(encoder.without_users(), by, items, contexts)

    def __repr__(self) -> str:
        return f"EventKeys({self.by!r})"

    def encode(self, batch: pa.RecordBatch) -> tuple[Integers64, Integers64]:
        """Return (event, key) pairs of a batch."""
        item = batch.column(ITEM).to_numpy()
        context = {name: _category(name, batch.column(name), words) for name, words in self.contexts.items()}
        requests = RequestKeys(np.full(len(item), -1, np.int32), context)
        return self.encoder.encode(self.by, KeyRows.one_each(requests, item, self.items))


def _category(name: str, column: pa.Array, words: list[str]) -> CategoryAttribute:
    """Return a context column with the codes of the training; a word that it did not have is unknown."""
    own = encode(name, "category", plain_array(column))
    assert isinstance(own, CategoryAttribute)
    place = {word: code for code, word in enumerate(words)}
    codes = np.array([place.get(word, -1) for word in own.vocabulary] + [-1], np.int32)
    return CategoryAttribute(name, codes[own.codes], words)


@dataclass(frozen=True, repr=False)
class _Stream:
    """The events that an aggregate counts, and their keys."""

    aggregate: Aggregate
    keys: EventKeys

    def counted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the events of a batch that are counted, as `Log.is_kind` has them."""
        mine = pc.equal(batch.column(KIND), self.aggregate.event).to_numpy(zero_copy_only=False)
        if self.aggregate.at_least is not None:
            mine = mine & (batch.column(VALUE).to_numpy() >= np.float32(self.aggregate.at_least))
        return batch if mine.all() else batch.filter(pa.array(mine))


class WholePast:
    """The events of keys without a user, in a whole log. Implements `PastEvents`.

    Parameters
    ----------
    whole
        The log.
    dataset
        The catalogue and the context of the training.
    encoder
        Encodes keys.
    """

    def __init__(self, whole: WholeLog, dataset: Dataset, encoder: KeyEncoder) -> None:
        self._whole, self._dataset, self._encoder = whole, dataset, encoder

    def __repr__(self) -> str:
        return f"WholePast({self._whole!r})"

    def has(self, aggregate: Aggregate) -> bool:
        """Return whether the key has no user."""
        return "user" not in aggregate.by.split("*")

    def before(self, wanted: Sequence[tuple[Aggregate, Marks]]) -> list[SummedEvents]:
        """Return the sums of the events that each aggregate counts, between its marks, in one pass over the log."""
        from pyspark.sql import functions as sql

        none = np.empty(0, np.int64)
        if not all(len(marks) for _, marks in wanted):  # all have the marks of the same requests
            return [SummedEvents(none, none, none, none, none) for _ in wanted]
        keys = EventKeys.of(wanted[0][0].by, self._encoder, self._dataset)
        streams = [_Stream(aggregate, keys) for aggregate, _ in wanted]
        of_marks = [replace(marks, inverse=none) for _, marks in wanted]
        latest_moment = max(int(marks.moment.max()) for marks in of_marks)
        events = self._events(streams).where(sql.col(TIME) < latest_moment)
        parts = events.mapInArrow(on_executors(partial(_sum_before, streams, of_marks)), BLOCKS)
        found = collected_blocks(merged(parts, partial(added_up, _sum_of_marks)))
        names = ("mark", "n", "total", "last", "value")
        if found is None:
            return [SummedEvents(none, none, none, none, none) for _ in wanted]
        of_streams = [found.filter(pc.equal(found.column("stream"), number)) for number in range(len(wanted))]
        return [SummedEvents(*(own.column(name).to_numpy() for name in names)) for own in of_streams]

    def counters(self, features: FeatureSet) -> OnlineCounters:
        """Return counters after the whole log: of all users for keys without a user, of those of the data set for the others."""
        from pyspark.sql import functions as sql

        end = collected(self._whole.events.agg(sql.max(TIME).alias("t"))).column("t")[0].as_py()
        counters, dataset = features.empty_counters(), self._dataset
        counters.advance(int(end))
        of_all = set(filter(self.has, features.aggregates))
        self._fill(counters, of_all, int(end))
        counters.add_log(dataset.log, dataset.items.attributes, set(features.aggregates) - of_all)
        return counters

    def _fill(self, counters: OnlineCounters, aggregates: Collection[Aggregate], end: int) -> None:
        """Count all events in counters that stand at a moment, ms, which is not before any of them."""
        names = ("key", "step", "n", "total", "last", "value", "low", "high")
        for together in self._passes(aggregates):
            streams = [_Stream(one, EventKeys.of(one.by, self._encoder, self._dataset)) for one in together]
            parts = self._events(streams).mapInArrow(on_executors(partial(_sum_steps, streams, end)), BLOCKS)
            found = collected_blocks(merged(parts, partial(added_up, _sum_of_steps)))
            if found is None:
                continue
            for number, stream in enumerate(streams):
                own = found.filter(pc.equal(found.column("stream"), number))
                sums = StepSums(*(own.column(name).to_numpy() for name in names))
                counters.add_steps(stream.aggregate, sums)

    def _passes(self, aggregates: Collection[Aggregate]) -> Iterator[list[Aggregate]]:
        """Yield aggregates that are summed in one pass over the log: as many as have at most `SUMS_A_PASS` sums together."""
        waiting, sums = list[Aggregate](), 0
        for one in aggregates:
            own = self._encoder.size(one.by) * (1 if one.window_ms is None else STEPS + 1)
            if waiting and sums + own > SUMS_A_PASS:
                yield waiting
                waiting, sums = [], 0
            waiting.append(one)
            sums += own
        if waiting:
            yield waiting

    def priors(self, features: FeatureSet, until: int) -> dict[str, float]:
        """Return the mean or rate of each smoothed feature over the events before a moment (ms), as `FeatureSet.fit` does."""
        from pyspark.sql import functions as sql

        known = ~sql.isnan(VALUE)
        wanted: dict[str, Any] = {}
        for feature in features.features:
            if feature.kind == "mean":
                mine = is_kind([feature.event], feature.at_least) & known
                wanted[f"{feature.name}.above"] = sql.sum(sql.when(mine, sql.col(VALUE).cast("double")))
                wanted[f"{feature.name}.below"] = sql.sum(sql.when(mine, 1).otherwise(0))
            elif feature.kind == "rate":
                wanted[f"{feature.name}.above"] = sql.sum(
                    sql.when(is_kind([feature.event], feature.at_least), 1).otherwise(0)
                )
                wanted[f"{feature.name}.below"] = sql.sum(sql.when(is_kind([feature.per]), 1).otherwise(0))
        if not wanted:
            return {}
        names = list(wanted)
        events = self._whole.events.where(sql.col(TIME) < until)
        found = collected(events.agg(*(wanted[name].alias(f"n{at}") for at, name in enumerate(names))))
        sums = {name: found.column(f"n{at}")[0].as_py() or 0 for at, name in enumerate(names)}
        return {
            name: float(sums[f"{name}.above"] / sums[f"{name}.below"]) if sums[f"{name}.below"] else 0.0
            for name in dict.fromkeys(name.rpartition(".")[0] for name in names)
        }

    def _events(self, streams: Sequence[_Stream]) -> Any:
        """Return the events that aggregates count, with the columns that their keys need."""
        contexts = dict.fromkeys(name for stream in streams for name in stream.keys.contexts)
        kinds = sorted({stream.aggregate.event for stream in streams})
        return self._whole.events.where(is_kind(kinds)).select(KIND, ITEM, TIME, VALUE, *contexts)


def check_features(project: Project, features: FeatureSet) -> None:
    """Refuse features whose counts need all users at once.

    Raises
    ------
    ProjectError
        Names the feature, the reason, and what to do.
    """
    numbers = {one.get("name"): number for number, one in enumerate(project.features)}
    for feature in features.features:
        for aggregate in features.layout.aggregates[feature.name]:
            parts, reason = aggregate.by.split("*"), ""
            if "user" in parts:
                continue
            if any(part.startswith("user.") for part in parts):
                reason = "it counts by an attribute of users"
            elif aggregate.distinct is not None:
                reason = "a count of distinct values has to remember every pair"
            elif aggregate.extremes:
                reason = "smallest and largest values are not summed"
            elif project.data.columns.arrival:
                reason = "data.columns.arrival says that events become known late"
            if reason:
                field = f"features.{numbers[feature.name]}"
                raise ProjectError(
                    f"{project.where(field)}feature {feature.name!r}: {reason}, which is done on one machine only. Leave it out, or "
                    f"increase spark.events ({project.spark.events:,}) so that the log fits the driver",
                    field=field,
                )


def _tables(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Join batches to larger ones, of about `AT_ONCE` rows."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= AT_ONCE:
            yield pa.concat_batches(waiting)
            waiting = []
    if waiting:
        yield pa.concat_batches(waiting)


def _sum_before(
    streams: Sequence[_Stream], marks: Sequence[Marks], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Sum the events of a task between the marks of each stream. Runs on an executor."""
    for batch in _tables(batches):
        for number, stream in enumerate(streams):
            counted = stream.counted(batch)
            if counted.num_rows:
                yield from _sums_of(number, stream, marks[number], counted)


def _sums_of(number: int, stream: _Stream, marks: Marks, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    row, key = stream.keys.encode(batch)
    time = batch.column(TIME).to_numpy()[row]
    mark = next_marks(key, time, marks)
    kept = mark >= 0
    value = thousandths(batch.column(VALUE).to_numpy())[row][kept]
    sums = SummedEvents.of(mark[kept], time[kept], value, np.ones(len(value), np.int64), value)
    table = sums.table().add_column(0, "stream", pa.array(np.full(len(sums.mark), number, np.int32)))
    yield from _divided(table, sums.mark // MARKS_A_BLOCK)


def _divided(table: pa.Table, block: Integers64) -> Iterator[pa.RecordBatch]:
    """Yield the blocks of a table whose rows are in the order of their blocks."""
    if not len(block):
        return
    numbers, starts = np.unique(block, return_index=True)
    for number, start, end in zip(numbers.tolist(), starts, [*starts[1:], len(block)], strict=True):
        yield block_batch(number, table.slice(start, end - start))


def _of_streams(joined: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """Yield the rows of each stream."""
    for number in joined.column("stream").unique().to_pylist():
        yield number, joined.filter(pc.equal(joined.column("stream"), number))


def _sum_of_marks(joined: pa.Table) -> pa.Table:
    """Add up sums of the same marks. Runs on an executor."""
    found = []
    for number, own in _of_streams(joined):
        mark, last, value, n, total = (
            own.column(name).to_numpy() for name in ("mark", "last", "value", "n", "total")
        )
        sums = SummedEvents.of(mark, last, value, n, total).table()
        found.append(sums.add_column(0, "stream", pa.array(np.full(sums.num_rows, number, np.int32))))
    return pa.concat_tables(found)


def _sum_steps(
    streams: Sequence[_Stream], end: int, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Sum the events of a task by aggregate, key and step; what is before a window is one step. Runs on an executor."""
    for batch in _tables(batches):
        for number, stream in enumerate(streams):
            counted = stream.counted(batch)
            if counted.num_rows:
                yield from _steps_of(number, stream, end, counted)


def _steps_of(number: int, stream: _Stream, end: int, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    row, key = stream.keys.encode(batch)
    time = batch.column(TIME).to_numpy()[row]
    value = thousandths(batch.column(VALUE).to_numpy())[row]
    step, aggregate = np.zeros(len(time), np.int64), stream.aggregate
    if aggregate.window_ms is not None:
        step = np.maximum(time // aggregate.step_ms, end // aggregate.step_ms - STEPS)
    one = np.ones(len(key), np.int64)
    if len(key):
        table = _summed_steps(number, StepSums(key, step, one, value, time, value, value, value))
        yield from _divided(table, table.column("key").to_numpy() // KEYS_A_BLOCK)


def _summed_steps(number: int, sums: StepSums) -> pa.Table:
    """Add up sums of the same key and step of a stream."""
    order = np.lexsort([sums.value, sums.last, sums.step, sums.key])
    key, step, last, value = (array[order] for array in (sums.key, sums.step, sums.last, sums.value))
    changed = (key[1:] != key[:-1]) | (step[1:] != step[:-1])
    begins = np.flatnonzero(np.concatenate([[True], changed]))
    ends = np.append(begins[1:], len(key)) - 1
    return pa.table(
        {
            "stream": np.full(len(begins), number, np.int32),
            "key": key[begins],
            "step": step[begins],
            "n": np.add.reduceat(sums.n[order], begins),
            "total": np.add.reduceat(sums.total[order], begins),
            "last": last[ends],
            "value": value[ends],
            "low": np.minimum.reduceat(sums.low[order], begins),
            "high": np.maximum.reduceat(sums.high[order], begins),
        }
    )


def _sum_of_steps(joined: pa.Table) -> pa.Table:
    """Add up sums of the same keys and steps. Runs on an executor."""
    names = ("key", "step", "n", "total", "last", "value", "low", "high")
    return pa.concat_tables(
        _summed_steps(number, StepSums(*(own.column(name).to_numpy() for name in names)))
        for number, own in _of_streams(joined)
    )

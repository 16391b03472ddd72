"""How often items were taken, counted by age: what `Popular` learns of a whole log, as of one moment or of several in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.data.attributes import CategoryAttribute, encode
from shortlist.distributed.on_executors import on_executors
from shortlist.distributed.table_frame import arrow_schema, frame_schema
from shortlist.distributed.usable_events import ARRIVAL, ITEM, TIME, USER, VALUE
from shortlist.distributed.whole_log import WholeLog, collected
from shortlist.engines.plain_types import plain_array
from shortlist.retrieve.kernels.decay import Decay
from shortlist.retrieve.popular import PopularConfig

SEGMENT = "segment"
Moments = Sequence[int | None]
"""Moments in ms: what was known before each is counted; None: everything."""


def decayed_counts(
    whole: WholeLog, config: PopularConfig, decay: Decay, moments: Moments
) -> NDArray[np.float64]:
    """Return the number of events of each item as of each moment, float64 (moments, items), each counted by its age; see `Popular`.

    `decay` is that of `config`, or was chosen on a sample of users where its half-life is "auto".
    """
    counted, weights = _weighted(whole, config, decay, moments)
    found = collected(counted.groupBy(ITEM).agg(*weights))
    return _by_item(found, len(moments), whole.items.num_rows)


def segment_counts(
    whole: WholeLog,
    config: PopularConfig,
    decay: Decay,
    moments: Moments,
    segments: Sequence[str],
) -> NDArray[np.float64]:
    """Return `decayed_counts` of each segment of users, float64 (moments, segments, items). The driver gets segments · items rows.

    `segments` are the words of the attribute `config.by`.
    """
    table, by = whole.users_frame(), config.by
    assert by is not None
    counts = np.zeros((len(moments), len(segments), whole.items.num_rows))
    if table is None:
        return counts
    schema = arrow_schema(table.select(USER)).append(pa.field(SEGMENT, pa.int32()))
    coded = table.select(USER, by).mapInArrow(
        on_executors(partial(_segments, by, list(segments), schema)), frame_schema(schema)
    )
    counted, weights = _weighted(whole, config, decay, moments)
    events = counted.join(coded.dropDuplicates([USER]), USER)
    found = collected(events.groupBy(SEGMENT, ITEM).agg(*weights))
    for segment in range(len(segments)):
        own = found.filter(pc.equal(found.column(SEGMENT), segment))
        counts[:, segment] = _by_item(own, len(moments), whole.items.num_rows)
    return counts


def _segments(
    by: str, words: list[str], schema: pa.Schema, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Give users the number of their segment; those without one are left out. Runs on an executor."""
    place = {word: number for number, word in enumerate(words)}
    for batch in batches:
        own = encode(by, "category", plain_array(batch.column(by)))
        assert isinstance(own, CategoryAttribute)
        number = np.array([place.get(word, -1) for word in own.vocabulary] + [-1], np.int32)[own.codes]
        known = pa.array(np.flatnonzero(number >= 0))
        columns = [batch.column(USER).take(known), pa.array(number).take(known)]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _by_item(found: pa.Table, moments: int, n: int) -> NDArray[np.float64]:
    counts = np.zeros((moments, n))
    item = found.column(ITEM).to_numpy()
    for at in range(moments):
        counts[at, item] = found.column(f"w{at}").fill_null(0).to_numpy()
    return counts


def _weighted(
    whole: WholeLog, config: PopularConfig, decay: Decay, moments: Moments
) -> tuple[Any, list[Any]]:
    """Return the events that `Popular` counts at some moment, and the sum of their weights as of each moment."""
    from pyspark.sql import functions as sql

    acted, time = whole.acted(None if None in moments else max(filter(None, moments))), sql.col(TIME)
    if config.at_least is not None:
        value = sql.col(VALUE).cast("double")  # events without a value count; values are compared in 32 bits
        enough = value >= sql.lit(float(np.float32(config.at_least)))
        acted = acted.where(value.isNull() | sql.isnan(value) | enough)
    known = [
        sql.lit(True) if moment is None else (time < moment) & (sql.col(ARRIVAL) < moment)
        for moment in moments
    ]
    newest = [0] * len(moments)
    if decay.half_life or decay.window:
        latest = [sql.max(sql.when(own, time)).alias(f"t{at}") for at, own in enumerate(known)]
        found = collected(acted.agg(*latest))
        newest = [found.column(f"t{at}")[0].as_py() or 0 for at in range(len(moments))]
    weights = []
    for at, (own, end) in enumerate(zip(known, newest, strict=True)):
        weight = sql.lit(1.0)
        if decay.half_life:
            weight = sql.pow(sql.lit(2.0), (time - sql.lit(end)) / sql.lit(decay.half_life))
        if decay.window:
            recent = time > sql.lit(end - decay.window)
            weight = sql.when(recent, weight).otherwise(weight * sql.lit(decay.older))
        weights.append(sql.sum(sql.when(own, weight)).cast("double").alias(f"w{at}"))
    return acted, weights

"""The (users, items) matrix of a whole log, as a frame with one row an entry, and sums over it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.config.base import duration_ms
from shortlist.data.attributes import CategoryAttribute, encode
from shortlist.distributed.item_pairs import SUMS, gram_batches, summed
from shortlist.distributed.table_frame import arrow_schema, frame_schema
from shortlist.distributed.usable_events import ITEM, KIND, TIME, USER, VALUE
from shortlist.distributed.whole_log import WholeLog, collected
from shortlist.engines.plain_types import plain_array
from shortlist.retrieve.event_weighting import EventWeighting
from shortlist.retrieve.neighbours import Bm25Totals, bm25
from shortlist.retrieve.popular import PopularConfig

WEIGHT, SEGMENT = "weight", "segment"
PART = 2_000_000
"""About so many entries of whole users are in one task; a task holds its entries, and a block of their Gram matrix."""


@dataclass(frozen=True, repr=False)
class Entries:
    """The summed event weights of users and items, on the executors.

    Attributes
    ----------
    frame
        Frame with `USER`, `ITEM` and `WEIGHT`, above 0.
    rows
        Number of entries.
    users
        Number of users with an entry.
    item_weights
        float64 (items,): the summed weight of each item.
    item_users
        float64 (items,): the number of users of each item.
    """

    frame: Any
    rows: int
    users: int
    item_weights: NDArray[np.float64]
    item_users: NDArray[np.float64]

    @classmethod
    def of(cls, whole: WholeLog, weighting: EventWeighting, until: int | None) -> Entries:
        """Sum the events of each user and item, of what was known before a moment (ms). The driver gets two numbers an item."""
        from pyspark import StorageLevel
        from pyspark.sql import functions as sql

        acted = whole.acted(until)
        weighted = acted.withColumn(WEIGHT, event_weight(acted, weighting))
        summed = weighted.groupBy(USER, ITEM).agg(sql.sum(WEIGHT).alias(WEIGHT)).where(f"{WEIGHT} > 0")
        frame = summed.persist(StorageLevel.DISK_ONLY)
        found = collected(frame.groupBy(ITEM).agg(sql.sum(WEIGHT).alias("w"), sql.count("*").alias("n")))
        users = int(collected(frame.agg(sql.countDistinct(USER).alias("n"))).column("n")[0].as_py())
        item = found.column(ITEM).to_numpy()
        size = whole.items.num_rows
        weights, counts = np.zeros(size), np.zeros(size)
        weights[item], counts[item] = found.column("w").to_numpy(), found.column("n").to_numpy()
        return cls(frame, int(counts.sum()), users, weights, counts)

    def __repr__(self) -> str:
        return f"Entries({self.rows:,} of {self.users:,} users)"

    def release(self) -> None:
        """Let the executors forget the frame."""
        self.frame.unpersist()

    def gram(self, repeats: float, by_size: tuple[str, float], totals: Bm25Totals | None = None) -> Any:
        """Return the Gram matrix of the items, as a frame of (i, j, c) with i ≤ j.

        Parameters
        ----------
        repeats
            Exponent on each entry.
        by_size
            What the size of a user is, `items` (their number) or `weight` (their sum), and the exponent by which users count less.
        totals
            Those of all users, to weight the entries by BM25.
        """
        parts = max(int(self.frame.sparkSession.conf.get("spark.sql.shuffle.partitions")), self.rows // PART)
        of_users = self.frame.repartition(parts, USER)
        items = len(self.item_weights)
        return summed(of_users.mapInArrow(partial(_gram_of_part, items, repeats, by_size, totals), SUMS))

    def damped_weights(self, repeats: float) -> NDArray[np.float64]:
        """Return the sum of each item's entries with an exponent, float64 (items,)."""
        from pyspark.sql import functions as sql

        found = collected(self.frame.groupBy(ITEM).agg(sql.sum(sql.pow(WEIGHT, sql.lit(repeats))).alias("w")))
        weights = np.zeros(len(self.item_weights))
        weights[found.column(ITEM).to_numpy()] = found.column("w").to_numpy()
        return weights


def event_weight(events: Any, weighting: EventWeighting) -> Any:
    """Return the weight of an event, as `EventWeights` computes it on one machine."""
    from pyspark.sql import functions as sql

    kind, value = sql.col(KIND), sql.col(VALUE).cast("double")
    finite = ~sql.isnan(value) & value.isNotNull() & (sql.abs(value) != float("inf"))
    weight: Any = sql.lit(1.0)
    for name, given in weighting.weights.items():
        weight = sql.when(kind == name, sql.lit(float(given))).otherwise(weight)
    named = {name: exponent for name, exponent in weighting.values.items() if exponent}
    if not named:
        return weight
    known = events.where(finite & kind.isin(*named))
    means = collected(known.groupBy(KIND).agg(sql.avg(value).alias("mean"))).to_pylist()
    for one in means:
        mean = one["mean"] if one["mean"] and one["mean"] > 0 else 1.0
        share = sql.pow(sql.greatest(value, sql.lit(0.0)) / mean, sql.lit(float(named[one[KIND]])))
        weight = sql.when((kind == one[KIND]) & finite, weight * share).otherwise(weight)
    return weight


def decayed_counts(
    whole: WholeLog, config: PopularConfig, half_life: float | None, until: int | None
) -> NDArray[np.float64]:
    """Return the number of events of each item, float64 (items,), each counted by its age; see `Popular`.

    `half_life`, ms, is that of `config`, or was chosen on a sample of users where it is "auto".
    """
    counted = _counted(whole, config, half_life, until)
    return _by_item(collected(counted.groupBy(ITEM).agg({WEIGHT: "sum"})), whole.items.num_rows)


def segment_counts(
    whole: WholeLog,
    config: PopularConfig,
    half_life: float | None,
    until: int | None,
    segments: Sequence[str],
) -> NDArray[np.float64]:
    """Return `decayed_counts` of each segment of users, float64 (segments, items). The driver gets segments · items rows.

    `segments` are the words of the attribute `config.by`.
    """
    table, by = whole.users_frame(), config.by
    assert by is not None
    counts = np.zeros((len(segments), whole.items.num_rows))
    if table is None:
        return counts
    schema = arrow_schema(table.select(USER)).append(pa.field(SEGMENT, pa.int32()))
    coded = table.select(USER, by).mapInArrow(
        partial(_segments, by, list(segments), schema), frame_schema(schema)
    )
    events = _counted(whole, config, half_life, until).join(coded.dropDuplicates([USER]), USER)
    found = collected(events.groupBy(SEGMENT, ITEM).agg({WEIGHT: "sum"}))
    for segment in range(len(segments)):
        own = found.filter(pa.compute.equal(found.column(SEGMENT), segment))
        counts[segment] = _by_item(own.drop_columns([SEGMENT]), whole.items.num_rows)
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


def _by_item(found: pa.Table, n: int) -> NDArray[np.float64]:
    counts = np.zeros(n)
    counts[found.column(ITEM).to_numpy()] = found.drop_columns([ITEM]).column(0).to_numpy()
    return counts


def _counted(whole: WholeLog, config: PopularConfig, half_life: float | None, until: int | None) -> Any:
    """Return the events that `Popular` counts, as users, items and `WEIGHT`."""
    from pyspark.sql import functions as sql

    acted = whole.acted(until)
    if config.at_least is not None:
        value = sql.col(VALUE).cast("double")  # events without a value count
        acted = acted.where(value.isNull() | sql.isnan(value) | (value >= sql.lit(config.at_least)))
    weight, newest = sql.lit(1.0), 0
    if half_life or config.window:
        newest = collected(acted.agg(sql.max(TIME).alias("t"))).column("t")[0].as_py() or 0
    if config.window:
        acted = acted.where(sql.col(TIME) > sql.lit(newest - duration_ms(config.window)))
    if half_life:
        age = (sql.col(TIME) - sql.lit(newest)) / sql.lit(float(half_life))
        weight = sql.pow(sql.lit(2.0), age)
    return acted.select(USER, ITEM, weight.alias(WEIGHT))


def _gram_of_part(
    n: int,
    repeats: float,
    by_size: tuple[str, float],
    totals: Bm25Totals | None,
    batches: Iterator[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """Yield the Gram matrix of the users of a task, a block of rows at a time. Runs on an executor."""
    given = list(batches)
    if not given:
        return
    table = pa.Table.from_batches(given)
    user = user_codes(table.column(USER))
    weights = table.column(WEIGHT).to_numpy() ** repeats
    X = sp.csr_matrix((weights, (user, table.column(ITEM).to_numpy())), shape=(int(user.max()) + 1, n))
    if totals is not None:
        X = bm25(X, totals=totals).astype(np.float64)
    what, exponent = by_size
    size = np.diff(X.indptr) if what == "items" else np.asarray(X.sum(1)).ravel()
    yield from gram_batches((sp.diags_array(np.maximum(size, 1e-9) ** -exponent) @ X).tocsc())


def user_codes(column: pa.ChunkedArray) -> NDArray[np.integer]:
    """Return numbers of the users of a task, from 0, in order of their first row."""
    coded = column.combine_chunks().dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    return np.asarray(coded.indices.to_numpy(zero_copy_only=False))

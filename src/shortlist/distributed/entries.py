"""The (users, items) matrix of a whole log, as a frame with one row an entry, and sums over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.data.ids import IdMap
from shortlist.distributed.blocks import BLOCKS
from shortlist.distributed.item_pairs import PairSums, gram_batches
from shortlist.distributed.on_executors import on_executors
from shortlist.distributed.usable_events import ITEM, KIND, USER, VALUE
from shortlist.distributed.whole_log import WholeLog, collected
from shortlist.retrieve.event_weighting import EventWeighting
from shortlist.retrieve.neighbours import Bm25Totals, bm25

WEIGHT = "weight"
CODE, PARTITION = "code", "partition"
MOST_USERS = 2**31 - 1
"""Users have numbers of 32 bits, for MLlib."""
ENTRIES = f"{CODE} int, {ITEM} int, {WEIGHT} double"


@dataclass(frozen=True, repr=False)
class Entries:
    """The summed event weights of users and items, on the executors.

    Attributes
    ----------
    frame
        Frame with `CODE`, a number of the user, `ITEM` and `WEIGHT`, above 0; all entries of a user are in one partition.
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
        size, own = whole.items.num_rows, sql.spark_partition_id().alias(PARTITION)
        weighted = acted.select(USER, ITEM, event_weight(acted, weighting).alias(WEIGHT), own)
        summed = weighted.mapInArrow(
            on_executors(partial(_entries_of_part, size, MOST_USERS // whole.parts)), ENTRIES
        )
        frame = summed.persist(StorageLevel.DISK_ONLY)
        found = collected(frame.groupBy(ITEM).agg(sql.sum(WEIGHT).alias("w"), sql.count("*").alias("n")))
        of_parts = frame.groupBy(sql.spark_partition_id().alias(PARTITION))
        numbers = of_parts.agg((sql.max(CODE) - sql.min(CODE) + 1).cast("long").alias("n"))
        users = int(collected(numbers.agg(sql.sum("n").alias("n"))).column("n")[0].as_py() or 0)
        item = found.column(ITEM).to_numpy()
        weights, counts = np.zeros(size), np.zeros(size)
        weights[item], counts[item] = found.column("w").to_numpy(), found.column("n").to_numpy()
        return cls(frame, int(counts.sum()), users, weights, counts)

    def __repr__(self) -> str:
        return f"Entries({self.rows:,} of {self.users:,} users)"

    def release(self) -> None:
        """Let the executors forget the frame."""
        self.frame.unpersist()

    def gram(self, repeats: float, by_size: tuple[str, float], totals: Bm25Totals | None = None) -> PairSums:
        """Return the Gram matrix of the items.

        Parameters
        ----------
        repeats
            Exponent on each entry.
        by_size
            What the size of a user is, `items` (their number) or `weight` (their sum), and the exponent by which users count less.
        totals
            Those of all users, to weight the entries by BM25.
        """
        items = len(self.item_weights)
        work = on_executors(partial(_gram_of_part, items, repeats, by_size, totals))
        return PairSums.of(self.frame.mapInArrow(work, BLOCKS), items)

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


def _entries_of_part(items: int, stride: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Sum the events of the users of a partition by item, and number the users. Runs on an executor.

    The numbers follow the order of the ids, so that a partition that is computed again has the same. `stride` numbers belong to each.
    """
    table = pa.Table.from_batches(given) if (given := list(batches)) else None
    if table is None or not len(table):
        return
    column = table.column(USER).combine_chunks()
    user = IdMap(column.unique().sort()).codes(column).astype(np.int64)
    key, owner = np.unique(user * items + table.column(ITEM).to_numpy(), return_inverse=True)
    weight = np.bincount(owner, table.column(WEIGHT).to_numpy(), len(key))
    first, n = table.column(PARTITION)[0].as_py() * stride, int(user.max()) + 1
    if n > stride:
        raise ValueError(f"{n:,} users in one partition; increase spark.sql.shuffle.partitions")
    kept = weight > 0
    # numbers without gaps: users without an entry have none
    code = np.unique(key[kept] // items, return_inverse=True)[1] + first
    columns = [code.astype(np.int32), (key[kept] % items).astype(np.int32), weight[kept]]
    yield pa.RecordBatch.from_arrays([pa.array(one) for one in columns], names=[CODE, ITEM, WEIGHT])


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
    user = user_codes(table.column(CODE))
    weights = table.column(WEIGHT).to_numpy() ** repeats
    X = sp.csr_matrix((weights, (user, table.column(ITEM).to_numpy())), shape=(int(user.max()) + 1, n))
    if totals is not None:
        X = bm25(X, totals=totals).astype(np.float64)
    what, exponent = by_size
    size = np.diff(X.indptr) if what == "items" else np.asarray(X.sum(1)).ravel()
    yield from gram_batches(sp.csr_matrix(sp.diags_array(np.maximum(size, 1e-9) ** -exponent) @ X), n)


def user_codes(column: pa.ChunkedArray) -> NDArray[np.integer]:
    """Return numbers of the users of a task, from 0, in order of their first row."""
    coded = column.combine_chunks().dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    return np.asarray(coded.indices.to_numpy(zero_copy_only=False))

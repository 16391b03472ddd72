"""Item pairs that depend on order or time: baskets and successors, from the events of whole users in a task."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.config.base import duration_ms
from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.distributed.entries import WEIGHT, event_weight, user_codes
from shortlist.distributed.item_pairs import (
    SUMS,
    Codes,
    Values,
    gram_batches,
    pair_batch,
    strongest,
    summed,
)
from shortlist.distributed.table_frame import FILE, ROW
from shortlist.distributed.usable_events import ITEM, TIME, USER, is_kind
from shortlist.distributed.whole_log import WholeLog, collected
from shortlist.retrieve.sequence import Sequence, SequenceConfig, transitions
from shortlist.retrieve.together import (
    Together,
    TogetherConfig,
    alike,
    basket_matrix,
    category_baskets,
    largest_of_rows,
    lift_weights,
    of_categories,
)

ALL = -1
"""Stands in pairs for the number of baskets."""


def learn_sequence(model: Sequence, whole: WholeLog, until: int | None, weights: NDArray[np.float64]) -> None:
    """Learn what follows what. Collects items · k numbers.

    Parameters
    ----------
    model
        Is fitted.
    whole, until
        The events before a moment, ms (None: all).
    weights
        float64 (items,): the summed weight of each item.
    """
    config, n = model.config, len(weights)
    acted = whole.acted(until)
    weighted = acted.withColumn(WEIGHT, event_weight(acted, model.event_weighting))
    pairs = _of_whole_users(weighted).mapInArrow(partial(_successors, config, n), SUMS)
    own, others = model.scales(weights)
    model.of_weights(strongest(summed(pairs), partial(_scaled, own, others), config.k, n, both=False))


def _scaled(own: Values, others: Values, i: Codes, j: Codes, c: Values) -> Values:
    return c * own[i] * others[j]


def _successors(
    config: SequenceConfig, n: int, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Sum what follows what in the histories of a task. Runs on an executor."""
    table = pa.Table.from_batches(given) if (given := list(batches)) else None
    if table is None or not len(table):
        return
    user, size = user_codes(table.column(USER)), len(table)
    histories = Histories.of(
        user,
        int(user.max()) + 1,
        table.column(ITEM).to_numpy().astype(np.int32),
        table.column(TIME).to_numpy(),
        np.zeros(size, np.int16),
        np.zeros(size, np.float32),
    )
    W = sp.coo_matrix(transitions(config, histories, table.column(WEIGHT).to_numpy().astype(np.float32), n))
    yield pair_batch(W.row, W.col, W.data)


def learn_together(model: Together, whole: WholeLog, dataset: Dataset, until: int | None) -> None:
    """Learn complements. Collects items · k numbers, and one a pair of categories.

    Parameters
    ----------
    model
        Is fitted.
    whole, until
        The events before a moment, ms (None: all).
    dataset
        The catalogue.
    """
    from pyspark import StorageLevel
    from pyspark.sql import functions as sql

    config, n, categories = model.config, len(dataset.items), model.categories(dataset)
    events = whole.acted(until)
    if config.event is not None:
        events = whole.before(until).events if until is not None else whole.events
        events = events.where(is_kind([config.event]))
    weighted = events.withColumn(WEIGHT, sql.lit(1.0))
    pairs = summed(
        _of_whole_users(weighted).mapInArrow(partial(_baskets, config, n, categories), SUMS)
    ).persist(StorageLevel.DISK_ONLY)
    alone = collected(pairs.where("i = j"))
    size = n if categories is None else n + int(categories.max(initial=-1)) + 1
    counts = np.zeros(size + 1)  # the number of baskets is the last one, which ALL = -1 names
    counts[alone.column("i").to_numpy()] = alone.column("c").to_numpy()
    by_category = None
    if categories is not None:
        found = collected(pairs.where(f"i >= {n} AND i < j AND c >= {config.fewest}"))
        partners = _category_pairs(found, n, counts, config.shrink)
        by_category = config.back_off * of_categories(partners, counts[:n], categories)
    value = partial(_lifted, config, counts, categories, by_category)
    W = strongest(pairs.where(f"j < {n} AND i < j AND c >= {config.fewest}"), value, config.k, n)
    pairs.unpersist()
    # a pair of categories counts for items that no basket holds together; where one does, the executors have added it
    model.of_weights(W if by_category is None else largest_of_rows(W.maximum(by_category), config.k))


def _category_pairs(found: pa.Table, n: int, counts: Values, shrink: float) -> sp.csr_matrix:
    i, j, c = (found.column(name).to_numpy() for name in ("i", "j", "c"))
    one, other = np.concatenate([i, j]), np.concatenate([j, i])
    values = lift_weights(np.concatenate([c, c]), counts[one], counts[other], counts[ALL], shrink)
    size = len(counts) - 1 - n
    return sp.csr_matrix((values.astype(np.float32), (one - n, other - n)), shape=(size, size))


def _lifted(
    config: TogetherConfig,
    counts: Values,
    categories: NDArray[np.int32] | None,
    by_category: sp.csr_matrix | None,
    i: Codes,
    j: Codes,
    c: Values,
) -> Values:
    """Return the values of pairs of items that share c baskets. Runs on an executor."""
    values = lift_weights(c, counts[i], counts[j], counts[ALL], config.shrink)
    if categories is None or by_category is None:
        return values
    values[alike(i, j, categories)] = 0.0
    return values + (np.asarray(by_category[i, j], np.float64).ravel() if len(i) else 0.0)


def _baskets(
    config: TogetherConfig, n: int, categories: NDArray[np.int32] | None, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Count the baskets of a task by pair of items, by pair of categories (their numbers follow those of items), and all. Runs on an executor."""
    table = pa.Table.from_batches(given) if (given := list(batches)) else None
    if table is None or not len(table):
        return
    user, time = user_codes(table.column(USER)), table.column(TIME).to_numpy()
    X = basket_matrix(user, table.column(ITEM).to_numpy(), time, duration_ms(config.basket), n)
    yield pair_batch(np.array([ALL]), np.array([ALL]), np.array([X.shape[0]]))
    yield from gram_batches(X.tocsc())
    if categories is not None:
        yield from gram_batches(category_baskets(X, categories).tocsc(), n)


def _of_whole_users(events: Any) -> Any:
    """Return events with `USER`, `ITEM`, `TIME` and `WEIGHT`, all of a user in one task, ordered by user and time."""
    order = (USER, TIME, FILE, ROW)
    kept = events.select(*order, ITEM, WEIGHT).sortWithinPartitions(*order)
    return kept.select(USER, ITEM, TIME, WEIGHT)

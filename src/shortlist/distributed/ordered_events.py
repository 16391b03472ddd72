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
from shortlist.distributed.blocks import BLOCKS
from shortlist.distributed.entries import WEIGHT, event_weight, user_codes
from shortlist.distributed.item_pairs import Codes, PairSums, Values, gram_batches, pair_batches
from shortlist.distributed.on_executors import on_executors
from shortlist.distributed.table_frame import FILE, ROW
from shortlist.distributed.usable_events import ITEM, TIME, USER, is_kind
from shortlist.distributed.whole_log import WholeLog
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
    pairs = _of_whole_users(weighted).mapInArrow(on_executors(partial(_successors, config, n)), BLOCKS)
    own, others = model.scales(weights)
    value = partial(_scaled, own, others)
    model.of_weights(PairSums.of(pairs, n).strongest(value, config.k, n))


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
    yield from pair_batches(W.row, W.col, W.data, n)


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
    from pyspark.sql import functions as sql

    config, n, categories = model.config, len(dataset.items), model.categories(dataset)
    events = whole.acted(until)
    if config.event is not None:
        events = whole.before(until).events if until is not None else whole.events
        events = events.where(is_kind([config.event]))
    weighted = events.withColumn(WEIGHT, sql.lit(1.0))
    size = _numbers(n, categories)
    baskets = on_executors(partial(_baskets, config, n, categories))
    pairs = PairSums.of(_of_whole_users(weighted).mapInArrow(baskets, BLOCKS), size).kept()
    alone = pairs.rows(_same)
    counts = np.zeros(size)
    counts[alone.column("i").to_numpy()] = alone.column("c").to_numpy()
    by_category = None
    if categories is not None:
        found = pairs.rows(partial(_of_two_categories, n, config.fewest))
        partners = _category_pairs(found, n, counts, config.shrink)
        by_category = config.back_off * of_categories(partners, counts[:n], categories)
    value = partial(_lifted, config, counts, categories, by_category)
    W = pairs.strongest(value, config.k, n, partial(_often, config.fewest))
    pairs.frame.unpersist()
    # a pair of categories counts for items that no basket holds together; where one does, the executors have added it
    model.of_weights(W if by_category is None else largest_of_rows(W.maximum(by_category), config.k))


def _numbers(n: int, categories: NDArray[np.int32] | None) -> int:
    """Return how many numbers stand in pairs: those of items and of categories, and the last one, which every basket has."""
    return n + 1 + (0 if categories is None else int(categories.max(initial=-1)) + 1)


def _same(i: Codes, j: Codes, c: Values) -> NDArray[np.bool_]:  # noqa: ARG001 - as `PairChoice`
    return np.asarray(i == j)


def _often(fewest: int, i: Codes, j: Codes, c: Values) -> NDArray[np.bool_]:  # noqa: ARG001 - as `PairChoice`
    return np.asarray(c >= fewest)


def _of_two_categories(n: int, fewest: int, i: Codes, j: Codes, c: Values) -> NDArray[np.bool_]:
    return np.asarray((i >= n) & (i < j) & (c >= fewest))


def _category_pairs(found: pa.Table, n: int, counts: Values, shrink: float) -> sp.csr_matrix:
    i, j, c = (found.column(name).to_numpy() for name in ("i", "j", "c"))
    one, other = np.concatenate([i, j]), np.concatenate([j, i])
    values = lift_weights(np.concatenate([c, c]), counts[one], counts[other], counts[-1], shrink)
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
    values = lift_weights(c, counts[i], counts[j], counts[-1], config.shrink)
    if categories is None or by_category is None:
        return values
    values[alike(i, j, categories)] = 0.0
    return values + (np.asarray(by_category[i, j], np.float64).ravel() if len(i) else 0.0)


def _baskets(
    config: TogetherConfig, n: int, categories: NDArray[np.int32] | None, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Count the baskets of a task by pair of items, by pair of categories, and all. Runs on an executor."""
    table = pa.Table.from_batches(given) if (given := list(batches)) else None
    if table is None or not len(table):
        return
    user, time = user_codes(table.column(USER)), table.column(TIME).to_numpy()
    X = basket_matrix(user, table.column(ITEM).to_numpy(), time, duration_ms(config.basket), n)
    size = _numbers(n, categories)
    last = np.array([size - 1])
    yield from pair_batches(last, last, np.array([X.shape[0]]), size)
    yield from gram_batches(X, size)
    if categories is not None:
        C = category_baskets(X, categories)
        both = sp.coo_matrix(C.T @ C)
        yield from pair_batches(both.row + n, both.col + n, both.data, size)


def _of_whole_users(events: Any) -> Any:
    """Return events with `USER`, `ITEM`, `TIME` and `WEIGHT`, all of a user in one task, ordered by user and time."""
    order = (USER, TIME, FILE, ROW)
    kept = events.select(*order, ITEM, WEIGHT).sortWithinPartitions(*order)
    return kept.select(USER, ITEM, TIME, WEIGHT)

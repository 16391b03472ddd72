"""Baselines of a whole log: sums of its items, made by the executors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.config.base import duration_ms
from shortlist.data.dataset import Dataset
from shortlist.distributed.item_counts import decayed_counts
from shortlist.distributed.table_frame import FILE, ROW
from shortlist.distributed.usable_events import ITEM, TIME
from shortlist.distributed.whole_log import WholeLog, collected
from shortlist.evaluate.policies import RECENT_WINDOW, BaselineModels
from shortlist.retrieve import Popular


def whole_baselines(past: WholeLog, sample: Dataset) -> BaselineModels:
    """Learn the baselines from what was known before the test. The driver gets some numbers an item.

    Parameters
    ----------
    past
        The events before the test.
    sample
        Those of the users whom the driver has.
    """
    from pyspark.sql import functions as sql

    span = collected(past.acted().agg(sql.min(TIME).alias("first"), sql.max(TIME).alias("last"))).to_pylist()[
        0
    ]
    longer = span["first"] is not None and span["last"] - span["first"] >= duration_ms(RECENT_WINDOW)
    latest = sql.max(sql.struct(TIME, FILE, ROW)).alias("at")
    found = collected(
        past.events.groupBy(ITEM).agg(latest).select(ITEM, f"at.{TIME}", f"at.{FILE}", f"at.{ROW}")
    )
    found = found.sort_by([(TIME, "ascending"), (FILE, "ascending"), (ROW, "ascending")])
    n = past.items.num_rows
    rank = np.full(n, -1.0)
    rank[found.column(ITEM).to_numpy()] = np.arange(found.num_rows)
    recency = np.argsort(np.argsort(rank, kind="stable"), kind="stable").astype(np.float32)
    of_window = _popular(past, sample, Popular(window=RECENT_WINDOW)) if longer else None
    return BaselineModels(_popular(past, sample, Popular()), of_window, recency)


def _popular(past: WholeLog, sample: Dataset, model: Popular) -> Popular:
    decay = model.decay_on(sample.log)
    counts = decayed_counts(past, model.config, decay, [None])
    return model.of_counts(counts.astype(np.float32), decay)


def popularity_of(past: WholeLog, whole: WholeLog) -> NDArray[np.float64]:
    """Return how many events each item had before the test, for each user of the whole log and of the users table; float64 (items,)."""
    from pyspark.sql import functions as sql

    counted = collected(past.acted().groupBy(ITEM).agg(sql.count("*").alias("n")))
    counts = np.zeros(whole.items.num_rows)
    counts[counted.column(ITEM).to_numpy()] = counted.column("n").to_numpy()
    return counts / max(whole.count_users(), 1)

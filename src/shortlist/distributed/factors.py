"""Item factors of a whole log, by the alternating least squares of MLlib.

MLlib minimises Σ (1 + a·w)(p − x·y)² with p = 1 where there is an event, and λ times the number of a row's entries on its norm.
Divided by a, this is the objective of `ALS` but for two things: an observed pair counts α₀ more, with α₀ = 1/a, and the
regularisation of a row grows with its number of entries instead of its weight. λ is set so that an average row has the same.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.distributed.entries import CODE, WEIGHT, Entries
from shortlist.distributed.usable_events import ITEM
from shortlist.distributed.whole_log import collected
from shortlist.engines.job_error import job_error
from shortlist.engines.spark_session import LOCAL_TASKS
from shortlist.retrieve.als import INDEX_USERS
from shortlist.retrieve.als_settings import ALSConfig, usual_factors, usual_unobserved

ENTRIES_A_BLOCK = 2_000_000
FEWEST_BLOCKS, MOST_BLOCKS = LOCAL_TASKS, 1_000
"""Blocks of users, and of items, of MLlib. The factors of a user are sent to each block that has one of the user's items, in each pass:
more blocks than memory needs are time."""


class LearnedFactors(NamedTuple):
    """What `ALS.of_learned` takes.

    Attributes
    ----------
    items, users
        float32 (items, d), and those of some users.
    item_weights
        float32 (items,).
    mean_weight
        Average weight of the events of a user.
    """

    items: NDArray[np.float32]
    users: NDArray[np.float32]
    item_weights: NDArray[np.float32]
    mean_weight: float


def learn_factors(config: ALSConfig, entries: Entries) -> LearnedFactors:
    """Learn item factors on the executors. Collects items · d numbers, and the factors of some users."""
    from pyspark.ml.recommendation import ALS as MLlibALS  # noqa: N811 - two models of the same name

    n = len(entries.item_weights)
    unobserved = config.unobserved or usual_unobserved(n)
    taken = max(int((entries.item_users > 0).sum()), 1)
    typical = entries.rows / np.sqrt(max(entries.users, 1) * taken)
    blocks = min(max(FEWEST_BLOCKS, 1 + entries.rows // ENTRIES_A_BLOCK), MOST_BLOCKS)
    learner = MLlibALS(
        rank=config.factors or usual_factors(n),
        maxIter=config.iterations,
        regParam=float(config.regularisation / unobserved / max(typical, 1e-9)),
        implicitPrefs=True,
        alpha=1 / unobserved,
        userCol=CODE,
        itemCol=ITEM,
        ratingCol=WEIGHT,
        seed=config.seed,
        numUserBlocks=blocks,
        numItemBlocks=blocks,
        intermediateStorageLevel="MEMORY_AND_DISK",
        finalStorageLevel="DISK_ONLY",
    )
    try:
        learned = learner.fit(entries.frame)
    except Exception as error:  # noqa: BLE001 - errors of the JVM have no class of their own here
        raise job_error(error) from None
    d = learned.rank
    items = _factors(collected(learned.itemFactors), n, d)
    some = collected(learned.userFactors.limit(INDEX_USERS))
    users = np.array(some.column("features").to_pylist(), np.float32).reshape(-1, d)
    mean = float(entries.item_weights.sum() / max(entries.users, 1))
    return LearnedFactors(items, users, entries.item_weights.astype(np.float32), mean)


def _factors(found: pa.Table, n: int, d: int) -> Any:
    """Return factors by the code of their item; zero for an item without events."""
    factors = np.zeros((n, d), np.float32)
    values = found.column("features").combine_chunks()
    factors[found.column("id").to_numpy()] = values.flatten().to_numpy().reshape(-1, d)
    return factors

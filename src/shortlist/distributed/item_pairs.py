"""Pairs of items on the executors: sums over the users of a task, and the strongest pairs of each item."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.distributed.whole_log import collected

SUMS = "i int, j int, c double"
NEAREST = "i int, j int, value double"
BLOCK = 20_000_000
"""Cells of a Gram matrix that a task sums at a time."""
Codes = NDArray[np.int32]
Values = NDArray[np.float64]
PairValue = Callable[[Codes, Codes, Values], Values]
"""(i, j, summed value) → the value of i → j; pairs of 0 or less are left out."""


def gram_batches(X: sp.csc_matrix, first: int = 0) -> Iterator[pa.RecordBatch]:
    """Yield the entries (i, j, c) of XᵀX with i ≤ j, a block of rows at a time; `first` is added to both numbers."""
    n = X.shape[1]
    block = max(1, BLOCK // max(n, 1))
    for start in range(0, n, block):
        rows = X[:, start : start + block]
        if rows.nnz:
            found = sp.coo_matrix(rows.T @ X)
            i, j = found.row.astype(np.int32) + np.int32(start), found.col.astype(np.int32)
            upper = i <= j
            yield pair_batch(i[upper] + np.int32(first), j[upper] + np.int32(first), found.data[upper])


def pair_batch(i: NDArray[np.integer], j: NDArray[np.integer], c: NDArray[Any]) -> pa.RecordBatch:
    """Return rows (i, j, c)."""
    return pa.RecordBatch.from_pydict(
        {
            "i": np.asarray(i, np.int32),
            "j": np.asarray(j, np.int32),
            "c": np.asarray(c, np.float64),
        }
    )


def summed(pairs: Any) -> Any:
    """Return the sum of each pair (i, j)."""
    from pyspark.sql import functions as sql

    return pairs.groupBy("i", "j").agg(sql.sum("c").alias("c"))


def strongest(pairs: Any, value: PairValue, k: int, n: int, both: bool = True) -> sp.csr_matrix:
    """Return the k largest values of each item as a sparse float32 (n, n) matrix; ties go to the lower item. The driver gets n · k rows.

    Parameters
    ----------
    pairs
        Frame of (i, j, c).
    value
        Runs on executors.
    k
        How many each item keeps.
    n
        Number of items.
    both
        Whether a pair (i, j) stands for j → i, too.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as sql

    valued = pairs.mapInArrow(partial(_valued, value, both), NEAREST)
    rank = sql.row_number().over(Window.partitionBy("i").orderBy(sql.desc("value"), "j"))
    found = collected(valued.withColumn("rank", rank).where(f"rank <= {k}").drop("rank"))
    rows = (found.column("i").to_numpy(), found.column("j").to_numpy())
    W = sp.csr_matrix((found.column("value").to_numpy().astype(np.float32), rows), shape=(n, n))
    W.sort_indices()
    return W


def _valued(value: PairValue, both: bool, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Give pairs of different items their values. Runs on an executor."""
    for batch in batches:
        i, j, c = (batch.column(name).to_numpy() for name in ("i", "j", "c"))
        different = (i != j) & (c > 0)
        i, j, c = i[different], j[different], c[different]
        for one, other in ((i, j), (j, i)) if both else ((i, j),):
            values = value(one, other, c)
            kept = values > 0
            yield pa.RecordBatch.from_pydict({"i": one[kept], "j": other[kept], "value": values[kept]})

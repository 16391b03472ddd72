"""Pairs of items on the executors: sums over the users of a task, and the strongest pairs of each item.

A task sums the pairs of its users in blocks of rows of the (items, items) matrix (`blocks`): there are more pairs than events. The
task that gets all parts of a block adds them up in a dense array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.distributed.blocks import block_batch, blocks_of, merged
from shortlist.distributed.on_executors import on_executors
from shortlist.distributed.whole_log import collected

ROWS = "i int, j int, c double"
BLOCK = 4_000_000
"""Cells of a block: a task has some dense arrays of this size, of eight bytes a cell."""
Codes = NDArray[np.int32]
Values = NDArray[np.float64]
PairValue = Callable[[Codes, Codes, Values], Values]
"""(i, j, summed value) → the value of i → j; pairs of 0 or less are left out."""
PairChoice = Callable[[Codes, Codes, Values], NDArray[np.bool_]]
"""(i, j, summed value) → which pairs count."""


def rows_of_block(n: int) -> int:
    """Return how many rows of an (n, n) matrix are one block."""
    return max(1, BLOCK // max(n, 1))


def gram_batches(X: sp.csr_matrix, n: int) -> Iterator[pa.RecordBatch]:
    """Yield XᵀX, a block at a time, as `BLOCKS`, for the first of n numbers."""
    width, columns = rows_of_block(n), X.tocsc()
    for start in range(0, X.shape[1], width):
        of_block = columns[:, start : start + width]
        if of_block.nnz:
            found = sp.csr_matrix(of_block.T @ X)
            row = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
            yield _batch(start // width, row * n + found.indices, found.data)


def pair_batches(
    i: NDArray[np.integer], j: NDArray[np.integer], c: NDArray[Any], n: int
) -> Iterator[pa.RecordBatch]:
    """Yield pairs (i, j) of n numbers and their values, a block at a time, as `BLOCKS`."""
    if not len(i):
        return
    width = rows_of_block(n)
    order = np.argsort(i, kind="stable")
    i, j, c = i[order], j[order], c[order]
    blocks, starts = np.unique(i // width, return_index=True)
    for block, start, end in zip(blocks.tolist(), starts, [*starts[1:], len(i)], strict=True):
        own = slice(start, end)
        yield _batch(block, (i[own].astype(np.int64) - block * width) * n + j[own], c[own])


def _batch(block: int, cells: NDArray[np.integer], sums: NDArray[Any]) -> pa.RecordBatch:
    return block_batch(block, _table(cells, sums))


def _table(cells: NDArray[np.integer], sums: NDArray[Any]) -> pa.Table:
    return pa.table({"cell": np.asarray(cells, np.int32), "sum": np.asarray(sums, np.float32)})


@dataclass(frozen=True, repr=False)
class PairSums:
    """The sum of each pair of n numbers, on the executors.

    Attributes
    ----------
    frame
        Frame of `BLOCKS`, one row a block.
    n
        How many numbers there are, of items and of what else is counted in pairs.
    """

    frame: Any
    n: int

    @classmethod
    def of(cls, parts: Any, n: int) -> PairSums:
        """Sum the blocks of all tasks, a frame of `BLOCKS`."""
        return cls(merged(parts, partial(sum_cells, n)), n)

    def __repr__(self) -> str:
        return f"PairSums({self.n:,} numbers)"

    def kept(self) -> PairSums:
        """Return the same sums, which the executors keep until `frame.unpersist()`."""
        from pyspark import StorageLevel

        return PairSums(self.frame.persist(StorageLevel.DISK_ONLY), self.n)

    def rows(self, choice: PairChoice) -> pa.Table:
        """Return chosen pairs (i, j, c), of which the caller knows that they are few."""
        return collected(self.frame.mapInArrow(on_executors(partial(_chosen, self.n, choice)), ROWS))

    def strongest(
        self, value: PairValue, k: int, items: int, choice: PairChoice | None = None
    ) -> sp.csr_matrix:
        """Return the k largest values of each item as a sparse float32 (items, items) matrix. The driver gets items · k rows.

        Parameters
        ----------
        value
            Runs on executors.
        k
            How many each item keeps; of equal values, the lower items.
        items
            The first numbers are those of items.
        choice
            Which pairs of different items count (default: all).
        """
        work = on_executors(partial(strongest_pairs, self.n, items, k, value, choice))
        found = collected(self.frame.mapInArrow(work, ROWS))
        rows = (found.column("i").to_numpy(), found.column("j").to_numpy())
        W = sp.csr_matrix((found.column("c").to_numpy().astype(np.float32), rows), shape=(items, items))
        W.sort_indices()
        return W


def sum_cells(n: int, tables: Iterator[pa.Table]) -> pa.Table:
    """Add up the parts of a block. Runs on an executor."""
    total = np.zeros(rows_of_block(n) * n)
    for table in tables:
        total[table.column("cell").to_numpy()] += table.column("sum").to_numpy()  # a part has each cell once
    cells = np.flatnonzero(total)
    return _table(cells, total[cells])


def _pairs(n: int, batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, Codes, Codes, Values]]:
    """Yield the first row of each block, and its pairs (i, j, c)."""
    for block, table in blocks_of(batches):
        i, j = np.divmod(table.column("cell").to_numpy(), np.int32(n))
        first = block * rows_of_block(n)
        yield first, i + np.int32(first), j, table.column("sum").to_numpy().astype(np.float64)


def _chosen(n: int, choice: PairChoice, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield chosen pairs. Runs on an executor."""
    for _, i, j, c in _pairs(n, batches):
        own = choice(i, j, c)
        yield pa.RecordBatch.from_pydict({"i": i[own], "j": j[own], "c": c[own]})


def strongest_pairs(
    n: int,
    items: int,
    k: int,
    value: PairValue,
    choice: PairChoice | None,
    batches: Iterator[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """Give pairs of different items their values, and yield the k largest of each item. Runs on an executor."""
    for first, i, j, c in _pairs(n, batches):
        own = (i != j) & (c > 0) & (i < items) & (j < items)
        if choice is not None:
            own &= choice(i, j, c)
        row, column = i[own], j[own]
        values = value(row, column, c[own])
        order = _largest(row - np.int32(first), column, values, k, items)
        yield pa.RecordBatch.from_pydict({"i": row[order], "j": column[order], "c": values[order]})


def _largest(row: Codes, j: Codes, values: Values, k: int, items: int) -> NDArray[np.int64]:
    """Return the places of the k largest values above 0 of each row; of equal values, those of lower items."""
    kept = np.flatnonzero(values > 0)
    if k < items and len(kept):
        dense = np.zeros((int(row.max()) + 1, items))
        dense[row[kept], j[kept]] = values[kept]
        least = np.partition(dense, items - k, axis=1)[:, items - k]
        kept = kept[values[kept] >= least[row[kept]]]
    kept = kept[np.lexsort((j[kept], -values[kept], row[kept]))]
    first = np.searchsorted(row[kept], row[kept])  # the place of the first value of its row
    return kept[np.arange(len(kept)) - first < k]

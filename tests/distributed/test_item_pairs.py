"""Sums of pairs in blocks are those of whole matrices."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.distributed.blocks import merge_blocks
from shortlist.distributed.item_pairs import (
    Codes,
    Values,
    gram_batches,
    pair_batches,
    strongest_pairs,
    sum_cells,
)

N = 13


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shortlist.distributed.item_pairs.BLOCK", 40)  # three rows of 13


def matrices() -> list[sp.csr_matrix]:
    rng = np.random.default_rng(0)
    return [
        sp.random(20, N - 1, 0.3, "csr", rng=rng, data_rvs=lambda n: rng.integers(1, 3, n)) for _ in range(3)
    ]


def summed() -> Iterator[pa.RecordBatch]:
    """What the task gets that adds up all blocks: those of three tasks, and one pair of the last number."""
    last = np.array([N - 1])
    parts = [batch for X in matrices() for batch in gram_batches(X, N)] + list(
        pair_batches(last, last, np.array([7]), N)
    )
    return merge_blocks(
        partial(sum_cells, N), iter(sorted(parts, key=lambda batch: batch.column("block")[0].as_py()))
    )


def whole() -> NDArray[np.float64]:
    total = np.zeros((N, N))
    total[: N - 1, : N - 1] = sum((X.T @ X).toarray() for X in matrices())
    total[N - 1, N - 1] = 7
    return total


def all_of(own: Values, i: Codes, j: Codes, c: Values) -> Values:
    return c * own[i] - own[j]


def often(i: Codes, j: Codes, c: Values) -> NDArray[np.bool_]:
    return c >= 2


def test_blocks_of_all_tasks_are_added() -> None:
    found = np.zeros((N, N))
    blocks = []
    for batch in summed():
        block, rows = batch.column("block")[0].as_py(), batch.column("rows")[0].as_buffer()
        table = pa.ipc.open_stream(rows).read_all()
        i, j = np.divmod(table.column("cell").to_numpy(), N)
        found[i + 3 * block, j] = table.column("sum").to_numpy()
        blocks.append(block)
    assert blocks == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(found, whole())


@pytest.mark.parametrize("k", [1, 3, N])
def test_the_strongest_of_an_item_and_of_equal_ones_the_lower(k: int) -> None:
    own, total = np.ones(N), whole()
    items = N - 1
    value = partial(all_of, own)
    found = pa.Table.from_batches(strongest_pairs(N, items, k, value, often, summed()))
    pairs: list[tuple[int, int]] = []
    for i in range(items):
        better = sorted((-(total[i, j] - 1), j) for j in range(items) if j != i and total[i, j] >= 2)
        pairs += [(i, j) for minus, j in better[:k] if minus < 0]
    assert list(zip(found.column("i").to_pylist(), found.column("j").to_pylist(), strict=True)) == pairs
    assert found.column("c").to_pylist() == [total[pair] - 1 for pair in pairs]

"""MMR over categories and over their indicator columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from shortlist.rerank.mmr import mmr


@settings(deadline=None)
@given(
    hnp.arrays(np.float64, st.integers(2, 60), elements=st.floats(0, 1)),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0]),
    st.integers(1, 70),
)
def test_mmr_of_categories_equals_mmr_of_indicator_columns(
    utility: np.ndarray, seed: int, strength: float, n: int
) -> None:
    kinds = np.random.default_rng(seed).integers(-1, 5, len(utility))
    columns = (kinds[:, None] == np.arange(5)).astype(np.float32)
    np.testing.assert_array_equal(mmr(utility, kinds, strength, n), mmr(utility, columns, strength, n))


@settings(deadline=None)  # the first call may compile
@given(
    hnp.arrays(np.float64, 12, elements=st.floats(-5, 5)),
    st.integers(0, 2**31),
    st.floats(0, 1),
    st.integers(1, 15),
)
def test_mmr_returns_a_permutation(utility: NDArray[Any], seed: int, strength: float, n: int) -> None:
    order = mmr(utility, np.random.default_rng(seed).random((12, 3)).astype(np.float32), strength, n)
    assert sorted(order.tolist()) == list(range(12))
    if strength == 0:
        assert (np.diff(utility[order]) <= 0).all()


def test_mmr_computed_by_hand() -> None:
    utility, vectors = np.array([1.0, 0.9, 0.5]), np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    assert mmr(utility, vectors, 0.0, 3).tolist() == [0, 1, 2]
    assert mmr(utility, vectors, 0.5, 3).tolist() == [0, 2, 1]  # the second equals the first

"""Diversity by a determinantal point process, and both ways after earlier rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from shortlist.rerank.dpp import MIN_RESIDUAL, dpp
from shortlist.rerank.mmr import mmr

UTILITY = hnp.arrays(np.float64, 14, elements=st.floats(-5, 5))


@settings(deadline=None)
@given(UTILITY, st.integers(0, 2**31), st.floats(0, 1), st.integers(1, 16))
def test_dpp_returns_a_permutation(utility: NDArray[Any], seed: int, strength: float, n: int) -> None:
    order = dpp(utility, np.random.default_rng(seed).normal(size=(14, 4)).astype(np.float32), strength, n)
    assert sorted(order.tolist()) == list(range(14))
    if strength == 0:
        assert (np.diff(utility[order]) <= 0).all()


def test_dpp_equals_the_greedy_search_with_determinants() -> None:
    """Compared with determinants that are computed from scratch at each step."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        utility, vectors, strength = (
            rng.random(10),
            rng.normal(size=(10, 6)).astype(np.float32),
            rng.uniform(0.1, 0.9),
        )
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        kernel = (unit @ unit.T).astype(np.float64)
        relevance = (utility - utility.min()) / np.ptp(utility) * (1 - strength)
        selected: list[int] = []
        for _ in range(5):
            base = np.linalg.det(kernel[np.ix_(selected, selected)]) if selected else 1.0
            gains = {
                i: relevance[i]
                + strength
                * np.log(
                    max(np.linalg.det(kernel[np.ix_([*selected, i], [*selected, i])]) / base, MIN_RESIDUAL)
                )
                for i in range(10)
                if i not in selected
            }
            selected.append(max(gains, key=gains.__getitem__))
        assert dpp(utility, vectors, strength, 5)[:5].tolist() == selected


def test_dpp_rejects_a_mixture_of_two_selected_items_and_mmr_does_not() -> None:
    utility = np.array([1.0, 0.99, 0.9, 0.6])
    vectors = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]], np.float32)
    assert dpp(utility, vectors, 0.2, 3)[:3].tolist() == [0, 1, 3]
    assert mmr(utility, vectors, 0.2, 3)[:3].tolist() == [0, 1, 2]


@pytest.mark.parametrize("diversify", [dpp, mmr])
@settings(deadline=None)
@given(st.integers(0, 2**31), st.floats(0.05, 0.95), st.integers(1, 6), st.integers(1, 6))
def test_it_goes_on_after_the_rows_that_are_shown(
    diversify: Callable[..., NDArray[np.int64]], seed: int, strength: float, first: int, n: int
) -> None:
    rng = np.random.default_rng(seed)
    utility, vectors = rng.random(14), rng.normal(size=(14, 4)).astype(np.float32)
    whole = diversify(utility, vectors, strength, first + n)
    rest = np.setdiff1d(np.arange(14), whole[:first])
    rows = np.concatenate([rest, whole[:first]])
    order = diversify(utility[rows], vectors[rows], strength, n, shown=first)
    assert rows[order].tolist() == whole[first:].tolist()

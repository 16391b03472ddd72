"""Weights of a fusion: the metric that judges them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.metrics.ranking import ndcg
from shortlist.retrieve.fusion.weights import mean_ndcg_of


def test_mean_ndcg_by_hand() -> None:
    """The hit of the first list has the second place: 1 / log₂ 3. Both hits of the second list lead: 1."""
    values = np.array([[0.9, 0.5, 0.1], [0.2, 0.8, 0.7]])
    hits = np.array([[False, True, False], [False, True, True]])
    found = mean_ndcg_of(np.array([1, 2]), 3, values, hits, slice(None))
    assert found == pytest.approx((1 / np.log2(3) + 1) / 2)


@given(st.integers(0, 2**31), st.integers(1, 12))
def test_mean_ndcg_is_that_of_the_sorted_lists(seed: int, k: int) -> None:
    """With equal values, items that are missing (−∞), and users without relevant items."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 4, (15, 9)).astype(np.float64)
    hits = rng.random((15, 9)) < 0.3
    missing = rng.random((15, 9)) < 0.2
    values[missing], hits[missing] = -np.inf, False
    relevant = hits.sum(1) + rng.integers(0, 3, 15)
    relevant[0] += 1  # at least one user counts
    among = rng.random(15) < 0.7
    among[0] = True
    order = np.argsort(-values[among], axis=1, kind="stable")[:, :k]
    expected = np.nanmean(ndcg(np.take_along_axis(hits[among], order, 1), relevant[among], k))
    assert mean_ndcg_of(relevant, k, values[among], hits, among) == pytest.approx(float(expected))

"""Utility: sums, products, guard-rails, and the checks of requests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import RequestError
from shortlist.rank.utility import UtilityWeights, resolve_combine, resolve_guard_rails, resolve_weights
from shortlist.recommender import Recommender


def test_a_product_requires_every_objective_to_be_good() -> None:
    predictions = np.array([[0.5, 1.0], [0.05, 30.0], [0.3, 9.0]], np.float32)
    scales = np.array([0.1, 10.0])
    by_sum = UtilityWeights(np.array([1.0, 2.0]), scales).utility(predictions)
    by_product = UtilityWeights(np.array([1.0, 1.0]), scales, "product").utility(predictions)
    assert np.argmax(by_sum) == 1
    np.testing.assert_allclose(by_product, [5 * 0.1, 0.5 * 3, 3 * 0.9], rtol=1e-5)
    assert np.argmax(by_product) == 2


@given(st.integers(0, 2**31), st.floats(0.0, 0.9), st.integers(1, 20))
def test_a_guard_rail_is_met_where_candidates_can_meet_it(seed: int, least: float, n: int) -> None:
    rng = np.random.default_rng(seed)
    predictions = rng.random((60, 2)).astype(np.float32)
    weights = UtilityWeights(np.array([1.0, 0.0]), np.array([0.5, 0.5]), "sum", ((1, least),))
    utility = weights.utility(predictions)
    order = np.argsort(-weights.guarded(utility, predictions, n), kind="stable")[:n]
    possible = np.sort(predictions[:, 1])[::-1][:n].mean()
    reached = predictions[order, 1].mean()
    assert reached >= min(least, possible) - 1e-6
    free = np.argsort(-utility, kind="stable")[:n]
    if predictions[free, 1].mean() >= least:  # met without a multiplier
        assert set(order.tolist()) == set(free.tolist())


def test_a_guard_rail_counts_the_items_of_earlier_pages() -> None:
    """Two items of 0.9 were shown; with one of 0.3 the mean is 0.7, so the better by utility can stay."""
    predictions = np.array([[0.9, 0.3], [0.5, 0.8], [0.1, 0.9], [0.1, 0.9]], np.float32)
    weights = UtilityWeights(np.array([1.0, 0.0]), np.ones(2), "sum", ((1, 0.69),))
    utility = weights.utility(predictions)
    assert np.argmax(weights.guarded(utility, predictions, 1, shown=2)[:2]) == 0
    assert np.argmax(weights.guarded(utility[:2], predictions[:2], 1)) == 1
    stricter = UtilityWeights(np.array([1.0, 0.0]), np.ones(2), "sum", ((1, 0.8),))
    assert np.argmax(stricter.guarded(utility, predictions, 1, shown=2)[:2]) == 1


def test_two_guard_rails_at_once() -> None:
    rng = np.random.default_rng(0)
    predictions = rng.random((200, 3)).astype(np.float32)
    weights = UtilityWeights(np.array([1.0, 0.0, 0.0]), np.full(3, 0.5), "sum", ((1, 0.6), (2, 0.6)))
    order = np.argsort(-weights.guarded(weights.utility(predictions), predictions, 10), kind="stable")[:10]
    assert (predictions[order].mean(0)[1:] >= 0.6 - 1e-6).all()
    assert predictions[order, 0].mean() > 0.5


def test_weights_of_requests_are_checked() -> None:
    assert resolve_guard_rails({"b": 0.2}, {}, ["a", "b"]) == ((1, 0.2),)
    assert resolve_guard_rails(None, {"a": 0.1}, ["a", "b"]) == ((0, 0.1),)
    for call in (
        lambda: resolve_guard_rails({"c": 1.0}, {}, ["a"]),
        lambda: resolve_guard_rails({"a": float("nan")}, {}, ["a"]),
        lambda: resolve_combine("max", "sum"),
    ):
        with pytest.raises(RequestError):
            call()


def test_guard_rails_act_on_slates(recommender: Recommender) -> None:
    free = recommender.recommend(user="u00001", n=5)
    rating = np.mean([r.predictions["rating"] for r in free])
    least = float(rating) + 0.2
    held = recommender.recommend(user="u00001", n=5, at_least={"rating": least})
    assert held.guard_rails["rating"]["asked"] == least
    assert held.guard_rails["rating"]["reached"] > rating
    assert free.guard_rails == {}
    product = recommender.recommend(user="u00001", n=5, combine="product")
    assert len(product) == 5
    assert product.items[0].score > 0


def test_weights_of_a_request_replace_those_of_the_project() -> None:
    assert resolve_weights({"b": 2}, {"a": 1.0, "b": 0.0}).tolist() == [1, 2]
    np.testing.assert_allclose(
        UtilityWeights(np.array([1.0, 0.5]), np.array([0.1, 20.0])).utility(
            np.array([[0.1, 10.0]], np.float32)
        ),
        [1.25],
        rtol=1e-6,
    )
    for bad, field in (
        ({"c": 1}, "weights.c"),
        ({"a": float("nan")}, "weights.a"),
        ({"a": 0}, "weights"),
        ({"a": True}, "weights.a"),
    ):
        with pytest.raises(RequestError) as error:
            resolve_weights(bad, {"a": 1.0, "b": 0.0})
        assert error.value.field == field

"""Values of other slates from slates that were drawn with known chances, against every slate that could have been drawn."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.evaluate.shown import drawing_weights, order_values, slate_values
from shortlist.evaluate.shown.slate_values import LARGEST_WEIGHT

EXAMINED = np.array([1.0, 0.6, 0.3])


def all_slates(weights: np.ndarray, slots: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every slate of a Plackett–Luce policy: items, chance in each slot given those above, probability of the slate."""
    slates = np.array(list(permutations(range(len(weights)), slots)))
    chosen = weights[slates]
    left = weights.sum() - np.cumsum(chosen, axis=1) + chosen
    chances = chosen / left
    return slates, chances, chances.prod(1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.2, 3.0), min_size=4, max_size=6))
def test_weights_have_the_mean_1_for_every_item(drawn: list[float]) -> None:
    slates, chances, probability = all_slates(np.array(drawn), 3)
    weight = drawing_weights(slates, chances)
    for item in range(len(drawn)):
        assert (probability[:, None] * weight * (slates == item)).sum() == pytest.approx(1.0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.2, 3.0), min_size=5, max_size=5), st.permutations(range(5)), st.integers(0, 99))
def test_the_value_is_right_whatever_the_model_predicts(
    drawn: list[float], order: list[int], seed: int
) -> None:
    slates, chances, probability = all_slates(np.array(drawn), 3)
    rng = np.random.default_rng(seed)
    per_look, predicted = rng.random(5), rng.random(5) * 3
    target = np.tile(order[:3], (len(slates), 1))
    found = slate_values(
        slates,
        per_look[slates],
        drawing_weights(slates, chances),
        target,
        (predicted[slates], predicted[target]),
        EXAMINED,
    )
    assert (probability * found.value).sum() == pytest.approx((per_look[order[:3]] * EXAMINED).sum())
    assert (probability * found.covered).sum() == pytest.approx(1.0)


def test_items_that_are_never_drawn_are_not_covered() -> None:
    slates, chances, probability = all_slates(np.array([1.0, 1.0, 1.0, 1.0]), 3)
    target = np.tile([4, 5, 0], (len(slates), 1))
    zero = np.zeros(slates.shape)
    found = slate_values(slates, zero, drawing_weights(slates, chances), target, (zero, zero), EXAMINED)
    assert (probability * found.covered).sum() == pytest.approx(0.3 / 1.9)


def test_slots_that_are_fixed_weigh_1() -> None:
    items = np.array([[7, 8, 9, -1], [1, 2, 3, 4]])
    chances = np.array([[1.0, 0.5, 1.0, np.nan], [1.0, 1.0, 1.0, 1.0]])
    # the second slot: (1/0.5 + 1) / 2; the third: (1/1 + 0) / 2
    assert drawing_weights(items, chances).tolist() == [[1.0, 1.5, 0.5, 0.0], [1.0, 1.0, 1.0, 1.0]]
    rare = drawing_weights(np.array([[1, 2]]), np.array([[1e-9, 0.5]]))
    assert rare[0, 0] == LARGEST_WEIGHT


def test_the_value_of_an_order() -> None:
    items = np.array([[5, 6, 7], [5, 6, -1]])
    per_look = np.array([[0.0, 0.0, 2.0], [0.0, 4.0, 0.0]])
    best_first = np.array([[0.1, 0.2, 0.9], [0.1, 0.9, np.nan]])
    assert order_values(items, per_look, best_first, EXAMINED).tolist() == [2.0, 4.0]
    as_shown = np.array([[3.0, 2.0, 1.0], [2.0, 1.0, 5.0]])
    assert order_values(items, per_look, as_shown, EXAMINED) == pytest.approx([0.6, 2.4])
    # equal scores: the item is as likely in each of the three slots, or of the two
    assert order_values(items, per_look, np.zeros((2, 3)), EXAMINED) == pytest.approx([2 * 1.9 / 3, 4 * 0.8])

"""Losses: gradients, the best constant, expected amounts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import check_grad
from scipy.special import expit

from shortlist.rank.losses import LOSSES
from support.examples import examples_of, ranker_of


@pytest.mark.parametrize("name", list(LOSSES))
@given(st.floats(-3, 3), st.floats(0, 4), st.floats(0.05, 0.95))
def test_gradients_equal_finite_differences_of_the_loss(
    name: str, margin: float, label: float, parent: float
) -> None:
    loss = LOSSES[name]
    if name in {"logistic", "listwise", "chain"}:
        label = float(label > 2)
    y, p = np.array([label]), np.array([parent])
    off = check_grad(
        lambda m: float(loss.loss(m, y, p)[0]), lambda m: loss.gradient(m, y, p)[0], np.array([margin])
    )
    assert off < 1e-3
    assert loss.gradient(np.array([margin]), y, p)[1][0] > 0


@pytest.mark.parametrize(
    ("name", "label"),
    [("tweedie", [0.0, 0.0, 6.0]), ("weighted_logistic", [0.0, 0.0, 6.0]), ("squared", [1.0, 2.0, 6.0])],
)
def test_the_best_constant_predicts_the_mean(name: str, label: list[float]) -> None:
    """Predicted amounts are unbiased, the odds of the weighted logistic loss included."""
    loss, y, none = LOSSES[name], np.array(label), np.ones(1)
    margins = np.linspace(-3, 7, 20_001)
    total = sum(loss.loss(margins, np.full(len(margins), v), none) for v in y)
    assert loss.value(margins[[int(np.argmin(total))]], none)[0] == pytest.approx(y.mean(), rel=1e-3)


def test_both_losses_of_amounts_learn_the_expected_amount() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12_000, 3))
    expected = expit(x[:, 0] - 1) * np.exp(3 + 0.7 * x[:, 1])
    label = np.where(
        rng.random(len(x)) < expit(x[:, 0] - 1), np.exp(3 + 0.7 * x[:, 1]) * rng.gamma(4, 0.25, len(x)), 0
    )
    train, held = (examples_of(x[part], {"s": label[part]}) for part in (slice(0, 9_000), slice(9_000, None)))
    for loss in ("tweedie", "weighted_logistic"):
        found = ranker_of({"s": {"kind": "amount", "loss": loss}}).fit(train, held).predict(held.matrix)[:, 0]
        assert np.corrcoef(np.log(found), np.log(expected[9_000:]))[0, 1] > 0.9, loss
        assert found.mean() == pytest.approx(expected[9_000:].mean(), rel=0.15)

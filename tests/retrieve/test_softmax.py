"""The softmax loss over the candidates of a request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import check_grad
from scipy.special import log_softmax

from shortlist.retrieve.kernels.softmax import RequestSoftmax
from support.examples import examples_of, ranker_of

NONE: Any = xgb.DMatrix(np.empty((0, 1)))


def softmax_of(request: list[int], label: list[float], weight: list[float]) -> RequestSoftmax:
    return RequestSoftmax(np.array(request), np.array(label), np.array(weight))


def test_the_loss_is_the_cross_entropy_of_all_candidates() -> None:
    # the second negative of the first request stands for three; the second request has no positive one
    found = softmax_of([0, 0, 0, 4, 4], [0, 1, 0, 0, 0], [1, 1, 3, 1, 1])
    margins = np.array([0.5, 1.0, -0.3, 2.0, 1.0], np.float32)
    expected = -log_softmax([0.5, 1.0, -0.3, -0.3, -0.3])[1]
    assert found.metric(margins, NONE)[1] == pytest.approx(expected, rel=1e-6)
    first, second = found.gradient(margins, NONE)
    assert first[3:].tolist() == [0, 0]
    assert first[:3].sum() == pytest.approx(0, abs=1e-6)
    assert (second[:3] > 0).all()
    assert found.requests == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.booleans(), st.integers(1, 9), st.floats(-3, 3)),
        min_size=1,
        max_size=12,
    )
)
def test_gradients_equal_finite_differences(rows: list[tuple[int, bool, int, float]]) -> None:
    request, label, weight, margins = zip(*sorted(rows), strict=True)
    found = softmax_of(list(request), [float(one) for one in label], [float(one) for one in weight])

    def loss(m: np.ndarray) -> float:
        return found.metric(m, NONE)[1] * max(found.requests, 1)

    off = check_grad(loss, lambda m: found.gradient(m, NONE)[0].astype(float), np.array(margins))
    assert off < 1e-3


def test_sampled_negatives_do_not_change_the_order() -> None:
    """Good candidates are all kept, and a few of the others stand for the rest: the order has to be that of all candidates."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 50, 1))
    taken = np.argmax(2 * x[:, :, 0] + rng.gumbel(size=(400, 50)), axis=1)
    yes = np.arange(50) == taken[:, None]
    top = np.argsort(np.argsort(-x[:, :, 0], axis=1), axis=1) < 10
    kept = yes | top | (rng.random(yes.shape) < 0.1)
    weight = np.where(
        yes | top,
        1.0,
        (~(yes | top)).sum(1, keepdims=True) / np.maximum((kept & ~(yes | top)).sum(1, keepdims=True), 1),
    )
    request = np.repeat(np.arange(400), 50)[kept.ravel()]
    examples = replace(
        examples_of(x[kept], {"yes": yes[kept]}), request=request, weights=weight[kept].astype(np.float32)
    )
    held = replace(
        examples_of(x[:100].reshape(-1, 1), {"yes": yes[:100].ravel()}), request=np.repeat(np.arange(100), 50)
    )
    ranker = ranker_of({"yes": {"loss": "listwise"}}).fit(examples, held)
    grid = np.linspace(-1.5, 1.5, 7, dtype=np.float32)[:, None]
    predicted = ranker.predict(grid)[:, 0]
    assert (np.diff(predicted) >= 0).all()
    assert predicted[-1] > 20 * predicted[0]

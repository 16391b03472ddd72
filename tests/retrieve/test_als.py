"""ALS against a dense reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shortlist.data.dataset import Dataset
from shortlist.retrieve import ALS
from support.interactions import make_requests, random_interactions


def test_als_is_alternating_least_squares() -> None:
    """The same start and the same equations, solved densely in float64, give the same scores."""
    X = random_interactions(0)
    config: dict[str, Any] = {
        "factors": 6,
        "iterations": 3,
        "unobserved": 0.2,
        "regularisation": 0.7,
        "scaling": 0.5,
    }
    model = ALS(**config, steps=60).fit_matrix(X)
    dense, d = X.toarray().astype(np.float64), 6
    Y = (
        np.random.default_rng(0)
        .normal(0, 0.1 / np.sqrt(d), (X.shape[1], d))
        .astype(np.float32)
        .astype(np.float64)
    )
    Y[dense.sum(0) == 0] = 0

    def side(C: np.ndarray, other: np.ndarray) -> np.ndarray:
        held = C.sum(1) + 0.2 * C.shape[1]
        ridge = 0.7 * (held / held.mean()) ** 0.5
        out = np.zeros((len(C), d))
        for row, c in enumerate(C):
            if c.any():
                A = 0.2 * other.T @ other + (other.T * c) @ other + ridge[row] * np.eye(d)
                out[row] = np.linalg.solve(A, other.T @ c)
        return out

    for _ in range(3):
        U = side(dense, Y)
        Y = side(dense.T, U)
    everybody = make_requests(*[row.nonzero()[0].tolist() for row in dense])
    np.testing.assert_allclose(
        model.fold_in(everybody) @ model.item_factors_.T, side(dense, Y) @ Y.T, atol=1e-5
    )
    np.testing.assert_allclose(model.item_factors_.T @ model.item_factors_, np.diag(model.gram_), atol=1e-4)


def test_als_explanation_sums_to_the_score(dataset: Dataset) -> None:
    model = ALS(factors=16, iterations=3).fit(dataset)
    requests, items = make_requests([1, 5, 9]), np.arange(20)
    shares = model.explain(requests, 0, items)
    assert shares is not None
    expected = (model.fold_in(requests) @ model.item_factors_.T)[0, :20]
    np.testing.assert_allclose(shares.sum(1), expected, rtol=1e-3, atol=1e-4)
    every = np.tile(np.arange(20), (1, 1))
    known = model.item_weights_[:20] > 0
    np.testing.assert_allclose(
        model.score_items(requests, every)[0][known], expected[known], rtol=1e-4, atol=1e-6
    )


def test_als_starts_from_an_earlier_model() -> None:
    """One iteration from a converged model stays near it; one from scratch does not."""
    X = random_interactions(1, 200, 60)
    settled = ALS(factors=8, iterations=30).fit_matrix(X)
    requests = make_requests(*[X[u].indices.tolist() for u in range(20)])
    truth = settled.score(requests)
    where = np.arange(60)
    where[-5:] = -1  # five items the earlier model did not know
    warm = ALS(iterations=1).warm_start(settled, where).fit_matrix(X)
    cold = ALS(factors=8, iterations=1).fit_matrix(X)
    away = [np.abs(m.score(requests)[:, :55] - truth[:, :55]).mean() for m in (warm, cold)]
    assert away[0] < 0.5 * away[1]


@pytest.mark.parametrize("most", [4, 40])  # items, fewer than there are factors, and more
@pytest.mark.parametrize("events", [5, 40])  # the same of events
def test_the_strongest_event_is_that_of_the_explanation(events: int, most: int) -> None:
    X = random_interactions(5, 300, 120, 0.3)
    model = ALS(factors=16).fit_matrix(X)
    histories = [X[u].indices.tolist()[:events] for u in range(12)] + [[]]
    requests = make_requests(*histories)
    owner = np.repeat(np.arange(13), most)
    items = np.random.default_rng(0).integers(0, 120, len(owner)).astype(np.int32)
    found = model.strongest(requests, owner, items)
    for row, item, event in zip(owner.tolist(), items.tolist(), found.tolist(), strict=True):
        shares = model.explain(requests, row, np.array([item]))
        assert shares is not None
        if not shares.size or shares[0].max() <= 0:
            assert event == -1
        else:
            own = event - requests.histories.indptr[row]
            assert shares[0, own] == pytest.approx(shares[0].max())
    # the shares against the dense system of the paper
    weights = requests.weights[requests.histories.indptr[3] : requests.histories.indptr[4]].astype(float)
    Y, y = model.item_factors_[histories[3]].astype(float), model.item_factors_[items[:most]].astype(float)
    diagonal = model._diagonals(requests)[3]
    A = np.diag(diagonal) + (Y.T * weights) @ Y
    shares = model.explain(requests, 3, items[:most])
    assert shares is not None
    np.testing.assert_allclose(
        shares, y @ np.linalg.solve(A, (Y * weights[:, None]).T), rtol=1e-8, atol=1e-12
    )

"""Regressions of the residual of an item-item model, against dense regressions in float64."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.retrieve import SLIM, Spectral
from shortlist.retrieve.residual import FactoredWeights, with_regressions
from shortlist.retrieve.slim import scaled
from support.interactions import random_interactions


def some_model(n: int) -> FactoredWeights:
    rng = np.random.default_rng(4)
    P = np.where(rng.random((n, n)) < 0.3, rng.random((n, n)), 0) * ~np.eye(n, dtype=bool)
    left, right = rng.random((2, n, 3))
    return FactoredWeights(
        sp.csr_matrix(P, dtype=np.float32), left.astype(np.float32), right.astype(np.float32)
    )


def dense(model: FactoredWeights) -> NDArray[np.float64]:
    return np.asarray(model.sparse.toarray().astype(np.float64) + model.left @ model.right.T)


def without_diagonal(W: NDArray[np.float64]) -> NDArray[np.float64]:
    return W * ~np.eye(len(W), dtype=bool)


@pytest.mark.parametrize("weight", [0.5, 1.0])
def test_each_item_is_the_model_and_the_ridge_regression_of_its_residual(weight: float) -> None:
    X = random_interactions(2)
    n, slim = X.shape[1], SLIM(regularisation=1.5, support=6, spread=0.2, power=0.3, lift=0.1)
    R, counts = scaled(X, 0.2, 0.3)
    rows, support = R.toarray().astype(np.float64), slim.support(X)
    inner = counts[:, None] ** 0.3 * dense(some_model(n)) * counts**-0.1
    predicted = rows @ without_diagonal(inner)
    inner *= weight * np.linalg.lstsq(predicted.reshape(-1, 1), rows.ravel(), rcond=None)[0][0]
    residual = rows - rows @ without_diagonal(inner)
    W = inner.copy()
    for j in range(n):
        chosen = support[j][support[j] >= 0]
        A = rows[:, chosen]
        W[chosen, j] += np.linalg.solve(A.T @ A + 1.5 * np.eye(len(chosen)), A.T @ residual[:, j])
    W = counts[:, None] ** -0.3 * W * counts**0.1
    learned = with_regressions(some_model(n), X, slim, weight)
    np.testing.assert_allclose(dense(learned), W, atol=2e-4)
    given = with_regressions(some_model(n), X, slim, weight, SLIM(support=9, spread=0.2).support(X))
    np.testing.assert_allclose(dense(given), dense(learned), atol=1e-6)


def test_two_items_by_hand() -> None:
    """Three users took a; the first two took b. W₀ says that a brings b with weight 1, and b brings a with weight 0.

    The residual of b is (0, 0, −1), of a the whole (1, 1, 1); with λ = 1, b_ab = −1 / (3 + 1) and b_ba = 2 / (2 + 1).
    """
    X = sp.csr_matrix([[1, 1], [1, 1], [1, 0]], dtype=np.float32)
    model = FactoredWeights(
        sp.csr_matrix([[0, 1], [0, 0]], dtype=np.float32), *np.zeros((2, 2, 1), np.float32)
    )
    slim = SLIM(regularisation=1.0, spread=0.0, power=0.0, lift=0.0)
    # the least-squares scale of W₀ is 2/3: two of the three users whom it foretells b took it
    learned = with_regressions(model, X, slim, weight=1.5)
    np.testing.assert_allclose(dense(learned), [[0, 0.75], [2 / 3, 0]], atol=1e-5)


def test_a_strong_ridge_leaves_the_model() -> None:
    X = random_interactions(3)
    model = some_model(X.shape[1])
    learned = with_regressions(model, X, SLIM(regularisation=1e9))
    ratio = dense(learned) / dense(model)
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-3)


def test_a_spectral_filter_with_regressions_explains_its_data_better() -> None:
    X = random_interactions(7, users=200, items=60)
    plain = Spectral(components=20, broad=4).fit_matrix(X)
    model = Spectral(components=20, broad=4, residual=1.0, regularisation=2.0).fit_matrix(X)
    R, counts = scaled(X, 0.15, 0.3)
    rows = R.toarray()

    def error(fitted: Spectral) -> float:
        W = fitted.weights_.toarray() + fitted.broad_in_ @ fitted.broad_out_.T
        W = without_diagonal(counts[:, None] ** 0.3 * W * counts**-0.3)
        predicted = rows @ W
        return float(
            np.sum((rows - predicted * (np.vdot(predicted, rows) / np.vdot(predicted, predicted))) ** 2)
        )

    assert error(model) < 0.9 * error(plain)
    known = Spectral(model.config).fit_matrix(X, model.spectrum(X), SLIM(support=200).support(X))
    np.testing.assert_allclose(known.weights_.toarray(), model.weights_.toarray(), atol=1e-5)

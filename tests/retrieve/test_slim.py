"""SLIM against dense regressions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from shortlist.retrieve import SLIM
from shortlist.retrieve.kernels.cooccurrence import nearest
from shortlist.retrieve.slim import affordable_support, scaled
from support.interactions import random_interactions


@pytest.mark.parametrize("power", [0.0, 0.3])
def test_slim_is_the_ridge_regression_of_each_item(power: float) -> None:
    """Both ways agree with one dense regression an item, computed in float64."""
    X = random_interactions(2)
    given_: dict[str, Any] = {
        "regularisation": 1.5,
        "spread": 0.2,
        "power": power,
        "lift": 0.25,
        "support": 64,
    }
    R, counts = scaled(X, 0.2, power)
    dense, n = R.toarray().astype(np.float64), X.shape[1]
    W = np.zeros((n, n))
    for j in range(n):
        others = np.delete(np.arange(n), j)
        A = dense[:, others]
        W[others, j] = np.linalg.solve(A.T @ A + 1.5 * np.eye(n - 1), A.T @ dense[:, j])
    W = counts[:, None] ** -power * W * counts**0.25
    exact = SLIM(**given_).fit_matrix(X).weights_.toarray()
    np.testing.assert_allclose(exact, W, atol=1e-5)


def test_slim_local_is_the_regression_over_its_support() -> None:
    X = random_interactions(2)
    R, counts = scaled(X, 0.15, 0.3)
    dense, n = R.toarray().astype(np.float64), X.shape[1]
    support, _ = nearest(R, np.ones(n), counts**0.45, 0.0, 5)
    W = np.zeros((n, n))
    for j in range(n):
        chosen = support[j][support[j] >= 0]
        A = dense[:, chosen]
        W[chosen, j] = np.linalg.solve(A.T @ A + 1.5 * np.eye(len(chosen)), A.T @ dense[:, j])
    W = counts[:, None] ** -0.3 * W * counts**0.3
    local = SLIM(regularisation=1.5, spread=0.15, power=0.3, lift=0.3, support=5, exact_items=0).fit_matrix(X)
    np.testing.assert_allclose(local.weights_.toarray(), W, atol=1e-4)


def test_slim_local_equals_exact_where_everything_is_shared() -> None:
    X = sp.csr_matrix(np.vstack([random_interactions(3).toarray(), np.ones((1, 25), np.float32)]))
    exact = SLIM().fit_matrix(X).weights_.toarray()
    local = SLIM(exact_items=0).fit_matrix(X).weights_.toarray()
    np.testing.assert_allclose(local, exact, atol=1e-4)


def test_slim_narrows_its_supports_on_dense_data() -> None:
    sparse_, dense = np.full(500, 30), np.full(500, 20_000)
    support = np.tile(np.arange(256, dtype=np.int32), (500, 1))
    assert affordable_support(support, sparse_, 30_000) == 256
    assert affordable_support(support, dense, 30_000) == 32
    assert 32 < affordable_support(support, np.full(500, 2_000), 30_000) < 256


def test_slim_keeps_the_strongest() -> None:
    X = random_interactions(4)
    full, cut = SLIM().fit_matrix(X).weights_.toarray(), SLIM(k=3).fit_matrix(X).weights_.toarray()
    for j in range(X.shape[1]):
        kept = np.flatnonzero(cut[:, j])
        assert len(kept) <= 3
        assert np.abs(full[kept, j]).min() >= np.sort(np.abs(full[:, j]))[::-1][3] - 1e-7

"""The spectral filter, and the decomposition that it is made of, against dense references."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from shortlist.retrieve import Spectral
from shortlist.retrieve.kernels import factorise as factorise_module
from shortlist.retrieve.kernels.factorise import leading
from support.interactions import random_interactions


@pytest.mark.parametrize("tilt", [0.0, -0.2, 0.3])
def test_spectral_equals_the_dense_filter(tilt: float) -> None:
    """With room for everything, W is the low-pass plus one step on the graph, from a dense decomposition in float64."""
    X = random_interactions(5)
    given_: dict[str, Any] = {
        "components": 6,
        "flatten": 0.7,
        "flatten_by_popularity": tilt,
        "direct": 0.9,
        "spread": 0.3,
        "power": 0.4,
        "lift": 0.2,
        "k": 64,
    }
    model = Spectral(**given_, broad=4).fit_matrix(X)
    ours = model.weights_.toarray() + model.broad_in_ @ model.broad_out_.T
    dense, counts, sizes = X.toarray().astype(np.float64), X.toarray().sum(0), X.toarray().sum(1)
    counts, sizes = np.maximum(counts, 1), np.maximum(sizes, 1)
    R = sizes[:, None] ** -0.3 * dense * counts**-0.4
    _, s, Vt = np.linalg.svd(R)
    V = Vt[:6].T
    popularity = np.log(counts) - np.log(counts).mean()
    popularity /= np.sqrt(np.mean(popularity**2))
    exponents = 0.7 + tilt * np.clip(popularity, -3, 3)  # of each recommended item
    sizes_kept = np.exp(np.log(s[:6]).mean()) ** -(exponents - 0.7)
    passed = V @ (s[:6, None] ** exponents * V.T * sizes_kept)
    low_pass = counts[:, None] ** -0.4 * passed * counts**0.2
    step = counts[:, None] ** -0.75 * (dense.T @ (dense * sizes[:, None] ** -0.75)) * counts**-0.25
    unit = 0.9 * np.sqrt(np.mean((dense @ low_pass) ** 2)) / np.sqrt(np.mean((dense @ step) ** 2))
    reference = low_pass + unit * step
    shared = (dense.T @ dense > 0) & ~np.eye(25, dtype=bool)
    # within the weights' reach: pairs that share a person and are positive beyond the broad part
    rest = reference - model.broad_in_ @ model.broad_out_.T
    there = shared & (rest > 1e-6)
    np.testing.assert_allclose(ours[there], reference[there], rtol=1e-3, atol=1e-5)
    assert not model.weights_.diagonal().any()


def test_components_of_a_byte_change_weights_by_little() -> None:
    X = random_interactions(7, users=200, items=60)
    exact, small = (Spectral(components=20, broad=4, exact_items=most).fit_matrix(X) for most in (60, 0))
    a, b = exact.weights_.toarray(), small.weights_.toarray()
    assert np.abs(a - b).max() < 0.01 * np.abs(a).max()
    assert np.abs(a - b).max() > 0, "the second path was taken"


@pytest.mark.parametrize("exact", [0, 2_000])
def test_leading_vectors_are_those_of_a_dense_decomposition(
    exact: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factorise_module, "EXACT", exact)
    rng = np.random.default_rng(6)
    R = sp.csr_matrix(
        (rng.normal(size=(90, 5)) * [9, 7, 5, 3, 1]) @ rng.normal(size=(5, 70)), dtype=np.float32
    )
    s, V = leading(R, 5, passes=6)
    _, dense, Vt = np.linalg.svd(R.toarray().astype(np.float64))
    np.testing.assert_allclose(s, dense[:5], rtol=1e-4)
    np.testing.assert_allclose(np.abs(np.sum(V * Vt[:5].T, axis=0)), 1, atol=1e-4)  # up to a sign
    s_all, _ = leading(R, 60, passes=3)
    assert len(s_all) <= 60
    assert np.isfinite(s_all).all()

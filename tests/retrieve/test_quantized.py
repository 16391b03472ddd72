"""Item factors in a byte each."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.errors import BundleError
from shortlist.retrieve import ALS
from shortlist.retrieve.kernels.quantized import QuantizedFactors, dot_given_items
from support.interactions import make_requests, random_interactions


def test_quantised_factors_are_off_by_half_a_step_at_most() -> None:
    rng = np.random.default_rng(0)
    items = rng.normal(size=(500, 24)).astype(np.float32) * rng.gamma(1, 1, (500, 1)).astype(np.float32)
    items[7] = 0
    quantized = QuantizedFactors.of(items)
    step = np.abs(items).max(1) / 127
    assert (np.abs(quantized.rows(np.arange(500)) - items) <= 0.5001 * step[:, None] + 1e-12).all()
    x = rng.normal(size=(3, 24)).astype(np.float32)
    plain = quantized.rows(np.arange(500))
    assert (plain == quantized.codes * quantized.steps[:, None]).all()
    for wrong in (-1, 500):
        with pytest.raises(IndexError):
            quantized.rows(np.array([0, wrong]))
    np.testing.assert_allclose(quantized.dot(x), x @ plain.T, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(quantized.norms(), np.maximum(np.linalg.norm(plain, axis=1), 1e-12), rtol=1e-5)
    wanted = np.array([[3, -1, 9], [4, 5, 6], [1, 2, 3]], np.int32)
    counts = np.ones(500, np.float32)
    counts[9] = 0
    scores = np.full((3, 3), -np.inf, np.float32)
    dot_given_items(0, 3, x, quantized.codes, quantized.steps, counts, np.array([0, 2, 2, 5]), wanted, scores)
    assert np.isneginf(scores[0, 1:]).all()
    assert np.isneginf(scores[1]).all()
    np.testing.assert_allclose(scores[2], x[2] @ plain[1:4].T, rtol=1e-4)
    with pytest.raises(BundleError, match="quantised factors"):
        QuantizedFactors(quantized.codes, quantized.steps[:-1])


def test_with_an_index_requests_read_codes_alone() -> None:
    """A request reads item factors from the codes alone: without the float factors, answers stay the same."""
    pytest.importorskip("faiss")
    X = random_interactions(3, 400, 900, 0.05)
    model = ALS(factors=16, exact_items=100, recall=0.8).fit_matrix(X)
    exact = ALS(factors=16).fit_matrix(X)
    requests = [make_requests(*[X[u].indices.tolist() for u in range(30)]) for _ in range(3)]
    before, similarity = model.retrieve(requests[0], 20), model.similar(5)
    owner, items = np.repeat(np.arange(30), 20), before.item.ravel()
    spoke = model.strongest(requests[0], owner, items)
    expected = exact.similar(5)
    assert similarity is not None
    assert expected is not None
    np.testing.assert_allclose(similarity, expected, atol=0.02)
    assert (spoke == exact.strongest(requests[1], owner, items)).mean() > 0.95
    model.item_factors_ = np.full_like(model.item_factors_, np.nan)
    np.testing.assert_array_equal(model.retrieve(requests[2], 20).item, before.item)
    np.testing.assert_array_equal(model.strongest(requests[2], owner, items), spoke)
    np.testing.assert_array_equal(model.similar(5), similarity)

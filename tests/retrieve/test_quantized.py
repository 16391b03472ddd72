"""Factors quantised to 8 bits, and an index that reads only the codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shortlist.errors import BundleError
from shortlist.retrieve import ALS
from shortlist.retrieve.kernels.quantized import Coded, some_dots
from support.interactions import make_requests, random_interactions


def test_quantised_factors_are_within_half_a_step() -> None:
    rng = np.random.default_rng(0)
    items = rng.normal(size=(500, 24)).astype(np.float32) * rng.gamma(1, 1, (500, 1)).astype(np.float32)
    items[7] = 0
    coded = Coded.of(items)
    step = np.abs(items).max(1) / 127
    assert (np.abs(coded.rows(np.arange(500)) - items) <= 0.5001 * step[:, None] + 1e-12).all()
    x = rng.normal(size=(3, 24)).astype(np.float32)
    plain = coded.rows(np.arange(500))
    np.testing.assert_allclose(coded.dots(x), x @ plain.T, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(coded.lengths(), np.maximum(np.linalg.norm(plain, axis=1), 1e-12), rtol=1e-5)
    wanted = np.array([[3, -1, 9], [4, 5, 6], [1, 2, 3]], np.int32)
    counts = np.ones(500, np.float32)
    counts[9] = 0
    scores = np.full((3, 3), -np.inf, np.float32)
    some_dots(x, coded.codes, coded.steps, counts, np.array([0, 2, 2, 5]), wanted, scores)
    assert np.isneginf(scores[0, 1:]).all()
    assert np.isneginf(scores[1]).all()
    np.testing.assert_allclose(scores[2], x[2] @ plain[1:4].T, rtol=1e-4)
    longer = coded.grown(2)
    assert (longer.dots(x)[:, 500:] == 0).all()
    with pytest.raises(BundleError, match="coded factors"):
        Coded(coded.codes, coded.steps[:-1])


def test_index_answers_from_codes_alone(tmp_path: Path) -> None:
    """Whatever a request needs of the items' factors it reads from the codes: with the factors gone, answers stay."""
    pytest.importorskip("faiss")
    X = random_interactions(3, 400, 900, 0.05)
    model = ALS(factors=16, exact_items=100, recall=0.8).fit_matrix(X)
    exact = ALS(factors=16).fit_matrix(X)
    requests = [make_requests(*[X[u].indices.tolist() for u in range(30)]) for _ in range(3)]
    before, likeness = model.retrieve(requests[0], 20), model.similar(5)
    owner, items = np.repeat(np.arange(30), 20), before.item.ravel()
    spoke = model.strongest(requests[0], owner, items)
    np.testing.assert_allclose(likeness, exact.similar(5), atol=0.02)
    assert (spoke == exact.strongest(requests[1], owner, items)).mean() > 0.95
    model.items = np.full_like(model.items, np.nan)
    np.testing.assert_array_equal(model.retrieve(requests[2], 20).item, before.item)
    np.testing.assert_array_equal(model.strongest(requests[2], owner, items), spoke)
    np.testing.assert_array_equal(model.similar(5), likeness)

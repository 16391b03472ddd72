"""Neighbours, by hand and against a dense reference."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.data.dataset import Dataset
from shortlist.retrieve import Neighbours
from shortlist.retrieve import neighbours as neighbours_module
from shortlist.retrieve.neighbours import bm25
from support.interactions import make_requests, random_interactions
from support.retrievers import small_dataset


def test_neighbours_by_hand() -> None:
    model = Neighbours(shrink=0.0, power=0.5, spread=0.0).fit(small_dataset())
    cosine = np.array([[0, 1, 0.5, 0], [1, 0, 0.5, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(model.weights_.toarray(), cosine, atol=1e-6)
    np.testing.assert_allclose(model.score(make_requests([0, 2]))[0], [0.5, 1.5, 0.5, -np.inf], rtol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 20), st.integers(1, 8))
def test_neighbours_against_dense(seed: int, shrink: float, k: int) -> None:
    X = (np.random.default_rng(seed).random((12, 7)) < 0.4).astype(np.float64)
    X[0] = 1
    users, items = np.nonzero(X)
    dataset = Dataset.from_frames(pa.table({"user_id": users, "item_id": items}))
    X = X[:, dataset.items.ids.values.to_pylist()]
    co, counts = X.T @ X, X.sum(0)
    reference = co / (np.sqrt(np.outer(counts, counts)) + shrink)
    np.fill_diagonal(reference, 0)
    ours = Neighbours(shrink=shrink, k=k, power=0.5, spread=0.0).fit(dataset).weights_.toarray()
    kept = ours > 0
    np.testing.assert_allclose(ours[kept], reference[kept], rtol=1e-5)
    for row in range(7):  # the k largest, whichever of equals
        np.testing.assert_allclose(
            np.sort(ours[row])[::-1][:k], np.sort(reference[row])[::-1][:k], rtol=1e-5, atol=1e-7
        )


def test_bm25_by_hand() -> None:
    X = sp.csr_matrix(np.array([[1, 1, 0], [1, 0, 0]], np.float32))
    weighed = bm25(X, k1=1.0, b=1.0).toarray()
    idf = np.log1p((2 - np.array([2, 1]) + 0.5) / (np.array([2, 1]) + 0.5))
    np.testing.assert_allclose(
        weighed[0, :2], 2 / (1 + 2 / 1.5) * idf, rtol=1e-6
    )  # twice as long as the shorter one
    assert Neighbours(similarity="bm25").fit_matrix(X).weights_[0, 1] > 0


@given(st.integers(0, 2**31), st.lists(st.integers(0, 24), min_size=1, max_size=6), st.integers(0, 24))
@settings(max_examples=25, deadline=None)
def test_neighbours_are_monotone(seed: int, history: list[int], more: int) -> None:
    """One more event never lowers any score: every weight is positive."""
    model = Neighbours().fit_matrix(random_interactions(seed % 5))
    before, after = model.score(make_requests(history))[0], model.score(make_requests([*history, more]))[0]
    known = ~np.isneginf(before)
    assert (after[known] >= before[known] - 1e-6).all()


def test_a_large_catalogue_keeps_fewer_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    X = random_interactions(3, 400, 300, 0.2)
    monkeypatch.setattr(neighbours_module, "MAX_WEIGHTS", 300 * 30)
    assert np.diff(Neighbours().fit_matrix(X).weights_.indptr).max() == 30
    monkeypatch.setattr(neighbours_module, "MAX_WEIGHTS", 300)
    assert np.diff(Neighbours().fit_matrix(X).weights_.indptr).max() == 20
    assert np.diff(Neighbours(k=70).fit_matrix(X).weights_.indptr).max() == 70

"""Vectors that are read in bytes first: the best items are those of the whole product."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from shortlist.retrieve import ALS
from shortlist.retrieve.kernels import coarse
from shortlist.retrieve.kernels.coarse import CoarseVectors
from shortlist.retrieve.kernels.select import filter_arrays, top_k_rows
from support.interactions import make_requests, random_interactions

ITEMS = 5_000


def vectors(seed: int, scale: float = 1.0) -> NDArray[np.float32]:
    """Return vectors of different lengths: a few are 0, and some are equal."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(ITEMS, 24)) * rng.gamma(1.0, scale, (ITEMS, 1))
    found[:5], found[100:110] = 0, found[50]
    return found.astype(np.float32)


def test_the_error_is_the_length_of_the_difference() -> None:
    """(0.6, 1) has the step 1/127 and the codes 76 and 127: off by 0.6 − 76/127 in the first component."""
    found = CoarseVectors.of(np.array([[0.6, 1.0], [0.0, 0.0]], np.float32))
    assert found.codes.array.tolist() == [[76, 127], [0, 0]]
    assert found.errors.array == pytest.approx([0.6 - 76 / 127, 0], abs=1e-6)
    assert found.errors.array[0] > 0.6 - 76 / 127


@pytest.mark.parametrize("k", [1, 10, 300])
@pytest.mark.parametrize("seed", range(3))
def test_they_are_those_of_the_whole_product(seed: int, k: int) -> None:
    rng, items = np.random.default_rng(seed), vectors(seed)
    factors = rng.normal(size=(3, 24)).astype(np.float32)
    known, asked = (rng.random(ITEMS) < 0.9).astype(np.float32), np.array([True, True, False])
    allowed = rng.random(ITEMS + 7) < 0.8
    excluded = np.concatenate([rng.permutation(ITEMS)[:40], [ITEMS + 3]])
    filters = filter_arrays(allowed, np.array([0, 41, 41, 41]), excluded)
    terms = rng.normal(size=(3, ITEMS)).astype(np.float32) if seed else np.empty((0, 0), np.float32)
    found, scores = CoarseVectors.of(items).best(factors, items, k, (asked, known), filters, terms)
    whole = factors @ items.T + (terms if seed else 0)
    whole[:, known == 0] = -np.inf
    whole[~asked] = -np.inf
    expected, values = top_k_rows(whole.astype(np.float32), k, filters)
    np.testing.assert_allclose(scores, values, rtol=1e-5, atol=1e-5)
    differ = found != expected  # but for products that are equal within rounding
    assert differ.mean() < 0.02
    assert (found[2] == -1).all()
    for row, at in zip(*np.nonzero(differ), strict=True):
        assert whole[row, found[row, at]] == pytest.approx(values[row, at], abs=1e-5)


def test_few_items_are_all_exact() -> None:
    items = vectors(4)
    known = np.zeros(ITEMS, np.float32)
    known[[7, 9]] = 1
    factor = np.ones((1, 24), np.float32)
    nothing = filter_arrays(None, None, None)
    found, scores = CoarseVectors.of(items).best(factor, items, 5, (np.array([True]), known), nothing)
    best = sorted([7, 9], key=lambda item: -float(items[item].sum()))
    assert found.tolist() == [[*best, -1, -1, -1]]
    assert scores[0, :2] == pytest.approx(items[best].sum(1), rel=1e-5)


def test_vectors_that_are_no_numbers_are_not_proposed() -> None:
    items = vectors(5)
    items[3, 2] = np.nan
    everyone = (np.array([True]), np.ones(ITEMS, np.float32))
    nothing = filter_arrays(None, None, None)
    found, _ = CoarseVectors.of(items).best(np.ones((1, 24), np.float32), items, 300, everyone, nothing)
    assert 3 not in found
    assert (found >= 0).all()


def test_appended_items_are_found_and_the_shorter_ones_stay() -> None:
    items = vectors(6)
    short = CoarseVectors.of(items[:-10])
    longer = short.extended(items[-10:])
    whole = CoarseVectors.of(items)
    np.testing.assert_array_equal(longer.codes.array, whole.codes.array)
    np.testing.assert_array_equal(longer.steps.array, whole.steps.array)
    np.testing.assert_array_equal(longer.errors.array, whole.errors.array)
    assert len(short.steps.array) == ITEMS - 10


def test_it_is_used_for_few_requests_on_large_catalogues() -> None:
    found = CoarseVectors.of(vectors(7))
    assert found.pays(1, 300)
    assert not found.pays(64, 300)  # one product of matrices
    assert not found.pays(1, 1_000)  # a fifth of the catalogue
    assert not CoarseVectors.of(vectors(7)[:1_000]).pays(1, 10)


def test_als_answers_one_request_as_it_answers_many() -> None:
    X = random_interactions(3)
    model = ALS(factors=8, iterations=3).fit_matrix(X)
    histories = [row.nonzero()[0].tolist() for row in X.toarray()[:20]] + [[]]
    many = model.retrieve(make_requests(*histories), 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coarse, "LEAST_ITEMS", 1)
        patch.setattr(coarse, "ITEMS_PER_WANTED", 1)
        for row, history in enumerate(histories):
            alone = model.retrieve(make_requests(history), 10)
            np.testing.assert_array_equal(alone.item[0], many.item[row])
            np.testing.assert_allclose(alone.score[0], many.score[row], rtol=1e-4, atol=1e-6)

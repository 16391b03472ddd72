"""The k best of many scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.retrieve import top_k
from shortlist.retrieve.kernels.select import SORTED_PER_WANTED, filter_arrays, radix_top_k, top_k_rows
from support.interactions import make_requests

SCORES = st.one_of(
    st.floats(-(2.0**99), 2.0**99, width=32),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.25, float("inf"), 1e-40, -1e-40]),
)


@settings(deadline=None)
@given(st.lists(SCORES, max_size=300), st.integers(1, 40), st.randoms(use_true_random=False))
def test_radix_top_k_is_a_sort(given_scores: list[float], k: int, chance: object) -> None:
    n = len(given_scores)
    scores = np.array(given_scores, np.float32)
    items = np.random.default_rng(chance.randrange(2**32)).permutation(10 * n)[:n].astype(np.int32)  # type: ignore[attr-defined]
    best, chosen = np.full(k, -np.inf, np.float32), np.full(k, -1, np.int32)
    radix_top_k(scores, items, n, best, chosen)
    order = np.lexsort((items, -scores))[:k]
    np.testing.assert_array_equal(chosen[: len(order)], items[order])
    np.testing.assert_array_equal(best[: len(order)], scores[order])
    assert (chosen[len(order) :] == -1).all()


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=30), st.integers(1, 35))
def test_best_is_the_sorted_head(values: list[float], k: int) -> None:
    scores = np.array([values], np.float32)
    found = top_k(scores, make_requests([]), k)
    order = np.lexsort([np.arange(len(values)), -scores[0]])[:k]
    assert found.item[0].tolist() == order.tolist()


@pytest.mark.parametrize(("n", "k"), [(SORTED_PER_WANTED * 3, 3), (SORTED_PER_WANTED * 3 + 1, 3), (5, 9)])
def test_a_heap_and_a_sort_select_the_same(n: int, k: int) -> None:
    """Both ways, with ties, NaN, −inf and filters, against a sort of what may be returned."""
    rng = np.random.default_rng(n)
    scores = rng.integers(-3, 4, (20, n)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1], scores[rng.random(scores.shape) < 0.1] = np.nan, -np.inf
    allowed, excluded = rng.random(n) < 0.5, rng.integers(0, n + 5, 40)
    items, best = top_k_rows(scores, k, filter_arrays(allowed, np.arange(21) * 2, excluded))
    for row in range(20):
        usable = np.flatnonzero(allowed & (scores[row] > -np.inf))
        usable = usable[~np.isin(usable, excluded[2 * row : 2 * row + 2])]
        order = usable[np.lexsort((usable, -scores[row, usable]))][:k]
        assert items[row, : len(order)].tolist() == order.tolist()
        assert best[row, : len(order)].tolist() == scores[row, order].tolist()
        assert (items[row, len(order) :] == -1).all()

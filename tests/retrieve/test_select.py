"""The k best of many scores."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.retrieve import top_k
from shortlist.retrieve.kernels.select import radix_top_k
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

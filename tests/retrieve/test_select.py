"""The selection of the best scores of each request."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.retrieve.kernels.select import best_of

SCORES = st.one_of(
    st.floats(-(2.0**99), 2.0**99, width=32),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.25, float("inf"), 1e-40, -1e-40]),
)


@settings(deadline=None)
@given(st.lists(SCORES, max_size=300), st.integers(1, 40), st.randoms(use_true_random=False))
def test_best_of_equals_a_sort(given_scores: list[float], k: int, chance: object) -> None:
    n = len(given_scores)
    scores = np.array(given_scores, np.float32)
    items = np.random.default_rng(chance.randrange(2**32)).permutation(10 * n)[:n].astype(np.int32)  # type: ignore[attr-defined]
    best, chosen = np.full(k, -np.inf, np.float32), np.full(k, -1, np.int32)
    best_of(scores, items, n, best, chosen)
    order = np.lexsort((items, -scores))[:k]
    np.testing.assert_array_equal(chosen[: len(order)], items[order])
    np.testing.assert_array_equal(best[: len(order)], scores[order])
    assert (chosen[len(order) :] == -1).all()

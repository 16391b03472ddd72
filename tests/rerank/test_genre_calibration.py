"""Genre calibration: taste distributions and the greedy search."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from shortlist.rerank.genre_calibration import ALPHA, calibrate_genres, taste_distribution

UTILITY = hnp.arrays(np.float64, 14, elements=st.floats(-5, 5))


def test_a_taste_distribution_computed_by_hand() -> None:
    # two events: the older of genres 0 and 1, the later of genre 2
    found = taste_distribution(np.array([0, 1, 2]), np.array([0, 2, 3]), 4)
    older = 0.98
    np.testing.assert_allclose(found, np.array([older / 2, older / 2, 1.0, 0.0]) / (1 + older))
    assert not taste_distribution(np.empty(0, np.int64), np.zeros(1, np.int64), 3).any()


def _ragged(genres: list[list[int]]) -> tuple[NDArray[Any], NDArray[Any]]:
    return (
        np.concatenate([[0], np.cumsum([len(g) for g in genres])]).astype(np.int64),
        np.array([v for g in genres for v in g], np.int32),
    )


def _shares(genres: list[list[int]], chosen: list[int], size: int) -> NDArray[Any]:
    shares = np.zeros(size)
    for row in chosen:
        for genre in genres[row]:
            shares[genre] += 1 / len(genres[row])
    return shares / len(chosen)


def divergence(taste: NDArray[Any], shares: NDArray[Any]) -> float:
    """KL(p ‖ q̃) of a slate's shares."""
    known = taste > 0
    mixed = (1 - ALPHA) * shares[known] + ALPHA * taste[known]
    return float((taste[known] * np.log(taste[known] / mixed)).sum())


def test_calibration_equals_the_greedy_search_of_the_paper() -> None:
    """Compared with divergences that are computed from scratch for each candidate at each step."""
    rng = np.random.default_rng(2)
    for _ in range(30):
        genres = [rng.choice(4, rng.integers(0, 4), replace=False).tolist() for _ in range(12)]
        utility, strength, taste = rng.random(12), rng.uniform(0.2, 0.95), rng.dirichlet([0.5] * 4)
        relevance = (utility - utility.min()) / np.ptp(utility)
        selected: list[int] = []
        for _ in range(6):
            left = [i for i in range(12) if i not in selected]
            value = {
                i: (1 - strength) * relevance[[*selected, i]].mean()
                - strength * divergence(taste, _shares(genres, [*selected, i], 4))
                for i in left
            }
            selected.append(max(value, key=value.__getitem__))
        got = calibrate_genres(utility, _ragged(genres), taste, strength, 6)
        assert got[:6].tolist() == selected
        assert sorted(got.tolist()) == list(range(12))


@settings(deadline=None)
@given(
    UTILITY,
    st.lists(st.lists(st.integers(0, 3), max_size=3, unique=True), min_size=14, max_size=14),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.floats(0, 1),
    st.integers(1, 16),
)
def test_calibration_returns_a_permutation(
    utility: NDArray[Any], genres: list[list[int]], taste: list[float], strength: float, n: int
) -> None:
    shares = np.array(taste) / max(sum(taste), 1e-12)
    order = calibrate_genres(utility, _ragged(genres), shares, strength, n)
    assert sorted(order.tolist()) == list(range(14))
    if strength == 0 or not any(taste):
        assert (np.diff(utility[order]) <= 0).all()


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 6))
def test_calibration_goes_on_after_the_rows_that_are_shown(seed: int, first: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    genres = [rng.choice(4, rng.integers(0, 4), replace=False).tolist() for _ in range(14)]
    utility, taste = rng.random(14), rng.dirichlet([0.5] * 4)
    whole = calibrate_genres(utility, _ragged(genres), taste, 0.6, first + n)
    rows = np.concatenate([np.setdiff1d(np.arange(14), whole[:first]), whole[:first]])
    ragged = _ragged([genres[row] for row in rows.tolist()])
    order = calibrate_genres(utility[rows], ragged, taste, 0.6, n, shown=first)
    assert rows[order][:n].tolist() == whole[first : first + n].tolist()


def test_calibration_keeps_the_shares_of_tastes() -> None:
    """Seven dramas to three comedies: each drama has a higher utility, and three comedies are shown."""
    genres = [[0]] * 20 + [[1]] * 20
    utility = np.concatenate([np.linspace(1.0, 0.8, 20), np.linspace(0.79, 0.6, 20)])
    order = calibrate_genres(utility, _ragged(genres), np.array([0.7, 0.3]), 0.9, 10)[:10]
    assert Counter(genres[i][0] for i in order.tolist()) == {0: 7, 1: 3}
    assert calibrate_genres(utility, _ragged(genres), np.zeros(2), 0.9, 10)[:3].tolist() == [
        0,
        1,
        2,
    ]  # no history: by utility
    assert divergence(np.array([0.7, 0.3]), np.array([0.7, 0.3])) == pytest.approx(0.0)
    assert divergence(np.array([0.7, 0.3]), np.array([1.0, 0.0])) == pytest.approx(
        0.7 * np.log(0.7 / ((1 - ALPHA) + ALPHA * 0.7)) + 0.3 * np.log(1 / ALPHA)
    )

"""Ranking metrics against hand-worked values, scikit-learn and their own bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, ndcg_score

from shortlist.evaluate.significance import bootstrap, verdict
from shortlist.metrics import beyond, exposure, ranking

HITS = np.array([[True, False, True], [False, False, False], [False, True, False]])
RELEVANT = np.array([2, 0, 4])


def test_by_hand() -> None:
    log3 = np.log2(3)
    np.testing.assert_allclose(ranking.recall(HITS, RELEVANT, 3), [1.0, np.nan, 0.25])
    np.testing.assert_allclose(ranking.precision(HITS, RELEVANT, 3), [2 / 3, np.nan, 1 / 3])
    np.testing.assert_allclose(ranking.mrr(HITS, RELEVANT, 3), [1.0, np.nan, 0.5])
    np.testing.assert_allclose(ranking.hit_rate(HITS, RELEVANT, 1), [1.0, np.nan, 0.0])
    np.testing.assert_allclose(
        ranking.average_precision(HITS, RELEVANT, 3), [(1 + 2 / 3) / 2, np.nan, 0.5 / 4]
    )
    np.testing.assert_allclose(
        ranking.ndcg(HITS, RELEVANT, 3),
        [(1 + 0.5) / (1 + 1 / log3), np.nan, (1 / log3) / (1 + 1 / log3 + 0.5)],
    )


@given(hnp.arrays(bool, (5, 12)))
def test_agrees_with_scikit_learn(truth: np.ndarray) -> None:
    scores = np.tile(np.arange(12, 0, -1.0), (5, 1))
    relevant = truth.sum(1)
    ours = ranking.ndcg(truth, relevant, 12)
    ap = ranking.average_precision(truth, relevant, 12)
    for row in np.flatnonzero(relevant):
        assert ours[row] == pytest.approx(ndcg_score(truth[[row]], scores[[row]]), abs=1e-9)
        assert ap[row] == pytest.approx(average_precision_score(truth[row], scores[row]), abs=1e-9)


@given(hnp.arrays(bool, (4, 8)), st.integers(1, 10), st.integers(0, 9))
def test_bounds(hits: np.ndarray, k: int, more: int) -> None:
    relevant = hits.sum(1) + more
    for metric in (
        ranking.recall,
        ranking.precision,
        ranking.mrr,
        ranking.hit_rate,
        ranking.average_precision,
        ranking.ndcg,
    ):
        values = metric(hits, relevant, k)
        values = values[~np.isnan(values)]
        assert ((values >= 0) & (values <= 1 + 1e-12)).all()


def test_beyond_by_hand() -> None:
    slates = np.array([[0, 1], [1, -1]])
    assert exposure.coverage(slates, 4, 2) == 0.5
    np.testing.assert_allclose(beyond.novelty(slates, np.array([0.5, 0.25, 0.1, 0.1]), 2), [1.5, 2.0])
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(
        beyond.intra_list_diversity(np.array([[0, 1], [0, 2], [0, 3]]), vectors, 2),
        [1.0, 0.0, 1 - 1 / np.sqrt(2)],
    )


def test_bootstrap_covers_the_truth() -> None:
    """Of 200 samples with a known mean, about 95 % of the intervals contain it."""
    rng = np.random.default_rng(0)
    inside = 0
    for seed in range(200):
        estimate = bootstrap(rng.normal(1.0, 2.0, 80), 400, seed)
        inside += estimate.low <= 1.0 <= estimate.high
    assert 180 <= inside <= 199


def test_verdict_needs_the_interval_clear_of_zero() -> None:
    rng = np.random.default_rng(1)
    assert verdict(bootstrap(rng.normal(1, 1, 100), 500, 0)) == "better"
    assert verdict(bootstrap(rng.normal(-1, 1, 100), 500, 0)) == "worse"
    assert verdict(bootstrap(np.tile([1.0, -1.0], 50), 500, 0)) == "can't tell"

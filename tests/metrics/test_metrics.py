"""Metrics against hand-worked values, scikit-learn, trec_eval, RecTools, brute force and their own bounds."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
import pytrec_eval
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import (
    average_precision_score,
    log_loss,
    mean_squared_error,
    ndcg_score,
    roc_auc_score,
)

from shortlist.metrics import beyond_accuracy, exposure, genre_calibration, prediction, ranking
from shortlist.metrics.gains import gains, ragged
from shortlist.metrics.significance import bootstrap, verdict

HITS = np.array([[True, False, True], [False, False, False], [False, True, False]])
RELEVANT = np.array([2, 0, 4])


def test_ranking_metrics_by_hand() -> None:
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


@settings(deadline=None)
@given(hnp.arrays(bool, (5, 12)))
def test_agrees_with_scikit_learn(truth: np.ndarray) -> None:
    scores = np.tile(np.arange(12, 0, -1.0), (5, 1))
    relevant = truth.sum(1)
    ours = ranking.ndcg(truth, relevant, 12)
    ap = ranking.average_precision(truth, relevant, 12)
    for row in np.flatnonzero(relevant):
        assert ours[row] == pytest.approx(ndcg_score(truth[[row]], scores[[row]]), abs=1e-9)
        assert ap[row] == pytest.approx(average_precision_score(truth[row], scores[row]), abs=1e-9)


@settings(deadline=None)
@given(hnp.arrays(bool, (4, 8)), st.integers(1, 10), st.integers(0, 9))
def test_ranking_metrics_are_between_0_and_1(hits: np.ndarray, k: int, more: int) -> None:
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


def test_beyond_accuracy_by_hand() -> None:
    slates = np.array([[0, 1], [1, -1]])
    assert exposure.coverage(slates, 4, 2) == 0.5
    np.testing.assert_allclose(
        beyond_accuracy.novelty(slates, np.array([0.5, 0.25, 0.1, 0.1]), 2), [1.5, 2.0]
    )
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(
        beyond_accuracy.intra_list_diversity(np.array([[0, 1], [0, 2], [0, 3]]), vectors, 2),
        [1.0, 0.0, 1 - 1 / np.sqrt(2)],
    )


def test_bootstrap_intervals_cover_the_true_mean() -> None:
    """About 95 % of 200 intervals contain the known mean."""
    rng = np.random.default_rng(0)
    inside = 0
    for seed in range(200):
        estimate = bootstrap(rng.normal(1.0, 2.0, 80), 400, seed)
        inside += estimate.low <= 1.0 <= estimate.high
    assert 180 <= inside <= 199


def test_verdict_needs_an_interval_that_excludes_zero() -> None:
    rng = np.random.default_rng(1)
    assert verdict(bootstrap(rng.normal(1, 1, 100), 500, 0)) == "better"
    assert verdict(bootstrap(rng.normal(-1, 1, 100), 500, 0)) == "worse"
    assert verdict(bootstrap(np.tile([1.0, -1.0], 50), 500, 0)) == "can't tell"


# ---------------------------------------------------------------- agreement with other libraries


def _lists(
    rng: np.random.Generator, people: int = 60, items: int = 40, length: int = 15
) -> tuple[np.ndarray, list[np.ndarray]]:
    slates = np.argsort(rng.random((people, items)), axis=1)[:, :length]
    truth = [np.sort(rng.permutation(items)[: rng.integers(1, 9)]) for _ in range(people)]
    return slates, truth


@pytest.mark.parametrize("k", [1, 5, 15])
def test_agrees_with_trec_eval(k: int) -> None:
    slates, truth = _lists(np.random.default_rng(k))
    grades = [np.random.default_rng(p).integers(1, 5, len(t)) for p, t in enumerate(truth)]
    qrels = {
        f"u{p}": {f"i{i}": int(g) for i, g in zip(t, grades[p], strict=True)} for p, t in enumerate(truth)
    }
    run = {f"u{p}": {f"i{i}": 100.0 - r for r, i in enumerate(s[:k])} for p, s in enumerate(slates)}
    names = {
        "precision": "P",
        "recall": "recall",
        "hit_rate": "success",
        "map": "map_cut",
        "ndcg": "ndcg_cut",
    }
    measures = {f"{name}.{k}" for name in names.values()} | {"recip_rank"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(run)
    indptr, wanted = ragged(truth)
    grade = np.concatenate(grades).astype(float)
    gain = gains(slates, indptr, wanted, grade)
    hits, relevant = gain > 0, np.diff(indptr)
    ours = {
        "precision": ranking.precision(hits, relevant, k),
        "recall": ranking.recall(hits, relevant, k),
        "hit_rate": ranking.hit_rate(hits, relevant, k),
        "map": ranking.average_precision(hits, relevant, k),
        "ndcg": ranking.graded_ndcg(gain, indptr, grade, k),
        "mrr": ranking.mrr(hits, relevant, k),
    }
    users = [f"u{p}" for p in range(len(slates))]
    for name, values in ours.items():
        key = "recip_rank" if name == "mrr" else f"{names[name]}_{k}"
        np.testing.assert_allclose(values, [theirs[u][key] for u in users], atol=1e-9, err_msg=name)
    # binary NDCG, where every relevant item has the same grade, and exponential gains, as linear gains of 2^grade - 1
    for flat, values in (
        (np.ones_like(grade), ranking.ndcg(hits, relevant, k)),
        (2**grade - 1, ranking.graded_ndcg(gain, indptr, grade, k, exponential=True)),
    ):
        parts = np.split(flat.astype(int), indptr[1:-1])
        other = {
            f"u{p}": {f"i{i}": int(g) for i, g in zip(t, parts[p], strict=True)} for p, t in enumerate(truth)
        }
        found = pytrec_eval.RelevanceEvaluator(other, {f"ndcg_cut.{k}"}).evaluate(run)
        np.testing.assert_allclose(values, [found[u][f"ndcg_cut_{k}"] for u in users], atol=1e-9)


def test_agrees_with_rectools_on_a_shared_example() -> None:
    shared = json.loads((Path(__file__).parents[1] / "golden" / "rectools.json").read_text())
    k, expected = shared["k"], shared["values"]
    slates = np.array(shared["lists"])
    truth = [np.array(t) for t in shared["test"]]
    hits, relevant = ranking.hit_matrix(slates, truth), np.array([len(t) for t in truth])
    taken = np.bincount(np.concatenate(shared["train"]), minlength=len(shared["genres"]))
    found = {
        "recall": ranking.recall(hits, relevant, k).mean(),
        "precision": ranking.precision(hits, relevant, k).mean(),
        "hit_rate": ranking.hit_rate(hits, relevant, k).mean(),
        "map": ranking.average_precision(hits, relevant, k).mean(),
        "mrr": ranking.mrr(hits, relevant, k).mean(),
        "ndcg": ranking.ndcg(hits, relevant, k).mean(),
        "novelty": beyond_accuracy.novelty(slates, taken / len(shared["train"]), k).mean(),
        "coverage": exposure.coverage(slates, len(shared["genres"]), k),
    }
    for name, value in found.items():
        assert value == pytest.approx(expected[name], abs=1e-9), name
    # RecTools counts different genres (Hamming); on 0/1 rows in ±1 form the cosine is 1 − 2 · share that differs
    signs = 2.0 * np.array(shared["genres"]) - 1
    unlike = beyond_accuracy.intra_list_diversity(slates, signs, k).mean()
    assert unlike == pytest.approx(2 * expected["hamming"] / signs.shape[1], abs=1e-9)


@settings(deadline=None)
@given(
    hnp.arrays(np.int8, 40, elements=st.integers(0, 6)),
    hnp.arrays(bool, 40),
    hnp.arrays(np.float64, 40, elements=st.floats(0.1, 3)),
)
def test_predictions_agree_with_scikit_learn(
    score: np.ndarray, happened: np.ndarray, weight: np.ndarray
) -> None:
    """Few different scores, so that there are many ties."""
    p = (score + 1) / 9
    if happened.any() and not happened.all():
        assert prediction.auc(p, happened) == pytest.approx(roc_auc_score(happened, p), abs=1e-9)
        weighed = roc_auc_score(happened, p, sample_weight=weight)
        assert prediction.auc(p, happened, weight) == pytest.approx(weighed, abs=1e-9)
        theirs = log_loss(happened, p, sample_weight=weight)
        assert prediction.log_loss(p, happened, weight) == pytest.approx(theirs, abs=1e-9)
    theirs = mean_squared_error(happened, p, sample_weight=weight) ** 0.5
    assert prediction.rmse(p, happened, weight) == pytest.approx(theirs, abs=1e-9)


def test_calibration_error_by_hand() -> None:
    predicted, happened = np.repeat([0.2, 0.8], 50), np.repeat([0.0, 1.0], 50)
    assert prediction.expected_calibration_error(predicted, happened, bins=2) == pytest.approx(0.2)
    assert prediction.expected_calibration_error(np.full(100, 0.5), happened, bins=1) == pytest.approx(0.0)


def test_log_loss_of_certain_predictions_is_finite() -> None:
    assert np.isfinite(prediction.log_loss(np.array([0.0, 1.0]), np.array([1, 0])))
    assert np.isnan(prediction.auc(np.array([0.1, 0.2]), np.array([1, 1])))


# ---------------------------------------------------------------- metrics of a whole set of slates


def _without(slates: np.ndarray, row: int) -> np.ndarray:
    """Return the slates as if that user had been shown nothing."""
    left = slates.copy()
    left[row] = -1
    return left


@settings(deadline=None)
@given(st.randoms(use_true_random=False))
def test_coverage_pseudo_values_are_the_jackknife(random: Random) -> None:
    slates = np.array([random.sample(range(10), 4) for _ in range(6)])
    whole = exposure.coverage(slates, 10, 4)
    alone = np.array([whole - exposure.coverage(_without(slates, row), 10, 4) for row in range(6)])
    parts = exposure.coverage_pseudo_values(slates, 10, 4)
    np.testing.assert_allclose(parts, whole + 6 * (alone - alone.mean()), atol=1e-12)


def test_gini_by_hand_and_its_interval() -> None:
    assert exposure.gini(np.array([1.0, 1, 1, 1])) == pytest.approx(0.0)
    assert exposure.gini(np.array([0.0, 0, 0, 8])) == pytest.approx(0.75)
    assert np.isnan(exposure.gini(np.zeros(3)))
    rng = np.random.default_rng(0)
    chance = 1 / np.arange(1, 31)

    def draw(people: int) -> np.ndarray:
        """Five different items each, drawn one after the other in proportion to their chances (Gumbel's trick)."""
        return np.argsort(-(np.log(chance) + rng.gumbel(size=(people, 30))), axis=1)[:, :5]

    slates = draw(300)
    parts = exposure.gini_pseudo_values(slates, np.arange(30), 30, 5)
    assert parts.mean() == pytest.approx(exposure.gini(np.bincount(slates.ravel(), minlength=30)), abs=1e-12)
    # the spread that pseudo-values promise is the spread over new samples of people
    again = [exposure.gini(np.bincount(draw(300).ravel(), minlength=30)) for _ in range(300)]
    assert parts.std() / np.sqrt(300) == pytest.approx(np.std(again), rel=0.25)


def test_popularity_lift_by_hand() -> None:
    popularity = np.array([0.8, 0.4, 0.2, 0.1])
    slates = np.array([[0, 1], [2, 3], [0, 2]])
    indptr, taken = np.array([0, 1, 3, 3]), np.array([1, 2, 3])
    parts = exposure.popularity_lift_pseudo_values(slates, indptr, taken, popularity, 2)
    assert np.isnan(parts[2])
    assert np.nanmean(parts) == pytest.approx((0.6 + 0.15) / (0.4 + 0.15) - 1)


def test_provider_exposure_counts_places() -> None:
    slates = np.array([[0, 1], [0, 1]])
    whose = np.array([0, 1])
    share = np.array([1.0, 1 / np.log2(3)])
    parts = exposure.gini_pseudo_values(slates, whose, 2, 2, by_place=True)
    assert parts.mean() == pytest.approx(exposure.gini(2 * share))


def test_miscalibration_by_hand() -> None:
    """Steck's example: 70 % romance and 30 % action, answered with romance alone."""
    genres = sp.csr_matrix([[1.0, 0], [0, 1.0]])
    indptr, taken = np.array([0, 10]), np.array([0] * 7 + [1] * 3)
    romance = genre_calibration.miscalibration(np.array([[0, 0, 0]]), indptr, taken, genres, 3)
    by_hand = 0.7 * np.log(0.7 / (0.99 + 0.007)) + 0.3 * np.log(0.3 / 0.003)
    assert romance[0] == pytest.approx(by_hand, abs=1e-9)
    fair = genre_calibration.miscalibration(np.array([[0] * 7 + [1] * 3]), indptr, taken, genres, 10)
    assert fair[0] == pytest.approx(0, abs=1e-12)
    assert np.isnan(genre_calibration.miscalibration(np.array([[-1]]), indptr, taken, genres, 1)[0])


def test_surprise_and_diversity_by_brute_force() -> None:
    rng = np.random.default_rng(4)
    vectors = rng.random((20, 5))
    slates = np.array([rng.permutation(20)[:6] for _ in range(7)])
    indptr = np.array([0, 3, 3, 8, 9, 12, 14, 20])
    taken = rng.integers(0, 20, 20)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    surprise = beyond_accuracy.surprise(slates, indptr, taken, vectors, 4)
    diversity = beyond_accuracy.intra_list_diversity(slates, vectors, 4)
    for row in range(7):
        top, own = slates[row, :4], taken[indptr[row] : indptr[row + 1]]
        if not len(own):
            assert np.isnan(surprise[row])
            continue
        assert surprise[row] == pytest.approx(1 - (unit[top] @ unit[own].T).mean())
        pairs = [unit[a] @ unit[b] for a in top for b in top if a != b]
        assert diversity[row] == pytest.approx(1 - np.mean(pairs))
    sparse = beyond_accuracy.intra_list_diversity(slates, sp.csr_matrix(vectors), 4)
    np.testing.assert_allclose(sparse, diversity)


@settings(deadline=None)
@given(hnp.arrays(np.int64, (4, 6), elements=st.integers(-1, 12)))
def test_slate_metrics_are_within_bounds(slates: np.ndarray) -> None:
    assert 0 <= exposure.coverage(slates, 13, 6) <= 1
    popularity = np.linspace(0.01, 0.9, 13)
    assert (np.nan_to_num(beyond_accuracy.novelty(slates, popularity, 6)) >= 0).all()
    vectors = np.eye(13)
    unlike = beyond_accuracy.intra_list_diversity(slates, vectors, 6)
    assert ((np.isnan(unlike)) | ((unlike >= -1e-9) & (unlike <= 1 + 1e-9))).all()


def test_parts_of_a_set_have_the_pseudo_values_of_the_whole() -> None:
    rng = np.random.default_rng(1)
    slates = np.array([rng.permutation(20)[:4] for _ in range(30)])
    slates[3, 2:] = -1
    indptr, taken = np.arange(31) * 2, rng.integers(0, 20, 60)
    popularity, owner = rng.random(20), np.arange(20) % 3
    shown = exposure.Exposure.of(slates, np.arange(20), 20, 4)
    provider = exposure.Exposure.of(slates, owner, 3, 4, by_place=True)
    lift = exposure.popularity_lift(slates, indptr, taken, popularity, 4)

    def values(rows: slice, whole: bool) -> list[np.ndarray]:
        own = slates[rows]
        start, end = rows.indices(30)[:2]
        of_lift = (own, indptr[start : end + 1] - indptr[start], taken[2 * start : 2 * end], popularity, 4)
        return [
            exposure.coverage_pseudo_values(own, 20, 4, shown if whole else None),
            exposure.gini_pseudo_values(own, np.arange(20), 20, 4, whole=shown if whole else None),
            exposure.gini_pseudo_values(own, owner, 3, 4, True, provider if whole else None),
            exposure.popularity_lift_pseudo_values(*of_lift, lift if whole else None),
        ]

    parts = [values(slice(0, 11), True), values(slice(11, 30), True)]
    for one, other, expected in zip(*parts, values(slice(0, 30), False), strict=True):
        np.testing.assert_allclose(np.concatenate([one, other]), expected, atol=1e-12)

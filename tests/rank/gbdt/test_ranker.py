"""The GBDT ranker as an object: not fitted, copied, used by several threads, refitted."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone

from shortlist.config.objectives import Objective
from shortlist.config.rank import RankSettings
from shortlist.errors import NotFittedError
from shortlist.rank.gbdt.ranker import GBDTRanker
from shortlist.rank.training_set import TrainingSet

OBJECTIVES = {
    "click": Objective(events=["click"]),
    "seconds": Objective(kind="amount", events=["play"]),
}


def training_set(seed: int, n: int = 600) -> TrainingSet:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n, 4)).astype(np.float32)
    click = (rng.random(n) < 1 / (1 + np.exp(-matrix[:, 0]))).astype(np.float32)
    return TrainingSet(
        matrix,
        {"click": click, "seconds": click * np.exp(matrix[:, 1])},
        np.ones(n, np.float32),
        np.arange(n) // 10,
        [f"f{i}" for i in range(4)],
        ["q"] * 4,
        {"click": np.ones(n), "seconds": np.ones(n)},
        np.ones(n),
        np.ones(n, bool),
    )


@pytest.fixture(scope="module")
def fitted() -> GBDTRanker:
    settings = RankSettings(trees=8, depth=3, heads="separate")
    return GBDTRanker(settings, OBJECTIVES).fit(training_set(0), training_set(1))


def test_an_unfitted_ranker_raises() -> None:
    ranker = GBDTRanker(RankSettings(), OBJECTIVES)
    assert "not fitted" in repr(ranker)
    with pytest.raises(NotFittedError, match="call fit"):
        ranker.predict(np.zeros((1, 4), np.float32))


def test_fit_leaves_the_settings_unchanged_and_can_be_repeated(fitted: GBDTRanker) -> None:
    again = GBDTRanker(fitted.settings, fitted.objectives).fit(training_set(0), training_set(1))
    rows = training_set(2).matrix
    np.testing.assert_array_equal(again.predict(rows), fitted.predict(rows))
    assert again.settings == RankSettings(trees=8, depth=3, heads="separate")


def test_copies_and_pickles_predict_the_same_and_a_clone_is_unfitted(fitted: GBDTRanker) -> None:
    rows = training_set(2).matrix
    for other in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(other.predict(rows), fitted.predict(rows))
    fresh = clone(fitted)
    assert fresh.settings == fitted.settings
    with pytest.raises(NotFittedError):
        fresh.predict(rows)


def test_eight_threads_get_the_answers_of_one(fitted: GBDTRanker) -> None:
    batches = [training_set(seed, 40).matrix for seed in range(40)]
    alone = [fitted.predict(rows) for rows in batches]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for expected, found in zip(alone, pool.map(fitted.predict, batches), strict=True):
                np.testing.assert_array_equal(expected, found)


def test_predictions_are_calibrated_on_what_was_shown() -> None:
    """Items that were not shown count as refused when trees are grown; they must not lower the predictions."""

    def with_unshown(seed: int) -> TrainingSet:
        made = training_set(seed, 6_000)
        shown = np.random.default_rng(seed).random(6_000) < 0.5
        labels = {name: np.where(shown, label, 0).astype(np.float32) for name, label in made.labels.items()}
        return replace(made, labels=labels, shown=shown)

    validation, test = with_unshown(1), training_set(2, 6_000)
    ranker = GBDTRanker(RankSettings(trees=60, depth=3, heads="separate"), OBJECTIVES)
    predicted = ranker.fit(with_unshown(0), validation).predict(test.matrix)[:, 0]
    assert predicted.mean() == pytest.approx(test.labels["click"].mean(), abs=0.03)
    likely = predicted > 0.6
    assert predicted[likely].mean() == pytest.approx(test.labels["click"][likely].mean(), abs=0.05)

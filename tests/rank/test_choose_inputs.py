"""What the ranker reads: all features, or the sources alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from shortlist.config.project import Project, parse_project
from shortlist.data.split import Cuts
from shortlist.metrics.ranking import ndcg
from shortlist.rank.choose_inputs import (
    MIN_REQUESTS,
    MOST_TRAINED,
    InputChoice,
    best_source,
    is_open,
    judging_start,
    ndcg_of,
    of_source,
)
from shortlist.rank.gbdt.ranker import GBDTRanker
from shortlist.rank.training_set import TrainingSet
from support.examples import examples_of, ranker_of

OBJECTIVES = {"like": {}, "stars": {"kind": "grade", "weight": 0.0}}


def examples(n: int, seed: int) -> TrainingSet:
    """f0 is what a user wants; f1 and f2 are the rank and the score of a source that knows it roughly."""
    rng = np.random.default_rng(seed)
    taste, noise = rng.normal(size=(2, n))
    score = taste + noise
    rank = -score + rng.normal(size=n)
    like = rng.random(n) < expit(2 * taste - 1)
    x = np.stack([taste, rank, score], axis=1)
    return replace(examples_of(x, {"like": like, "stars": 3 + taste}), sources=("popular",))


@pytest.fixture(scope="module")
def sets() -> tuple[TrainingSet, TrainingSet]:
    return examples(8_000, 0), examples(3_000, 1)


@pytest.fixture(scope="module")
def of_sources(sets: tuple[TrainingSet, TrainingSet]) -> GBDTRanker:
    return ranker_of(OBJECTIVES, inputs="sources").fit(*sets)


def test_objectives_with_a_weight_read_the_sources_alone(
    of_sources: GBDTRanker, sets: tuple[TrainingSet, TrainingSet]
) -> None:
    x = sets[1].matrix
    other = x.copy()
    other[:, 0] = np.random.default_rng(2).permutation(other[:, 0])
    before, after = of_sources.predict(x), of_sources.predict(other)
    np.testing.assert_array_equal(before[:, 0], after[:, 0])
    # stars, which have no weight, read everything
    assert np.corrcoef(before[:, 1], x[:, 0])[0, 1] > 0.95
    assert np.corrcoef(after[:, 1], x[:, 0])[0, 1] < 0.5
    assert next(iter(of_sources.importance("stars"))) == "f0"
    assert set(of_sources.importance("like")) == {"f1", "f2"}


def test_predictions_rise_with_a_score_and_fall_with_a_rank(of_sources: GBDTRanker) -> None:
    grid = np.linspace(-4, 4, 200, dtype=np.float32)
    zero = np.zeros(200, np.float32)
    rising = of_sources.predict(np.stack([zero, zero, grid], axis=1))[:, 0]
    falling = of_sources.predict(np.stack([zero, grid, zero], axis=1))[:, 0]
    assert (np.diff(rising) >= 0).all()
    assert (np.diff(falling) <= 0).all()
    assert rising[-1] > rising[0] + 0.2


def test_trees_of_sources_are_calibrated_saved_and_continued(
    of_sources: GBDTRanker, sets: tuple[TrainingSet, TrainingSet], tmp_path: Path
) -> None:
    training, validation = sets
    predicted = of_sources.predict(validation.matrix)
    assert abs(predicted[:, 0].mean() - validation.labels["like"].mean()) < 0.01
    of_sources.save(tmp_path)
    again = GBDTRanker.load(tmp_path, of_sources.settings, of_sources.objectives)
    np.testing.assert_array_equal(again.predict(validation.matrix), predicted)
    assert (again.choice, again.with_choice("sources (…)").choice) == ("", "sources (…)")
    # a later training that leaves the choice open keeps what the earlier one chose
    longer = ranker_of(OBJECTIVES).fit(training, validation, earlier=again)
    assert longer.ensemble_.of_sources == {"like"}
    assert "f0" not in longer.importance("like")
    assert (
        not ranker_of(OBJECTIVES, inputs="all").fit(training, validation, earlier=again).ensemble_.of_sources
    )


def test_without_sources_all_features_are_read(sets: tuple[TrainingSet, TrainingSet]) -> None:
    training, validation = (replace(part, sources=()) for part in sets)
    ranker = ranker_of({"like": {}}, inputs="sources", trees=10).fit(training, validation)
    assert "f0" in ranker.importance("like")


def project_of(**rank: object) -> Project:
    return parse_project({"objectives": {"like": {"events": ["event"]}}, "rank": rank, "evaluate": {"k": 3}})


def test_the_simplest_ranker_within_a_standard_error_of_the_best_is_kept() -> None:
    rng = np.random.default_rng(0)
    n = 100
    base = rng.random(n)
    noise = rng.normal(size=n)
    noise = (noise - noise.mean()) / noise.std(
        ddof=1
    )  # a difference whose standard error is 0.1 of its scale
    for gain, inputs in ((0.12, "sources"), (0.01, "sources"), (-0.09, "sources"), (-0.11, "all")):
        choice = InputChoice.of({"all": base, "sources": base + gain + noise}, 10)
        assert choice.inputs == inputs
        assert (choice.gain, choice.error) == pytest.approx((gain, 0.1))
    assert str(InputChoice.of({"all": base, "sources": base + 0.12 + noise}, 10)).startswith(
        "sources (NDCG@10 of sources − all: +0.1200"
    )
    few = MIN_REQUESTS - 1
    assert InputChoice.of({"all": base[:few], "sources": base[:few] + 1}, 10).inputs == "all"
    same = InputChoice.of({"all": base, "sources": base, "popular": base}, 10)
    assert (same.inputs, same.gain, same.error) == ("popular", 0.0, 0.0)


def test_one_source_is_simpler_than_all_of_them() -> None:
    base = np.random.default_rng(0).random(100)
    spread = np.where(np.arange(100) % 2 == 0, 1.0, -1.0)  # standard error 0.1005
    both = {"all": base, "sources": base + 0.2 + spread}
    assert InputChoice.of({**both, "popular": base + 0.25 + spread}, 10).inputs == "popular"
    level = InputChoice.of({**both, "popular": base + 0.05 - spread}, 10)  # 0.15 behind, and its error is 0.2
    assert (level.inputs, level.rival, round(level.gain, 3)) == ("popular", "popular", 0.05)
    behind = InputChoice.of({**both, "popular": base - 0.05 - spread}, 10)  # 0.25 behind
    assert (behind.inputs, behind.rival, round(behind.gain, 3)) == ("sources", "sources", 0.2)
    whole = InputChoice.of({"all": base, "sources": base - 0.2 - spread, "popular": base - 0.2 + spread}, 10)
    assert (whole.inputs, whole.rival, round(whole.gain, 3)) == ("all", "sources", -0.2)


def test_with_many_requests_to_learn_from_a_simpler_ranker_has_to_be_clearly_better() -> None:
    base = np.random.default_rng(0).random(100)
    spread = np.where(np.arange(100) % 2 == 0, 1.0, -1.0)  # standard error 0.1005
    for ahead, kept in ((0.05, "all"), (0.25, "sources")):
        found = {"all": base, "sources": base + ahead + spread}
        assert InputChoice.of(found, 10).inputs == "sources"
        assert InputChoice.of(found, 10, few=False).inputs == kept


def test_requests_of_the_middle_of_the_validation_decide() -> None:
    assert judging_start(Cuts(ranker=0, validation=100, end=200)) == 150


def test_the_best_source_is_found_and_read_alone(sets: tuple[TrainingSet, TrainingSet]) -> None:
    """A second source that knows what users want, beside the one that knows it roughly."""

    def with_better(part: TrainingSet) -> TrainingSet:
        taste, rank, score = part.matrix.T
        x = np.stack([taste, rank, -taste, score, taste], axis=1)
        names = ["f0", "popular_rank", "als_rank", "popular_score", "als_score"]
        return replace(part, matrix=x, names=names, types=["q"] * 5, sources=("popular", "als"))

    training, validation = map(with_better, sets)
    judged = with_better(examples(400, 3))
    assert best_source(project_of(), judged) == "als"
    assert best_source(project_of(), of_source(judged, "popular")) == "popular"
    alone = [of_source(part, "als") for part in (training, validation)]
    ranker = ranker_of({"like": {}}, inputs="sources", trees=20).fit(alone[0], alone[1])
    assert set(ranker.importance("like")) <= {"als_rank", "als_score"}
    # the ranker reads whole matrices, and nothing of them but the source
    np.testing.assert_array_equal(ranker.predict(validation.matrix), ranker.predict(alone[1].matrix))


def test_ndcg_of_requests_is_that_of_their_lists(of_sources: GBDTRanker) -> None:
    """Against the lists sorted one by one; a request without a relevant candidate does not count."""
    judged = examples(400, 3)
    like = judged.labels["like"].copy()
    like[:10] = 0
    judged = replace(judged, labels={**judged.labels, "like": like})
    ranker = ranker_of({"like": {}}, inputs="sources", trees=20).fit(examples(2_000, 4), examples(1_000, 5))
    found = ndcg_of(ranker, project_of(), judged, np.ones(1))
    predicted = ranker.predict(judged.matrix)[:, 0]
    expected = []
    for request in range(1, 40):
        rows = np.flatnonzero(judged.request == request)
        order = rows[
            np.lexsort([judged.matrix[rows, 1], -predicted[rows].astype(np.float64)])
        ]  # equal values by rank
        hits = like[order[:3]] > 0
        expected += ndcg(hits[None], np.array([int(like[rows].sum())]), 3).tolist()
    np.testing.assert_allclose(found, [value for value in expected if value == value])


@pytest.mark.parametrize(
    ("rank", "expected"),
    [
        ({}, True),
        ({"inputs": "all"}, False),
        ({"inputs": "sources"}, False),
        ({"examples": "impressions"}, False),
        ({"model": "multitask"}, False),
    ],
)
def test_the_choice_is_open(
    rank: dict[str, object], expected: bool, sets: tuple[TrainingSet, TrainingSet]
) -> None:
    assert is_open(project_of(**rank), sets[1]) is expected


def test_several_objectives_many_requests_or_no_sources_leave_no_choice(
    sets: tuple[TrainingSet, TrainingSet],
) -> None:
    returned = {"events": ["return"], "weight": -1}
    several = {"objectives": {"like": {"events": ["event"]}, "return": returned}}
    assert not is_open(parse_project({**several, "evaluate": {"relevant": "like"}}), sets[1])
    many = replace(sets[0], request=np.arange(MOST_TRAINED + 1))
    assert not is_open(project_of(), many)
    assert not is_open(project_of(), replace(sets[0], sources=()))

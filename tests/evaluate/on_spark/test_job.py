"""Evaluation on Spark: the report of one machine, from slates and metrics of the executors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.data.dataset import Dataset
from shortlist.data.split import cut_for_test
from shortlist.distributed.moments import moment_at
from shortlist.distributed.past import WholePast
from shortlist.distributed.placed_bundle import PlacedBundle
from shortlist.distributed.train import sample_of
from shortlist.distributed.whole_log import WholeLog
from shortlist.errors import ProjectError
from shortlist.evaluate import Report, evaluate
from shortlist.evaluate.folds import fold_between
from shortlist.evaluate.on_spark import evaluate_on_spark
from shortlist.evaluate.on_spark.job import SparkJudgement
from shortlist.features.feature_set import FeatureSet
from shortlist.recommender import Recommender
from shortlist.simulate.movies import make_movies
from support.spark_case import SparkCase, spark_case
from support.worlds import deterministic, quick

SOURCES: list[dict[str, Any]] = [
    {"model": "popular", "half_life": "30d"},
    {"model": "neighbours", "k": 40},
    {"model": "als", "factors": 8},
]


@dataclass(frozen=True)
class JudgedCase(SparkCase):
    """A world on Spark and on one machine, and its evaluation.

    Attributes
    ----------
    past
        The log on the executors before the test.
    recommender
        Trained on the past, on one machine.
    report
        Its evaluation, on one machine.
    cut
        Where the test begins.
    """

    past: WholeLog
    recommender: Recommender
    report: Report
    cut: int


@pytest.fixture(scope="module")
def case(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> JudgedCase:
    world = quick(deterministic(make_movies(users=250, items=120, sessions=1_500, days=40, seed=3)), trees=10)
    changed = {
        "rerank": {**world.settings["rerank"], "diversity_by": None, "explore": 0.0},
        "evaluate": {**world.settings.get("evaluate", {}), "bootstrap": 200},
    }
    world = replace(world, settings={**world.settings, **changed})
    made = spark_case(spark, world, SOURCES, tmp_path_factory.mktemp("world"))
    project, dataset = made.project, made.dataset
    cut = cut_for_test(dataset.log, project.evaluate)
    fold = fold_between(project, dataset, cut, int(dataset.log.time[-1]) + 1)
    recommender = Recommender(project).fit(fold.train)
    report = evaluate(project, dataset)
    return JudgedCase(project, made.whole, dataset, made.whole.before(cut), recommender, report, cut)


def judged(case: JudgedCase, dataset: Dataset, recommender: Recommender, folder: Path) -> Report:
    judgement = SparkJudgement(case.whole, case.past, dataset, recommender, case.cut)
    work = judgement.work(PlacedBundle(str(recommender.save(folder / "bundle")), shipped=False))
    return judgement.report(work, {}, lambda _step, _share: None)


def assert_equal_reports(found: Report, here: Report) -> None:
    """All metrics, slices and comparisons agree, and the intervals nearly: people are resampled in another order."""
    assert list(found.metrics) == list(here.metrics)
    for name, metrics in here.metrics.items():
        if name == "random":
            continue
        assert list(found.metrics[name]) == list(metrics)
        for metric, estimate in metrics.items():
            one = found.metrics[name][metric]
            assert one.value == pytest.approx(estimate.value, rel=1e-6, abs=1e-9), (name, metric)
            width = estimate.high - estimate.low
            assert one.high - one.low == pytest.approx(width, rel=0.35, abs=1e-9), (name, metric)
    assert [(part.dimension, part.name, part.people) for part in found.slices] == [
        (part.dimension, part.name, part.people) for part in here.slices
    ]
    for part, other in zip(found.slices, here.slices, strict=True):
        assert part.values["shortlist"].value == pytest.approx(other.values["shortlist"].value, rel=1e-6)
    facts = (
        "people",
        "people_with_history",
        "requests",
        "items",
        "train_events",
        "protocol",
        "test_from",
        "relevant",
        "weighed",
    )
    assert {name: found.facts[name] for name in facts} == {name: here.facts[name] for name in facts}


def test_the_moment_of_the_cut_is_that_of_one_machine(case: JudgedCase) -> None:
    assert moment_at(case.whole.acted(), 1 - case.project.evaluate.test) == case.cut
    assert case.past.events.count() == len(case.dataset.before(case.cut).log)


def test_metrics_of_executors_are_those_of_one_machine(case: JudgedCase, tmp_path: Path) -> None:
    found = judged(case, case.dataset, case.recommender, tmp_path)
    assert_equal_reports(found, case.report)
    assert found.calibration.keys() == case.report.calibration.keys()


def test_people_whom_the_bundle_does_not_have_are_judged_by_their_histories(
    case: JudgedCase, tmp_path: Path
) -> None:
    sample, model = sample_of(case.whole), case.recommender.model
    train = sample.before(case.cut)
    features = FeatureSet.from_project(case.project, train, model.features.priors)
    twin = replace(model, dataset=train, features=features)
    assert len(train.users) < 0.6 * len(case.dataset.users)
    counters = WholePast(case.past, train, features.encoder).counters(features)
    found = judged(case, sample, Recommender.of(twin, counters), tmp_path)
    for name in ("shortlist", "popular", "neighbours", "als"):
        one, other = found.metrics[name]["ndcg@10"], case.report.metrics[name]["ndcg@10"]
        assert one.value == pytest.approx(other.value, rel=1e-6), name
    assert found.facts["people"] == case.report.facts["people"]


def test_a_bundle_of_executors_and_one_of_a_machine_agree(spark: Any, case: JudgedCase) -> None:
    found = evaluate_on_spark(spark, case.project)
    for name in ("shortlist", "als", "neighbours", "popular"):
        one, other = (report.metrics[name]["ndcg@10"] for report in (found, case.report))
        assert one.low <= other.value <= one.high, name
        assert other.low <= one.value <= other.high, name
    assert found.metrics["popular_7d"]["ndcg@10"].value == pytest.approx(
        case.report.metrics["popular_7d"]["ndcg@10"].value, rel=1e-6
    )


def test_a_log_that_fits_is_evaluated_as_on_one_machine(spark: Any, case: JudgedCase) -> None:
    settings = case.project.spark.model_copy(update={"events": 1_000_000})
    found = evaluate_on_spark(spark, case.project.model_copy(update={"spark": settings}))
    here = case.report.metrics["shortlist"]
    assert {name: one.value for name, one in found.metrics["shortlist"].items()} == pytest.approx(
        {name: one.value for name, one in here.items()}
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"protocol": "users"}, "divides the log otherwise than in time"),
        ({"requests": "events"}, "the contexts of the test"),
    ],
)
def test_what_needs_one_machine_is_refused(
    spark: Any, case: JudgedCase, settings: dict[str, Any], words: str
) -> None:
    changed = case.project.evaluate.model_copy(update=settings)
    with pytest.raises(ProjectError, match=words):
        evaluate_on_spark(spark, case.project.model_copy(update={"evaluate": changed}))


def test_more_people_than_groups_keep_the_mean(
    case: JudgedCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shortlist.evaluate.on_spark.people.GROUPS", 40)
    found = judged(case, case.dataset, case.recommender, tmp_path)
    assert found.facts["people"] == case.report.facts["people"]
    for metric, estimate in case.report.metrics["shortlist"].items():
        one = found.metrics["shortlist"][metric]
        assert one.value == pytest.approx(estimate.value, rel=1e-6), metric
        assert one.high - one.low == pytest.approx(estimate.high - estimate.low, rel=0.7, abs=1e-9), metric
    np.testing.assert_allclose(
        found.differences["random"].value, found.metrics["shortlist"]["ndcg@10"].value, atol=0.2
    )

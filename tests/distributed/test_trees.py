"""Trees of the ranker that grow on executors: those of one process, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from numpy.typing import NDArray
from scipy.special import expit

from shortlist.config.project import parse_project
from shortlist.config.spark import SparkSettings
from shortlist.distributed import slots, trees
from shortlist.distributed.slots import SlotsLostError, collected_at_once, task_slots
from shortlist.distributed.trees import TreesOnExecutors, ranker_growth
from shortlist.errors import EngineError, ProjectError
from shortlist.rank.gbdt.ranker import GBDTRanker
from shortlist.rank.gbdt.train import Boosting
from shortlist.rank.gbdt.tree_job import PATIENCE, TreeJob, grow_here
from shortlist.rank.training_set import TrainingSet
from support.examples import examples_of, ranker_of
from support.tree_jobs import CLICK, SETTINGS, data_of, job_of


def parts(weights: NDArray[np.float32] | None = None) -> tuple[TrainingSet, TrainingSet]:
    """Training and validation examples of a click, a purchase that requires it, and an amount."""
    rng = np.random.default_rng(4)
    n = 3_000
    x = rng.normal(size=(n, 4)).round(1)
    x[:, 3] = rng.integers(0, 9, n)
    click = rng.random(n) < expit(x[:, 0] + (x[:, 3] == 2) - 1)
    buy = click & (rng.random(n) < expit(x[:, 1]))
    labels = {"click": click, "buy": buy, "spent": np.where(buy, np.exp(x[:, 2]), 0)}
    arrived = {"click": rng.uniform(0.6, 1, n), "buy": rng.uniform(0.6, 1, n), "spent": np.ones(n)}
    found = []
    for own in (slice(0, 2_000), slice(2_000, n)):
        some = [{name: of[own] for name, of in each.items()} for each in (labels, arrived)]
        found.append(examples_of(x[own], some[0], some[1], types=["q", "q", "q", "c"]))
    if weights is not None:
        found[0].weights[:] = weights
    return found[0], found[1]


OBJECTIVES: dict[str, dict[str, Any]] = {
    "click": {},
    "buy": {"given": "click"},
    "spent": {"kind": "amount"},
}


@pytest.fixture(scope="module")
def growth(spark: Any) -> TreesOnExecutors:
    return TreesOnExecutors(spark, SparkSettings(ranker="executors"))


def test_one_worker_grows_the_trees_of_one_process(growth: TreesOnExecutors, tmp_path: Path) -> None:
    """To the bit; the bundle's files are read by the same code, and trees are added to them in the same way."""
    for heads in ("joint", "separate"):
        ranker = ranker_of(OBJECTIVES, heads=heads, trees=25)
        here, there = ranker.grown_by(None).fit(*parts()), ranker.grown_by(growth).fit(*parts())
        matrix = parts()[1].matrix
        np.testing.assert_array_equal(here.predict(matrix), there.predict(matrix))
        assert there.calibration_ == here.calibration_
        there.save(tmp_path / heads)
        again = GBDTRanker.load(tmp_path / heads, ranker.settings, ranker.objectives)
        np.testing.assert_array_equal(here.predict(matrix), again.predict(matrix))
        if heads == "joint":
            more = [r.grown_by(g).fit(*parts(), earlier=r) for r, g in ((here, None), (again, growth))]
            np.testing.assert_array_equal(more[0].predict(matrix), more[1].predict(matrix))
            assert (more[0].predict(matrix) != here.predict(matrix)).any()


def test_weights_and_early_stopping_are_those_of_one_process(growth: TreesOnExecutors) -> None:
    some = np.random.default_rng(1).choice([0.2, 5], 2_000).astype(np.float32)
    ranker, matrix = ranker_of({"click": {}}, trees=150, learning_rate=0.4), parts()[1].matrix
    fitted = [
        ranker.grown_by(grow).fit(*parts(weights)).predict(matrix)
        for grow, weights in ((growth, None), (growth, some), (None, some))
    ]
    assert abs(fitted[0] - fitted[1]).max() > 0.01
    np.testing.assert_array_equal(fitted[1], fitted[2])
    job = job_of([CLICK], trees=150)
    job = replace(job, parameters={**job.parameters, "eta": 0.9})
    grown = growth(job)
    assert grown.num_boosted_rounds() == grown.best_iteration + 1 + PATIENCE < 150
    assert grown.best_iteration == grow_here(job).best_iteration


def test_the_trees_are_those_of_xgboost_spark(spark: Any, growth: TreesOnExecutors) -> None:
    """Of a loss that XGBoost has by name, with its weights, starts, validation rows and early stopping."""
    pytest.importorskip("pandas")
    from xgboost.spark import SparkXGBRegressor

    job = job_of([CLICK], rows=1_500, trees=60)
    job = replace(job, parameters={**job.parameters, "eta": 0.5})
    skipped = {"nthread", "disable_default_eval_metric", "verbosity", "base_score"}
    estimator = SparkXGBRegressor(
        features_col="values",
        label_col="label",
        weight_col="weight",
        base_margin_col="margin",
        validation_indicator_col="validation",
        feature_types=job.training.features.types,
        objective="binary:logistic",
        eval_metric="logloss",
        n_estimators=job.trees,
        early_stopping_rounds=PATIENCE,
        base_score=0.5,
        **{name: value for name, value in job.parameters.items() if name not in skipped},
    )
    theirs: xgb.Booster = estimator.fit(_frame(spark, job)).get_booster()
    ours = growth(job)
    assert ours.best_iteration == theirs.best_iteration
    assert ours.num_boosted_rounds() == theirs.num_boosted_rounds() < job.trees
    values = job.training.features.values
    margins = [
        model[: ours.best_iteration + 1].inplace_predict(values, predict_type="margin")
        for model in (ours, theirs)
    ]
    np.testing.assert_allclose(margins[0], margins[1], atol=1e-3)
    assert np.ptp(margins[0]) > 0.5


def _frame(spark: Any, job: TreeJob) -> Any:
    """The rows of both sides as `xgboost.spark` takes them."""
    content = []
    for rows in (job.training, job.validation):
        assert rows is not None
        validation = rows is job.validation
        # shares of the validation loss as weights
        weight = rows.factors[0] * (len(rows) if validation else 1)
        columns = (rows.features.values.tolist(), rows.labels[0].tolist(), weight.tolist())
        content += [(*one, float(job.margin[0]), validation) for one in zip(*columns, strict=True)]
    schema = "values array<float>, label float, weight float, margin float, validation boolean"
    return spark.createDataFrame(content, schema)


def test_workers_share_rows_that_are_enough_for_them(spark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "task_slots", lambda _session: 8)
    growth = TreesOnExecutors(spark, SparkSettings(ranker="executors"))
    assert [growth.workers(rows) for rows in (500, 35_000, 10_000_000)] == [1, 3, 8]
    bounded = TreesOnExecutors(spark, SparkSettings(ranker="executors", ranker_workers=5))
    assert bounded.workers(10_000_000) == 5
    keys = growth.keys(8)
    assert len(set(keys)) == 8
    monkeypatch.setattr(trees, "task_slots", lambda _session: 0)
    monkeypatch.setattr(trees, "START_SECONDS", 0.0)
    with pytest.raises(
        EngineError, match=r"the cluster has none; start workers, or set spark.ranker = \"driver\""
    ):
        growth.workers(500)


def test_auto_grows_many_trees_on_clusters_with_more_slots_than_cores(
    spark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = data_of([CLICK], 300, 0)
    job = Boosting([CLICK], SETTINGS, 0, 1, data, data).job(2)[0]
    growth = TreesOnExecutors(spark, SparkSettings())
    sent: list[int] = []

    def grown(_self: TreesOnExecutors, job: TreeJob, workers: int) -> xgb.Booster:
        sent.append(workers)
        return grow_here(job)

    monkeypatch.setattr(TreesOnExecutors, "_grown", grown)
    monkeypatch.setattr(trees, "task_slots", lambda _session: 64)
    assert growth(job).num_boosted_rounds() == 2
    assert sent == []
    monkeypatch.setattr(trees, "MANY_ROWS", 200)
    growth(job)
    assert sent == [1]
    monkeypatch.setattr(trees, "task_slots", lambda _session: 1)
    growth(job)
    assert sent == [1]


def test_a_model_is_begun_again_with_the_slots_that_are_left(
    spark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tasks that begin together wait for ever on one slot; a cluster that loses its executors again and again is said."""
    assert task_slots(spark) == 1
    growth, counts = TreesOnExecutors(spark, SparkSettings(ranker="executors")), [2, 2, 2, 1]
    monkeypatch.setattr(slots, "LOST_SECONDS", 0.2)
    monkeypatch.setattr(trees, "AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(trees, "ROWS_A_WORKER", 100)
    monkeypatch.setattr(trees, "task_slots", lambda _session: counts.pop(0))
    job = job_of([CLICK], rows=400, trees=3)
    assert bytes(growth(job).save_raw()) == bytes(grow_here(job).save_raw())
    assert counts == []

    def lost(*_arguments: object) -> xgb.Booster:
        raise SlotsLostError("no memory")

    monkeypatch.setattr(TreesOnExecutors, "_grown", lost)
    counts.extend([2] * 7)
    with pytest.raises(
        EngineError,
        match=r"3 times, executors died while the trees of the ranker grew \(no memory\).*spark.ranker = \"driver\"",
    ):
        growth(job)


def test_errors_of_executors_are_told(spark: Any) -> None:
    def failing(_batches: Any) -> Any:
        raise ModuleNotFoundError("No module named 'xgboost'")

    frame = spark.range(1).mapInArrow(failing, "id long", barrier=True)
    with pytest.raises(
        EngineError, match=r"the Python of an executor has no xgboost; install 'shortlist\[spark\]=="
    ):
        collected_at_once(spark, frame, 1)


def test_what_grows_on_the_driver_only_is_refused(spark: Any) -> None:
    def project(ranker: str, **rank: str) -> Any:
        return parse_project({"spark": {"ranker": ranker}, "rank": rank})

    assert ranker_growth(spark, project("driver")) is None
    assert isinstance(ranker_growth(spark, project("auto")), TreesOnExecutors)
    connect: Any = SimpleNamespace(conf=spark.conf)
    dynamic: Any = _Dynamic()
    assert ranker_growth(connect, project("auto")) is None
    for session, given, words in (
        (spark, project("executors", model="multitask"), "rank.model = 'multitask' is trained on one machine"),
        (connect, project("executors"), r"Spark Connect \(sc://\).*\"auto\" and \"driver\" train the ranker on the driver"),
        (dynamic, project("executors"), "set spark.dynamicAllocation.enabled to false"),
    ):  # fmt: skip
        with pytest.raises(ProjectError, match=words):
            ranker_growth(session, given)


class _Dynamic:
    """A session whose cluster grows and shrinks."""

    sparkContext = None  # noqa: N815 - PySpark's
    conf = SimpleNamespace(get=lambda _name, _default=None: "true")

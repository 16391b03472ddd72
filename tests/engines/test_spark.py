"""The SQL of the features is standard: Spark runs the same text and finds the same rows."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.config.project import Project, parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.histories import as_of
from shortlist.features.feature_set import FeatureSet
from shortlist.simulate.registry import WORLDS, make_world
from support.feature_cases import (
    FEATURES,
    assert_equal,
    case_project,
    feature_set,
    make,
    requests_for_all_items,
)
from support.paths import PUBLIC_DATA
from support.sizes import size


def one_of_each_kind(project: Project) -> Project:
    """A project with the first feature of each kind, and those of several keys at once."""
    kinds = {feature["kind"]: feature["name"] for feature in reversed(FEATURES)}
    kept = {*kinds.values(), "n_1m", "n_tag", "n_user_tag", "n_land_shop", "last_tag"}
    return project.model_copy(update={"features": [f for f in project.features if f["name"] in kept]})


def test_spark_finds_the_same_rows(spark: Any, full: bool) -> None:
    from shortlist.engines.spark import SparkEngine

    rng = np.random.default_rng(0)
    n = size(150, 400)
    events = [
        (
            str(rng.choice(["u", "v", "w"])),
            str(rng.choice(["a", "b", "c"])),
            float(rng.integers(1_000, 6_000)),
            str(rng.choice(["play", "play", "show"])),
            None if rng.random() < 0.2 else float(rng.normal()),
        )
        for _ in range(n)
    ]
    devices = [None if rng.random() < 0.1 else str(rng.choice(["tv", "phone"])) for _ in range(n)]
    delays = [float(x) for x in rng.choice([0, 0, 5, 900], n)]
    for late in (delays, None) if full else (delays,):
        dataset = make(events, devices=devices, late=late)
        users = rng.integers(0, 3, 40).astype(np.int32)
        moments = np.sort(rng.integers(1_000_000, 7_000_000, 40))
        project = case_project(arrival=late is not None)
        features = feature_set(dataset, project=project if full else one_of_each_kind(project)).fit(dataset)
        rows = requests_for_all_items(dataset, users, moments, as_of(dataset.histories, users, moments))
        found = features.offline_matrix(rows, dataset, engine=SparkEngine(spark))
        assert_equal(features.offline_matrix(rows, dataset), found, features.names([]))


def assert_same_features(spark: Any, project: Project, dataset: Dataset, requests: int) -> None:
    """The features of some requests of a log, each with 20 items, are the same from DuckDB and from Spark."""
    from shortlist.engines.spark import SparkEngine

    rng = np.random.default_rng(0)
    few = np.sort(rng.choice(len(dataset.log), requests, replace=False))
    users, moments = dataset.log.user[few], dataset.log.time[few]
    rows = requests_for_all_items(dataset, users, moments, as_of(dataset.histories, users, moments))
    chosen = np.zeros(len(rows.item), bool)
    chosen[rng.choice(len(chosen), 20 * requests, replace=False)] = True
    rows = rows.some(chosen)
    features = FeatureSet.from_project(project, dataset).fit(dataset)
    on_spark = features.offline_matrix(rows, dataset, engine=SparkEngine(spark))
    embedded = features.offline_matrix(rows, dataset)
    assert embedded.shape[1] >= 5
    assert_equal(embedded, on_spark, features.names([]))


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_the_features_of_a_world_are_the_same(spark: Any, name: str) -> None:
    world = make_world(name, users=150, items=120, sessions=800, days=40)
    assert_same_features(spark, world.project(), world.dataset(), 40)


COUNTS: list[dict[str, Any]] = [
    {"name": "taken", "kind": "count", "by": "item", "event": "event", "window": "30d"},
    {"name": "of_user", "kind": "count", "by": "user", "event": "event"},
    {"name": "genre", "kind": "recency", "by": "user*item.{list}", "event": "event"},
    {"name": "mean", "kind": "mean", "by": "item.{list}", "event": "event", "window": "90d"},
    {"name": "people", "kind": "distinct", "of": "user", "by": "item", "event": "event", "window": "60d"},
    {"name": "highest", "kind": "maximum", "by": "item", "event": "event", "window": "60d"},
    {"name": "affinity", "kind": "affinity", "of": "item.{list}", "last": 20},
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "attribute", "kind"),
    [("movielens-100k", "genres", "list"), ("completejourney", "department", "category")],
)
def test_the_features_of_public_data_are_the_same(spark: Any, folder: str, attribute: str, kind: str) -> None:
    path = PUBLIC_DATA / folder
    if not path.exists():
        pytest.skip(f"{path} is missing")
    features = [
        {
            name: value.format(list=attribute) if isinstance(value, str) else value
            for name, value in one.items()
        }
        for one in COUNTS
    ]
    value = "rating" if folder == "movielens-100k" else "value"
    project = parse_project(
        {
            "data": {"columns": {"timestamp": "timestamp", "value": value}},
            "items": {"id": "item_id", "attributes": {attribute: kind}},
            "features": features,
        }
    )
    events, items = (pq.read_table(path / f"{name}.parquet") for name in ("events", "items"))
    assert_same_features(spark, project, Dataset.from_frames(events, items, project=project), 60)


def test_queries_at_the_same_time_do_not_meet_and_leave_no_view(spark: Any) -> None:
    from shortlist.engines.spark import SparkEngine

    engine, found = SparkEngine(spark), {}
    before = {table.name for table in spark.catalog.listTables()}

    def ask(number: int) -> None:
        table = pa.table({"x": [number]})
        found[number] = engine.run(
            "SELECT SUM(x) AS s FROM events JOIN marks",
            {"events": table, "marks": table.rename_columns(["y"])},
        )

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: table.column("s").to_pylist() for number, table in found.items()} == {
        n: [n] for n in range(3)
    }
    assert {table.name for table in spark.catalog.listTables()} == before
    with pytest.raises(Exception, match="no_such_column"):
        engine.run("SELECT no_such_column FROM events", {"events": pa.table({"x": [1]})})
    assert {table.name for table in spark.catalog.listTables()} == before

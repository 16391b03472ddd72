"""The SQL of the features is standard: Spark runs the same text and finds the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from shortlist.config.project import Project
from shortlist.data.histories import as_of
from support.feature_cases import (
    FEATURES,
    assert_equal,
    case_project,
    feature_set,
    make,
    requests_for_all_items,
)
from support.sizes import size
from support.spark_cluster import require_spark


def one_of_each_kind(project: Project) -> Project:
    """A project with the first feature of each kind, and those of several keys at once."""
    kinds = {feature["kind"]: feature["name"] for feature in reversed(FEATURES)}
    kept = {*kinds.values(), "n_1m", "n_tag", "n_user_tag", "n_land_shop", "last_tag"}
    return project.model_copy(update={"features": [f for f in project.features if f["name"] in kept]})


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    """A session for tables of a few hundred rows: compiling queries and the JVM's own optimiser take longer than these run."""
    require_spark()
    from pyspark.sql import SparkSession

    settings: dict[str, bool | float | int | str | None] = {
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.default.parallelism": "1",
        "spark.ui.enabled": "false",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
    }
    made = SparkSession.builder.master("local[1]").appName("tests").config(map=settings).getOrCreate()
    yield made
    made.stop()


def test_spark_finds_the_same_rows(session: Any, full: bool) -> None:
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
        spark = features.offline_matrix(rows, dataset, engine=SparkEngine(session))
        assert_equal(features.offline_matrix(rows, dataset), spark, features.names([]))

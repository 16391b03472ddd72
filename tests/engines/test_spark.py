"""The SQL of the features is standard: Spark runs the same text and finds the same rows."""

from __future__ import annotations

import shutil

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


def one_of_each_kind(project: Project) -> Project:
    """A project with the first feature of each kind, and those of several keys at once."""
    kinds = {feature["kind"]: feature["name"] for feature in reversed(FEATURES)}
    kept = {*kinds.values(), "n_1m", "n_tag", "n_user_tag", "n_land_shop", "last_tag"}
    return project.model_copy(update={"features": [f for f in project.features if f["name"] in kept]})


def test_spark_finds_the_same_rows(full: bool) -> None:
    pytest.importorskip("pyspark", reason="PySpark is not installed: pip install 'shortlist[spark]'")
    if shutil.which("java") is None:
        pytest.skip("Java is not installed: apt-get install openjdk-17-jre-headless")
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
        spark = features.offline_matrix(rows, dataset, engine=SparkEngine())
        assert_equal(features.offline_matrix(rows, dataset), spark, features.names([]))

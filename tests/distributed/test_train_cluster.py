"""Training on a cluster of real processes, of which some die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.config.project import read_project
from shortlist.distributed.train import train_on_spark
from shortlist.recommender import Recommender
from shortlist.simulate.world import World
from support.spark_cluster import SparkCluster
from support.waiting import wait_for

SETTINGS = """
[spark]
events = 15_000
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    made = SparkCluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def project(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = world.write(tmp_path_factory.mktemp("world"))
    path.write_text(f"{path.read_text()}{SETTINGS}")
    return path


def start(cluster: SparkCluster, project: Path, out: Path) -> subprocess.Popen[bytes]:
    words = [
        "train",
        "--project",
        str(project),
        "--out",
        str(out),
        "--engine",
        "spark",
        "--master",
        cluster.master,
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "shortlist.cli", *words],
        env={**os.environ, **cluster.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def wait_for_tasks(cluster: SparkCluster, job: subprocess.Popen[bytes], more: int) -> None:
    """Wait until executors have finished so many more tasks."""

    def finished() -> int:
        return sum(
            log.read_text(errors="replace").count("Finished task")
            for log in cluster.folder.glob("work-*/*/*/stderr")
        )

    before = finished()

    def some() -> bool:
        assert job.poll() is None, job.stdout and job.stdout.read().decode()
        return finished() >= before + more

    wait_for(some, f"{more} tasks", 180)


@pytest.mark.slow
def test_a_driver_that_is_killed_leaves_no_bundle(
    cluster: SparkCluster, project: Path, tmp_path: Path
) -> None:
    job = start(cluster, project, tmp_path / "bundle")
    wait_for_tasks(cluster, job, 10)
    job.send_signal(signal.SIGKILL)
    job.communicate()
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_worker_dies_and_the_model_is_the_same(
    spark: Any, cluster: SparkCluster, project: Path, tmp_path: Path
) -> None:
    job = start(cluster, project, tmp_path / "bundle")
    wait_for_tasks(cluster, job, 10)
    cluster.kill_worker()
    said, _ = job.communicate(timeout=500)
    assert job.returncode == 0, said.decode()
    assert "43,502 events; " in said.decode()
    there = Recommender.load(tmp_path / "bundle").model
    here = train_on_spark(spark, read_project(project)).recommender.model
    assert there.dataset.users.ids.values.equals(here.dataset.users.ids.values)
    for name in ("user", "item", "time", "kind", "value"):
        np.testing.assert_array_equal(getattr(there.dataset.log, name), getattr(here.dataset.log, name))
    both: list[dict[str, Any]] = [{**each.retrievers} for each in (there, here)]
    np.testing.assert_allclose(both[0]["popular"].counts_, both[1]["popular"].counts_, rtol=1e-5)
    one, other = (each["neighbours"].weights_.toarray() for each in both)
    assert abs(one - other).max() < 1e-4 * abs(other).max()
    np.testing.assert_allclose(there.scales, here.scales, rtol=0.05)

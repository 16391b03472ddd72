"""Training on a cluster of real processes, of which some die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import shortlist
from shortlist.config.project import read_project
from shortlist.distributed.train import train_on_spark
from shortlist.recommender import Recommender
from shortlist.simulate.world import World
from support.other_library import other_library, without_module
from support.process_table import descendants, is_alive
from support.spark_cluster import SparkCluster, executors_of, workers_of
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


def start(
    cluster: SparkCluster, project: Path, out: Path, master: str | None = None, **settings: str
) -> subprocess.Popen[bytes]:
    """Start a training on the cluster, or with another master. `settings` are those of `spark-defaults.conf`, `_` for a dot."""
    folder = out.parent / "conf"
    folder.mkdir()
    lines = [f"{name.replace('_', '.')} {value}" for name, value in settings.items()]
    (folder / "spark-defaults.conf").write_text("\n".join(lines))
    words = [
        "train",
        "--project",
        str(project),
        "--out",
        str(out),
        "--engine",
        "spark",
        "--master",
        master or cluster.master,
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "shortlist.cli", *words],
        cwd=folder,
        env={**os.environ, **cluster.environment, "SPARK_CONF_DIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def finished(job: subprocess.Popen[bytes], returncode: int = 0) -> str:
    """Wait for a training, and return what it said."""
    try:
        said, _ = job.communicate(timeout=1_200)
    except subprocess.TimeoutExpired:
        job.kill()
        raise
    assert job.returncode == returncode, said.decode()
    return said.decode()


def assert_same_model(spark: Any, project: Path, bundle: Path) -> None:
    """The bundle is what a training without any failure makes."""
    there = Recommender.load(bundle).model
    here = train_on_spark(spark, read_project(project)).recommender.model
    assert there.dataset.users.ids.values.equals(here.dataset.users.ids.values)
    for name in ("user", "item", "time", "kind", "value"):
        np.testing.assert_array_equal(getattr(there.dataset.log, name), getattr(here.dataset.log, name))
    both: list[dict[str, Any]] = [{**each.retrievers} for each in (there, here)]
    np.testing.assert_allclose(both[0]["popular"].counts_, both[1]["popular"].counts_, rtol=1e-5)
    one, other = (each["neighbours"].weights_.toarray() for each in both)
    assert abs(one - other).max() < 1e-4 * abs(other).max()
    np.testing.assert_allclose(there.scales, here.scales, rtol=0.05)


def wait_for_tasks(cluster: SparkCluster, job: subprocess.Popen[bytes], more: int) -> None:
    """Wait until executors have finished so many more tasks."""

    def ended() -> int:
        return sum(
            log.read_text(errors="replace").count("Finished task")
            for log in cluster.folder.glob("work-*/*/*/stderr")
        )

    before = ended()

    def some() -> bool:
        assert job.poll() is None, job.stdout and job.stdout.read().decode()
        return ended() >= before + more

    wait_for(some, f"{more} tasks", 600)


@pytest.mark.slow
def test_a_driver_that_is_killed_leaves_no_bundle(
    cluster: SparkCluster, project: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    job = start(cluster, project, out / "bundle")
    wait_for_tasks(cluster, job, 6)
    executors = [process for worker in cluster.workers for process in descendants(worker.pid)]
    started = [*descendants(job.pid), *executors]
    assert len(started) >= 3  # the JVM of the driver, and two executors
    job.send_signal(signal.SIGKILL)
    job.communicate()
    wait_for(lambda: not any(map(is_alive, started)), "the JVM and the executors end", 60)
    assert [path.name for path in out.iterdir()] == ["conf"]


@pytest.mark.slow
def test_executors_without_memory_leave_no_bundle(
    cluster: SparkCluster, project: Path, tmp_path: Path
) -> None:
    job = start(cluster, project, tmp_path / "bundle", spark_executor_pyspark_memory="128m")
    said = finished(job, 2)
    assert "memory" in said
    assert "spark.executor" in said
    assert [path.name for path in tmp_path.iterdir()] == ["conf"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "words"),
    [
        (partial(other_library, file="version.py", text=shortlist.__version__, changed="0.0.9"), "executor has Shortlist 0.0.9, and the driver"),
        (partial(without_module, module="pyarrow"), "the Python of an executor has no pyarrow; install 'shortlist[spark]=="),
    ],
)  # fmt: skip
def test_executors_with_another_library_leave_no_bundle(
    cluster: SparkCluster, project: Path, tmp_path: Path, library: Callable[[Path], Path], words: str
) -> None:
    folder = library(tmp_path / "library")
    job = start(cluster, project, tmp_path / "bundle", spark_executorEnv_PYTHONPATH=str(folder))
    assert words in " ".join(finished(job, 2).split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["conf", "library"]


@pytest.mark.slow
def test_an_executor_of_a_local_cluster_dies_and_the_model_is_the_same(
    spark: Any, cluster: SparkCluster, project: Path, tmp_path: Path
) -> None:
    job = start(cluster, project, tmp_path / "bundle", master="local-cluster[2,1,2048]")
    wait_for(lambda: executors_of(job.pid), "an executor", 600)
    wait_for(lambda: workers_of(executors_of(job.pid)), "a Python worker", 600)
    os.kill(executors_of(job.pid)[0], signal.SIGKILL)  # as the kernel does where memory runs out
    finished(job)
    assert_same_model(spark, project, tmp_path / "bundle")


@pytest.mark.slow
def test_spark_connect_trains_the_same_model(
    spark: Any, cluster: SparkCluster, project: Path, tmp_path: Path
) -> None:
    pytest.importorskip("grpc", reason="Spark Connect needs grpcio: pip install 'shortlist[spark]'")
    with cluster.connect() as address:
        job = start(cluster, project, tmp_path / "bundle", master=address)
        finished(job)
    assert_same_model(spark, project, tmp_path / "bundle")


# the last one: the cluster has one worker afterwards
@pytest.mark.slow
def test_a_worker_dies_and_the_model_is_the_same(
    spark: Any, cluster: SparkCluster, project: Path, tmp_path: Path
) -> None:
    job = start(cluster, project, tmp_path / "bundle")
    wait_for_tasks(cluster, job, 6)
    cluster.kill_worker()
    said = finished(job)
    assert "43,502 events; " in said
    assert_same_model(spark, project, tmp_path / "bundle")

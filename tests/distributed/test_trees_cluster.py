"""Trees that grow on several executors, each a process with a Python of its own, of which some die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.other_library import without_module
from support.process_table import descendants
from support.spark_cluster import SparkCluster, executors_of
from support.waiting import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    made = SparkCluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.stop()


def start(
    cluster: SparkCluster, folder: Path, master: str, trees: int = 60, **settings: str
) -> subprocess.Popen[bytes]:
    """Start a program that lets trees grow on a cluster; `settings` are those of `spark-defaults.conf`, `_` for a dot."""
    conf = folder / "conf"
    conf.mkdir()
    lines = [f"{name.replace('_', '.')} {value}" for name, value in settings.items()]
    (conf / "spark-defaults.conf").write_text("\n".join(lines))
    return subprocess.Popen(
        [sys.executable, "-m", "support.grow_trees", master, str(trees), str(folder / "found.json")],
        cwd=folder,
        env={
            **os.environ,
            **cluster.environment,
            "SPARK_CONF_DIR": str(conf),
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def finished(job: subprocess.Popen[bytes], folder: Path) -> dict[str, Any]:
    """Wait for the program, and return what it found."""
    try:
        said, _ = job.communicate(timeout=1_200)
    except subprocess.TimeoutExpired:
        job.kill()
        raise
    assert job.returncode == 0, said.decode()
    found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return found


def assert_as_good(found: dict[str, Any], objectives: int = 3) -> None:
    """Log loss, or squared error, of other rows is that of trees of one process, to some hundredths of what trees save."""
    assert len(found.get("losses", {})) == objectives, found
    for name, (none, here, there) in found["losses"].items():
        assert here < 0.97 * none, name
        assert abs(there - here) < 0.05 * (none - here), (name, none, here, there)


def test_two_executors_grow_trees_as_good_as_those_of_one_process(
    cluster: SparkCluster, tmp_path: Path
) -> None:
    found = finished(start(cluster, tmp_path, "local-cluster[2,1,2048]"), tmp_path)
    assert found["workers"] == [2, 1, 2]  # of the stars, fewer than 20,000 examples are known
    assert_as_good(found)


def test_an_executor_without_xgboost_is_told(cluster: SparkCluster, tmp_path: Path) -> None:
    folder = without_module(tmp_path / "library", "xgboost")
    path = os.pathsep.join([str(folder), *sys.path])
    found = finished(start(cluster, tmp_path, cluster.master, spark_executorEnv_PYTHONPATH=path), tmp_path)
    assert "the Python of an executor has no xgboost; install 'shortlist[spark]==" in found["error"]


def test_an_executor_that_dies_is_replaced_and_the_trees_grow(cluster: SparkCluster, tmp_path: Path) -> None:
    job = start(cluster, tmp_path, "local-cluster[2,1,2048]", trees=400)
    growing(lambda: [one for executor in executors_of(job.pid) for one in descendants(executor)], job)
    os.kill(executors_of(job.pid)[0], signal.SIGKILL)
    found = finished(job, tmp_path)
    assert len(found["workers"]) > 3  # begun anew
    assert_as_good(found)


def test_connect_lets_the_driver_grow_them(cluster: SparkCluster, tmp_path: Path) -> None:
    pytest.importorskip("grpc", reason="Spark Connect needs grpcio: pip install 'shortlist[spark]'")
    with cluster.connect() as address:
        found = finished(start(cluster, tmp_path, address), tmp_path)
    assert found["auto"] == "driver"
    assert "over Spark Connect (sc://), the driver cannot ask" in found["error"]


# the last one: the cluster has one worker afterwards
def test_a_worker_that_dies_leaves_its_rows_to_the_others(cluster: SparkCluster, tmp_path: Path) -> None:
    job = start(cluster, tmp_path, cluster.master, trees=400)
    growing(lambda: [one for worker in cluster.workers for one in descendants(worker.pid)], job)
    cluster.kill_worker()
    found = finished(job, tmp_path)
    assert found["workers"][0] == 2, found
    assert found["workers"][-1] == 1, found
    assert_as_good(found)


def growing(processes: Callable[[], list[int]], job: subprocess.Popen[bytes]) -> None:
    """Wait until two Python workers of executors have loaded XGBoost: they grow trees."""

    def grows(process: int) -> bool:
        try:
            return "libxgboost" in Path(f"/proc/{process}/maps").read_text()
        except OSError:
            return False

    def ready() -> bool:
        assert job.poll() is None, job.stdout and job.stdout.read().decode()
        return sum(map(grows, processes())) >= 2

    wait_for(ready, "two executors grow trees", 600)

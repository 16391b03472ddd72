"""Slates of a cluster: the same as those of one machine, also if a worker dies in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from support.cli import run
from support.spark_cluster import SparkCluster
from support.waiting import wait_for

PARTS = 12


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    made = SparkCluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.stop()


def batch(bundle: Path, out: Path, *options: str) -> list[str]:
    words = ["batch", str(bundle), "--out", str(out), "-n", "3", "--users-per-part", "50", *options]
    return [sys.executable, "-m", "shortlist.cli", *words]


@pytest.mark.slow
def test_spark_connect_and_a_driver_that_is_killed(
    bundle: Path, cluster: SparkCluster, tmp_path: Path
) -> None:
    out = tmp_path / "slates"
    pytest.importorskip("grpc", reason="Spark Connect needs grpcio: pip install 'shortlist[spark]'")
    environment = {**os.environ, **cluster.environment}
    with cluster.connect() as address:
        command = batch(bundle, out, "--engine", "spark", "--master", address)
        job = subprocess.Popen(command, cwd=tmp_path, env=environment)
        wait_for(lambda: list(out.glob("part-*")), "the first part", 180)
        job.kill()
        job.wait()
        assert not (out / "_SUCCESS").exists()
        kept = {part.name: part.stat().st_mtime_ns for part in out.glob("part-*")}
        said = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
    assert "were there" in said.stdout
    assert (out / "_SUCCESS").exists()
    assert pq.read_table(out).num_rows == 1_800
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept


def test_a_worker_dies_and_the_slates_are_those_of_one_machine(
    bundle: Path, cluster: SparkCluster, tmp_path: Path
) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    spark = ("--engine", "spark", "--master", cluster.master)
    job = subprocess.Popen(
        batch(bundle, there, *spark),
        cwd=tmp_path,
        env={**os.environ, **cluster.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )

    def some() -> bool:
        assert job.poll() is None, job.stdout and job.stdout.read().decode()
        return 1 <= len(list(there.glob("part-*"))) < PARTS

    wait_for(some, "the first parts", 120)
    cluster.kill_worker()
    said, _ = job.communicate(timeout=180)
    assert job.returncode == 0, said.decode()
    assert "600 slates" in said.decode()
    # the moment of the job is that of the folder: parts that are missing are made here as they were made there
    here.mkdir()
    (here / "_job.json").write_bytes((there / "_job.json").read_bytes())
    run(*batch(bundle, here)[3:], cwd=tmp_path)
    assert pq.read_table(there).equals(pq.read_table(here))
    assert not list(there.glob(".part*"))
    assert not (tmp_path / "spark-warehouse").exists()

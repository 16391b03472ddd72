"""One limit of threads for all libraries, and waiting that leaves the cores to others."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numba
import numpy as np
import pyarrow as pa
import pytest
from threadpoolctl import threadpool_info

import shortlist
from shortlist import threads
from shortlist.engines.duckdb import DuckDBEngine, connect
from shortlist.errors import ShortlistError
from shortlist.retrieve.kernels.parallel import run_rows
from support import cli

CODE = "import shortlist, os, sys; print(os.environ.get('OMP_WAIT_POLICY')); import xgboost"


@pytest.fixture(autouse=True)
def no_limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(threads.VARIABLE, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    threads._container_limit.cache_clear()
    yield
    shortlist.set_threads(None)
    threads._container_limit.cache_clear()


def pools() -> dict[str, int]:
    """File of each library that has threads → their number."""
    return {library["filepath"]: library["num_threads"] for library in threadpool_info()}


@pytest.mark.parametrize("name", threads.WAITING)
def test_users_say_themselves_how_openmp_waits(name: str) -> None:
    environment = {name: "1"}
    threads.wait_passively(environment)
    assert environment == {name: "1"}


def test_openmp_waits_passively_in_libraries_that_are_loaded_after_shortlist() -> None:
    clean = {name: value for name, value in os.environ.items() if name not in threads.WAITING}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**clean, "OMP_DISPLAY_ENV": "true"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout == "PASSIVE\n"
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr  # as the library itself reports when it is loaded


def test_a_limit_holds_for_every_library_and_is_undone() -> None:
    before = pools(), pa.cpu_count(), numba.get_num_threads()
    shortlist.set_threads(1)
    assert set(pools().values()) == {1}
    assert pa.cpu_count() == numba.get_num_threads() == threads.openmp_threads() == 1
    for run in (connect().sql, DuckDBEngine()._database.sql):
        assert run("SELECT current_setting('threads')").fetchall() == [(1,)]
    shortlist.set_threads(None)
    after = pools()
    assert ({name: after[name] for name in before[0]}, pa.cpu_count(), numba.get_num_threads()) == before
    assert threads.thread_limit() is None
    assert threads.openmp_threads() == 0


@pytest.mark.parametrize("number", [0, -1, True, 1.5, "2"])
def test_wrong_numbers_are_refused(number: object) -> None:
    with pytest.raises(ShortlistError, match="is no number of threads"):
        shortlist.set_threads(number)  # type: ignore[arg-type]


def test_the_environment_limits_unless_the_program_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(threads.VARIABLE, "3")
    assert threads.thread_limit() == threads.openmp_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    assert threads.openmp_threads() == 2
    shortlist.set_threads(1)
    assert threads.thread_limit() == 1
    shortlist.set_threads(None)
    for wrong in ("0", "many", "²"):
        monkeypatch.setenv(threads.VARIABLE, wrong)
        with pytest.raises(ShortlistError, match=f"SHORTLIST_THREADS={wrong}: must be"):
            threads.thread_limit()


def test_a_container_with_less_time_than_cores_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "available_cores", lambda: 2)
    assert threads.thread_limit() == 2
    threads._container_limit.cache_clear()
    monkeypatch.setattr(threads, "available_cores", lambda: 8)
    assert threads.thread_limit() is None


@pytest.mark.parametrize(
    ("cores", "busy", "threads_used"),
    [
        (2, 1.0, 0),
        (4, 0.0, 4),
        (4, 0.9, 3),
        (4, 2.0, 0),
        (16, 1.2, 15),
        (16, 7.4, 9),
        (16, 8.0, 0),
        (16, 20.0, 0),
    ],
)
def test_boosting_leaves_busy_cores_to_others(
    cores: int, busy: float, threads_used: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "available_cores", lambda: cores)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(threads, "_busy_cores", lambda: busy)
    assert threads.openmp_threads() == threads_used
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert threads.openmp_threads() == 0  # as the user says


def test_busy_cores_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = iter(
        [
            "cpu 0 0 0\ncpu0 100 5 50 900 7 1 2 3 0 0\ncpu1 10 0 0 900 0 0 0 0 0 0\ncpu9 0 0 0 0 0 0 0 0\nintr 1\n",
            "cpu 0 0 0\ncpu0 105 9 52 900 9 1 2 3 0 0\ncpu1 10 9 0 901 0 0 1 0 0 0\ncpu9 90 0 0 0 0 0 0 0\nintr 1\n",
        ]
    )
    monkeypatch.setattr(Path, "read_text", lambda _self, encoding: next(samples))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert threads._busy_cores() == pytest.approx(0.8)  # 7 and 1 of 10 ticks; core 9 is none of ours


def test_a_forked_process_boosts_with_one_thread() -> None:
    importlib.import_module("xgboost")
    shortlist.set_threads(2)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(threads.openmp_threads) == 1
    assert threads.openmp_threads() == 2


@pytest.mark.parametrize("limit", [1, 2])
def test_kernels_use_as_many_threads_as_allowed(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba, "get_num_threads", lambda: 4)
    shortlist.set_threads(limit)
    seen, count = set[str](), np.zeros(500, np.int64)

    def kernel(low: int, high: int) -> None:
        seen.add(threading.current_thread().name)
        count[low:high] += 1

    run_rows(500, kernel)
    assert 1 <= len(seen) <= limit
    assert (count == 1).all()


def test_the_option_of_a_command_holds_for_that_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(
        "shortlist.config.project.read_project", lambda _path: seen.append(threads.thread_limit())
    )
    with pytest.raises(AttributeError):  # the project that was not read
        cli.run("check", "--threads", 1, cwd=tmp_path)
    assert seen == [1]
    assert threads.thread_limit() is None
    assert "--threads" in cli.run("train", "--threads", 0, cwd=tmp_path, ok=False)

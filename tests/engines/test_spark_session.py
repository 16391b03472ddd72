"""What can be wrong with Spark is said at once and in words."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from shortlist.engines.job_error import first_line, job_error
from shortlist.engines.spark_session import check_java, spark_session
from shortlist.errors import EngineError
from support.process_table import is_alive
from support.servers import free_port
from support.waiting import wait_for

pytest.importorskip("pyspark", reason="PySpark is not installed: pip install 'shortlist[spark]'")


def fake_java(folder: Path, version: str) -> None:
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024-01-01' >&2\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_java_is_missing_or_too_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "none"))
    with pytest.raises(EngineError, match=r"there is none in JAVA_HOME=.*apt-get install openjdk-17"):
        check_java()
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="there is none on this machine"):
        check_java()
    for version, old in (("11.0.22", "11"), ("1.8.0_402", "8")):
        monkeypatch.setenv("JAVA_HOME", str(tmp_path / old))
        fake_java(tmp_path / old, version)
        with pytest.raises(EngineError, match=rf"is Java {old}, and Spark 4 needs 17"):
            check_java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "new"))
    fake_java(tmp_path / "new", "21.0.1")
    check_java()


@pytest.mark.parametrize(
    ("master", "words"),
    [
        ("spark://127.0.0.1:{port}", "nothing answers at spark://127.0.0.1"),
        ("sc://127.0.0.1:{port}", "nothing answers at sc://127.0.0.1"),
        ("sparks://somewhere", r"is no master; for example local\[\*\]"),
        ("spark://127.0.0.1:port", "nothing answers"),
    ],
)
def test_a_master_that_cannot_be_reached(master: str, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        spark_session(master.format(port=free_port()))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("PythonException:\nModuleNotFoundError: No module named 'shortlist'\n", "no shortlist; install 'shortlist"),
        ("ModuleNotFoundError: No module named 'shortlist.distributed.new'\n", "another version of Shortlist than the driver"),
        ("AttributeError: Can't get attribute 'OnExecutor' on <module 'shortlist.distributed.on_executors' from", "another version"),
        ("[PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.12 than that in driver: 3.11, PySpark", "run Python 3.12 and the driver runs Python 3.11,.*to a Python 3.11 that"),
        ('java.io.IOException: Cannot run program "/opt/python": error=2, No such file', "cannot start /opt/python; set PYSPARK_PYTHON"),
        ("[FAILED_READ_FILE.FILE_NOT_EXIST] Encountered error while reading file file:///d/b.parquet. File does", r"does not find file:///d/b\.parquet; name a folder"),
        ("x\nshortlist.errors.DataError: s: nothing can be written there (no)\n", "^s: nothing can be written there"),
        ("PySparkImportError: [PACKAGE_NOT_INSTALLED] PyArrow >= 15 must be installed", "no pyarrow; install"),
        ("ModuleNotFoundError: No module named 'lazy_loader'", "no lazy_loader; install 'shortlist[spark]=="),
        ("ModuleNotFoundError: No module named 'mine'", "no mine; install 'mine'"),
        ("shortlist.errors.BundleError: x is a bundle of format 5 and this version reads format 6", "cannot read the bundle: x is a"),
        ("Traceback\n  File\nValueError: the last line\n\tat java.lang", "failed: the last line"),
        ("An error occurred while calling o1.collect.\n: org.SparkException: Job aborted\n\tat org.", "Job aborted"),
        ("Job aborted: SparkException: Python worker exited unexpectedly (crashed).\n\tat x", "ran out of memory, again and again"),
        ("ExecutorLostFailure (executor 1 exited): Command exited with code 137", "spark.executor.memory for Java"),
        ("ImportError: libarrow.so.2600: failed to map segment from shared object", "spark.executor.pyspark.memory for Python"),
    ],
)  # fmt: skip
def test_errors_of_a_job_are_sentences(text: str, words: str) -> None:
    assert re.search(words.replace("[spark]", r"\[spark\]"), str(job_error(RuntimeError(text))))


def test_the_first_line_of_an_error_of_the_jvm_is_its_own() -> None:
    said = first_line(
        RuntimeError("An error occurred while calling None.X.\n: java.io.IOException: no route\n\tat x")
    )
    assert said == "java.io.IOException: no route"


DRIVER = """
import os, time
from shortlist.engines.spark_session import spark_session
java = spark_session("local[1]").sparkContext._gateway.proc.pid
child = os.fork()
if child:
    print(java, child, flush=True)
time.sleep(600)
"""
"""A driver that has forked another process, as servers and process pools do."""


@pytest.mark.slow
def test_java_ends_with_a_driver_that_is_killed_though_a_forked_process_lives() -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert driver.stdout is not None
    java, child = map(int, driver.stdout.readline().split())
    try:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        wait_for(lambda: not is_alive(java), "Java ends", 60)
        assert is_alive(child)
    finally:
        os.kill(child, signal.SIGKILL)
        driver.stdout.close()

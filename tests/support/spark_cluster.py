"""A standalone Spark cluster on this machine: a master and two workers, each a process of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.process_table import children
from support.servers import free_port
from support.waiting import wait_for

JAVA = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"]
"""Start in half the time: the processes live for seconds."""
POSTGRESQL = Path("/usr/share/java/postgresql.jar")
"""The JDBC driver of Debian's package libpostgresql-jdbc-java."""
LOCAL = ("--host", "127.0.0.1", "--webui-port", "0")


def require_spark() -> Path:
    """Return the folder of PySpark, or skip the test where PySpark or Java is missing."""
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        pytest.skip("PySpark is not installed: pip install 'shortlist[spark]'")
    if shutil.which("java") is None:
        pytest.skip("Java is not installed: apt-get install openjdk-17-jre-headless")
    return Path(found.origin).parent


def small_session() -> Any:
    """Return a session for tables of some thousand rows: compiling queries and the JVM's own optimiser take longer than these run."""
    require_spark()
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings: dict[str, bool | float | int | str | None] = {
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.default.parallelism": "1",
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.warehouse.dir": (Path(tempfile.gettempdir()) / "spark-warehouse").as_uri(),
    }
    if POSTGRESQL.exists():
        settings["spark.driver.extraClassPath"] = str(POSTGRESQL)
    return SparkSession.builder.master("local[1]").appName("tests").config(map=settings).getOrCreate()


class SparkCluster:
    """A master and two workers with one core each, and what they write.

    Attributes
    ----------
    master : str
        The address `spark://…`.
    workers : list of subprocess.Popen
        The workers. Each starts one executor a job, which ends with it.
    """

    def __init__(self, folder: Path) -> None:
        self.home = require_spark()
        self.folder = folder
        # what spark-class and load-spark-env.sh of a distribution set; drivers bind to this address
        self.environment = {
            "SPARK_HOME": str(self.home),
            "SPARK_SCALA_VERSION": "2.13",
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_CONF_DIR": str(folder / "conf"),
            "PYSPARK_PYTHON": sys.executable,
        }
        (folder / "conf").mkdir()
        quick = " ".join(JAVA[:2])
        of_jobs = [f"spark.{process}.extraJavaOptions {quick}" for process in ("driver", "executor")]
        (folder / "conf" / "spark-defaults.conf").write_text("\n".join(of_jobs))
        port = free_port()
        self.master = f"spark://127.0.0.1:{port}"
        self._master = self._start("master", JAVA, "master.Master", *LOCAL, "--port", str(port))
        self._wait(self._master, "master", "started at")
        self.workers = [self._worker(number) for number in range(2)]
        for number, worker in enumerate(self.workers):
            self._wait(worker, f"worker-{number}", "Successfully registered with master")

    def _worker(self, number: int) -> subprocess.Popen[bytes]:
        work = self.folder / f"work-{number}"
        options = ("--cores", "1", "--memory", "2g", "--work-dir", str(work))
        return self._start(f"worker-{number}", JAVA, "worker.Worker", *LOCAL, *options, self.master)

    def _start(self, name: str, java: list[str], role: str, *options: str) -> subprocess.Popen[bytes]:
        """Start a process of Spark, with the options of Java before its class and its own after it."""
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [
                    "java",
                    *java,
                    "-cp",
                    f"{self.home / 'jars'}/*",
                    f"org.apache.spark.deploy.{role}",
                    *options,
                ],
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @contextmanager
    def connect(self) -> Iterator[str]:
        """Run a server of Spark Connect, which has all executors meanwhile, and yield its address."""
        port = free_port()
        packages = ("java.nio", "java.util", "java.lang", "java.lang.invoke", "sun.nio.ch")
        opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in packages]
        name = "org.apache.spark.sql.connect.service.SparkConnectServer"
        settings = (f"spark.connect.grpc.binding.port={port}", "spark.ui.enabled=false")
        options = [word for setting in settings for word in ("--conf", setting)]
        master = ("--master", self.master, "--class", name)
        server = self._start("connect", opens, "SparkSubmit", *master, *options, "spark-internal")
        try:
            self._wait(server, "connect", "Spark Connect server started")
            yield f"sc://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()

    def _wait(self, process: subprocess.Popen[bytes], name: str, words: str) -> None:
        log = self.folder / f"{name}.log"

        def ready() -> bool:
            assert process.poll() is None, log.read_text()
            return words in log.read_text()

        wait_for(ready, f"{name} is ready", 180)

    def kill_worker(self) -> None:
        """Kill a worker as a machine that fails would: its executor ends with it."""
        worker = self.workers.pop()
        worker.send_signal(signal.SIGKILL)
        worker.wait()

    def stop(self) -> None:
        """End all processes."""
        for process in (*self.workers, self._master):
            process.terminate()
            process.wait()


def executors_of(driver: int) -> list[int]:
    """Return the processes of executors that the JVM of a driver has started."""
    java = [process for process, _ in children(driver)]
    return [
        process
        for one in java
        for process, command in children(one)
        if "CoarseGrainedExecutorBackend" in command
    ]


def workers_of(executors: list[int]) -> list[int]:
    """Return the Python daemons of executors."""
    return [process for one in executors for process, command in children(one) if "pyspark.daemon" in command]

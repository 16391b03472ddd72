"""A standalone Spark cluster on this machine: a master and two workers, each a process of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.servers import free_port
from support.waiting import wait_for

JAVA = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"]
"""Start in half the time: the processes live for seconds."""


def require_spark() -> Path:
    """Return the folder of PySpark, or skip the test where PySpark or Java is missing."""
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        pytest.skip("PySpark is not installed: pip install 'shortlist[spark]'")
    if shutil.which("java") is None:
        pytest.skip("Java is not installed: apt-get install openjdk-17-jre-headless")
    return Path(found.origin).parent


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
            "PYSPARK_PYTHON": sys.executable,
        }
        port = free_port()
        self.master = f"spark://127.0.0.1:{port}"
        self._master = self._start("master.Master", "--port", str(port), "--webui-port", "0")
        self._wait(self._master, "master.Master", "started at")
        self.workers = [self._worker(number) for number in range(2)]
        for number, worker in enumerate(self.workers):
            self._wait(worker, f"worker.Worker-{number}", "Successfully registered with master")

    def _worker(self, number: int) -> subprocess.Popen[bytes]:
        work = self.folder / f"work-{number}"
        options = ("--cores", "1", "--memory", "2g", "--work-dir", str(work), "--webui-port", "0")
        return self._start("worker.Worker", *options, self.master, name=f"worker.Worker-{number}")

    def _start(self, role: str, *options: str, name: str | None = None) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name or role}.log").open("wb") as log:
            return subprocess.Popen(
                ["java", *JAVA, "-cp", f"{self.home / 'jars'}/*", f"org.apache.spark.deploy.{role}", "--host", "127.0.0.1", *options],
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip

    @contextmanager
    def connect(self) -> Iterator[str]:
        """Run a server of Spark Connect, which has all executors meanwhile, and yield its address."""
        port = free_port()
        jars, opens = self.home / "jars", ("nio", "util", "lang", "lang.invoke")
        options = [f"--add-opens=java.base/java.{one}=ALL-UNNAMED" for one in opens]
        options.append("--add-opens=java.base/sun.nio.ch=ALL-UNNAMED")
        name = "org.apache.spark.sql.connect.service.SparkConnectServer"
        with (self.folder / "connect.log").open("wb") as log:
            server = subprocess.Popen(
                ["java", *options, "-cp", f"{jars}/*", "org.apache.spark.deploy.SparkSubmit", "--master", self.master,
                 "--class", name, "--conf", f"spark.connect.grpc.binding.port={port}", "--conf", "spark.ui.enabled=false",
                 "spark-internal"],
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
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

        wait_for(ready, f"{name} is ready")

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

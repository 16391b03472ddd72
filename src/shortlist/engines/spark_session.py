"""Sessions of Apache Spark, and plain messages for what can be wrong with them."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shortlist.engines.job_error import first_line
from shortlist.engines.machine import machine_memory
from shortlist.errors import EngineError, import_extra

JAVA = 17
"""The oldest Java that Spark 4 runs on."""
SPARK = 4
"""The oldest Spark whose Python functions exchange Arrow tables as they are used here."""
LOCAL_TASKS = 4
"""Tasks that read shuffled rows on one machine."""
SECONDS = 5.0
"""How long the address of a master is tried."""
SETTINGS = {
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.driver.maxResultSize": "0",  # what is collected has bounds of its own
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}
_PIPES: list[Any] = []
"""The standard inputs of the processes of Java that this process has started."""


def spark_session(master: str | None = None) -> Any:
    """Return the running session, or start one.

    Parameters
    ----------
    master
        `local[*]`, `spark://host:port`, `yarn`, `k8s://…`, or `sc://host:port` for Spark Connect (default: the variable
        `SPARK_REMOTE` or `SPARK_MASTER`, else `local[*]`).

    Returns
    -------
    pyspark.sql.SparkSession

    Raises
    ------
    MissingExtraError
        PySpark is not installed.
    EngineError
        There is no Java, it is too old, PySpark is too old, or nothing answers at the master's address.
    """
    pyspark = import_extra("pyspark", "spark")
    if int(str(pyspark.__version__).split(".")[0]) < SPARK:
        raise EngineError(
            f"PySpark {pyspark.__version__} is installed and Spark {SPARK} or newer is required; run: "
            "pip install --upgrade 'shortlist[spark]'"
        )
    sql = import_extra("pyspark.sql", "spark")
    if master is None and (running := sql.SparkSession.getActiveSession()):
        return running
    address = master or os.environ.get("SPARK_REMOTE") or os.environ.get("SPARK_MASTER") or "local[*]"
    _check_address(address)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = sql.SparkSession.builder.appName("shortlist")
    if address.startswith("sc://"):
        import_extra("grpc", "spark")
        builder = builder.remote(address)
    else:
        check_java()
        builder = builder.master(address)
    local = {"spark.sql.shuffle.partitions": str(LOCAL_TASKS)} if address.startswith("local") else {}
    if address == "local" or address.startswith("local["):
        os.environ.setdefault("SPARK_DRIVER_MEMORY", heap_of_one_machine())
    # Spark creates the folder of its tables when it starts, by default in the working directory; no table is written here
    tables = {"spark.sql.warehouse.dir": (Path(tempfile.gettempdir()) / "spark-warehouse").as_uri()}
    chosen = {**SETTINGS, **tables, **local}
    if address.startswith("sc://"):  # the server's own settings are its operator's
        chosen = {name: value for name, value in SETTINGS.items() if name.startswith("spark.sql.")}
    for name, value in chosen.items():
        builder = builder.config(name, value)
    # a note of PySpark about the newest pandas: no table of pandas is exchanged here
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    try:
        session = builder.getOrCreate()
    except Exception as error:  # noqa: BLE001 - errors of the JVM and of gRPC have no class of their own here
        raise EngineError(
            f"Spark cannot be reached at {address}: {first_line(error)}", field="master"
        ) from None
    if not address.startswith("sc://"):
        _end_java_with_this_process(session)
    return session


def _end_java_with_this_process(session: Any) -> None:
    """Let the process of Java end when this one does, however it ends.

    It ends when its standard input does, a pipe that this process holds. A process that is forked from this one would hold the pipe, too,
    and keep Java and its executors alive for as long as it runs itself: forked processes close it.
    """
    process = getattr(session.sparkContext._gateway, "proc", None)  # noqa: SLF001 - PySpark has no other way to its JVM
    pipe = getattr(process, "stdin", None)
    if pipe is not None and pipe not in _PIPES:
        _PIPES.append(pipe)
        os.register_at_fork(after_in_child=pipe.close)


def heap_of_one_machine() -> str:
    """Return the memory of the one Java process that does all the work of `local[*]`: a quarter of the machine's.

    Spark's own default, 1 GB, is too small to sort some million events: most of the time then goes to the collection of garbage.
    `SPARK_DRIVER_MEMORY` and `spark.driver.memory` in `spark-defaults.conf` come before it.
    """
    memory = machine_memory()
    return "4g" if memory is None else f"{max(memory // 4 >> 20, 1024)}m"


def check_java() -> None:
    """Check that there is a Java that Spark runs on.

    Raises
    ------
    EngineError
        There is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    way_out = f"install Java {JAVA} (on Debian and Ubuntu: sudo apt-get install openjdk-{JAVA}-jre-headless)"
    if program is None or not Path(program).exists():
        where = f"in JAVA_HOME={home}" if home else "on this machine"
        raise EngineError(f"Spark runs on Java, and there is none {where}; {way_out}")
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    if found and int(found[1]) < JAVA:
        raise EngineError(f"{program} is Java {found[1]}, and Spark {SPARK} needs {JAVA} or newer; {way_out}")


def _check_address(master: str) -> None:
    """Raise `EngineError` where nothing answers at `spark://` or `sc://`: Spark itself would try for minutes."""
    if not master.startswith(("spark://", "sc://")):
        if not re.match(r"^(local(\[.*\]|-cluster\[.*\])?|yarn|k8s://.+)$", master):
            raise EngineError(
                f"{master!r} is no master; for example local[*], spark://host:7077, yarn, k8s://… or sc://host:15002",
                field="master",
            )
        return
    found = urlsplit(master.split(";", maxsplit=1)[0].split(",", maxsplit=1)[0])
    try:
        host, port = found.hostname, found.port or (15_002 if found.scheme == "sc" else 7_077)
        with socket.create_connection((host or "", port), SECONDS):
            return
    except (OSError, ValueError) as error:
        raise EngineError(
            f"nothing answers at {master} ({error}); is the master running, and can this machine reach its port?",
            field="master",
        ) from None

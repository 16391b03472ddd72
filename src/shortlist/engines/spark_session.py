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
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shortlist.engines.machine import machine_memory
from shortlist.errors import EngineError, import_extra
from shortlist.version import __version__

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
_MISSING = re.compile(r"No module named '([\w.]+)'")
_MEMORY = re.compile(
    r"OutOfMemoryError|MemoryError|malloc of size|Cannot allocate memory|exit(?: status:?| code|ed with code) 137|ExecutorLostFailure|"
    r"Python worker (?:exited unexpectedly|failed to connect back)"
)
_PIPES: list[Any] = []
"""The standard inputs of the processes of Java that this process has started."""
_NOT_INSTALLED = re.compile(r"\[PACKAGE_NOT_INSTALLED\] \w+|PyArrow\b.* must be installed")


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


def first_line(error: BaseException) -> str:
    """Return what an error says, without the stack of the JVM and the name of the call that met it."""
    lines = [line.strip(": \t") for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("An error occurred while calling"):
        return lines[1][:300]
    return lines[0][:300] if lines else type(error).__name__


def _comes_with_shortlist(module: str) -> bool:
    """Return whether a module is Shortlist or one that it requires, so that an executor without it lacks Shortlist as a whole."""
    if module in {"shortlist", "pyarrow"}:
        return True
    required = {re.split(r"[^\w.-]", one)[0].lower() for one in metadata.requires("shortlist") or ()}
    return any(name.lower() in required for name in metadata.packages_distributions().get(module, ()))


def job_error(error: BaseException) -> EngineError:
    """Return what made a job fail, in words: what executors lack, what they could not read, or their last error."""
    text = str(error)
    missing = _MISSING.search(text)
    if missing or _NOT_INSTALLED.search(text):
        name = missing[1].split(".")[0] if missing else "pyarrow"
        wanted = f"'shortlist[spark]=={__version__}'" if _comes_with_shortlist(name) else repr(name)
        return EngineError(
            f"the Python of an executor has no {name}; install {wanted} on every worker, or name another Python by PYSPARK_PYTHON"
        )
    if found := re.search(r"BundleError: (.+)", text):
        return EngineError(
            f"an executor cannot read the bundle: {found[1]} "
            f"(the driver has Shortlist {__version__}; install the same version on every worker)"
        )
    if found := _MEMORY.search(text):
        return EngineError(
            f"executors died or ran out of memory, again and again ({found[0]}); give each more memory (spark.executor.memory for Java, "
            "spark.executor.memoryOverhead or spark.executor.pyspark.memory for Python) or fewer tasks at a time (spark.executor.cores)"
        )
    said = re.findall(r"^(?:\w+\.)*\w*(?:Error|Exception): (.+)$", text, re.MULTILINE)
    return EngineError(f"the job on Spark failed: {said[-1] if said else first_line(error)}")

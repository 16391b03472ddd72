"""Plain messages for what made a job of Spark fail."""

from __future__ import annotations

import re
from importlib import metadata

from shortlist.errors import EngineError
from shortlist.version import __version__

_MISSING = re.compile(r"No module named '([\w.]+)'")
_NOT_INSTALLED = re.compile(r"\[PACKAGE_NOT_INSTALLED\] \w+|PyArrow\b.* must be installed")
_OTHER_NAMES = re.compile(
    r"No module named 'shortlist\.[\w.]+'|cannot import name '\w+' from 'shortlist\.|"
    r"Can't get attribute '\w+' on <module 'shortlist\."
)
_OTHER_PYTHON = re.compile(
    r"PYTHON_VERSION_MISMATCH\] Python in worker has different version: (\S+) than that in driver: ([\d.]+)"
)
_NO_PROGRAM = re.compile(r'Cannot run program "([^"]+)"')
_GONE = re.compile(r"(?:FILE_NOT_EXIST|PATH_NOT_FOUND)\b.*?((?:\w+:)?/[^\s'\"]+)", re.DOTALL)
_OWN = re.compile(r"shortlist\.errors\.(?:Engine|Data|Project|Request)Error: (.+)")
_MEMORY = re.compile(
    r"OutOfMemoryError|MemoryError|malloc of size|Cannot allocate memory|exit(?: status:?| code|ed with code) 137|ExecutorLostFailure|"
    r"Python worker (?:exited unexpectedly|failed to connect back)|failed to map segment from shared object"
)


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
    """Return what made a job fail, in words: what executors lack, what they could not read or write, or their last error."""
    text = str(error)
    if said := _of_another_program(text):
        return EngineError(said)
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
    if own := _OWN.search(text):  # said by Shortlist on an executor
        return EngineError(own[1])
    if found := _GONE.search(text):
        return EngineError(
            f"an executor does not find {found[1].rstrip('.,')}; name a folder that all machines share, or an address such as s3://bucket/events"
        )
    if found := _MEMORY.search(text):
        return EngineError(
            f"executors died or ran out of memory, again and again ({found[0]}); give each more memory (spark.executor.memory for Java, "
            "spark.executor.memoryOverhead or spark.executor.pyspark.memory for Python) or fewer tasks at a time (spark.executor.cores)"
        )
    lines = re.findall(r"^(?:\w+\.)*\w*(?:Error|Exception): (.+)$", text, re.MULTILINE)
    return EngineError(f"the job on Spark failed: {lines[-1] if lines else first_line(error)}")


def _of_another_program(text: str) -> str:
    """Return what is wrong with the Python of an executor, or with its Shortlist; empty where neither is."""
    if _OTHER_NAMES.search(text):
        return (
            f"the Python of an executor has another version of Shortlist than the driver, which has {__version__}; install "
            f"'shortlist[spark]=={__version__}' on every worker"
        )
    if found := _OTHER_PYTHON.search(text):
        return (
            f"executors run Python {found[1]} and the driver runs Python {found[2]}, and Spark needs the same minor version in both; set "
            f"PYSPARK_PYTHON to a Python {found[2]} that every worker has"
        )
    if found := _NO_PROGRAM.search(text):
        return f"an executor cannot start {found[1]}; set PYSPARK_PYTHON to the path of a Python with Shortlist that every worker has"
    return ""

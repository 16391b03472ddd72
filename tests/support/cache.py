"""Expensive test data on disk, built once for all workers and kept until the source changes.

The cache is the folder `.cache/tests/KEY` of the repository. KEY is a hash of the source, of these helpers, of the
versions and of the number of threads that the results depend on. A file lock makes the first worker build while the others wait.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path

from support.paths import ROOT

CACHE = ROOT / ".cache" / "tests"
DEPENDENCIES = ("numpy", "scipy", "xgboost-cpu", "pyarrow", "duckdb", "numba")
DAY = 86_400


@cache
def source_key() -> str:
    """Hash everything that cached results depend on."""
    digest = hashlib.sha256(sys.version.encode())
    digest.update(f"threads={os.environ.get('OMP_NUM_THREADS')};".encode())  # XGBoost sums in another order
    for name in DEPENDENCIES:
        digest.update(f"{name}={version(name)};".encode())
    for folder in (ROOT / "src" / "shortlist", ROOT / "tests" / "support"):
        for path in sorted(folder.rglob("*.py")):
            digest.update(str(path.relative_to(ROOT)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cached_folder(name: str, build: Callable[[Path], object]) -> Path:
    """Return the cached folder `name`; the first caller of all workers builds it.

    The folder is shared: a test that writes into it has to copy it first.

    Parameters
    ----------
    name : str
        Name of the folder; one name stands for one content.
    build : callable
        Called with the path of a folder that does not exist yet, and creates it.
    """
    current = CACHE / source_key()
    current.mkdir(parents=True, exist_ok=True)
    folder = current / name
    with (current / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _remove_outdated()
            temporary = current / f"{name}.partial"
            shutil.rmtree(temporary, ignore_errors=True)
            build(temporary)
            temporary.rename(folder)
    return folder


def existing_folder(name: str) -> Path | None:
    """Return the cached folder `name`, or None if nobody has built it."""
    folder = CACHE / source_key() / name
    return folder if folder.exists() else None


def _remove_outdated() -> None:
    """Delete the caches of other source versions that are older than a day."""
    for other in CACHE.iterdir():
        if other.name != source_key() and time.time() - other.stat().st_mtime > DAY:
            shutil.rmtree(other, ignore_errors=True)

"""A bundle where executors can read it.

It goes to each executor once, as an archive that Spark unpacks there, and is read by mapping its files into memory, so that all
workers of a machine share its pages. A worker keeps it for its next task.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from shortlist.features.custom import load_functions
from shortlist.recommender import Recommender
from shortlist.threads import set_threads


@dataclass(frozen=True)
class PlacedBundle:
    """Where executors find a bundle, and what they need to read it.

    Attributes
    ----------
    name
        A path, or the name of the folder that Spark unpacked the archive to.
    shipped
        Whether it is such a name.
    functions
        The text of the file of custom functions, if there is one.
    """

    name: str
    shipped: bool
    functions: str | None = None

    def load(self) -> Recommender:
        """Return the recommender, which a worker process loads once. Runs on an executor."""
        return _loaded(self)


@contextmanager
def placed_bundle(
    session: Any, bundle: Path, version: str, functions: Path | None = None
) -> Iterator[PlacedBundle]:
    """Send a bundle to the executors of a Spark session, and yield where they find it.

    An executor fetches it when its first task begins, also one that starts late: the archive is there until the context ends.

    Parameters
    ----------
    session
        A `pyspark.sql.SparkSession`, also one of Spark Connect.
    bundle
        The bundle, on the driver's machine.
    version
        The version of its model.
    functions
        A file that registers custom features; it is executed on the executors.
    """
    text = functions.read_text(encoding="utf-8") if functions is not None else None
    if _runs_here(session):
        yield PlacedBundle(str(bundle.absolute()), False, text)
        return
    name = f"bundle-{version}"
    with tempfile.TemporaryDirectory(prefix="shortlist-") as folder:
        archive = Path(folder) / f"{name}.tar"
        with tarfile.open(archive, "w") as tar:  # not compressed: a network is faster than gzip
            for part in sorted(bundle.iterdir()):  # Spark refuses an entry for the folder itself
                tar.add(part, arcname=part.name)
        session.addArtifacts(f"{archive}#{name}", archive=True)
        yield PlacedBundle(name, True, text)


def _runs_here(session: Any) -> bool:
    """Return whether executors are threads of this machine, which read the bundle where it is."""
    master = session.conf.get("spark.master", "") or ""
    return str(master) == "local" or str(master).startswith("local[")


@lru_cache(maxsize=1)
def _loaded(placed: PlacedBundle) -> Recommender:
    """Load the bundle once in each worker process; its arrays are mapped, so that the machine has them once."""
    from pyspark import SparkFiles

    set_threads(int(os.environ.get("SPARK_TASK_CPUS", "1")))  # the other cores belong to other tasks
    if placed.functions is not None:
        with tempfile.TemporaryDirectory(prefix="shortlist-") as folder:
            path = Path(folder) / "functions.py"
            path.write_text(placed.functions, encoding="utf-8")
            load_functions(path)
    return Recommender.load(SparkFiles.get(placed.name) if placed.shipped else placed.name)

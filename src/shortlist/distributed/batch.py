"""Slates for all users, on Spark: `mapInArrow` over the parts of a `SlateFolder`.

The bundle goes to each executor once, as an archive that Spark unpacks there, and is read by mapping its files into memory, so that
all workers of a machine share its pages. A worker keeps it for its next part. Executors write the parts themselves; the driver sees
one row a part (its number and how many users it has), at most `MOST_PARTS` of them.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from shortlist.data.progress import Progress, silent
from shortlist.distributed.slate_parts import SlateFolder, SlateJob
from shortlist.engines.spark_session import job_error
from shortlist.errors import EngineError
from shortlist.features.custom import load_functions
from shortlist.recommender import Recommender
from shortlist.threads import set_threads

SECONDS = 1.0
"""How often the folder is looked at for the progress."""
SCHEMA = "part long, users long"


@dataclass(frozen=True)
class _Work:
    """What executors are told: where the bundle is, where slates go, which parts, and the text of the file of custom functions."""

    bundle: str
    shipped: bool
    target: str
    job: SlateJob
    missing: list[int]
    functions: str | None


def batch_on_spark(
    session: Any,
    bundle: Path,
    folder: SlateFolder,
    job: SlateJob,
    functions: Path | None = None,
    progress: Progress = silent,
) -> int:
    """Write the parts of a job that are missing, on the executors of a Spark session.

    Parameters
    ----------
    session
        A `pyspark.sql.SparkSession`, also one of Spark Connect.
    bundle
        The bundle, on the driver's machine.
    folder
        Where the parts go: an address, or a path that every executor and the driver see (a shared disk).
    job
        What the parts have in common.
    functions
        A file that registers custom features; it is executed on the executors.
    progress
        Called with the share of the parts that are there.

    Returns
    -------
    int
        The number of users whose slates were written now.

    Raises
    ------
    EngineError
        The job failed, or parts that executors wrote are not seen here.
    """
    job, missing = folder.begin(job)
    if not missing:
        folder.end()
        return 0
    local = _runs_here(session)
    text = functions.read_text(encoding="utf-8") if functions is not None else None
    place = nullcontext(str(bundle.absolute())) if local else _shipped(session, bundle, job.model_version)
    with place as name:
        work = _Work(name, not local, folder.target, job, missing, text)
        tasks = session.range(0, len(missing), 1, len(missing))  # one part a task
        frame = tasks.mapInArrow(partial(_write_parts, work), SCHEMA)
        users = _run(frame, lambda: progress("slates", len(folder.parts_done()) / job.parts))
    if len(unseen := set(range(job.parts)) - folder.parts_done()):
        raise EngineError(
            f"{folder.target}: executors wrote {len(missing)} parts, and {len(unseen)} of them are not seen here; name a folder that "
            "all machines share, or an address such as s3://bucket/slates",
            field="out",
        )
    folder.end()
    return users


def _run(frame: Any, look: Any) -> int:
    """Run the job on a thread, and look at its progress meanwhile. Returns the number of users."""
    outcome: list[Any] = []

    def collect() -> None:
        try:
            outcome.append(sum(row["users"] for row in frame.collect()))
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits
            outcome.append(error)

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(SECONDS)
        look()
    if isinstance(outcome[0], Exception):
        raise job_error(outcome[0]) from None
    return int(outcome[0])


def _runs_here(session: Any) -> bool:
    """Return whether executors are threads of this machine, which read the bundle where it is."""
    master = session.conf.get("spark.master", "") or ""
    return str(master) == "local" or str(master).startswith("local[")


@contextmanager
def _shipped(session: Any, bundle: Path, version: str) -> Iterator[str]:
    """Send the bundle to the executors as an archive, and yield the name of the folder that Spark unpacks it to.

    An executor fetches it when its first task begins, also one that starts late: the archive is there until the job has ended.
    """
    name = f"bundle-{version}"
    with tempfile.TemporaryDirectory(prefix="shortlist-") as folder:
        archive = Path(folder) / f"{name}.tar"
        with tarfile.open(archive, "w") as tar:  # not compressed: a network is faster than gzip
            for part in sorted(bundle.iterdir()):  # Spark refuses an entry for the folder itself
                tar.add(part, arcname=part.name)
        session.addArtifacts(f"{archive}#{name}", archive=True)
        yield name


def _write_parts(work: _Work, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Write the parts that a task was given, by their places among the missing ones. Runs on an executor."""
    folder = SlateFolder(work.target)
    for batch in batches:
        for part in [work.missing[place] for place in batch.column("id").to_pylist()]:
            recommender = _loaded(work.bundle, work.shipped, work.functions)
            users = folder.write_part(recommender, work.job, part)
            yield pa.RecordBatch.from_pydict(
                {"part": pa.array([part], pa.int64()), "users": pa.array([users], pa.int64())}
            )


@lru_cache(maxsize=1)
def _loaded(bundle: str, shipped: bool, functions: str | None) -> Recommender:
    """Load the bundle once in each worker process; its arrays are mapped, so that the machine has them once."""
    from pyspark import SparkFiles

    set_threads(int(os.environ.get("SPARK_TASK_CPUS", "1")))  # the other cores belong to other tasks
    if functions is not None:
        with tempfile.TemporaryDirectory(prefix="shortlist-") as folder:
            path = Path(folder) / "functions.py"
            path.write_text(functions, encoding="utf-8")
            load_functions(path)
    return Recommender.load(SparkFiles.get(bundle) if shipped else bundle)

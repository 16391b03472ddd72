"""Slates for all users, on Spark: `mapInArrow` over the parts of a `SlateFolder`.

Executors read the bundle (`placed_bundle`) and write the parts themselves; the driver sees one row a part (its number and how many
users it has), at most `MOST_PARTS` of them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from shortlist.data.progress import Progress, silent
from shortlist.distributed.placed_bundle import PlacedBundle, placed_bundle
from shortlist.distributed.slate_parts import SlateFolder, SlateJob
from shortlist.engines.spark_session import job_error
from shortlist.errors import EngineError

SECONDS = 1.0
"""How often the folder is looked at for the progress."""
SCHEMA = "part long, users long"


@dataclass(frozen=True)
class _Work:
    """Instructions to executors: where the bundle is, where slates go, and which parts."""

    bundle: PlacedBundle
    target: str
    job: SlateJob
    missing: list[int]


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
    with placed_bundle(session, bundle, job.model_version, functions) as placed:
        work = _Work(placed, folder.target, job, missing)
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


def _write_parts(work: _Work, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Write the parts that a task was given, by their places among the missing ones. Runs on an executor."""
    folder = SlateFolder(work.target)
    for batch in batches:
        for part in [work.missing[place] for place in batch.column("id").to_pylist()]:
            recommender = work.bundle.load()
            users = folder.write_part(recommender, work.job, part)
            yield pa.RecordBatch.from_pydict(
                {"part": pa.array([part], pa.int64()), "users": pa.array([users], pa.int64())}
            )

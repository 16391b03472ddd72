"""Parts of a folder that executors write: `mapInArrow` over the parts that are missing.

Executors read the bundle (`placed_bundle`) and write the parts themselves; the driver sees one row a part (its number and how many
users it has), at most `MOST_PARTS` of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from shortlist.data.progress import Share
from shortlist.distributed.on_executors import on_executors
from shortlist.distributed.part_folder import PartFolder, PartJob
from shortlist.distributed.placed_bundle import PlacedBundle
from shortlist.engines.job_error import job_error
from shortlist.errors import EngineError

SECONDS = 1.0
"""How often the folder is looked at for the progress."""
SCHEMA = "part long, users long"


@dataclass(frozen=True)
class _Work:
    """Instructions to executors: where the bundle is, where parts go, and which."""

    bundle: PlacedBundle
    target: str
    field: str
    job: PartJob
    missing: list[int]


def write_missing(
    session: Any, placed: PlacedBundle, folder: PartFolder, job: PartJob, missing: list[int], report: Share
) -> int:
    """Write parts on the executors of a Spark session, one a task, and mark the folder as complete.

    Parameters
    ----------
    session
        A `pyspark.sql.SparkSession`, also one of Spark Connect.
    placed
        The bundle, as executors find it.
    folder
        Where the parts go: an address, or a path that every executor and the driver see (a shared disk).
    job, missing
        What `folder.begin` returned.
    report
        Called with the share of the parts that is there.

    Returns
    -------
    int
        The number of users whose parts were written now.

    Raises
    ------
    EngineError
        The job failed, or parts that executors wrote are not seen here.
    """
    work = _Work(placed, folder.target, folder.field, job, missing)
    tasks = session.range(0, len(missing), 1, len(missing))
    frame = tasks.mapInArrow(on_executors(partial(_write_parts, work)), SCHEMA)
    users = _run(frame, lambda: report(len(folder.parts_done()) / job.parts))
    if len(unseen := set(range(job.parts)) - folder.parts_done()):
        raise EngineError(
            f"{folder.target}: executors wrote {len(missing)} parts, and {len(unseen)} of them are not seen here; name a folder that "
            "all machines share, or an address such as s3://bucket/slates",
            field=folder.field,
        )
    folder.end()
    return users


def _run(frame: Any, look: Callable[[], None]) -> int:
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
    folder = PartFolder(work.target, work.field)
    for batch in batches:
        for part in [work.missing[place] for place in batch.column("id").to_pylist()]:
            recommender = work.bundle.load()
            users = folder.write_part(recommender, work.job, part)
            yield pa.RecordBatch.from_pydict(
                {"part": pa.array([part], pa.int64()), "users": pa.array([users], pa.int64())}
            )

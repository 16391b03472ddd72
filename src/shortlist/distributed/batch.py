"""Slates for all users, on Spark: executors write the parts of a folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from shortlist.data.progress import Progress, silent
from shortlist.distributed.part_folder import PartFolder
from shortlist.distributed.placed_bundle import placed_bundle
from shortlist.distributed.slate_parts import SlateJob
from shortlist.distributed.written_parts import write_missing


def batch_on_spark(
    session: Any,
    bundle: Path,
    folder: PartFolder,
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
    DataError
        The folder holds something else.
    EngineError
        The job failed, or parts that executors wrote are not seen here.
    """
    job, missing = folder.begin(job)
    if not missing:
        folder.end()
        return 0
    with placed_bundle(session, bundle, job.model_version, functions) as placed:
        return write_missing(session, placed, folder, job, missing, partial(progress, "slates"))

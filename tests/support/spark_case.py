"""A world whose log Spark reads from files, with a bound smaller than the log, and the same log on one machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.distributed.read_frame import read_frame
from shortlist.distributed.whole_log import WholeLog, read_whole_log
from shortlist.simulate.world import World

PARTITIONS = "spark.sql.shuffle.partitions"


@dataclass(frozen=True)
class SparkCase:
    """A world on Spark and on one machine.

    Attributes
    ----------
    project
        Its bound is a third of the log.
    whole
        The log on the executors.
    dataset
        All of it, on one machine.
    """

    project: Project
    whole: WholeLog
    dataset: Dataset


def bounded(project: Project, events: int) -> Project:
    """Return the project with another bound of the log that one machine has."""
    return project.model_copy(update={"spark": project.spark.model_copy(update={"events": events})})


def spark_case(
    spark: Any, world: World, sources: list[dict[str, Any]], folder: Path, partitions: int = 1
) -> SparkCase:
    """Write a world into a folder, its log as two files that share one event, and read it on Spark.

    Parameters
    ----------
    spark
        The session.
    world
        What is written.
    sources
        The retrievers of the project.
    folder
        An empty folder.
    partitions
        Into how many partitions the log is divided.
    """
    world.write(folder)
    half = world.events.num_rows // 2
    (folder / "events.parquet").unlink()
    (folder / "events").mkdir()
    pq.write_table(world.events.slice(0, half + 1), folder / "events" / "a.parquet")
    pq.write_table(world.events.slice(half), folder / "events" / "b.parquet")
    tables = {name: str(folder / f"{name}.parquet") for name in ("items", "users")}
    dataset, given = world.dataset(), world.project()
    project = given.model_copy(
        update={
            "data": given.data.model_copy(update={**tables, "events": str(folder / "events")}),
            "retrieve": given.retrieve.model_copy(update={"sources": sources}),
        }
    )
    project = bounded(project, len(dataset.log) // 3)
    spark.conf.set(PARTITIONS, str(partitions))
    whole = read_whole_log(spark, project, read_frame(spark, project, "events"))
    spark.conf.set(PARTITIONS, "1")
    return SparkCase(project, whole, dataset)

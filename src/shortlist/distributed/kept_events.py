"""Checked events without repetitions, which the executors keep: all events of a user in one partition."""

from __future__ import annotations

from typing import Any

from shortlist.config.project import Project
from shortlist.data.check import Check, Problem
from shortlist.distributed.table_frame import FILE, ROW
from shortlist.distributed.usable_events import FOUND, ITEM, KIND, TIME, USER

GROUPS = 10_000
"""Users are divided into so many groups at random; the driver gets whole groups."""
GROUP = "__shortlist_group"
PART = 2_000_000
"""At most about so many events of whole users are in one partition: a task holds them, and a block of the Gram matrix of their items."""


def partitions_of(session: Any, rows: int) -> int:
    """Return into how many partitions so many rows are divided by their user."""
    return max(int(session.conf.get("spark.sql.shuffle.partitions")), 1 + int(rows) // PART)


def keep_by_user(checked: Any, project: Project, parts: int) -> Any:
    """Keep checked events without repetitions, all of a user in one partition, so that what is learned of whole users needs no shuffle."""
    from pyspark import StorageLevel
    from pyspark.sql import functions as sql

    group = sql.pmod(sql.xxhash64(sql.col(USER), sql.lit(project.seed)), sql.lit(GROUPS))
    once = _without_repetitions(checked, project, parts).withColumn(GROUP, group.cast("int"))
    return once.persist(StorageLevel.DISK_ONLY)


def _without_repetitions(events: Any, project: Project, parts: int) -> Any:
    """Leave out events that an earlier row has, as one machine does: earlier is an earlier file, or an earlier row of the same file.

    The events come back in so many partitions by their user; rows with findings stay.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as sql

    place, number = (FILE, ROW), "__shortlist_number"
    first = f"{number} = 1 OR {FOUND} IS NOT NULL"
    if name := project.data.columns.event_id:
        key = sql.trim(sql.col(name).cast("string"))
        by_id = Window.partitionBy(key, sql.when(key.isNull(), sql.struct(*place))).orderBy(*place)
        events = events.withColumn(number, sql.row_number().over(by_id)).where(first).drop(number)
    events = events.repartition(parts, USER)
    if project.data.duplicates == "drop":
        same = Window.partitionBy(USER, ITEM, TIME, KIND).orderBy(*place)
        events = events.withColumn(number, sql.row_number().over(same)).where(first).drop(number)
    return events


def count_repetitions(check: Check, kept: int, project: Project, file: str) -> None:
    """Report the events that repeat one of another part of the table; those within a part are in its findings."""
    repeated = check.kept - kept
    if not repeated:
        return
    columns = project.data.columns
    by_id = columns.event_id is not None and project.data.duplicates != "drop"
    what = (
        "an earlier row has the same event id"
        if by_id
        else "an earlier row has the same user, item, time and kind"
    )
    reason = "with a repeated event id" if by_id else "duplicates"
    problem = Problem(
        "set aside",
        file,
        columns.event_id or columns.user,
        what,
        repeated,
        [],
        "It is in another part of the table",
    )
    check.set_rows_aside(reason, problem)
    check.count_kept(kept)

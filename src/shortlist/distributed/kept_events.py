"""Checked events without repetitions, which the executors keep: all events of a user in one partition."""

from __future__ import annotations

from collections.abc import Sequence
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


def groups_sampled(project: Project, rows: int) -> int:
    """Return how many groups of users the driver may get of so many rows: twice what `spark.events` needs, where groups are alike."""
    return min(GROUPS, 100 + GROUPS * 2 * project.spark.events // max(rows, 1))


def keep_by_user(checked: Any, project: Project, columns: Sequence[str], parts: int, groups: int) -> Any:
    """Keep checked events without repetitions, all of a user in one partition, so that what is learned of whole users needs no shuffle.

    `columns` of the table are the driver's: of users of other groups than the first ones, executors need context columns only, and
    forget the others, which would be moved and read again and again.
    """
    from pyspark import StorageLevel
    from pyspark.sql import functions as sql

    group = sql.pmod(sql.xxhash64(sql.col(USER), sql.lit(project.seed)), sql.lit(GROUPS)).cast("int")
    events = _without_repeated_ids(checked, project).withColumn(GROUP, group)
    contexts = {name.partition(".")[0] for name in project.data.context}
    of_driver = [name for name in columns if name not in contexts]
    events = events.withColumns(
        {name: sql.when(sql.col(GROUP) < groups, sql.col(name)) for name in of_driver}
    )
    once = _without_repetitions(events.repartition(parts, USER), project)
    return once.persist(StorageLevel.DISK_ONLY)


_PLACE, _NUMBER = (FILE, ROW), "__shortlist_number"
_FIRST = f"{_NUMBER} = 1 OR {FOUND} IS NOT NULL"


def _without_repeated_ids(events: Any, project: Project) -> Any:
    """Leave out events whose id an earlier row has, as one machine does: earlier is an earlier file, or an earlier row of the same file."""
    from pyspark.sql import Window
    from pyspark.sql import functions as sql

    if not (name := project.data.columns.event_id):
        return events
    key = sql.trim(sql.col(name).cast("string"))
    by_id = Window.partitionBy(key, sql.when(key.isNull(), sql.struct(*_PLACE))).orderBy(*_PLACE)
    return events.withColumn(_NUMBER, sql.row_number().over(by_id)).where(_FIRST).drop(_NUMBER)


def _without_repetitions(events: Any, project: Project) -> Any:
    """Leave out events that an earlier row has; they are divided by user. Rows with findings stay."""
    from pyspark.sql import Window
    from pyspark.sql import functions as sql

    if project.data.duplicates != "drop":
        return events
    same = Window.partitionBy(USER, ITEM, TIME, KIND).orderBy(*_PLACE)
    return events.withColumn(_NUMBER, sql.row_number().over(same)).where(_FIRST).drop(_NUMBER)


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

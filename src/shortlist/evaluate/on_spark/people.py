"""The people of a test on the executors: who is judged, in which group, in which part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.config.project import Project
from shortlist.distributed.table_frame import FILE, ROW
from shortlist.distributed.usable_events import ARRIVAL, ITEM, KIND, TIME, USER, VALUE, is_kind
from shortlist.distributed.whole_log import WholeLog, collected

PERSON, PART = "__shortlist_person", "__shortlist_part"
GROUPS = 2_000
"""Groups of people, at random, whose sums the driver gets. Up to so many people, each is a group of one."""
PART_EVENTS = 200_000
"""About so many events of whole people are judged at a time: a task holds them in memory."""
OF_USER = "__shortlist_user_"
"""Begins the names of columns of the users table."""
SHARES = 1 << 20


@dataclass(frozen=True, repr=False)
class PeopleToJudge:
    """The people who act in a test, on the executors.

    Attributes
    ----------
    events
        Frame with all their events, `PERSON` (the group), `PART`, and the columns of the users table.
    groups
        Number of groups.
    parts
        Number of parts; all people of a group are in one.
    """

    events: Any
    groups: int
    parts: int

    def __repr__(self) -> str:
        return f"PeopleToJudge({self.groups:,} groups in {self.parts:,} parts)"


def people_to_judge(whole: WholeLog, project: Project, cut: int) -> PeopleToJudge:
    """Draw at most about `evaluate.people` of those who act in the test, which begins at a moment (ms).

    The driver gets two counts, and at most `GROUPS` ids.
    """
    from pyspark.sql import functions as sql

    objective = project.objectives[project.relevant]
    relevant = (sql.col(TIME) >= cut) & is_kind(objective.events, objective.at_least)
    users = whole.events.where(relevant).select(USER).distinct()
    count, most = users.count(), project.evaluate.people
    order = sql.xxhash64(sql.col(USER), sql.lit(project.seed + 1))
    if min(count, most) <= GROUPS:
        ids = collected(users.orderBy(order, USER).limit(most)).column(USER)
        groups = max(len(ids), 1)
        numbered = pa.table({USER: ids, PERSON: pa.array(np.arange(len(ids), dtype=np.int32))})
        people = sql.broadcast(whole.session.createDataFrame(numbered))
    else:
        groups = GROUPS
        if count > most:
            users = users.where(sql.pmod(order, sql.lit(SHARES)) < int(SHARES * most / count))
        group = sql.pmod(sql.xxhash64(sql.col(USER), sql.lit(project.seed + 2)), sql.lit(groups))
        people = users.withColumn(PERSON, group.cast("int"))
    columns = [USER, ITEM, TIME, ARRIVAL, KIND, VALUE, FILE, ROW]
    events = whole.events.select(*columns).join(people, USER)
    table = whole.users_frame()
    if table is not None:
        named = [
            sql.col(name).alias(f"{OF_USER}{name}") for name in table.columns if name not in {USER, FILE, ROW}
        ]
        attributes = table.select(USER, *named).dropDuplicates([USER]).join(people.select(USER), USER)
        events = events.join(attributes, USER, "left")
    parts = min(groups, 1 + events.count() // PART_EVENTS)
    return PeopleToJudge(events.withColumn(PART, sql.col(PERSON) % parts), groups, parts)

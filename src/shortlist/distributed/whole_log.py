"""The whole log on the executors: its usable events, checked, without duplicates, with items as codes.

The driver collects these parts of it, each with a bound:

| what | bound |
| --- | --- |
| findings of the check | one row, of at most `findings.MOST` notes, and a line a kind of problem |
| ids of items, where there is no items table | items |
| number of events of each group of users | `kept_events.GROUPS` rows |
| rows of the events table of some users | `spark.events` rows |
| rows of the users table of these users | `spark.events` rows |
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shortlist.config.base import IMPRESSION
from shortlist.config.project import Project
from shortlist.data.check import Check
from shortlist.data.entity_tables import EntityTable
from shortlist.data.id_columns import read_ids
from shortlist.data.prepare import prepare_events
from shortlist.data.tables import Tables, query_files, verbatim_columns
from shortlist.distributed.findings import Findings
from shortlist.distributed.kept_events import (
    GROUP,
    count_repetitions,
    groups_sampled,
    keep_by_user,
    partitions_of,
)
from shortlist.distributed.on_executors import on_executors
from shortlist.distributed.read_frame import read_frame
from shortlist.distributed.table_frame import (
    FILE,
    ROW,
    TableFrame,
    arrow_schema,
    frame_schema,
)
from shortlist.distributed.usable_events import (
    ARRIVAL,
    FIRST,
    FOUND,
    ITEM,
    KIND,
    TIME,
    USER,
    VALUE,
    PartCheck,
    check_part,
    join_findings,
)
from shortlist.engines.duckdb import read_source
from shortlist.engines.job_error import job_error
from shortlist.engines.plain_types import plain_table
from shortlist.errors import DataError

HEAD = 200
"""Rows that show the types of columns."""


@dataclass(frozen=True, repr=False)
class WholeLog:
    """The usable events of a log, on the executors.

    Attributes
    ----------
    session
        The Spark session.
    events
        Frame with one row an event: `USER` (id), `ITEM` (code), `TIME` and `ARRIVAL` (ms), `KIND`, `VALUE`, `GROUP`, and the columns
        of the table that the project uses.
    project
        Settings.
    names
        What to call the tables.
    columns
        The columns of the events table that the project uses.
    items
        The items table; where there is none, the ids of the items that have events.
    check
        The report.
    stored
        The frame that the executors keep: `events` are rows of it. All events of a user are in one partition.
    parts
        Its partitions.
    groups
        The first groups of users, whose rows have the columns of the table; those of others have context columns only.
    """

    session: Any
    events: Any
    project: Project
    names: dict[str, str]
    columns: tuple[str, ...]
    items: pa.Table
    check: Check
    stored: Any
    parts: int
    groups: int

    def release(self) -> None:
        """Let the executors forget the log."""
        self.stored.unpersist()

    def __repr__(self) -> str:
        return f"WholeLog({self.check.kept:,} events, {self.items.num_rows:,} items)"

    def acted(self, until: int | None = None) -> Any:
        """Return the events that are no impressions, of what was known before a moment, ms (default: all)."""
        from pyspark.sql import functions as sql

        acted = self.events.where(sql.col(KIND) != IMPRESSION)
        return acted if until is None else acted.where((sql.col(TIME) < until) & (sql.col(ARRIVAL) < until))

    def sample(self) -> Tables:
        """Return the rows of some users, all of each, with the whole items table: at most `spark.events` events.

        Raises
        ------
        DataError
            A single group of users has more events.
        """
        from pyspark.sql import functions as sql

        most = self.project.spark.events
        sizes = collected(self.events.groupBy(GROUP).agg(sql.count("*").alias("n"))).sort_by(GROUP)
        groups, total = 0, 0
        for group, n in zip(sizes.column(GROUP).to_pylist(), sizes.column("n").to_pylist(), strict=True):
            if group >= self.groups or total + n > most:
                break
            groups, total = group + 1, total + n
        if not total:
            raise DataError(
                f"{self.project.where('spark.events')}spark.events = {most:,}: the first group of users alone has more events, "
                "so that no sample of whole users fits; increase it",
                field="spark.events",
            )
        some = self.events.where(sql.col(GROUP) < groups)
        rows = in_order(collected(some.where(sql.col(FIRST)).select(*self.columns, FILE, ROW)))
        users = self._users(some) if self.project.users is not None and self.project.data.users else None
        return Tables(plain_table(rows, self.names["events"]), self.items, users, self.names)

    def before(self, moment: int) -> WholeLog:
        """Return what was known strictly before a moment (ms), as `Dataset.before` does. Items and the report stay."""
        from pyspark.sql import functions as sql

        return replace(self, events=self.events.where((sql.col(TIME) < moment) & (sql.col(ARRIVAL) < moment)))

    def users_frame(self) -> Any:
        """Return the users table with `USER`, the ids as events have them, `FILE` and `ROW`; None where there is none."""
        own = self.project.users
        if own is None or not self.project.data.users:
            return None
        given = read_frame(self.session, self.project, "users").frame
        names = list(dict.fromkeys([own.id, *filter(None, [own.title]), *own.attributes]))
        if missing := [name for name in names if name not in given.columns]:
            raise DataError(
                f"{self.names['users']}: there is no column {missing[0]!r}; there are: {', '.join(given.columns[:-2])}. "
                "Set [users] in shortlist.toml",
                field=missing[0],
            )
        kind = arrow_schema(self.events.select(USER)).field(USER)
        schema = arrow_schema(given.select(*names, FILE, ROW)).append(kind)
        as_text = self.project.data.user_ids == "text"
        return given.select(*names, FILE, ROW).mapInArrow(
            on_executors(partial(_keyed, own.id, as_text, schema)), frame_schema(schema)
        )

    def count_users(self) -> int:
        """Return the number of users who have events or are in the users table."""
        users, table = self.events.select(USER), self.users_frame()
        if table is not None:
            users = users.union(table.select(USER).where(f"{USER} IS NOT NULL"))
        return int(users.distinct().count())

    def _users(self, some: Any) -> pa.Table:
        """Return the rows of the users table of the users of some events."""
        found = self.users_frame().join(some.select(USER).distinct(), USER, "left_semi")
        return plain_table(in_order(collected(found.drop(USER))), self.names["users"])


def in_order(rows: pa.Table) -> pa.Table:
    """Return rows in the order of their files, without `FILE` and `ROW`. Sorted here: executors would move all rows twice for it."""
    return rows.sort_by([(FILE, "ascending"), (ROW, "ascending")]).drop_columns([FILE, ROW])


def collected(frame: Any) -> pa.Table:
    """Return the rows of a frame, of which its caller knows that they are few. Raises `EngineError`."""
    try:
        return frame.toArrow()
    except Exception as error:  # noqa: BLE001 - errors of jobs have no class of their own here
        raise job_error(error) from None


def read_whole_log(session: Any, project: Project, log: TableFrame) -> WholeLog:
    """Check the events table of a project on the executors, and keep its usable events there.

    Raises
    ------
    DataError
        Lists every error that was found in the tables.
    """
    from pyspark import StorageLevel

    _refuse_what_needs_other_rows(project)
    about = Check()
    names = {role: _name(getattr(project.data, role) or role) for role in ("items", "users")} | {
        "events": log.name
    }
    items, ids = _item_table(project, names, about)
    part = _part_check(project, log, ids)
    checked = log.frame.mapInArrow(on_executors(partial(check_part, part)), frame_schema(part.schema))
    if ids is None:  # read twice: for the ids of the items, and with their codes
        checked = checked.persist(StorageLevel.DISK_ONLY)
        check = _found(checked, project, log, about)
        items, ids = _items_of_events(checked.where(f"{FOUND} IS NULL"))
        parts, groups = partitions_of(session, check.kept), groups_sampled(project, check.kept)
        stored = keep_by_user(_coded(checked, ids), project, part.columns, parts, groups)
    else:
        rows = log.rows or collected(log.frame.groupBy().count()).column("count")[0].as_py()
        parts, groups = partitions_of(session, rows), groups_sampled(project, rows)
        stored = keep_by_user(checked, project, part.columns, parts, groups)
        check = _found(stored, project, log, about)
    assert items is not None
    events = stored.where(f"{FOUND} IS NULL").drop(FOUND)
    count_repetitions(check, events.count(), project, log.name)
    checked.unpersist()
    return WholeLog(session, events, project, names, part.columns, items, check, stored, parts, groups)


def _found(checked: Any, project: Project, log: TableFrame, about: Check) -> Check:
    """Join what the parts of the table found. Raises `DataError` for errors."""
    texts = checked.where(f"{FOUND} IS NOT NULL").select(FOUND).repartition(1).sortWithinPartitions(FOUND)
    joined = collected(texts.mapInArrow(on_executors(join_findings), f"{FOUND} string"))
    found = Findings()
    for text in joined.column(FOUND).to_pylist():  # none where the table has no task
        found.add(Findings.from_json(text))
    check = found.check(log.name, project.data.columns.timestamp)
    check.notes[:0] = log.notes
    check.begin_with(about)
    return check


def _name(source: str) -> str:
    return source.rstrip("/").rpartition("/")[2] or source


def _refuse_what_needs_other_rows(project: Project) -> None:
    """Raise `DataError` for declarations that an executor cannot follow, because it sees a part of the table."""
    data = project.data
    refused = {
        "data.fill_down": data.fill_down is not None,
        "data.columns.timestamp": not data.columns.timestamp,
        "items.from_events": project.items is not None and project.items.from_events,
        "users.from_events": project.users is not None and project.users.from_events,
    }
    reasons = {
        "data.fill_down": "a cell is filled from the row above, which another executor may have",
        "data.columns.timestamp": "without times, the order of the rows would be the time, and executors read rows in any order",
        "items.from_events": "attributes would be counted over all events; write an items table",
        "users.from_events": "attributes would be counted over all events; write a users table",
    }
    for field, given in refused.items():
        if given:
            raise DataError(
                f"{project.where(field)}{field}: not possible for a log of more than spark.events = {project.spark.events:,} events: "
                f"{reasons[field]}",
                field=field,
            )


def _item_table(
    project: Project, names: dict[str, str], check: Check
) -> tuple[pa.Table | None, pa.Array | None]:
    """Read the items table on the driver; return it and its ids in the order of their codes."""
    if not project.data.items:
        return None, None
    files = query_files(project)
    reading = read_source(
        project.data.items, project.data.database, files, verbatim_columns(project), project.data.encoding
    )
    tables = Tables(pa.table({}), reading.complete(project.data.items), None, names)
    table = EntityTable.read(tables, project, "items", check)
    check.raise_errors()
    assert table is not None
    return tables.items, table.distinct


def _part_check(project: Project, log: TableFrame, ids: pa.Array | None) -> PartCheck:
    """Return the check of a part, with the types of what it returns, which a few rows show."""
    head = plain_table(collected(log.frame.drop(FILE, ROW).limit(HEAD)), log.name)
    check = Check()
    plain, events = prepare_events(project, head, log.name, check)
    used = project.data.used_columns
    columns = tuple(
        name for name in log.frame.columns if name in used or name in {n.partition(".")[0] for n in used}
    )
    kinds = {}
    for role, name in ((USER, plain.data.columns.user), (ITEM, plain.data.columns.item)):
        as_text = role == USER and project.data.user_ids == "text"
        there = name in events.column_names
        kinds[role] = (
            read_ids(events.column(name), f"{log.name}: {name}", as_text).ids.type if there else pa.string()
        )
    raw = arrow_schema(log.frame.select(*columns, FILE, ROW))
    own = {
        USER: kinds[USER],
        ITEM: kinds[ITEM] if ids is None else pa.int32(),
        TIME: pa.int64(),
        KIND: pa.string(),
        VALUE: pa.float32(),
    }
    own |= {ARRIVAL: pa.int64(), FIRST: pa.bool_(), FOUND: pa.string()}
    schema = pa.schema(
        [*(field.with_nullable(True) for field in raw), *(pa.field(name, kind) for name, kind in own.items())]
    )
    return PartCheck(project, log.name, columns, ids, None, schema, int(time.time() * 1000))


def _items_of_events(events: Any) -> tuple[pa.Table, pa.Array]:
    """Return the items that have events as an items table, in order of their first event, and their ids."""
    from pyspark.sql import functions as sql

    found = collected(events.groupBy(ITEM).agg(sql.min(TIME).alias("first")))
    ids = found.sort_by([("first", "ascending"), (ITEM, "ascending")]).column(ITEM).combine_chunks()
    return pa.table({"item_id": ids}), ids


def _coded(events: Any, ids: pa.Array) -> Any:
    """Replace ids of items by their codes."""
    schema = arrow_schema(events)
    at = schema.get_field_index(ITEM)
    schema = schema.set(at, pa.field(ITEM, pa.int32()))
    return events.mapInArrow(on_executors(partial(_code_items, ids, schema)), frame_schema(schema))


def _code_items(
    ids: pa.Array, schema: pa.Schema, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Replace the ids of items by their codes. Runs on an executor."""
    for batch in batches:
        codes = pc.index_in(batch.column(ITEM), value_set=ids.cast(batch.column(ITEM).type))
        columns = [codes if name == ITEM else batch.column(name) for name in schema.names]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _keyed(
    name: str, as_text: bool, schema: pa.Schema, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Add the ids of users as events have them. Runs on an executor."""
    for batch in batches:
        table = pa.Table.from_batches([batch])
        ids = read_ids(plain_table(table, "users").column(name), f"users: {name}", as_text).ids
        yield from table.append_column(USER, ids).cast(schema).to_batches()

"""A file of events as a table: which of its columns mean what, which rows are events, and why the others are not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from shortlist.config.data import ColumnNames
from shortlist.config.project import Project
from shortlist.data.check import Check
from shortlist.data.event_check import UsableEvents, check_events
from shortlist.data.prepare import prepare_events
from shortlist.errors import DataError, RequestError
from shortlist.ingest.arrived import read_arrived
from shortlist.ingest.rules import MOST_REJECTED, EventRules, event_id_of, rejection
from shortlist.store.intake import ReceivedRecord, RejectedRecord
from shortlist.store.records import StoredEvent

NAMES = {
    "user": ("user", "user_id"),
    "item": ("item", "item_id"),
    "timestamp": ("timestamp", "time"),
    "kind": ("kind",),
    "value": ("value",),
    "event_id": ("event_id",),
    "slate": ("slate_id", "slate"),
}
"""Field of an event → the columns that hold it where no project names one."""
CONTEXT = "context."
"""Columns whose names begin so are the context where a file has the fields of `POST /v1/events`."""


@dataclass(frozen=True, eq=False, repr=False)
class EventFile:
    """The events of a file in order of time, numbered from 0, and the rows that are none.

    Attributes
    ----------
    events
        The usable rows.
    table
        The rows of the file, one an event.
    columns
        The columns that are read beside those of `events`.
    context
        Column → its name in the context of an event.
    rejected
        The rows that are no events, at most `MOST_REJECTED`.
    set_aside
        Number of rows that are no events.
    notes
        What the report says about the reading.
    rules
        Check one event.
    """

    events: UsableEvents | None
    table: pa.Table
    columns: ColumnNames
    context: dict[str, str]
    rejected: list[RejectedRecord]
    set_aside: int
    notes: tuple[str, ...]
    rules: EventRules

    def __len__(self) -> int:
        return 0 if self.events is None else len(self.events.rows)

    def __repr__(self) -> str:
        return f"EventFile({len(self):,} events, {self.set_aside:,} set aside)"

    def part(
        self, name: str, digest: str, start: int, end: int
    ) -> tuple[list[ReceivedRecord], list[RejectedRecord]]:
        """Return the events from number `start` to `end`, and those of them that the rules reject.

        An event without an id gets one by the content of the file and its number: a copy of the file holds the same events.
        """
        events: list[ReceivedRecord] = []
        rejected: list[RejectedRecord] = []
        for number, event in self._stored(digest, start, end):
            try:
                event = self.rules.checked(event)  # noqa: PLW2901 - the same event, its time not after now
            except RequestError as error:
                body = json.dumps(vars(event), default=str)
                rejected.append(rejection(name, number, error, body, event.user))
            else:
                events.append(ReceivedRecord(name, number, event))
        return events, rejected

    def _stored(self, digest: str, start: int, end: int) -> Iterator[tuple[int, StoredEvent]]:
        if self.events is None:
            return
        chosen = slice(start, end)
        rows = self.table.take(pa.array(self.events.rows[chosen]))
        names = {role: name for role in ("event_id", "slate") if (name := getattr(self.columns, role))}
        given = {role: rows.column(name).to_pylist() for role, name in names.items()}
        contexts = rows.select(list(self.context)).to_pylist()
        size = len(contexts)
        users, items = self.events.user[chosen].to_pylist(), self.events.item[chosen].to_pylist()
        kinds, values = self.events.kind[chosen].to_pylist(), self.events.value[chosen].tolist()
        ids, slates = given.get("event_id", [None] * size), given.get("slate", [None] * size)
        for at, when in enumerate(self.events.time[chosen].tolist()):
            identity = ids[at] if ids[at] is not None else event_id_of(f"{digest}\0{start + at}")
            value = values[at] if values[at] == values[at] else None
            context = {
                self.context[name]: _plain(entry) for name, entry in contexts[at].items() if entry is not None
            }
            slate = None if slates[at] is None else str(slates[at])
            yield (
                start + at,
                StoredEvent(str(identity), users[at], items[at], kinds[at], when, value, context, slate),
            )


def read_event_file(path: Path, name: str, project: Project | None, rules: EventRules) -> EventFile:
    """Read a file of events.

    Parameters
    ----------
    path
        The file.
    name
        What to call it in messages.
    project
        Names the columns and says how rows become events (`[data]`); None: columns have the names of `POST /v1/events`.
    rules
        Check one event.

    Raises
    ------
    DataError
        The file cannot be read, or lacks a column.
    """
    reading, lines = read_arrived(path, name, project)
    lines = lines[:MOST_REJECTED]
    read = _with_fields(reading.table)
    project = _by_names(read, name) if project is None else _for_events(project, name)
    if not read.num_rows:
        return EventFile(None, read, project.data.columns, {}, lines, len(lines), reading.notes, rules)
    check = Check()
    form, table = prepare_events(project, read, name, check)
    events, found = check_events(table, form, name, None, None)
    if events is None and not found.set_aside:
        found.raise_errors()
    columns = form.data.columns
    context = {
        column: column.removeprefix(CONTEXT) for column in table.column_names if column.startswith(CONTEXT)
    }
    return EventFile(
        events,
        table,
        columns,
        context | {column: column for column in form.data.context},
        lines + _rejected_rows(table, name, found, columns.user),
        len(lines) + sum(found.set_aside.values()),
        (*reading.notes, *(str(problem) for problem in found.problems if problem.level == "warning")),
        rules,
    )


def _with_fields(table: pa.Table) -> pa.Table:
    """Return a table in which the fields of a struct `context` are columns `context.device`."""
    if "context" not in table.column_names or not pa.types.is_struct(table.schema.field("context").type):
        return table
    fields = table.select(["context"]).flatten()
    rest = table.drop_columns(["context"])
    for column in fields.column_names:
        rest = rest.append_column(column, fields.column(column))
    return rest


def _rejected_rows(table: pa.Table, name: str, check: Check, user: str) -> list[RejectedRecord]:
    """Return the rows of a table that are no events, each with the reason that the check of the table found."""
    now = int(time.time() * 1000)
    found: list[RejectedRecord] = []
    for problem, rows in check.rows:
        shown = rows[: MOST_REJECTED - len(found)]
        bodies = table.take(pa.array(shown)).to_pylist()
        reason = f"{problem.column}: {problem.what}"
        found += [
            RejectedRecord(
                name,
                int(row),
                f"row {row + 1:,}: {reason}",
                problem.column,
                json.dumps(body, default=str),
                _user(body[user]),
                now,
            )
            for row, body in zip(shown, bodies, strict=True)
        ]
    return found


def _user(value: Any) -> Any:
    return value if isinstance(value, (int, str)) and not isinstance(value, bool) else None


def _by_names(table: pa.Table, name: str) -> Project:
    """Return a project whose columns have the names of `POST /v1/events`. Raises `DataError` where one is missing."""
    present = set(table.column_names)
    found: dict[str, str] = {}
    for role, names in NAMES.items():
        column = next((one for one in names if one in present), None)
        if column is not None:
            found[role] = column
        elif role in {"user", "item", "timestamp"}:
            raise DataError(
                f"{name}: there is no column {' or '.join(names)}; there are: {', '.join(table.column_names)}. Rename it, or "
                "name the columns in a project (--project shortlist.toml)",
                field=names[0],
            )
    return Project.model_validate({"data": {"columns": found, "duplicates": "keep"}})


def _for_events(project: Project, name: str) -> Project:
    """Return a project with the columns that an event store has a place for."""
    columns = project.data.columns
    if not columns.timestamp:
        raise DataError(
            f"{name}: {project.where('data.columns.timestamp')}data.columns.timestamp is not set, and an event of a store needs a time",
            field="data.columns.timestamp",
        )
    fewer = columns.model_copy(update=dict.fromkeys(("position", "propensity", "arrival")))
    return project.model_copy(update={"data": project.data.model_copy(update={"columns": fewer})})


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool)) else str(value)

"""A file of items or users as changes: each row says what is known of one of them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from shortlist.config.data import AttributeKind, TableSettings
from shortlist.config.project import Project
from shortlist.data.numbers import is_text, read_numbers
from shortlist.engines.json_lines import is_json
from shortlist.errors import DataError, RequestError
from shortlist.ingest.arrived import read_arrived
from shortlist.ingest.change_rules import ChangeRules
from shortlist.ingest.rules import rejection
from shortlist.store.intake import ReceivedRecord, RejectedRecord

TITLE, RETIRED = "title", "retired"
"""Columns with the title of an item, where no project names it, and with whether it is retired."""
GIVEN = "attributes"
"""The object with the attributes in the form of `PUT /v1/items`."""
TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, eq=False, repr=False)
class ChangeFile:
    """The rows of a file of items or users, numbered from 0.

    Attributes
    ----------
    table
        The rows.
    settings
        Which column holds the id and the title, and the attributes with their kinds.
    rejected
        Lines that are no rows.
    notes
        What the report says about the reading.
    rules
        Read and check one row.
    given
        For each row, the object `attributes` of a JSON file as a text, in the form of `PUT /v1/items`: what it does not name stays. None: the
        file has no such objects.
    keys
        For each row of a JSON file, the keys that it has: attributes that it does not name stay.
    """

    table: pa.Table
    settings: TableSettings
    rejected: list[RejectedRecord]
    notes: tuple[str, ...]
    rules: ChangeRules
    given: list[str | None] | None = None
    keys: tuple[frozenset[str], ...] | None = None

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return f"ChangeFile({len(self):,} rows)"

    def part(
        self,
        name: str,
        digest: str,  # noqa: ARG002 - events have ids made of it; changes have none
        start: int,
        end: int,
    ) -> tuple[list[ReceivedRecord], list[RejectedRecord]]:
        """Return the changes of the rows from `start` to `end`, and the rows that the rules reject."""
        changes: list[ReceivedRecord] = []
        rejected: list[RejectedRecord] = []
        for number, row in enumerate(self.table.slice(start, end - start).to_pylist(), start):
            try:
                body = self._body(row, None if self.keys is None else self.keys[number])
                written = None if self.given is None else self.given[number]
                if written is not None:
                    body["attributes"] = _merged(body["attributes"], written)
                change = self.rules.read(body, "")
            except RequestError as error:
                user = row[self.settings.id] if self.rules.records == "users" else None
                reason = RequestError(f"row {number + 1:,}: {error.message}", field=error.field)
                rejected.append(rejection(name, number, reason, json.dumps(row, default=str), user))
            else:
                changes.append(ReceivedRecord(name, number, change))
        return changes, rejected

    def _body(self, row: Mapping[str, Any], keys: frozenset[str] | None) -> dict[str, Any]:
        """Return a row as the body of `PUT /v1/items` or `PUT /v1/users`. An empty cell makes an attribute unknown, a key that JSON lacks does not."""
        settings = self.settings
        if row[settings.id] is None:
            raise RequestError(f"{settings.id}: the id is missing", field=settings.id)
        body: dict[str, Any] = {self.rules.identifier: row[settings.id]}
        if self.rules.records == "items":
            title = None if settings.title is None else row.get(settings.title)
            if title is not None:
                body[TITLE] = str(title)
            if row.get(RETIRED) is not None and RETIRED not in settings.attributes:
                body[RETIRED] = TRUTHS.get(str(row[RETIRED]).strip().lower(), row[RETIRED])
        body["attributes"] = {
            name: _value(row[name], kind)
            for name, kind in settings.attributes.items()
            if name in row and (keys is None or name in keys or name.partition(".")[0] in keys)
        }
        return body


def read_change_file(path: Path, name: str, project: Project | None, rules: ChangeRules) -> ChangeFile:
    """Read a file of items or users.

    Parameters
    ----------
    path
        The file.
    name
        What to call it in messages.
    project
        Names the columns (`[items]`, `[users]`); None: the id is in `item` or `item_id` (`user`, `user_id`) or `id`, the title in
        `title`, and every other column is an attribute; a JSON file may have an object `attributes` instead.
    rules
        Their kinds say how the values of text files are read.

    Raises
    ------
    DataError
        The file cannot be read, or lacks a column.
    """
    reading, lines = read_arrived(path, name, project, frozenset([GIVEN] if project is None else []))
    table = reading.table
    given = None
    if project is None and is_json(path) and GIVEN in table.column_names:
        given = table.column(GIVEN).to_pylist()
        table = table.drop_columns([GIVEN])
    settings = _by_names(table, name, rules) if project is None else _of_project(project, table, name, rules)
    return ChangeFile(
        _with_numbers(table, settings), settings, lines, reading.notes, rules, given, reading.keys
    )


def _merged(cells: dict[str, Any], written: str) -> Any:
    """The attributes of a row: those of its cells and those of its object. Anything but an object is left to the rules, which name it."""
    try:
        given = json.loads(written)
    except ValueError:  # a text where an object is expected
        return written
    return {**cells, **given} if isinstance(given, dict) else given


def _by_names(table: pa.Table, name: str, rules: ChangeRules) -> TableSettings:
    """Return the columns of a file that no project describes. Raises `DataError` where there is no id."""
    identifier = rules.identifier
    names = (identifier, f"{identifier}_id", "id")
    found = next((one for one in names if one in table.column_names), None)
    if found is None:
        raise DataError(
            f"{name}: there is no column {' or '.join(names)}; there are: {', '.join(table.column_names)}. Rename it, or name the "
            "columns in a project (--project shortlist.toml)",
            field=names[0],
        )
    apart = {found, RETIRED, TITLE} if rules.records == "items" else {found}
    kinds: dict[str, AttributeKind] = {
        column: rules.kinds.get(column, "text") for column in table.column_names if column not in apart
    }
    return TableSettings(id=found, title=TITLE, attributes=kinds)


def _of_project(project: Project, table: pa.Table, name: str, rules: ChangeRules) -> TableSettings:
    """Return the section of the project. Raises `DataError` where there is none, or where the id is not in the file."""
    settings = project.items if rules.records == "items" else project.users
    if settings is None:
        raise DataError(
            f"{project.where(rules.records)}there is no [{rules.records}] section, which names the columns of {name}",
            field=rules.records,
        )
    if settings.id not in table.column_names:
        raise DataError(
            f"{name}: there is no column {settings.id!r} ({project.where(f'{rules.records}.id')}{rules.records}.id); there are: "
            f"{', '.join(table.column_names)}",
            field=settings.id,
        )
    return settings


def _with_numbers(table: pa.Table, settings: TableSettings) -> pa.Table:
    """Return the table with texts of number attributes as numbers, where all of a column are; other texts are rejected by row."""
    for at, name in enumerate(table.column_names):
        column = table.column(name)
        if settings.attributes.get(name) == "number" and is_text(column.type):
            reading = read_numbers(column)
            if reading is not None and not reading.unreadable.any():
                numbers = pa.array(reading.numbers, from_pandas=True)  # NaN is null
                table = table.set_column(at, name, numbers)
    return table


def _value(value: Any, kind: AttributeKind) -> Any:
    """Return a cell as JSON has it: times as ISO 8601 texts, decimals as numbers, `a|b` as a list where one is expected."""
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if kind == "list" and isinstance(value, (str, list)):
        words = value.split("|") if isinstance(value, str) else [str(one) for one in value if one is not None]
        return [word for word in words if word]
    if isinstance(value, str) and kind == "embedding":
        return _vector(value)
    return value


def _vector(text: str) -> Any:
    """Return a list of numbers that is written as JSON; the text itself where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text.strip() or None

"""Read an event log and say everything that is wrong with it.

A check never repairs in silence. Each finding is a `Problem` with the file, the column, how many rows, examples and
the way out. Rows that cannot be used are *set aside* and counted by reason, so that read = kept + set aside, always.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.config.data import ColumnNames
from shortlist.config.project import Project
from shortlist.data.ids import IdMap, id_array
from shortlist.data.times import NO_TIME, to_milliseconds
from shortlist.errors import DataError

Level = Literal["error", "set aside", "warning"]


@dataclass(frozen=True)
class Problem:
    """One finding. An `error` stops a run; rows `set aside` are left out of it; a `warning` is to be known."""

    level: Level
    file: str
    column: str
    what: str
    count: int
    examples: list[str] = field(default_factory=list)
    fix: str = ""

    def __str__(self) -> str:
        rows = f" ({self.count:,} row{'s' if self.count != 1 else ''})" if self.count else ""
        examples = f"; for example {'; '.join(self.examples)}" if self.examples else ""
        return f"{self.file}: {self.column}: {self.what}{rows}{examples}{'. ' + self.fix if self.fix else ''}"


@dataclass
class Check:
    """What reading the tables found. `read` = `kept` + all of `set_aside`."""

    read: int = 0
    kept: int = 0
    set_aside: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.level == "error"]

    def summary(self) -> str:
        aside = ", ".join(f"{count:,} {reason}" for reason, count in self.set_aside.items())
        return (
            f"{self.read:,} events read, {self.kept:,} kept, {sum(self.set_aside.values()):,} set aside"
            + (f" ({aside})" if aside else "")
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "read": self.read,
            "kept": self.kept,
            "set_aside": self.set_aside,
            "problems": [problem.__dict__ for problem in self.problems],
            "notes": self.notes,
        }

    def raise_errors(self) -> None:
        if self.errors:
            raise DataError("\n".join(str(problem) for problem in self.errors), field=self.errors[0].column)


@dataclass(frozen=True)
class RawLog:
    """The usable events, ordered by time: ids as given, everything else as arrays."""

    user: pa.Array
    item: pa.Array
    time: np.ndarray
    kind: pa.Array
    value: np.ndarray
    rows: np.ndarray
    """Which row of the table each event was, int64."""
    arrival: np.ndarray | None = None
    """When each became known, int64 ms; None where the log does not say."""


def missing_column(file: str, wanted: str, present: Iterable[str], setting: str) -> Problem:
    """A finding that names the columns there are, and the likeliest one that was meant."""
    names = list(present)
    near = difflib.get_close_matches(wanted, names, 1, 0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return Problem(
        "error",
        file,
        wanted,
        f"no such column; there are: {', '.join(names)}",
        0,
        [],
        f"{hint}Set {setting} in shortlist.toml",
    )


def check_events(
    table: pa.Table,
    project: Project,
    file: str,
    items: pa.Array | None,
    users: pa.Array | None,
    now_ms: int | None = None,
) -> tuple[RawLog | None, Check]:
    """Check an events table against the project. `items` and `users`: the ids of those tables, where there are any.

    The log is None where an error makes it unusable. Cost: a few passes over the columns, no Python loop over rows.
    """
    check = Check(read=table.num_rows)
    columns = project.data.columns
    _check_columns(table, columns, project, file, check)
    if check.errors:
        return None, check
    try:
        user = id_array(table.column(columns.user), f"{file}: {columns.user}")
        item = id_array(table.column(columns.item), f"{file}: {columns.item}")
    except DataError as error:
        check.problems.append(Problem("error", file, "ids", error.message, 0))
        return None, check
    for name, ids, others, where in (
        (columns.user, user, users, "users"),
        (columns.item, item, items, "items"),
    ):
        if others is not None and len(ids) and len(others) and ids.type != others.type:
            fix = f"Make them the same type, for example with a query in data.{where}"
            check.problems.append(
                Problem(
                    "error",
                    file,
                    name,
                    f"ids are {ids.type} here and {others.type} in the {where} table",
                    0,
                    [],
                    fix,
                )
            )
    if check.errors:
        return None, check

    keep = np.ones(len(user), bool)
    shown = [c for c in (columns.user, columns.item, columns.timestamp, columns.kind, columns.value) if c]

    def set_aside(bad: np.ndarray, column: str, reason: str, what: str, fix: str) -> None:
        bad = bad & keep
        count = int(bad.sum())
        if count:
            check.problems.append(
                Problem("set aside", file, column, what, count, _examples(table, bad, shown), fix)
            )
            check.set_aside[reason] = check.set_aside.get(reason, 0) + count
            keep[bad] = False

    for name, ids in ((columns.user, user), (columns.item, item)):
        set_aside(
            _mask(ids.is_null()),
            name,
            f"without {name}",
            "the id is missing",
            "Events need a user and an item; fix the export or leave them out",
        )
        empty = (
            _mask(pc.equal(pc.fill_null(ids, "?"), ""))
            if pa.types.is_string(ids.type)
            else np.zeros(len(ids), bool)
        )
        set_aside(
            empty, name, f"with empty {name}", "the id is an empty text", "Events need a user and an item"
        )

    if columns.timestamp:
        times, reading = to_milliseconds(_flat(table.column(columns.timestamp)))
        set_aside(
            reading.unreadable,
            columns.timestamp,
            "with unreadable time",
            "not a time",
            "Write epoch numbers, dates or ISO texts",
        )
        set_aside(
            times == NO_TIME,
            columns.timestamp,
            "without time",
            "the time is missing",
            "Every event needs a time",
        )
        set_aside(
            reading.other_unit,
            columns.timestamp,
            "with time in another unit",
            f"most times are in {reading.unit}, these are not",
            "Bring the column to one unit",
        )
        now = int(time.time() * 1000) if now_ms is None else now_ms
        set_aside(
            times > now + 86_400_000,
            columns.timestamp,
            "in the future",
            "the time is more than a day ahead of now",
            "Check the clock or the unit of the source",
        )
        check.notes.append(f"times read as {reading.unit}")
    else:
        times = np.arange(len(user), dtype=np.int64) * 1000
        check.notes.append("no timestamp column: the order of the rows is taken as time")

    arrival = None
    if columns.arrival:
        arrival, arrived = to_milliseconds(_flat(table.column(columns.arrival)))
        set_aside(
            arrived.unreadable,
            columns.arrival,
            "with unreadable arrival",
            "not a time",
            "Write epoch numbers, dates or ISO texts",
        )
        # an event cannot be known before it happened; without an arrival it was known at once
        arrival = np.maximum(np.where(arrival == NO_TIME, times, arrival), times)

    if columns.value:
        column = _flat(table.column(columns.value))
        numbers = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False)
        endless = np.isinf(numbers)
        if endless.any():
            where = project.where("data.columns.value")
            check.problems.append(
                Problem(
                    "error",
                    file,
                    columns.value,
                    "the value is infinite",
                    int(endless.sum()),
                    _examples(table, endless, shown),
                    f"{where}data.columns.value names this column; values must be finite numbers: mend the export, or leave "
                    "those rows out with a query",
                )
            )
            return None, check
        value = numbers.astype(np.float32)
    else:
        value = np.full(len(user), np.nan, np.float32)
    kind = _kinds(table, columns, len(user))
    set_aside(
        _mask(kind.is_null()),
        columns.kind or "kind",
        "without kind",
        "the kind is missing",
        "Say what happened in each event",
    )

    if columns.event_id:
        ids = id_array(table.column(columns.event_id), f"{file}: {columns.event_id}")
        set_aside(
            repeated([_dense(ids)]) & ~_mask(ids.is_null()),
            columns.event_id,
            "with a repeated event id",
            "the event id was seen before",
            "An id stands for one event; the first was kept",
        )
    if project.data.duplicates == "drop":
        set_aside(
            repeated([_dense(user), _dense(item), times, _dense(kind)]),
            columns.user,
            "duplicates",
            "the same user, item, time and kind was seen before",
            'The first was kept; data.duplicates = "keep" keeps all',
        )
    if items is not None:
        unknown = _mask(pc.invert(pc.is_in(item, value_set=items)))
        set_aside(
            unknown,
            columns.item,
            "of unknown items",
            "the items table has no such item",
            "Add the items, or leave data.items out",
        )

    check.kept = int(keep.sum())
    if not check.kept:
        check.problems.append(
            Problem(
                "error",
                file,
                columns.user,
                "no usable event is left",
                check.read,
                [],
                "See the findings above",
            )
        )
        return None, check
    rows = np.flatnonzero(keep)
    by = (times[rows],) if arrival is None else (arrival[rows], times[rows])
    rows = rows[np.lexsort(by)]
    taken = pa.array(rows)
    arrival = None if arrival is None else arrival[rows]
    return (
        RawLog(user.take(taken), item.take(taken), times[rows], kind.take(taken), value[rows], rows, arrival),
        check,
    )


def _check_columns(table: pa.Table, columns: ColumnNames, project: Project, file: str, check: Check) -> None:
    for role in (
        "user",
        "item",
        "timestamp",
        "arrival",
        "kind",
        "value",
        "event_id",
        "slate",
        "position",
        "propensity",
    ):
        name = getattr(columns, role)
        if name and name not in table.column_names:
            check.problems.append(missing_column(file, name, table.column_names, f"data.columns.{role}"))
    for name in project.data.context:
        if name not in table.column_names:
            check.problems.append(missing_column(file, name, table.column_names, "data.context"))
    for role in ("value", "position", "propensity"):
        name = getattr(columns, role)
        if name and name in table.column_names:
            kind = table.schema.field(name).type
            if not (
                pa.types.is_integer(kind)
                or pa.types.is_floating(kind)
                or pa.types.is_decimal(kind)
                or pa.types.is_null(kind)
            ):
                column = table.column(name)
                strange = [
                    f"row {row + 1}: {v!r}"
                    for row, v in enumerate(column.slice(0, 100_000).to_pylist())
                    if not _is_number(v)
                ][:3]
                check.problems.append(
                    Problem(
                        "error",
                        file,
                        name,
                        f"must be numbers and is {kind}",
                        0,
                        strange,
                        f"Fix the column, or name another in data.columns.{role}",
                    )
                )


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return value is None
    return True


def _kinds(table: pa.Table, columns: ColumnNames, n: int) -> pa.Array:
    if columns.kind is None:
        return pa.array(np.repeat("event", n)) if n else pa.array([], pa.string())
    return _flat(table.column(columns.kind)).cast(pa.string())


def _examples(table: pa.Table, bad: np.ndarray, columns: list[str]) -> list[str]:
    rows = np.flatnonzero(bad)[:3]
    taken = table.select(columns).take(pa.array(rows)).to_pylist()
    return [
        f"row {row + 1}: " + ", ".join(f"{k}={v}" for k, v in values.items())
        for row, values in zip(rows, taken, strict=True)
    ]


def _flat(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _mask(array: pa.Array) -> np.ndarray:
    return pc.fill_null(array, True).to_numpy(zero_copy_only=False).astype(bool)


def _dense(array: pa.Array) -> np.ndarray:
    return IdMap.of(array).codes(array) if len(array) else np.empty(0, np.int32)


def repeated(keys: list[np.ndarray]) -> np.ndarray:
    """Bool (n,): an earlier row has the same keys."""
    n = len(keys[0])
    order = np.lexsort([np.arange(n), *reversed(keys)])
    same = np.ones(n, bool)
    for key in keys:
        ordered = key[order]
        same[1:] &= ordered[1:] == ordered[:-1]
    if n:
        same[0] = False
    repeated = np.zeros(n, bool)
    repeated[order] = same
    return repeated

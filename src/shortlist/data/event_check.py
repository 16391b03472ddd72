"""Check an events table: which rows can be used, and what is wrong with the others."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.config.data import ColumnNames
from shortlist.config.project import Project
from shortlist.data.check import Check, Problem, missing_column
from shortlist.data.ids import IdMap, id_array
from shortlist.data.log import repeated_rows
from shortlist.data.numbers import NumberReading, is_numeric, read_numbers
from shortlist.data.times import NO_TIME, to_milliseconds
from shortlist.errors import DataError

DAY_MS = 86_400_000
ROLES = (
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
)


@dataclass(frozen=True, repr=False)
class UsableEvents:
    """The events of a table that can be used, ordered by time.

    Attributes
    ----------
    user, item : pyarrow.Array
        Ids as given, n of each.
    time : ndarray of shape (n,), int64
        Milliseconds since 1970.
    kind : pyarrow.Array
        Strings.
    value : ndarray of shape (n,), float32
        NaN where there is none.
    rows : ndarray of shape (n,), int64
        The row of the table that each event comes from.
    arrival : ndarray of shape (n,), int64, or None
        When each event became known, ms; None where the table does not say it.
    """

    user: pa.Array
    item: pa.Array
    time: NDArray[np.int64]
    kind: pa.Array
    value: NDArray[np.float32]
    rows: NDArray[np.int64]
    arrival: NDArray[np.int64] | None = None

    def __repr__(self) -> str:
        return f"UsableEvents({len(self.rows):,} events)"


class _UnusableError(Exception):
    """An error was recorded that makes the whole table unusable."""


def check_events(
    table: pa.Table,
    project: Project,
    file: str,
    items: pa.Array | None,
    users: pa.Array | None,
    now_ms: int | None = None,
) -> tuple[UsableEvents | None, Check]:
    """Check an events table against the project.

    Parameters
    ----------
    table
        The events.
    project
        The names of the columns (`[data]`).
    file
        What to call the table in messages.
    items, users
        The ids of the items and users tables, where there are any. Events of other items are set aside.
    now_ms
        The present, for events in the future (default: the clock).

    Returns
    -------
    tuple of UsableEvents or None, and Check
        No events where an error makes the table unusable.

    Notes
    -----
    Cost: a few passes over the columns, no Python loop over rows.
    """
    check = Check(read=table.num_rows)
    try:
        return _EventChecker(table, project, file, check).run(items, users, now_ms), check
    except _UnusableError:
        return None, check


class _EventChecker:
    """The steps of `check_events`. `keep` bool (n,) marks the rows that no step has set aside so far."""

    def __init__(self, table: pa.Table, project: Project, file: str, check: Check) -> None:
        self.table, self.project, self.file, self.check = table, project, file, check
        self.columns = columns = project.data.columns
        self.keep = np.ones(table.num_rows, bool)
        shown = (columns.user, columns.item, columns.timestamp, columns.kind, columns.value)
        self.shown = [column for column in shown if column]

    def run(self, items: pa.Array | None, users: pa.Array | None, now_ms: int | None) -> UsableEvents:
        _check_columns(self.table, self.project, self.file, self.check)
        self._stop_on_errors()
        user, item = self._ids(items, users)
        times = self._times(now_ms)
        arrival = self._arrival(times)
        value = self._values()
        kind = self._kinds(value)
        self._duplicates(user, item, times, kind)
        if items is not None:
            self._set_aside(
                _mask(pc.invert(pc.is_in(item, value_set=items))),
                self.columns.item,
                "of unknown items",
                "the items table has no such item",
                "Add the items, or leave data.items out",
            )
        self.check.kept = int(self.keep.sum())
        if not self.check.kept:
            column, what = self.columns.user, "no usable event is left"
            self.check.add_error(self.file, column, what, "See the findings above", count=self.check.read)
            raise _UnusableError
        rows = np.flatnonzero(self.keep)
        by = (times[rows],) if arrival is None else (arrival[rows], times[rows])
        rows = rows[np.lexsort(by)]
        taken = pa.array(rows)
        arrival = None if arrival is None else arrival[rows]
        return UsableEvents(
            user.take(taken), item.take(taken), times[rows], kind.take(taken), value[rows], rows, arrival
        )

    def _stop_on_errors(self) -> None:
        if self.check.errors:
            raise _UnusableError

    def _set_aside(self, bad: NDArray[np.bool_], column: str, reason: str, what: str, fix: str) -> None:
        """Set rows aside that are still kept; `reason` counts them, `what` and `fix` describe them."""
        bad = bad & self.keep
        count = int(bad.sum())
        if count:
            examples = _examples(self.table, bad, self.shown)
            problem = Problem("set aside", self.file, column, what, count, examples, fix)
            self.check.set_rows_aside(reason, problem)
            self.keep[bad] = False

    def _ids(self, items: pa.Array | None, users: pa.Array | None) -> tuple[pa.Array, pa.Array]:
        columns, file = self.columns, self.file
        try:
            user = id_array(self.table.column(columns.user), f"{file}: {columns.user}")
            item = id_array(self.table.column(columns.item), f"{file}: {columns.item}")
        except DataError as error:
            self.check.add_error(file, "ids", error.message)
            raise _UnusableError from None
        for name, ids, others, role in (
            (columns.user, user, users, "users"),
            (columns.item, item, items, "items"),
        ):
            if others is not None and len(ids) and len(others) and ids.type != others.type:
                what = f"ids are {ids.type} here and {others.type} in the {role} table"
                fix = f"Make them the same type, for example with a query in data.{role}"
                self.check.add_error(file, name, what, fix)
        self._stop_on_errors()
        for name, ids in ((columns.user, user), (columns.item, item)):
            fix = (
                "Every event needs a user and an item; correct the export, or remove these rows with a query"
            )
            self._set_aside(_mask(ids.is_null()), name, f"without {name}", "the id is missing", fix)
            if pa.types.is_string(ids.type):
                empty = _mask(pc.equal(pc.fill_null(ids, "?"), ""))
                self._set_aside(empty, name, f"with empty {name}", "the id is an empty text", fix)
        return user, item

    def _times(self, now_ms: int | None) -> NDArray[np.int64]:
        name = self.columns.timestamp
        if not name:
            self.check.notes.append("no timestamp column: the order of the rows is taken as time")
            return np.arange(self.table.num_rows, dtype=np.int64) * 1000
        times, reading = to_milliseconds(_flat(self.table.column(name)))
        now = int(time.time() * 1000) if now_ms is None else now_ms
        formats = "Write epoch numbers, dates or ISO texts"
        unit = f"most times are in {reading.unit}, these are not"
        future = "the time is more than a day ahead of now"
        self._set_aside(reading.unreadable, name, "with unreadable time", "not a time", formats)
        missing = "the time is missing"
        self._set_aside(times == NO_TIME, name, "without time", missing, "Every event needs a time")
        self._set_aside(
            reading.other_unit, name, "with time in another unit", unit, "Convert the column to one unit"
        )
        fix = "Check the clock or the unit of the source"
        self._set_aside(times > now + DAY_MS, name, "in the future", future, fix)
        self.check.notes.append(f"times read as {reading.unit}")
        return times

    def _arrival(self, times: NDArray[np.int64]) -> NDArray[np.int64] | None:
        name = self.columns.arrival
        if not name:
            return None
        arrival, reading = to_milliseconds(_flat(self.table.column(name)))
        fix = "Write epoch numbers, dates or ISO texts"
        self._set_aside(reading.unreadable, name, "with unreadable arrival", "not a time", fix)
        # an event cannot be known before it happened; without an arrival it was known at once
        return np.maximum(np.where(arrival == NO_TIME, times, arrival), times)

    def _values(self) -> NDArray[np.float32]:
        name = self.columns.value
        if not name:
            return np.full(self.table.num_rows, np.nan, np.float32)
        reading = read_numbers(self.table.column(name))
        assert reading is not None  # _check_numbers has seen to it
        if reading.how:
            self.check.notes.append(f"{name} read as {reading.how}")
        numbers = reading.numbers
        infinite = np.isinf(numbers)
        if infinite.any():
            where = self.project.where("data.columns.value")
            fix = (
                f"{where}data.columns.value names this column; values must be finite numbers: correct the export, or "
                "leave those rows out with a query"
            )
            examples = _examples(self.table, infinite, self.shown)
            count = int(infinite.sum())
            self.check.add_error(
                self.file, name, "the value is infinite", fix, count=count, examples=examples
            )
            raise _UnusableError
        values: NDArray[np.float32] = numbers.astype(np.float32)
        return values

    def _kinds(self, value: NDArray[np.float32]) -> pa.Array:
        name, n = self.columns.kind, self.table.num_rows
        if name is None:
            kind = pa.array(np.repeat("event", n)) if n else pa.array([], pa.string())
        else:
            kind = _flat(self.table.column(name)).cast(pa.string())
            fix = "Give the kind of each event"
            self._set_aside(_mask(kind.is_null()), name, "without kind", "the kind is missing", fix)
        negative = self.project.data.negative_kind
        if negative is None or not self.columns.value:
            return kind
        below = value < 0
        self.check.notes.append(
            f"{int(below.sum()):,} events with {self.columns.value} below 0 have the kind {negative}"
        )
        return pc.if_else(pa.array(below), negative, kind)

    def _duplicates(self, user: pa.Array, item: pa.Array, times: NDArray[np.int64], kind: pa.Array) -> None:
        name = self.columns.event_id
        if name:
            ids = id_array(self.table.column(name), f"{self.file}: {name}")
            self._set_aside(
                repeated_rows([_codes(ids)]) & ~_mask(ids.is_null()),
                name,
                "with a repeated event id",
                "an earlier row has the same event id",
                "An id stands for one event; the first was kept",
            )
        if self.project.data.duplicates == "drop":
            self._set_aside(
                repeated_rows([_codes(user), _codes(item), times, _codes(kind)]),
                self.columns.user,
                "duplicates",
                "an earlier row has the same user, item, time and kind",
                'The first was kept; data.duplicates = "keep" keeps all',
            )


def _check_columns(table: pa.Table, project: Project, file: str, check: Check) -> None:
    """Record columns that are missing, and columns of numbers that hold something else."""
    columns = project.data.columns
    for role in ROLES:
        name = getattr(columns, role)
        if name and name not in table.column_names:
            check.problems.append(missing_column(file, name, table.column_names, f"data.columns.{role}"))
    for name in project.data.context:
        if name not in table.column_names:
            check.problems.append(missing_column(file, name, table.column_names, "data.context"))
    for role in ("value", "position", "propensity"):
        _check_numbers(table, columns, role, file, check)


def _check_numbers(table: pa.Table, columns: ColumnNames, role: str, file: str, check: Check) -> None:
    name = getattr(columns, role)
    if not name or name not in table.column_names:
        return
    kind = table.schema.field(name).type
    if is_numeric(kind):
        return
    reading = read_numbers(table.column(name)) if role == "value" else None
    if reading is not None:
        _check_texts(table, name, reading, file, check)
        return
    values = table.column(name).slice(0, 100_000).to_pylist()
    examples = [f"row {row + 1}: {v!r}" for row, v in enumerate(values) if not _is_number(v)][:3]
    fix = f"Correct the column, or name another one in data.columns.{role}"
    check.add_error(file, name, f"must be numbers and is {kind}", fix, examples=examples)


def _check_texts(table: pa.Table, name: str, reading: NumberReading, file: str, check: Check) -> None:
    """Record an error where texts of a column of values are no numbers."""
    count = int(reading.unreadable.sum())
    if not count:
        return
    examples = _examples(table, reading.unreadable, [name])
    fix = (
        "Write numbers, true and false, or nothing; or name another column in data.columns.value. Texts that are kinds of events "
        "(like, dislike) belong into data.columns.kind"
    )
    check.add_error(file, name, "the value is no number", fix, count=count, examples=examples)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return value is None
    return True


def _examples(table: pa.Table, bad: NDArray[np.bool_], columns: list[str]) -> list[str]:
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


def _mask(array: pa.Array) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = pc.fill_null(array, True).to_numpy(zero_copy_only=False).astype(bool)
    return mask


def _codes(array: pa.Array) -> NDArray[np.int32]:
    return IdMap.of(array).codes(array) if len(array) else np.empty(0, np.int32)

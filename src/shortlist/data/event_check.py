"""Check an events table: which rows can be used, and what is wrong with the others."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.config.project import Project
from shortlist.data.check import Check, Problem
from shortlist.data.clock import read_clock
from shortlist.data.event_columns import check_columns, examples, flat
from shortlist.data.event_times import DAY_MS, EventTimes
from shortlist.data.id_columns import IdReading, read_ids, read_keys
from shortlist.data.ids import MAX_ID_LENGTH, IdMap
from shortlist.data.log import repeated_rows
from shortlist.data.no_time import NO_TIME
from shortlist.data.numbers import line_values, read_numbers
from shortlist.data.row_marks import delays
from shortlist.engines.missing import NO_ID
from shortlist.errors import DataError


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
    unit : str
        How the times were read; empty where there are none.
    """

    user: pa.Array
    item: pa.Array
    time: NDArray[np.int64]
    kind: pa.Array
    value: NDArray[np.float32]
    rows: NDArray[np.int64]
    arrival: NDArray[np.int64] | None = None
    unit: str = ""

    def __repr__(self) -> str:
        return f"UsableEvents({len(self.rows):,} events)"


NO_EVENT = "no usable event is left"
"""The error of a table in which every row is set aside."""


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
        self.unit = ""
        shown = (columns.user, columns.item, columns.timestamp, columns.kind, columns.value)
        self.shown = [column for column in shown if column]

    def run(self, items: pa.Array | None, users: pa.Array | None, now_ms: int | None) -> UsableEvents:
        check_columns(self.table, self.project, self.file, self.check)
        self._stop_on_errors()
        user, item = self._ids(items, users)
        times = self._times(now_ms)
        arrival = self._arrival(times)
        value = self._values()
        kind = self._kinds(value)
        self._duplicates(user, item, times, kind)
        if items is not None:
            known = pc.is_in(item, value_set=items if len(items) else items.cast(item.type))
            self._set_aside(
                _mask(pc.invert(known)),
                self.columns.item,
                "of unknown items",
                "the items table has no such item",
                "Add the items, or leave data.items out",
            )
        self.check.count_kept(int(self.keep.sum()))
        if not self.check.kept:
            self._no_event()
        rows = np.flatnonzero(self.keep)
        by = (times[rows],) if arrival is None else (arrival[rows], times[rows])
        rows = rows[np.lexsort(by)]
        taken = pa.array(rows)
        arrival = None if arrival is None else arrival[rows]
        return UsableEvents(
            user.take(taken),
            item.take(taken),
            times[rows],
            kind.take(taken),
            value[rows],
            rows,
            arrival,
            self.unit,
        )

    def _stop_on_errors(self) -> None:
        if self.check.errors:
            raise _UnusableError

    def _set_aside(self, bad: NDArray[np.bool_], column: str, reason: str, what: str, fix: str) -> None:
        """Set rows aside that are still kept; `reason` counts them, `what` and `fix` describe them."""
        bad = bad & self.keep
        count = int(bad.sum())
        if count:
            columns = list(dict.fromkeys([*self.shown, column]))
            shown = examples(self.table, bad, columns)
            problem = Problem("set aside", self.file, column, what, count, shown, fix)
            self.check.set_rows_aside(reason, problem)
            self.check.rows.append((problem, np.flatnonzero(bad)))
            self.keep[bad] = False

    def _no_event(self) -> None:
        """Record an error that says why each row is set aside, and stop."""
        column, what = self.columns.user, NO_EVENT
        reasons = [str(problem) for problem in self.check.problems if problem.level == "set aside"]
        fix = "\n".join(["Rows are set aside:", *reasons]) if reasons else "The table has no rows"
        self.check.add_error(self.file, column, what, fix, count=self.check.read)
        raise _UnusableError

    def _ids(self, items: pa.Array | None, users: pa.Array | None) -> tuple[pa.Array, pa.Array]:
        columns, file = self.columns, self.file
        user = self._read_ids(columns.user, self.project.data.user_ids == "text")
        item = self._read_ids(columns.item, as_text=False)
        for name, ids, others, role in (
            (columns.user, user.ids, users, "users"),
            (columns.item, item.ids, items, "items"),
        ):
            if others is not None and len(ids) and len(others) and ids.type != others.type:
                what = f"ids are {ids.type} here and {others.type} in the {role} table"
                fix = f"Make them the same type, for example with a query in data.{role}"
                self.check.add_error(file, name, what, fix)
        self._stop_on_errors()
        for name, reading in ((columns.user, user), (columns.item, item)):
            self._set_missing_ids_aside(name, reading)
        return user.ids, item.ids

    def _read_ids(self, name: str, as_text: bool) -> IdReading:
        where = f"{self.file}: {name}"
        try:
            return read_ids(self.table.column(name), where, as_text)
        except DataError as error:
            self.check.add_error(self.file, name, error.message.removeprefix(f"{where}: "))
            raise _UnusableError from None

    def _set_missing_ids_aside(self, name: str, reading: IdReading) -> None:
        self.check.note(*reading.notes)
        fix = "Every event needs a user and an item; correct the export, or remove these rows with a query"
        no_id = "the text says that there is no id"
        self._set_aside(reading.no_id, name, f"without {name}", no_id, fix)
        self._set_aside(_mask(reading.ids.is_null()), name, f"without {name}", "the id is missing", fix)
        if pa.types.is_string(reading.ids.type):
            empty = _mask(pc.equal(pc.fill_null(reading.ids, "?"), ""))
            self._set_aside(empty, name, f"with empty {name}", "the id is an empty text", fix)
        what = f"a text id has at most {MAX_ID_LENGTH} characters and no NUL character"
        self._set_aside(reading.faulty, name, f"with impossible {name}", what, "Write other ids")
        for warning in reading.warnings:
            fix = "If they are not what the source wrote, correct the export, or leave the rows out with a query"
            self.check.add(Problem("warning", self.file, name, warning, 0, [], fix))

    def _times(self, now_ms: int | None) -> NDArray[np.int64]:
        name = self.columns.timestamp
        if not name:
            self.check.note("no timestamp column: the order of the rows is taken as time")
            return np.arange(self.table.num_rows, dtype=np.int64) * 1000
        read = EventTimes.of(flat(self.table.column(name)), self.project.data.format_of(name))
        self.unit = read.unit
        now = int(time.time() * 1000) if now_ms is None else now_ms
        unit = f"most times are in {read.unit}, these are not"
        future = "the time is more than a day ahead of now"
        self._set_aside(read.unreadable, name, "with unreadable time", read.fault, read.fix)
        missing = "the time is missing"
        self._set_aside(read.missing, name, "without time", missing, "Every event needs a time")
        self._set_aside(
            read.other_unit, name, "with time in another unit", unit, "Convert the column to one unit"
        )
        sentinel = "the time is of 1970 or earlier, unlike most, as where an export writes a date for none"
        self._set_aside(
            read.long_before,
            name,
            "with a time long before the others",
            sentinel,
            "Leave missing times empty",
        )
        fix = "Check the clock or the unit of the source"
        self._set_aside(read.times > now + DAY_MS, name, "in the future", future, fix)
        self.check.note(read.note(self.keep))
        for doubt in read.doubts(self.keep):
            fix = "If they mean other times, convert the column with a query in data.events"
            self.check.add(Problem("warning", self.file, name, doubt, 0, [], fix))
        return np.where(read.times == NO_TIME, NO_TIME, read.times + self._clock() + delays(self.table))

    def _clock(self) -> NDArray[np.int64]:
        """The time of day of each event in ms, where it has a column of its own."""
        name = self.columns.clock
        if not name:
            return np.zeros(self.table.num_rows, np.int64)
        times, bad = read_clock(flat(self.table.column(name)))
        what, fix = "not a time of day", 'Write "13:05" or "13:05:30"'
        self._set_aside(bad, name, "with unreadable time", what, fix)
        return times

    def _arrival(self, times: NDArray[np.int64]) -> NDArray[np.int64] | None:
        name = self.columns.arrival
        if not name:
            return None
        read = EventTimes.of(flat(self.table.column(name)), self.project.data.format_of(name))
        bad = read.unreadable | read.other_unit
        self._set_aside(bad, name, "with unreadable arrival", read.fault, read.fix)
        # an event cannot be known before it happened; without an arrival it was known at once
        return np.maximum(np.where(read.times == NO_TIME, times, read.times), times)

    def _values(self) -> NDArray[np.float32]:
        name = self.columns.value or self.columns.quantity
        if not name:
            return np.full(self.table.num_rows, np.nan, np.float32)
        numbers = self._numbers(name)
        if self.columns.quantity and name != self.columns.quantity:
            numbers = line_values(numbers, self._numbers(self.columns.quantity))
            self.check.note(f"the value of an event is {name} × {self.columns.quantity}")
        with np.errstate(over="ignore"):
            values: NDArray[np.float32] = numbers.astype(np.float32)
        infinite = np.isinf(values)
        if infinite.any():
            where = self.project.where("data.columns.value")
            fix = (
                f"{where}data.columns.value names this column; values must be finite numbers: correct the export, or "
                "leave those rows out with a query"
            )
            what, shown = "the value is infinite or above 3e38", examples(self.table, infinite, self.shown)
            self.check.add_error(self.file, name, what, fix, count=int(infinite.sum()), examples=shown)
            raise _UnusableError
        return values

    def _numbers(self, name: str) -> NDArray[np.float64]:
        reading = read_numbers(self.table.column(name))
        assert reading is not None  # _check_numbers has seen to it
        if reading.how:
            self.check.note(f"{name} read as {reading.how}")
        return reading.numbers

    def _kinds(self, value: NDArray[np.float32]) -> pa.Array:
        name, n = self.columns.kind, self.table.num_rows
        if name is None:
            kind = pa.array(np.repeat(self.project.data.default_kind, n)) if n else pa.array([], pa.string())
        else:
            kind = flat(self.table.column(name)).cast(pa.string())
            fix = "Give the kind of each event"
            words = pc.utf8_lower(pc.utf8_trim_whitespace(kind))
            none = pc.or_kleene(kind.is_null(), pc.is_in(words, value_set=pa.array(["", *sorted(NO_ID)])))
            self._set_aside(_mask(none), name, "without kind", "the kind is missing", fix)
        negative = self.project.data.negative_kind
        column = self.columns.value or self.columns.quantity
        if negative is None or not column:
            return kind
        below = value < 0
        self.check.note(f"{int(below.sum()):,} events with {column} below 0 have the kind {negative}")
        return pc.if_else(pa.array(below), negative, kind)

    def _duplicates(self, user: pa.Array, item: pa.Array, times: NDArray[np.int64], kind: pa.Array) -> None:
        name = self.columns.event_id
        if name:
            ids = read_keys(self.table.column(name), f"{self.file}: {name}", self.check.notes)
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


def _mask(array: pa.Array) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = pc.fill_null(array, True).to_numpy(zero_copy_only=False).astype(bool)
    return mask


def _codes(array: pa.Array) -> NDArray[np.int32]:
    return IdMap.of(array).codes(array) if len(array) else np.empty(0, np.int32)

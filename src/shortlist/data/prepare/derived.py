"""Wide logs: a row that says whether a shown item was clicked, liked and watched becomes an impression and the events that followed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.config.base import IMPRESSION
from shortlist.config.data import ColumnNames, DataSettings
from shortlist.config.rows import DerivedEvents
from shortlist.config.short_repr import ShortRepr
from shortlist.data.check import Check, Problem
from shortlist.data.event_columns import examples, flat
from shortlist.data.event_times import EventTimes
from shortlist.data.no_time import NO_TIME
from shortlist.data.numbers import is_text, read_numbers, row_values
from shortlist.data.prepare.rows import is_one_of
from shortlist.data.row_marks import AFTER, take_rows

MADE = {role: f"derived {role}" for role in ("kind", "value", "timestamp", "slate", "position")}
"""Role → name of the column that derived events have for it."""
STEP = 1
"""Milliseconds by which an action follows the impression of the same row."""


def derive_events(
    events: pa.Table, data: DataSettings, file: str, check: Check
) -> tuple[pa.Table, ColumnNames]:
    """Return a table with a row for each event that a rule makes, in the order of the rows and of the rules, and its columns.

    Rows that make no event are set aside and counted.
    """
    source = _Source(events, file, check)
    holds = np.stack([source.holds(rule, at) for at, rule in enumerate(data.derive)], axis=1)
    row, which = np.nonzero(holds)
    check.raise_errors()
    _report(events, data, holds, file, check)
    table = take_rows(events, row)
    made: dict[str, pa.Array] = {
        "kind": pa.array([data.derive[at].kind for at in which.tolist()], pa.string())
    }
    if any(rule.value for rule in data.derive):
        base = source.row_values(data.columns)
        numbers = [
            source.numbers(rule.value, at, "value") if rule.value else base
            for at, rule in enumerate(data.derive)
        ]
        made["value"] = pa.array(np.stack(numbers, axis=1)[row, which], from_pandas=True)
    if any(rule.position for rule in data.derive):
        numbers = [source.numbers(rule.position, at, "position") for at, rule in enumerate(data.derive)]
        made["position"] = pa.array(np.stack(numbers, axis=1)[row, which], from_pandas=True)
    if any(rule.slate for rule in data.derive):
        made["slate"] = _slates(source, data.derive, row, which)
    own = np.array([rule.timestamp is not None for rule in data.derive])
    if own.any():
        made["timestamp"] = _times(source, data, row, which)
    check.raise_errors()
    for role, column in made.items():
        table = table.append_column(MADE[role], column)
    shown = np.array([rule.kind == IMPRESSION for rule in data.derive])
    if shown.any() and not shown.all():
        table = table.append_column(AFTER, pa.array(np.where(shown | own, 0, STEP)[which].astype(np.int64)))
    cleared = {"quantity": None} if "value" in made else {}
    return table, data.columns.model_copy(update={**cleared, **{role: MADE[role] for role in made}})


def _report(events: pa.Table, data: DataSettings, holds: NDArray[np.bool_], file: str, check: Check) -> None:
    """Say how many events of each kind the rows make; rows without any are set aside."""
    counts: dict[str, int] = {}
    for rule, count in zip(data.derive, holds.sum(axis=0).tolist(), strict=True):
        counts[rule.kind] = counts.get(rule.kind, 0) + count
    told = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    check.note(f"{file}: {events.num_rows:,} rows make {int(holds.sum()):,} events (data.derive): {told}")
    none = np.logical_not(np.asarray(holds.any(axis=1)))
    if none.any():
        names = list(dict.fromkeys(name for rule in data.derive for name in rule.columns))[:4]
        what, fix = (
            "no rule of data.derive makes an event of the row",
            "A rule without `when` and `value` makes one of each row",
        )
        problem = Problem(
            "set aside", file, data.columns.user, what, int(none.sum()), examples(events, none, names), fix
        )
        check.count_read(int(none.sum()))
        check.set_rows_aside("without a derived event", problem)


@dataclass(frozen=True, repr=False)
class _Source(ShortRepr):
    """The rows of a wide log."""

    events: pa.Table
    file: str
    check: Check

    def holds(self, rule: DerivedEvents, at: int) -> NDArray[np.bool_]:
        """Return which rows make the event of a rule."""
        name = rule.condition
        if name is None:
            return np.ones(self.events.num_rows, bool)
        column = self.events.column(name)
        if rule.values:
            return is_one_of(column, rule.values)
        if rule.when is None and rule.value is None and rule.timestamp is not None:
            return self._is_given(column)
        if pa.types.is_temporal(column.type):
            return np.asarray(flat(column).is_valid())
        numbers = self.numbers(name, at, "when")
        least = rule.at_least
        with np.errstate(invalid="ignore"):
            found: NDArray[np.bool_] = np.isfinite(numbers) & (
                numbers != 0 if least is None else numbers >= least
            )
        return found

    def _is_given(self, column: pa.ChunkedArray) -> NDArray[np.bool_]:
        given = np.asarray(flat(column).is_valid())
        if is_text(column.type):
            given = given & (EventTimes.of(flat(column)).times != NO_TIME)
        return given

    def numbers(self, name: str | None, at: int, setting: str) -> NDArray[np.float64]:
        """Return a column as numbers, NaN for None; texts that are none are an error."""
        if name is None:
            return np.full(self.events.num_rows, np.nan)
        reading = read_numbers(self.events.column(name))
        place = f"data.derive.{at}.{setting}"
        if reading is None:
            kind = self.events.schema.field(name).type
            self.check.add_error(
                self.file, name, f"must be numbers and is {kind}", f"Name another column in {place}"
            )
            return np.full(self.events.num_rows, np.nan)
        if reading.unreadable.any():
            shown = examples(self.events, reading.unreadable, [name])
            texts = ' Texts that mean yes are listed beside it: values = ["…"]' if setting == "when" else ""
            fix = f"Write numbers, true, false, yes or no, or name another column in {place}.{texts}"
            count = int(reading.unreadable.sum())
            self.check.add_error(
                self.file, name, "the value is no number", fix.rstrip("."), count=count, examples=shown
            )
        return reading.numbers

    def row_values(self, columns: ColumnNames) -> NDArray[np.float64]:
        """Return the value of each row by `data.columns`, for rules without one of their own."""
        name, quantity = columns.value or columns.quantity, columns.quantity
        present = self.events.column_names
        if name is None or name not in present:
            return np.full(self.events.num_rows, np.nan)
        numbers = row_values(self.events, name, quantity if quantity in present else None)
        return np.full(self.events.num_rows, np.nan) if numbers is None else numbers

    def times(self, name: str, form: str | None) -> NDArray[np.int64]:
        """Return a column as ms; values that are no times are an error."""
        read = EventTimes.of(flat(self.events.column(name)), form)
        bad = read.unreadable | read.other_unit
        if bad.any():
            shown = examples(self.events, bad, [name])
            self.check.add_error(self.file, name, read.fault, read.fix, count=int(bad.sum()), examples=shown)
        return read.times


def _times(source: _Source, data: DataSettings, row: NDArray[np.int64], which: NDArray[np.int64]) -> pa.Array:
    """The time of each event: that of its rule, or that of the row."""
    base = data.columns.timestamp
    times = np.full(len(row), NO_TIME)
    for at, rule in enumerate(data.derive):
        name = rule.timestamp or base
        if name is not None and (which == at).any():
            times = np.where(which == at, source.times(name, data.format_of(name))[row], times)
    return pa.array(times, pa.timestamp("ms"), mask=times == NO_TIME)


def _slates(
    source: _Source, rules: list[DerivedEvents], row: NDArray[np.int64], which: NDArray[np.int64]
) -> pa.Array:
    slates = pa.nulls(len(row), pa.string())
    for at, rule in enumerate(rules):
        if rule.slate is not None:
            given = flat(source.events.column(rule.slate)).cast(pa.string()).take(pa.array(row))
            slates = pc.if_else(pa.array(which == at), given, slates)
    return slates

"""The columns of an events table: that they are there, and that those of numbers hold numbers that mean something."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.config.data import DataSettings
from shortlist.config.project import Project
from shortlist.data.check import Check, Problem, missing_column
from shortlist.data.numbers import NumberReading, is_numeric, is_text, read_numbers
from shortlist.data.row_marks import row_numbers
from shortlist.engines.plain_types import plain_array, shown

ROLES = (
    "user",
    "item",
    "timestamp",
    "clock",
    "arrival",
    "kind",
    "value",
    "quantity",
    "event_id",
    "slate",
    "position",
    "propensity",
)
LONGEST = 80
"""Characters of a value that a finding shows."""
LAST_POSITION = int(np.iinfo(np.int16).max)


def check_columns(table: pa.Table, project: Project, file: str, check: Check) -> None:
    """Record columns that are missing, and columns of numbers or kinds that hold something else."""
    columns = project.data.columns
    for role in ROLES:
        name = getattr(columns, role)
        if name and name not in table.column_names:
            check.add(missing_column(file, name, table.column_names, f"data.columns.{role}"))
    for name in project.data.context:
        if name not in table.column_names:
            check.add(missing_column(file, name, table.column_names, "data.context"))
    for role in ("value", "quantity", "position", "propensity"):
        _check_numbers(table, getattr(columns, role), f"columns.{role}", file, check)
    for name in project.data.given:
        if name not in table.column_names:
            check.add(missing_column(file, name, table.column_names, "data.given"))
        _check_numbers(table, name, "given", file, check)
    kind = columns.kind
    if kind and kind in table.column_names:
        given = flat(table.column(kind)).type
        if pa.types.is_nested(given) or pa.types.is_binary(given):
            fix = "Name a column of texts in data.columns.kind"
            check.add_error(file, kind, f"the kinds of events must be texts and the column is {given}", fix)


def _check_numbers(table: pa.Table, name: str | None, setting: str, file: str, check: Check) -> None:
    """Record an error where a column, which a setting of `[data]` names, holds no numbers."""
    if not name or name not in table.column_names:
        return
    kind = table.schema.field(name).type
    if is_numeric(kind):
        return
    amounts = {"columns.value", "columns.quantity"}
    reading = read_numbers(table.column(name)) if setting in amounts or is_text(kind) else None
    if reading is not None:
        _check_texts(table, name, reading, (file, setting), check)
        return
    fix = f"Correct the column, or name another one in data.{setting}"
    check.add_error(
        file, name, f"must be numbers and is {kind}", fix, examples=examples(table, _first(table), [name])
    )


def _first(table: pa.Table) -> NDArray[np.bool_]:
    return np.arange(table.num_rows) < 3


def _check_texts(
    table: pa.Table, name: str, reading: NumberReading, place: tuple[str, str], check: Check
) -> None:
    """Record an error where texts of a column of numbers are no numbers."""
    count = int(reading.unreadable.sum())
    if not count:
        return
    file, setting = place
    role = "number" if setting == "given" else setting.rpartition(".")[2]
    kinds = (
        " Texts that are kinds of events (like, dislike) belong into data.columns.kind"
        if role == "value"
        else ""
    )
    fix = f"Write numbers, true and false, or nothing; or name another column in data.{setting}.{kinds}"
    shown = examples(table, reading.unreadable, [name])
    check.add_error(file, name, f"the {role} is no number", fix.rstrip("."), count=count, examples=shown)


def read_positions(
    table: pa.Table, data: DataSettings, file: str, rows: NDArray[np.int64], check: Check
) -> NDArray[np.int16]:
    """Return the position of some events from 0, −1 where it is unknown; positions that cannot be are reported and unknown."""
    name = data.columns.position
    numbers = _numbers(table, name, rows)
    if name is None or numbers is None:
        return np.full(len(rows), -1, np.int16)
    numbers = numbers - data.first_position
    known = ~np.isnan(numbers)
    bad = known & ~((numbers >= 0) & (numbers <= LAST_POSITION) & (numbers == np.floor(numbers)))
    first = data.first_position
    what = (
        f"a position is a whole number from {first} to {LAST_POSITION + first:,}; these are taken for unknown"
    )
    _warn(
        check,
        Problem(
            "warning", file, name, what, int(bad.sum()), _shown(table, name, rows[bad]), "Correct the export"
        ),
    )
    return np.where(known & ~bad, numbers, -1).astype(np.int16)


def read_propensities(
    table: pa.Table, name: str | None, file: str, rows: NDArray[np.int64], check: Check
) -> NDArray[np.float32]:
    """Return the propensity of some events, NaN where it is unknown; those that cannot be are reported and unknown."""
    numbers = _numbers(table, name, rows)
    if name is None or numbers is None:
        return np.full(len(rows), np.nan, np.float32)
    known = ~np.isnan(numbers)
    bad = known & ~((numbers > 0) & (numbers <= 1))
    what = "a propensity is a probability above 0 and at most 1; these are taken for unknown"
    percent = bool(bad.any()) and bool((numbers[bad] > 1).all()) and bool((numbers[bad] <= 100).all())
    fix = "Divide per cent by 100, with a query in data.events" if percent else "Correct the export"
    _warn(check, Problem("warning", file, name, what, int(bad.sum()), _shown(table, name, rows[bad]), fix))
    return np.where(bad, np.nan, numbers).astype(np.float32)


def read_given(table: pa.Table, names: list[str], rows: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
    """Return the given numbers of some events by column, float32 (events,), NaN where one is missing or not finite."""
    found = {}
    for name in names:
        numbers = _numbers(table, name, rows)
        assert numbers is not None
        with np.errstate(over="ignore"):
            single = numbers.astype(np.float32)
        found[name] = np.where(np.isfinite(single), single, np.float32(np.nan))
    return found


def _numbers(table: pa.Table, name: str | None, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
    reading = None if name is None else read_numbers(table.column(name))
    return None if reading is None else reading.numbers[rows]


def _warn(check: Check, problem: Problem) -> None:
    if problem.count:
        check.add(problem)


def _shown(table: pa.Table, name: str, rows: NDArray[np.int64]) -> list[str]:
    mask = np.zeros(table.num_rows, bool)
    mask[rows] = True
    return examples(table, mask, [name])


def examples(table: pa.Table, bad: NDArray[np.bool_], columns: list[str]) -> list[str]:
    """Return a few rows that are marked, with the values of some columns."""
    rows, numbers = np.flatnonzero(bad)[:3], row_numbers(table)
    return [
        f"row {numbers[row] + 1}: "
        + ", ".join(f"{name}={_short(shown(table.column(name)[row]))}" for name in columns)
        for row in rows.tolist()
    ]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def flat(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array of a plain type."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return plain_array(array)

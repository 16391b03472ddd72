"""The columns of tables that others made, for an evaluation: every row is read as its writer meant it, or the table is refused.

A data set sets rows aside and reports them. Here each row counts: a test without some of its rows is another test.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.data.event_columns import flat
from shortlist.data.frames import to_arrow
from shortlist.data.id_columns import read_ids
from shortlist.data.ids import MAX_ID_LENGTH
from shortlist.data.no_time import NO_TIME
from shortlist.data.numbers import read_numbers
from shortlist.data.times import to_milliseconds
from shortlist.engines.delimited import identifies
from shortlist.engines.duckdb import read_source
from shortlist.engines.plain_types import examples_of, shown
from shortlist.errors import DataError

NAMES = {
    "user": ("user_id", "user", "userid", "user_idx", "query_id", "q_id"),
    "item": ("item_id", "item", "itemid", "item_idx", "doc_id"),
    "timestamp": ("timestamp", "time", "ts"),
    "rank": ("rank", "position", "place"),
    "score": ("score", "prediction", "relevance_score"),
    "gain": ("gain", "relevance", "grade"),
}
"""The accepted names of a column, by role; capitals do not matter."""
LONGEST = 60
"""Characters of a value that an error shows."""


def column_of(table: pa.Table, role: str, name: str, required: bool = True) -> str | None:
    """Return the name of the column with a role.

    Parameters
    ----------
    table
        The table.
    role
        A key of `NAMES`.
    name
        The name of the table in error messages.
    required
        Whether a missing column is an error; otherwise the result is None.

    Raises
    ------
    DataError
        Names the table and its columns.
    """
    names = table.column_names
    lower = {column.lower(): column for column in reversed(names)}
    found = next((n if n in names else lower[n] for n in NAMES[role] if n in lower), None)
    if found is None and required:
        raise DataError(
            f"{name}: there is no column {NAMES[role][0]}; it has: {', '.join(names)}", field=NAMES[role][0]
        )
    return found


def read_file(source: str) -> pa.Table:
    """Read a table of which the ids of text files are read as they are written."""
    ids = {*NAMES["user"], *NAMES["item"]}
    reading = read_source(source, verbatim=lambda name: name.lower() in ids or identifies(name))
    return reading.complete(source)


def read_rows(source: Any, name: str) -> pa.Table:
    """Read a table from a file name or a pandas, Polars or Arrow frame.

    Raises
    ------
    DataError
        If the table has no rows.
    """
    table = read_file(source) if isinstance(source, str) else to_arrow(source, name)
    if not table.num_rows:
        raise DataError(f"{name} has no rows")
    return table


def ids_of(table: pa.Table, role: str, name: str) -> pa.Array:
    """Return the ids of a column. Raises `DataError` if one is missing, or cannot be an id."""
    column = str(column_of(table, role, name))
    reading = read_ids(table.column(column), f"{name}: {column}")
    ids = reading.ids
    missing = np.asarray(ids.is_null())
    if pa.types.is_string(ids.type):
        missing = missing | np.asarray(pc.equal(pc.fill_null(ids, "?"), "")).astype(bool)
    rows = np.flatnonzero(missing)
    if len(rows):
        raise DataError(
            f"{name}: {len(rows):,} rows have no {column} (the first is row {rows[0] + 1}); remove or correct them",
            field=column,
        )
    what = f"a text id has at most {MAX_ID_LENGTH} characters and no NUL character"
    _refuse(table, column, name, np.flatnonzero(reading.faulty), what)
    return ids


def numbers_of(table: pa.Table, column: str, name: str, truth: bool = False) -> NDArray[np.float64]:
    """Return a column of numbers, NaN where there is none; `truth`: true and false are 1 and 0.

    Raises
    ------
    DataError
        The column holds something else; with a row and its value.
    """
    array = flat(table.column(column))
    reading = read_numbers(array)
    if reading is None or (reading.how.startswith("true") and not truth):
        raise DataError(
            f"{name}: {column} must be numbers and is {array.type} (e.g. {examples_of(array)})", field=column
        )
    _refuse(table, column, name, np.flatnonzero(reading.unreadable), "must be numbers, and this is none")
    return reading.numbers


def times_of(table: pa.Table, name: str) -> NDArray[np.int64] | None:
    """Return the times of the rows, ms; None without a column of times. Raises `DataError` for a time that cannot be read."""
    column = column_of(table, "timestamp", name, False)
    if column is None:
        return None
    times, reading = to_milliseconds(flat(table.column(column)))
    what = f"not a time{f': {reading.fault}' if reading.fault else ''}"
    _refuse(table, column, name, np.flatnonzero(reading.unreadable), what)
    other = f"most times are in {reading.unit}, and this is not"
    _refuse(table, column, name, np.flatnonzero(reading.other_unit), other)
    _refuse(table, column, name, np.flatnonzero(times == NO_TIME), "the time is missing")
    return times


def refuse_other_type(ids: pa.Array, name: str, others: pa.Array, other: str, role: str) -> None:
    """Raise `DataError` where two tables have ids of different types, which would never be equal."""
    if len(ids) and len(others) and ids.type != others.type:
        raise DataError(
            f"{name}: {role} ids are {ids.type} here (e.g. {examples_of(ids, 1)}) and {others.type} in {other} "
            f"(e.g. {examples_of(others, 1)}); make them the same type",
            field=role,
        )


def refuse_repeated(ids: pa.Array, name: str, column: str) -> None:
    """Raise `DataError` where two rows of a table of items or users have the same id: which of them counts is not known."""
    codes = np.asarray(ids.dictionary_encode().indices)
    order = np.argsort(codes, kind="stable")
    again = np.flatnonzero(np.diff(codes[order]) == 0)
    if len(again):
        first, second = (int(row) for row in order[again[0] : again[0] + 2])
        raise DataError(
            f"{name}: {len(again):,} rows repeat an id in {column} (for example rows {first + 1} and {second + 1}: "
            f"{shown(ids[first])}); keep one row for each",
            field=column,
        )


def _refuse(table: pa.Table, column: str, name: str, rows: NDArray[np.intp], what: str) -> None:
    if len(rows):
        value = str(shown(table.column(column)[int(rows[0])]))
        value = value if len(value) <= LONGEST else f"{value[:LONGEST]}…"
        raise DataError(
            f"{name}: {column}: {what} ({len(rows):,} row{'s' if len(rows) > 1 else ''}; the first is row {rows[0] + 1}: {value}). "
            f"Correct the rows, or {'leave the column out' if column.lower() in NAMES['timestamp'] else 'remove them'}",
            field=column,
        )

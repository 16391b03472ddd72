"""The result of reading a public format, and how its text files are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from shortlist.errors import DataError


@dataclass(frozen=True, repr=False)
class PublicTables:
    """The tables of a public data set; None where it has no such table."""

    events: pa.Table
    items: pa.Table | None
    users: pa.Table | None

    def __repr__(self) -> str:
        parts = (("events", self.events), ("items", self.items), ("users", self.users))
        return f"PublicTables({', '.join(f'{t.num_rows:,} {name}' for name, t in parts if t is not None)})"


def read_lines(
    source: bytes,
    path: Path,
    names: list[str],
    delimiter: str,
    types: Mapping[str, pa.DataType],
    skip: int = 0,
) -> pa.Table:
    """Read a text table without quotes, whose columns the format fixes.

    Parameters
    ----------
    source
        The file, in UTF-8.
    path
        Its name, for errors.
    names, types
        The columns, and the types of some.
    delimiter
        What is between two values.
    skip
        Lines above the first row.

    Raises
    ------
    DataError
        Names the line, the column and the value that do not fit.
    """
    fault = ""
    for threads in (True, False):  # only one thread alone counts the lines, for the error
        try:
            return csv.read_csv(
                pa.BufferReader(source),
                csv.ReadOptions(column_names=names, skip_rows=skip, use_threads=threads),
                csv.ParseOptions(delimiter=delimiter, quote_char=False),
                csv.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=[""]),
            )
        except pa.ArrowInvalid as error:
            fault = str(error)
    raise DataError(f"{path}: {_fault(fault, names)}")


def _fault(message: str, names: list[str]) -> str:
    """Say what Arrow found: it names threads' rows and numbers of columns."""
    if message.startswith("Empty CSV"):
        return "the file is empty"
    row = re.search(r"Row #(\d+)", message)
    where = f"line {row[1]} (empty lines are not counted)" if row else "a line"
    short = re.search(r"Expected (\d+) columns, got (\d+)(?:: (.*))?", message, re.DOTALL)
    if short:
        text = (short[3] or "").strip()[:120]
        what = f"{short[2]} value{'s' if short[2] != '1' else ''} where there are {short[1]} columns: {text}"
        return f"{where}: {what}. Correct or remove the line"
    column = re.search(r"CSV column #(\d+)", message)
    value = re.search(r"conversion error to (\S+): invalid value '(.*)'", message, re.DOTALL)
    if column and value:
        return f"{where}: {names[int(column[1])]}: {value[2]!r} is no number. Correct or remove the line"
    return f"{where}: {message}"


def renamed(table: pa.Table, names: Mapping[str, str], path: Path) -> pa.Table:
    """Rename columns that a format has. Raises `DataError` where one is missing."""
    missing = next((name for name in names if name not in table.column_names), None)
    if missing is not None:
        raise DataError(
            f"{path}: there is no column {missing}, which MovieLens has; there are: {', '.join(table.column_names)}. Name the file itself "
            "in data.events to read it as any other",
            field=missing,
        )
    return table.rename_columns(dict(names))

"""A table that was read, and what its report has to say about the reading."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from shortlist.errors import DataError

SHOWN = 3
"""Lines that a message shows."""
SHOWN_LENGTH = 120


@dataclass(frozen=True)
class BadLine:
    """A line of a text file that does not have the file's columns.

    Attributes
    ----------
    line
        Its number, from 1.
    what
        What is wrong with it.
    text
        The line.
    """

    line: int
    what: str
    text: str

    def __str__(self) -> str:
        text = self.text if len(self.text) <= SHOWN_LENGTH else f"{self.text[:SHOWN_LENGTH]}…"
        return f"line {self.line}: {self.what}: {text}"


@dataclass(frozen=True, repr=False)
class TableReading:
    """A table as it was read.

    Attributes
    ----------
    table
        The table.
    notes
        What was not taken as it was written, for example `rating: 3 × N/A taken for missing`.
    bad_lines
        The lines that are not in the table.
    keys
        For each row of a JSON table, the keys that its object has, where they were asked for.
    """

    table: pa.Table
    notes: tuple[str, ...] = ()
    bad_lines: tuple[BadLine, ...] = ()
    keys: tuple[frozenset[str], ...] | None = None

    def __repr__(self) -> str:
        return f"TableReading({self.table.num_rows:,} rows, {len(self.bad_lines):,} bad lines)"

    def complete(self, source: str) -> pa.Table:
        """Return the table where every line could be read. Raises `DataError` that names the others."""
        if self.bad_lines:
            raise bad_lines_error(source, self.bad_lines)
        return self.table


def bad_lines_error(source: str, lines: tuple[BadLine, ...]) -> DataError:
    """Return an error that names lines which cannot be read."""
    shown = "; ".join(str(line) for line in lines[:SHOWN])
    more = f" (and {len(lines) - SHOWN:,} more)" if len(lines) > SHOWN else ""
    return DataError(f"{source}: {shown}{more}. Correct or remove these lines")

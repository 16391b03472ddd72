"""A table of a project as a frame of Spark, with the file of each row and its number in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

FILE, ROW = "__shortlist_file", "__shortlist_row"
"""Columns with the file of a row, and with its number in it, from 0."""
BATCH = 50_000
"""Rows of a file that a task of Shortlist's own readers passes on at a time."""


@dataclass(frozen=True, repr=False)
class TableFrame:
    """A table on the executors.

    Attributes
    ----------
    frame
        A `pyspark.sql.DataFrame` with the columns of the table, `FILE` and `ROW`.
    name
        What to call the table in messages.
    notes
        What was not taken as it was written.
    rows
        The number of its rows; None where they were not counted.
    """

    frame: Any
    name: str
    notes: tuple[str, ...] = ()
    rows: int | None = None

    def __repr__(self) -> str:
        return f"TableFrame({self.name!r})"


def arrow_schema(frame: Any) -> pa.Schema:
    """Return the columns of a frame as Arrow has them; times with a zone are moments, here in UTC."""
    from pyspark.sql.pandas.types import to_arrow_schema

    return to_arrow_schema(frame.schema, timezone="UTC")


def frame_schema(schema: pa.Schema) -> Any:
    """Return columns as Spark has them."""
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)

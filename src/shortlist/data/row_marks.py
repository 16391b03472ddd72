"""Columns that a prepared events table has beside those of the file: the row that an event comes from, and its place within it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

ROW = "\0row"
"""Column with the number of the row of the file, from 0, where rows were left out or made several events."""
AFTER = "\0after"
"""Column with how many ms an event comes after the time of its row: what a person does comes after what was shown."""


def row_numbers(table: pa.Table) -> NDArray[np.int64]:
    """Return the number of the row of the file that each row of a table comes from, from 0."""
    if ROW not in table.column_names:
        return np.arange(table.num_rows)
    numbers: NDArray[np.int64] = table.column(ROW).to_numpy()
    return numbers


def take_rows(table: pa.Table, rows: NDArray[np.int64]) -> pa.Table:
    """Return rows of a table with the numbers that they have in the file."""
    numbers = row_numbers(table)[rows]
    taken = table.take(pa.array(rows))
    if ROW in taken.column_names:
        return taken
    return taken.append_column(ROW, pa.array(numbers))


def delays(table: pa.Table) -> NDArray[np.int64]:
    """Return how many ms each event comes after the time of its row."""
    if AFTER not in table.column_names:
        return np.zeros(table.num_rows, np.int64)
    after: NDArray[np.int64] = table.column(AFTER).to_numpy()
    return after

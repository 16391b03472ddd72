"""Frames of other libraries as Arrow tables with plain types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from shortlist.engines.plain_types import plain_table
from shortlist.errors import DataError

_REFUSED = (pa.ArrowException, TypeError, ValueError, OverflowError, KeyError)
SHOWN = 3
"""Values that an error shows, each of another type."""


def to_arrow(frame: Any, name: str = "the table") -> pa.Table:
    """Return a pandas, Polars or Arrow frame, or a list of dictionaries, as an Arrow table with plain types.

    An index of pandas that has a name is a column. Of dictionaries, every key is a column.

    Parameters
    ----------
    frame
        The frame.
    name
        What to call it in an error.

    Raises
    ------
    DataError
        It is none of these, a column holds values of several types, or two columns have the same name.
    """
    if isinstance(frame, pa.Table):
        table = frame
    elif type(frame).__module__.startswith("pandas"):
        table = _from_pandas(frame, name)
    elif hasattr(frame, "__arrow_c_stream__"):
        try:
            table = pa.table(frame)
        except _REFUSED as error:
            raise DataError(f"{name}: cannot be read as an Arrow table: {error}") from None
    elif isinstance(frame, list):
        table = _from_rows(frame, name)
    else:
        collect = "call collect() on it, or " if hasattr(frame, "collect") else ""
        raise DataError(
            f"{name}: a {type(frame).__name__} is no table; {collect}give a pandas, Polars or Arrow table or a list of dictionaries"
        )
    return plain_table(table, name)


def _from_rows(rows: list[Any], name: str) -> pa.Table:
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise DataError(
                f"{name}: row {number + 1} is a {type(row).__name__}; each row must be a dictionary"
            )
    keys = dict.fromkeys(key for row in rows for key in row)
    twice = next((key for key in keys if not isinstance(key, str) and str(key) in keys), None)
    if twice is not None:
        raise DataError(
            f"{name}: there are two keys {str(twice)!r}: a text and a {type(twice).__name__}; rename one"
        )
    values = {str(key): [row.get(key) for row in rows] for key in keys}
    return pa.table({key: _column(column, pa.array, f"{name}: {key}", key) for key, column in values.items()})


def _from_pandas(frame: Any, name: str) -> pa.Table:
    if not hasattr(frame, "columns"):
        raise DataError(f"{name}: a pandas {type(frame).__name__} is no table; give a DataFrame")
    named = [level for level in frame.index.names if level is not None and level not in frame.columns]
    if named:
        frame = frame.reset_index(level=named)
    names = [str(column) for column in frame.columns]
    twice = next((column for column in names if names.count(column) > 1), None)
    if twice is not None:
        raise DataError(
            f"{name}: there are {names.count(twice)} columns {twice!r}; rename or remove all but one",
            field=twice,
        )
    frame = _without_odd_types(frame)
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except _REFUSED:
        arrays = [
            _column(frame.iloc[:, at], pa.Array.from_pandas, f"{name}: {column}", column)
            for at, column in enumerate(names)
        ]
        return pa.table(arrays, names)


def _without_odd_types(frame: Any) -> Any:
    """Write periods as the moments at which they begin, and sparse columns in full: Arrow has no such types."""
    changed = {}
    for at, dtype in enumerate(frame.dtypes):
        if str(dtype).startswith("period"):
            changed[at] = frame.iloc[:, at].dt.to_timestamp()
        elif str(dtype).startswith("Sparse"):
            changed[at] = frame.iloc[:, at].sparse.to_dense()
    if not changed:
        return frame
    frame = frame.copy(deep=False)
    for at, column in changed.items():
        frame.isetitem(at, column)
    return frame


def _column(values: Sequence[Any], convert: Callable[[Any], pa.Array], where: str, field: str) -> pa.Array:
    """Convert values. Raises `DataError` with a value of each type where they have no common one."""
    try:
        return convert(values)
    except _REFUSED as error:
        reason = str(error)
    kinds: dict[str, str] = {}
    for row, value in enumerate(values):
        if value is not None and value == value:
            kinds.setdefault(type(value).__name__, f"row {row + 1}: {value!r} ({type(value).__name__})")
    shown = "; ".join(list(kinds.values())[:SHOWN])
    what = "values of several types" if len(kinds) > 1 else f"values that Arrow cannot hold ({reason})"
    raise DataError(
        f"{where}: the column holds {what}: {shown}. Convert all of them to text or to numbers", field=field
    )

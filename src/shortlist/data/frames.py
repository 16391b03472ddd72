"""Frames of other libraries as Arrow tables with plain types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from numbers import Integral
from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.engines.plain_types import plain_table
from shortlist.errors import DataError

_REFUSED = (pa.ArrowException, TypeError, ValueError, OverflowError, KeyError)
SHOWN = 3
"""Values that an error shows, each of another type."""
LONGEST = 80
"""Characters of a value that an error shows."""


def to_arrow(frame: Any, name: str = "the table") -> pa.Table:
    """Return a pandas, Polars or Arrow frame, or a list of dictionaries, as an Arrow table with plain types.

    An index of pandas that has a name is a column. Of dictionaries, every key is a column; NaN, NaT and NA are missing.

    Parameters
    ----------
    frame
        The frame.
    name
        What to call it in an error.

    Raises
    ------
    DataError
        It is none of these, a column holds values of several types, two columns have the same name, or a column is damaged.
    """
    if isinstance(frame, pa.Table):
        table = frame
    elif type(frame).__module__.startswith("pandas"):
        table = _from_pandas(frame, name)
    elif isinstance(frame, pa.RecordBatchReader):
        raise DataError(
            f"{name}: a RecordBatchReader can be read only once; give the table that its read_all() returns"
        )
    elif hasattr(frame, "__arrow_c_stream__"):
        table = _from_stream(frame, name)
    elif isinstance(frame, list):
        table = _from_rows(frame, name)
    else:
        collect = "call collect() on it, or " if hasattr(frame, "collect") else ""
        raise DataError(
            f"{name}: a {type(frame).__name__} is no table; {collect}give a pandas, Polars or Arrow table or a list of dictionaries"
        )
    if not _is_polars(frame) and not isinstance(frame, list):
        _refuse_damaged(table, name)
    return plain_table(table, name)


def _refuse_damaged(table: pa.Table, name: str) -> None:
    """Raise `DataError` for a column that breaks the rules of Arrow, such as texts that are not UTF-8."""
    for column, field in zip(table.columns, table.schema, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowException as error:
            raise DataError(
                f"{name}: {field.name}: the column is damaged ({error}); make it anew, with texts in UTF-8",
                field=field.name,
            ) from None


def _from_stream(frame: Any, name: str) -> pa.Table:
    """Read a frame by the Arrow interface. Raises `DataError` that names the column which Arrow cannot hold."""
    if not hasattr(frame, "columns") and not hasattr(frame, "column_names"):
        raise DataError(f"{name}: a {type(frame).__name__} is no table; give a table with columns of names")
    for column, kind in dict(getattr(frame, "schema", None) or {}).items() if _is_polars(frame) else ():
        fault = "holds Python objects" if str(kind) == "Object" else ""
        try:
            pa.table(frame.select(column).head(1))
        except _REFUSED as error:
            fault = fault or f"of type {kind} cannot be read as Arrow ({error})"
        if fault:
            raise DataError(
                f"{name}: the column {column} {fault}; cast it to text or to numbers", field=str(column)
            )
    try:
        return pa.table(frame)
    except _REFUSED as error:
        raise DataError(f"{name}: cannot be read as an Arrow table: {error}") from None


def _is_polars(frame: Any) -> bool:
    return type(frame).__module__.startswith("polars")


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
    return pa.table(
        {key: _column(column, pa.Array.from_pandas, f"{name}: {key}", key) for key, column in values.items()}
    )


def _from_pandas(frame: Any, name: str) -> pa.Table:
    if not hasattr(frame, "columns"):
        raise DataError(f"{name}: a pandas {type(frame).__name__} is no table; give a DataFrame")
    frame = _with_index(frame, name)
    names = [str(column) for column in frame.columns]
    twice = next((column for column in names if names.count(column) > 1), None)
    if twice is not None:
        raise DataError(
            f"{name}: there are {names.count(twice)} columns {twice!r}; rename or remove all but one",
            field=twice,
        )
    frame = _without_odd_types(frame)
    objects = [at for at, dtype in enumerate(frame.dtypes) if str(dtype) == "object"]
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        if not any(_mixed(frame.iloc[:, at], table.column(at).type) for at in objects):
            return table
    except _REFUSED:
        pass
    arrays = [
        _column(frame.iloc[:, at], pa.Array.from_pandas, f"{name}: {column}", column)
        for at, column in enumerate(names)
    ]
    return pa.table(arrays, names)


def _with_index(frame: Any, name: str) -> Any:
    """Make the levels of an index that have names columns. Raises `DataError` where a column of that name has other values."""
    named = [(at, level) for at, level in enumerate(frame.index.names) if level is not None]
    for at, level in named:
        same = [column for column in frame.columns if str(column) == str(level)]
        if (
            same
            and not (
                frame.index.get_level_values(at) == frame.iloc[:, list(frame.columns).index(same[0])].array
            ).all()
        ):
            raise DataError(
                f"{name}: the index and a column are both called {level!r} and differ; rename one, or drop the index with "
                "reset_index(drop=True)",
                field=str(level),
            )
    levels = [at for at, level in named if level not in frame.columns]
    if len({frame.index.names[at] for at in levels}) < len(levels):
        raise DataError(
            f"{name}: the index has several levels of one name ({frame.index.names}); rename them"
        )
    return frame.reset_index(level=levels) if levels else frame


def _without_odd_types(frame: Any) -> Any:
    """Write periods as the moments at which they begin, and sparse columns in full: Arrow has no such types."""
    changed = {}
    for at, dtype in enumerate(frame.dtypes):
        kind = getattr(dtype, "categories", frame.iloc[:0, at]).dtype
        if str(kind).startswith("period"):
            changed[at] = frame.iloc[:, at].astype(kind).dt.to_timestamp()
        elif str(dtype).startswith("Sparse"):
            changed[at] = frame.iloc[:, at].sparse.to_dense()
    if not changed:
        return frame
    frame = frame.copy(deep=False)
    for at, column in changed.items():
        frame.isetitem(at, column)
    return frame


def _mixed(values: Any, kind: pa.DataType) -> bool:
    """Return whether values have types that Arrow makes one of in silence: the hours of moments beside dates, numbers as moments."""
    if not (pa.types.is_temporal(kind) or pa.types.is_floating(kind)):
        return False
    types = {type(value) for value in values if value is not None}
    if pa.types.is_floating(kind):
        return any(issubclass(one, (bool, np.bool_)) for one in types)
    dates = {one for one in types if issubclass(one, date) and not issubclass(one, datetime)}
    numbers = {one for one in types if issubclass(one, Integral) and not issubclass(one, np.timedelta64)}
    return len(types) > 1 and bool(numbers or (dates and dates != types))


def _column(values: Sequence[Any], convert: Callable[[Any], pa.Array], where: str, field: str) -> pa.Array:
    """Convert values. Raises `DataError` with a value of each type where they have no common one."""
    try:
        array = convert(values)
        if not _mixed(values, array.type):
            return array
        reason = ""
    except _REFUSED as error:
        reason = str(error)
    kinds: dict[str, str] = {}
    for row, value in enumerate(values):
        if not _is_missing(value):
            kinds.setdefault(type(value).__name__, f"row {row + 1}: {_short(value)} ({type(value).__name__})")
    if len(kinds) > 1:
        what, shown = "values of several types", "; ".join(list(kinds.values())[:SHOWN])
    else:
        faulty = ((row, value) for row, value in enumerate(values) if not _converts(value, convert))
        row, value = next(faulty, (0, None))
        what = f"values that Arrow cannot hold ({reason})"
        shown = f"row {row + 1}: {_short(value)}"
    raise DataError(
        f"{where}: the column holds {what}: {shown}. Convert all of them to text or to numbers", field=field
    )


def _is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, NaT or NA; the last three are not equal to themselves."""
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):
        return type(value).__name__ == "NAType"


def _converts(value: Any, convert: Callable[[Any], pa.Array]) -> bool:
    try:
        convert([value])
    except _REFUSED:
        return False
    return True


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"

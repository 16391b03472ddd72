"""Lists of structs as rows, and fields of structs as columns: events of web analytics with the items of an order in each."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.data.check import Check, Problem, missing_column
from shortlist.data.event_columns import flat
from shortlist.data.row_marks import take_rows


def is_list_of_structs(kind: pa.DataType) -> bool:
    """Return whether a type is a list of structs."""
    return bool(pa.types.is_list(kind) and pa.types.is_struct(kind.value_type))


def unnest(events: pa.Table, name: str, file: str, check: Check) -> pa.Table:
    """Return a table with a row for each element of a list, whose fields are columns; rows without one are set aside.

    Raises
    ------
    DataError
        The column is not there, or holds no lists of structs.
    """
    if name not in events.column_names:
        check.add(missing_column(file, name, events.column_names, "data.unnest"))
        check.raise_errors()
    kind = events.schema.field(name).type
    if not is_list_of_structs(kind):
        check.add_error(
            file, name, f"data.unnest needs lists of structs, and the column is {kind}", "Remove data.unnest"
        )
        check.raise_errors()
    lists = flat(events.column(name))
    rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    elements = pc.list_flatten(lists)
    empty = np.bincount(rows, minlength=len(lists)) == 0
    if empty.any():
        told = [f"row {row + 1}" for row in np.flatnonzero(empty)[:3].tolist()]
        problem = Problem("set aside", file, name, "the list is empty", int(empty.sum()), told)
        check.count_read(int(empty.sum()))
        check.set_rows_aside(f"without {name}", problem)
    check.note(
        f"{file}: {len(lists) - int(empty.sum()):,} rows have {len(rows):,} elements in {name}, one row each"
    )
    table = take_rows(events.drop_columns([name]), rows)
    for at, field in enumerate(kind.value_type):
        table = table.append_column(f"{name}.{field.name}", pc.struct_field(elements, [at]))
    return table


def with_fields(events: pa.Table, names: Iterable[str] | None = None) -> pa.Table:
    """Return a table in which fields of structs are columns: `device.category`; names: those that are wanted (default: all)."""
    wanted = (
        None if names is None else {name for name in names if name not in events.column_names and "." in name}
    )
    if wanted is not None and not wanted:
        return events
    for field in events.schema:
        if pa.types.is_struct(field.type):
            events = _with_fields(events, field.name, flat(events.column(field.name)), wanted)
    return events


def _with_fields(events: pa.Table, path: str, structs: pa.Array, wanted: set[str] | None) -> pa.Table:
    for at, field in enumerate(structs.type):
        name, column = f"{path}.{field.name}", pc.struct_field(structs, [at])
        if pa.types.is_struct(field.type):
            events = _with_fields(events, name, column, wanted)
        elif name not in events.column_names and (wanted is None or name in wanted):
            events = events.append_column(name, column)
    return events

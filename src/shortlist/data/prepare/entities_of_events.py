"""Items and users tables of a log that has their titles and attributes in its rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.config.data import TableSettings
from shortlist.config.project import Project
from shortlist.data.check import Check, missing_column
from shortlist.data.event_columns import flat
from shortlist.data.id_columns import read_ids
from shortlist.data.ids import IdMap


def entities_of_events(
    project: Project, events: pa.Table, settings: TableSettings, role: str, check: Check
) -> pa.Table:
    """Return a table with a row for each item or user of the events: of each column, the most frequent value.

    Raises
    ------
    DataError
        A column is not there, or the id is not that of the events.
    """
    data = project.data
    key = data.columns.item if role == "items" else data.columns.user
    file = f"the events ({role})"
    wanted = list(dict.fromkeys([*filter(None, [settings.title]), *settings.attributes]))
    problems = [
        missing_column(file, name, events.column_names, f"[{role}]")
        for name in wanted
        if name not in events.column_names
    ]
    if settings.id != key:
        where = project.where(f"{role}.id")
        what = f"from_events = true takes the ids of data.columns.{role[:-1]}, which is {key!r}"
        check.add_error(file, settings.id, f"{where}{what}", f'Set id = "{key}" in [{role}]')
    check.add(*problems)
    check.raise_errors()
    as_text = role == "users" and data.user_ids == "text"
    ids = read_ids(events.column(key), f"{file}: {key}", as_text).ids
    known = IdMap.of(ids)
    codes = known.codes(ids)
    columns = {settings.id: known.values}
    for name in wanted:
        if name != settings.id:
            column = flat(events.column(name))
            row = _usual_rows(codes, column, len(known))
            columns[name] = column.take(pa.array(np.maximum(row, 0), mask=row < 0))
    return pa.table(columns)


def _usual_rows(codes: NDArray[np.int32], column: pa.Array, n: int) -> NDArray[np.int64]:
    """Return a row with the most frequent value of each code, of equally frequent ones the first; −1 where there is none."""
    texts = (
        pa.array([None if value is None else str(value) for value in column.to_pylist()])
        if pa.types.is_nested(column.type)
        else column
    )
    values = texts.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero((codes >= 0) & (values >= 0))
    key = codes[rows].astype(np.int64) * (int(values.max(initial=0)) + 1) + values[rows]
    _, first, counts = np.unique(key, return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))[::-1]
    usual = np.full(n, -1, np.int64)
    usual[codes[rows[first[order]]]] = rows[first[order]]  # the most frequent value is written last
    return usual

"""Blank cells that have the value of the row above, and rows that are no events."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.config.rows import ExcludedRows, FilledDown
from shortlist.data.check import Check, Problem
from shortlist.data.event_columns import examples, flat
from shortlist.data.ids import IdMap
from shortlist.data.numbers import is_text
from shortlist.data.row_marks import take_rows


def fill_down(events: pa.Table, settings: FilledDown, file: str, check: Check) -> pa.Table:
    """Fill blank cells with the value of an earlier line of the same order, and say how many."""
    group = None if settings.by is None else _codes(events, settings.by)
    for name in settings.columns:
        column = flat(events.column(name))
        present = ~_blank(column)
        source = _last_present(present, group)
        found = source >= 0
        filled = found & ~present
        if filled.any():
            check.note(f"{file}: {name}: {int(filled.sum()):,} blank cells are filled from the line above")
            taken = column.take(pa.array(np.where(found, source, 0)))
            column = pc.if_else(pa.array(found), taken, pa.scalar(None, column.type))
            events = events.set_column(events.column_names.index(name), name, column)
    return events


def _codes(events: pa.Table, name: str) -> NDArray[np.int32]:
    column = flat(events.column(name)).cast(pa.string())
    return IdMap.of(column).codes(column) if len(column) else np.empty(0, np.int32)


def _blank(column: pa.Array) -> NDArray[np.bool_]:
    missing = column.is_null()
    if is_text(column.type):
        missing = pc.or_(missing, pc.equal(pc.utf8_trim_whitespace(pc.fill_null(column, "")), ""))
    blank: NDArray[np.bool_] = missing.to_numpy(zero_copy_only=False).astype(bool)
    return blank


def _last_present(present: NDArray[np.bool_], group: NDArray[np.int32] | None) -> NDArray[np.int64]:
    """Return the last row up to each one, of the same group, that has a value; −1 where there is none."""
    rows = np.arange(len(present))
    if group is None:
        return np.maximum.accumulate(np.where(present, rows, -1)) if len(rows) else rows
    order = np.lexsort((rows, group))
    place = np.maximum.accumulate(np.where(present[order], rows, -1)) if len(rows) else rows
    ordered = group[order]
    starts = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(rows) else np.empty(0, bool)
    start = np.maximum.accumulate(np.where(starts, rows, 0)) if len(rows) else rows
    source = np.full(len(rows), -1, np.int64)
    # a place before the start of the group belongs to another order, and orders without a number are none
    source[order] = np.where((place >= start) & (ordered >= 0), order[np.maximum(place, 0)], -1)
    return np.where(present, rows, source)


def exclude_rows(events: pa.Table, rules: list[ExcludedRows], file: str, check: Check) -> pa.Table:
    """Leave out rows that are no events; each rule is a line of the report."""
    keep = np.ones(events.num_rows, bool)
    for rule in rules:
        found = keep & is_one_of(events.column(rule.column), rule.values)
        count = int(found.sum())
        if not count:
            check.note(f"{file}: data.exclude: no row has {rule.column} = {', '.join(rule.values[:5])}")
            continue
        what = f"data.exclude leaves these rows out ({rule.reason})"
        problem = Problem("set aside", file, rule.column, what, count, examples(events, found, [rule.column]))
        check.count_read(count)
        check.set_rows_aside(f"excluded as {rule.reason}", problem)
        keep &= ~found
    return events if keep.all() else take_rows(events, np.flatnonzero(keep))


def is_one_of(column: pa.ChunkedArray, values: list[str]) -> NDArray[np.bool_]:
    """Return which rows hold one of some values, bool (n,); capitals and blanks around a text do not matter, and 1 is 1.0."""
    texts = flat(column).cast(pa.string())
    words = pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(texts, "")))
    if not is_text(column.type):
        words = pc.replace_substring_regex(words, r"\.0$", "")
    wanted = pc.utf8_lower(pc.utf8_trim_whitespace(pa.array(values, pa.string())))
    given = pc.and_(pc.is_in(words, value_set=wanted), texts.is_valid())
    found: NDArray[np.bool_] = given.to_numpy(zero_copy_only=False).astype(bool)
    return found

"""Recommendations made by any library, as a table, become slates that can be judged.

A row is a user, an item, and a rank (1 is best) or a score (more is better); further columns are not looked at. People
of the test for whom the table has nothing keep an empty slate and count as missed: a recommender that leaves out the
difficult people must not look better for it. What cannot be judged (people who are not in the test) is counted and told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.data.ids import IdMap, id_array
from shortlist.data.tables import to_arrow
from shortlist.engines.duckdb import read_table
from shortlist.errors import DataError
from shortlist.metrics.gains import chunk_bounds

NAMES = {
    "user": ("user_id", "user", "userid", "user_idx", "query_id", "q_id"),
    "item": ("item_id", "item", "itemid", "item_idx", "doc_id"),
    "timestamp": ("timestamp", "time", "ts"),
    "rank": ("rank", "position", "place"),
    "score": ("score", "prediction", "relevance_score"),
    "worth": ("gain", "relevance", "grade"),
}
"""What the columns of a table may be called, by what they are."""


def column_of(table: pa.Table, role: str, name: str, needed: bool = True) -> str | None:
    """The column that plays a role. Raises `DataError` naming the table and the columns it has."""
    lower = {column.lower(): column for column in table.column_names}
    found = next((lower[n] for n in NAMES[role] if n in lower), None)
    if found is None and needed:
        raise DataError(
            f"{name}: there is no column {NAMES[role][0]}; it has: {', '.join(table.column_names)}",
            field=NAMES[role][0],
        )
    return found


def read(source: Any, name: str) -> pa.Table:
    """A table from a file name or a pandas, Polars or Arrow frame."""
    table = read_table(source) if isinstance(source, str) else to_arrow(source)
    if not table.num_rows:
        raise DataError(f"{name} has no rows")
    return table


def ids_of(table: pa.Table, role: str, name: str) -> pa.Array:
    """The ids of a column. Raises `DataError` where one is missing."""
    column = str(column_of(table, role, name))
    ids = id_array(table.column(column), f"{name}: {column}")
    if ids.null_count:
        row = int(np.flatnonzero(ids.is_null().to_numpy(zero_copy_only=False))[0])
        raise DataError(
            f"{name}: {ids.null_count:,} rows have no {column} (the first is row {row + 1}); remove or mend them",
            field=column,
        )
    return ids


@dataclass(frozen=True)
class ExternalLists:
    """`slates` int32 (people, K): item codes, best first, −1 where shorter. `items`: the ids that codes stand for, those of
    the catalogue first. `missing`: people of the test without a list; `others`: listed people who are not in the test;
    `outside`: items listed that neither training nor the items table knows.
    """

    slates: np.ndarray
    items: IdMap
    missing: int
    others: int
    outside: int


def read_lists(source: Any, name: str, people: IdMap, items: IdMap, most: int = 1000) -> ExternalLists:
    """A table of recommendations as slates for `people`, in their order. Raises `DataError` for an item twice on one list,
    a missing id or number, or a table that has neither rank nor score.
    """
    table = read(source, name)
    by = column_of(table, "rank", name, False) or column_of(table, "score", name, False)
    if by is None:
        raise DataError(
            f"{name}: there is neither a column rank (1 is best) nor score (more is better); it has: {', '.join(table.column_names)}",
            field="rank",
        )
    users, things = ids_of(table, "user", name), ids_of(table, "item", name)
    _same_type(users, people, name, "user")
    _same_type(things, items, name, "item")
    column = table.column(by).combine_chunks()
    try:
        key = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        raise DataError(f"{name}: {by} must be numbers and is {column.type}", field=by) from None
    bad = np.flatnonzero(~np.isfinite(key))
    if len(bad):
        raise DataError(
            f"{name}: {len(bad):,} rows have no finite {by} (the first is row {bad[0] + 1}: user {users[bad[0]]}, item {things[bad[0]]})",
            field=by,
        )
    if by.lower() in NAMES["score"]:
        key = -key
    owner = people.codes(users)
    code = items.codes(things)
    known = owner >= 0
    if not known.any():
        raise DataError(
            f"{name}: none of its users is in the test; the first are {', '.join(map(str, users[:3].to_pylist()))}, the test's "
            f"{', '.join(map(str, people.values[:3].to_pylist()))}",
            field="user",
        )
    unknown = np.flatnonzero(known & (code < 0))
    if len(unknown):
        items = items.extended(things.take(pa.array(unknown)))
        code[unknown] = items.codes(things.take(pa.array(unknown)))
    counts = np.bincount(owner[known], minlength=len(people))
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    slates = np.full((len(people), min(int(counts.max()), most)), -1, np.int32)
    ordered, keys = _by_owner(owner, code, key, start)
    twice = _place(chunk_bounds(len(people)), start, ordered, keys, len(items), slates)
    if len(twice) and twice.max() >= 0:
        at = int(twice.max())
        who, what = divmod(at, len(items))
        raise DataError(
            f"{name}: item {items.id(what)} is more than once on the list of user {people.id(who)}; an item can be hit only "
            "once: remove the repeated rows",
            field="item",
        )
    return ExternalLists(
        slates,
        items,
        int((counts == 0).sum()),
        len(pc.unique(users.filter(pa.array(~known)))) if not known.all() else 0,
        len(np.unique(code[unknown])),
    )


def _same_type(ids: pa.Array, others: IdMap, name: str, role: str) -> None:
    if len(others) and ids.type != others.values.type:
        raise DataError(
            f"{name}: {role} ids are {ids.type} here and {others.values.type} in the test: make them the same type",
            field=role,
        )


@numba.njit(cache=True, nogil=True)
def _by_owner(owner, code, key, start):  # type: ignore[no-untyped-def]
    """Rows side by side for each person, in their order: one counting sort."""
    free = start[:-1].copy()
    items, keys = np.empty(start[-1], np.int32), np.empty(start[-1], np.float64)
    for row in range(len(owner)):
        if owner[row] >= 0:
            items[free[owner[row]]] = code[row]
            keys[free[owner[row]]] = key[row]
            free[owner[row]] += 1
    return items, keys


@numba.njit(cache=True, nogil=True, parallel=True)
def _place(cuts, start, items, keys, n_items, out):  # type: ignore[no-untyped-def]
    """Each person's items in order of key, ties in order of rows; a repeated item as person × items + item."""
    twice = np.full(len(cuts) - 1, -1, np.int64)
    for part in numba.prange(len(cuts) - 1):
        seen = np.full(n_items, -1, np.int64)
        for row in range(cuts[part], cuts[part + 1]):
            low, high = start[row], start[row + 1]
            sorted_already = True
            for at in range(low, high):
                if seen[items[at]] == row:
                    twice[part] = row * n_items + items[at]
                seen[items[at]] = row
                if at > low and keys[at] < keys[at - 1]:
                    sorted_already = False
            if sorted_already:
                for place in range(min(high - low, out.shape[1])):
                    out[row, place] = items[low + place]
            else:
                order = np.argsort(keys[low:high], kind="mergesort")
                for place in range(min(high - low, out.shape[1])):
                    out[row, place] = items[low + order[place]]
    return twice

"""Read tables of recommendations, made by any library, as slates.

A row has a user, an item, and a rank (1 is best) or a score (higher is better); other columns are ignored. People of
the test without rows get an empty slate and count as missed, because a recommender that omits difficult people must not
get a better value. People who are not in the test are counted and ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.data.ids import IdMap
from shortlist.errors import DataError
from shortlist.evaluate.external_columns import (
    NAMES,
    column_of,
    ids_of,
    numbers_of,
    read_rows,
    refuse_other_type,
)
from shortlist.metrics.gains import chunk_bounds


@dataclass(frozen=True, repr=False)
class ExternalLists(ShortRepr):
    """A table of recommendations as slates.

    Attributes
    ----------
    slates : ndarray of int32, shape (people, K)
        Item codes, best first; −1 where a list is shorter.
    items : IdMap
        The ids of the codes, those of the catalogue first.
    missing : int
        People of the test without a list.
    others : int
        People with a list who are not in the test.
    outside : int
        Listed items that neither training nor the table of items knows.
    first_tie : ndarray of int64, shape (people,)
        The first place (from 0) whose rank or score equals that of the next place; −1 without a tie.
    constant : ndarray of bool, shape (people,)
        Whether all entries of a list, at least two, have the same rank or score.
    """

    slates: NDArray[np.int32]
    items: IdMap
    missing: int
    others: int
    outside: int
    first_tie: NDArray[np.int64]
    constant: NDArray[np.bool_]

    def tied(self, k: int) -> NDArray[np.bool_]:
        """Return for which people the order of the table's rows decides about the first k places."""
        return np.asarray((self.first_tie >= 0) & (self.first_tie < k))


def read_lists(source: Any, name: str, people: IdMap, items: IdMap, longest: int = 1000) -> ExternalLists:
    """Read a table of recommendations as slates.

    Parameters
    ----------
    source
        A file name or a frame.
    name
        The name of the recommender, in error messages.
    people
        The people of the test; the slates follow their order.
    items
        The items that have codes already; unknown items get the next codes.
    longest
        Longer lists are cut here.

    Raises
    ------
    DataError
        If an item is twice on one list, an id or number is missing, the table has neither rank nor score, or none of
        its users is in the test.
    """
    table = read_rows(source, name)
    users, things = ids_of(table, "user", name), ids_of(table, "item", name)
    refuse_other_type(users, name, people.values, "the test", "user")
    refuse_other_type(things, name, items.values, "the test", "item")
    key = _sort_key(table, name, users, things)
    owner, code = people.codes(users), items.codes(things)
    known = owner >= 0
    if not known.any():
        raise _no_shared_user(name, users, people)
    unknown = np.flatnonzero(known & (code < 0))
    if len(unknown):
        new = things.take(pa.array(unknown))
        items = items.extended(new)
        code[unknown] = items.codes(new)
    counts = np.bincount(owner[known], minlength=len(people))
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    slates = np.full((len(people), min(int(counts.max()), longest)), -1, np.int32)
    ordered, keys = _group_by_owner(owner, code, key, start)
    repeated = _write_slates(chunk_bounds(len(people)), start, ordered, keys, len(items), slates)
    if len(repeated) and repeated.max() >= 0:
        person, item = divmod(int(repeated.max()), len(items))
        raise DataError(
            f"{name}: item {items.id(item)} is more than once on the list of user {people.id(person)}; remove the "
            "repeated rows",
            field="item",
        )
    return ExternalLists(
        slates,
        items,
        int((counts == 0).sum()),
        len(pc.unique(users.filter(pa.array(~known)))) if not known.all() else 0,
        len(np.unique(code[unknown])),
        *_find_ties(start, keys),
    )


def _no_shared_user(name: str, users: pa.Array, people: IdMap) -> DataError:
    return DataError(
        f"{name}: none of its users is in the test; its first users are "
        f"{', '.join(map(str, users[:3].to_pylist()))}, those of the test "
        f"{', '.join(map(str, people.values[:3].to_pylist()))}",
        field="user",
    )


def _sort_key(table: pa.Table, name: str, users: pa.Array, items: pa.Array) -> NDArray[np.float64]:
    """The rank, or the negative score, of each row."""
    by = column_of(table, "rank", name, False) or column_of(table, "score", name, False)
    if by is None:
        raise DataError(
            f"{name}: there is neither a column rank (1 is best) nor score (higher is better); it has: {', '.join(table.column_names)}",
            field="rank",
        )
    numbers = numbers_of(table, by, name)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        raise DataError(
            f"{name}: {len(bad):,} rows have no finite {by} (the first is row {bad[0] + 1}: user {users[bad[0]]}, item {items[bad[0]]})",
            field=by,
        )
    if by.lower() in NAMES["score"]:
        return np.negative(numbers)
    return numbers


@numba.njit(cache=True, nogil=True)
def _group_by_owner(owner, code, key, start):  # type: ignore[no-untyped-def]
    """Group the rows by person, in their order: one counting sort."""
    free = start[:-1].copy()
    items, keys = np.empty(start[-1], np.int32), np.empty(start[-1], np.float64)
    for row in range(len(owner)):
        if owner[row] >= 0:
            items[free[owner[row]]] = code[row]
            keys[free[owner[row]]] = key[row]
            free[owner[row]] += 1
    return items, keys


@numba.njit(cache=True, nogil=True)
def _find_ties(start, keys):  # type: ignore[no-untyped-def]
    """Return the first place of each list whose key the next place repeats, or −1, and whether all keys are equal."""
    first, constant = np.full(len(start) - 1, -1, np.int64), np.zeros(len(start) - 1, np.bool_)
    for row in range(len(start) - 1):
        own = np.sort(keys[start[row] : start[row + 1]])
        for place in range(len(own) - 1):
            if own[place] == own[place + 1]:
                first[row] = place
                break
        constant[row] = len(own) > 1 and own[0] == own[-1]
    return first, constant


@numba.njit(cache=True, nogil=True, parallel=True)
def _write_slates(cuts, start, items, keys, n_items, out):  # type: ignore[no-untyped-def]
    """Write each person's items by key, ties by row. Returns a repeated item of each chunk as person · items + item, or −1."""
    repeated = np.full(len(cuts) - 1, -1, np.int64)
    for part in numba.prange(len(cuts) - 1):
        seen = np.full(n_items, -1, np.int64)
        for row in range(cuts[part], cuts[part + 1]):
            low, high = start[row], start[row + 1]
            sorted_already = True
            for at in range(low, high):
                if seen[items[at]] == row:
                    repeated[part] = row * n_items + items[at]
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
    return repeated

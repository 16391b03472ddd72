"""The test that recommendations made elsewhere are judged by: from tables, or from a fold of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.data.attributes import Attribute, CategoryAttribute, CodedAttribute, ListAttribute, encode
from shortlist.data.guess.project import guess_project
from shortlist.data.id_columns import id_array
from shortlist.data.ids import IdMap
from shortlist.errors import DataError
from shortlist.evaluate.external_columns import (
    column_of,
    ids_of,
    numbers_of,
    read_rows,
    refuse_other_type,
    refuse_repeated,
    times_of,
)
from shortlist.evaluate.fold import REAL_TIME, Fold
from shortlist.evaluate.leaks import Leak, split_leaks
from shortlist.evaluate.measures import CatalogueStatistics, FloatArray, IntArray, RelevantItems
from shortlist.evaluate.policies import histories_of
from shortlist.evaluate.slice_groups import default_slices
from shortlist.evaluate.slices import SliceCodes

DAY = 86_400_000


@dataclass(frozen=True)
class ExternalTest:
    """People, their relevant items, and what is known about the catalogue.

    Attributes
    ----------
    people : IdMap
        The people of the test, one request each.
    items : IdMap
        The items: those of the catalogue first, then items that occur in the test only.
    relevant : RelevantItems
        The relevant items of each person.
    catalogue : CatalogueStatistics
        Popularity, histories, genres and providers, as far as the tables give them.
    groups : SliceCodes
        The groups of people and items for slices.
    users : ndarray of int, shape (people,)
        The person of each request, for intervals over people.
    leaks : list of Leak
        Information from the test that is also in training.
    """

    people: IdMap
    items: IdMap
    relevant: RelevantItems
    catalogue: CatalogueStatistics
    groups: SliceCodes
    users: IntArray
    leaks: list[Leak] = field(default_factory=list)

    def __repr__(self) -> str:
        return (
            f"ExternalTest({len(self.people):,} people, {len(self.items):,} items, {len(self.leaks)} leaks)"
        )


def test_of_fold(fold: Fold) -> ExternalTest:
    """Make the test of a fold of a data set.

    Raises
    ------
    DataError
        If each event is a request of its own: a table has one list a person.
    """
    if fold.contexts is not None:
        raise DataError(
            'evaluate.requests = "events" makes one request per event, but a table of recommendations has one list per '
            'person: set it to "people"',
            field="evaluate.requests",
        )
    train, own = fold.train, histories_of(fold)
    n = len(train.items)
    popularity = np.bincount(train.log.item[train.log.acted], minlength=n) / max(len(train.users), 1)
    genres, provider, providers = _genres_and_providers(train.items.attributes)
    catalogue = CatalogueStatistics(
        n,
        popularity,
        own.indptr,
        own.item.astype(np.int64),
        genres if genres is not None else _users_of_items(own.owner, own.item, n, len(own)),
        genres,
        provider,
        providers,
        _ages(n, train.log.item, train.log.time, fold.moment) if fold.moment > REAL_TIME else None,
    )
    groups = default_slices(catalogue, fold.users, train.users.attributes, train.items.attributes)
    people = IdMap(id_array(pa.array(fold.ids), "the test"))
    return ExternalTest(people, train.items.ids, fold.truth, catalogue, groups, np.arange(len(fold.ids)))


def test_of_tables(test: Any, train: Any, items: Any, users: Any) -> ExternalTest:
    """Make a test from tables.

    Parameters
    ----------
    test
        Users and their relevant items, with an optional gain and time.
    train, items, users
        The training events, and the tables of items and of users, or None.

    Raises
    ------
    DataError
        Names the table, the row and the column that is wrong.
    """
    rows = _EventTable.read(test, "test")
    about_items = None if items is None else _EntityTable.read(items, "item", "items")
    past = None if train is None else _EventTable.read(train, "train")
    if past is not None:
        refuse_other_type(past.users, "train", rows.users, "the test", "user")
        refuse_other_type(past.items, "train", rows.items, "the test", "item")
    if about_items is not None:
        refuse_other_type(about_items.ids, "items", rows.items, "the test", "item")
    people = IdMap.of(rows.users)
    known = [ids for ids in (about_items and about_items.ids, past and past.items) if ids is not None]
    in_catalogue = IdMap.of(*known) if known else IdMap.of(rows.items)
    all_items = in_catalogue.extended(rows.items) if known else in_catalogue
    n = len(in_catalogue)
    owner, item = people.codes(rows.users).astype(np.int64), all_items.codes(rows.items).astype(np.int64)
    statistics = _PastStatistics()
    if past is not None:
        statistics = _past_statistics(past, _CodedTest(rows, people, all_items, owner, item), n)
    item_attributes = {} if about_items is None else about_items.attributes(in_catalogue)
    genres, provider, providers = _genres_and_providers(item_attributes)
    catalogue = CatalogueStatistics(
        n,
        statistics.popularity,
        statistics.indptr,
        statistics.taken,
        statistics.vectors if genres is None else genres,
        genres,
        provider,
        providers,
        statistics.age,
    )
    about_users = None if users is None else _EntityTable.read(users, "user", "users")
    if about_users is not None:
        refuse_other_type(about_users.ids, "users", rows.users, "the test", "user")
    user_attributes = {} if about_users is None else about_users.attributes(people)
    groups = default_slices(catalogue, np.arange(len(people)), user_attributes, item_attributes)
    relevant = _relevant_items(owner, item, _gains(rows.table), len(people))
    return ExternalTest(
        people, all_items, relevant, catalogue, groups, np.arange(len(people)), statistics.leaks
    )


@dataclass(frozen=True, repr=False)
class _EventTable(ShortRepr):
    """A table of events, its ids, and its times, ms (rows,); None without a column of times."""

    table: pa.Table
    users: pa.Array
    items: pa.Array
    times: NDArray[np.int64] | None

    @classmethod
    def read(cls, source: Any, name: str) -> _EventTable:
        table = read_rows(source, name)
        return cls(table, ids_of(table, "user", name), ids_of(table, "item", name), times_of(table, name))


@dataclass(frozen=True, repr=False)
class _EntityTable(ShortRepr):
    """A table of items or of users and its ids; `role` is items or users."""

    table: pa.Table
    ids: pa.Array
    role: str

    @classmethod
    def read(cls, source: Any, id_role: str, role: str) -> _EntityTable:
        table = read_rows(source, role)
        ids = ids_of(table, id_role, role)
        refuse_repeated(ids, role, str(column_of(table, id_role, role)))
        return cls(table, ids, role)

    def attributes(self, codes: IdMap) -> dict[str, Attribute]:
        """The categories and lists, for the rows of `codes`."""
        guess = guess_project(
            pa.table({"user_id": self.ids.slice(0, 2), "item_id": self.ids.slice(0, 2)}),
            self.table if self.role == "items" else None,
            self.table if self.role == "users" else None,
        )
        settings = guess.items if self.role == "items" else guess.users
        if settings is None:
            return {}
        rows = np.full(len(codes), -1, np.int64)
        at = codes.codes(self.ids)
        rows[at[at >= 0]] = np.flatnonzero(at >= 0)
        return {
            name: encode(name, kind, self.table.column(name)).take(rows)
            for name, kind in settings.attributes.items()
            if kind in {"category", "list"}
        }


@dataclass(frozen=True, repr=False)
class _CodedTest(ShortRepr):
    """The events of the test, with the codes of their people and items."""

    rows: _EventTable
    people: IdMap
    items: IdMap
    owner: NDArray[np.int64]
    item: NDArray[np.int64]


@dataclass(frozen=True, repr=False)
class _PastStatistics(ShortRepr):
    """The part of `CatalogueStatistics` that training events give; empty without them."""

    popularity: FloatArray | None = None
    indptr: IntArray | None = None
    taken: IntArray | None = None
    vectors: sp.csr_matrix | None = None
    age: FloatArray | None = None
    leaks: list[Leak] = field(default_factory=list)


def _past_statistics(past: _EventTable, test: _CodedTest, n: int) -> _PastStatistics:
    """Count the training events; `n` is the number of items in the catalogue."""
    users = test.people.extended(past.users)
    user, item = users.codes(past.users).astype(np.int64), test.items.codes(past.items).astype(np.int64)
    pairs = np.unique(user * n + item)
    pair_user, pair_item = pairs // n, pairs % n
    time, test_time = past.times, test.rows.times
    timed = time is not None and test_time is not None
    age = None
    if time is not None and test_time is not None:
        age = _ages(n, item, time, float(test_time.min()))
    leaks = split_leaks(
        (user, item, time if timed else None, np.ones(len(user), bool)),
        (test.owner, test.item, test_time if timed else None),
        "train and test",
    )
    return _PastStatistics(
        np.bincount(pair_item, minlength=n) / max(len(np.unique(pair_user)), 1),
        np.searchsorted(pair_user, np.arange(len(test.people) + 1)).astype(np.int64),
        pair_item[pair_user < len(test.people)],
        _users_of_items(pair_user, pair_item, n, len(users)),
        age,
        leaks,
    )


def _relevant_items(
    owner: NDArray[np.int64], item: NDArray[np.int64], gain: FloatArray, n_people: int
) -> RelevantItems:
    """Each pair once, with its greatest gain; pairs without gain are not relevant."""
    order = np.lexsort([-gain, item, owner])
    first = np.concatenate([[True], (np.diff(owner[order]) != 0) | (np.diff(item[order]) != 0)])
    rows = order[first & (gain[order] > 0)]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(owner[rows], minlength=n_people))])
    graded = gain[rows] if len(np.unique(gain[rows])) > 1 else None
    return RelevantItems(indptr.astype(np.int64), item[rows], graded)


def _gains(table: pa.Table) -> FloatArray:
    """The gain of each row; 1 without a column of gains."""
    column = column_of(table, "gain", "test", False)
    if column is None:
        return np.ones(table.num_rows)
    gain = numbers_of(table, column, "test", truth=True)
    bad = np.flatnonzero(~(gain >= 0) | np.isinf(gain))
    if len(bad):
        raise DataError(
            f"test: {column} must be 0 or more; row {bad[0] + 1} has {gain[bad[0]]}", field=column
        )
    if not (gain > 0).any():
        raise DataError(f"test: no row has a {column} above 0, so nothing is relevant", field=column)
    return gain


def _ages(n: int, item: IntArray, time: NDArray[np.int64], moment: float) -> FloatArray:
    """Days from the first event of each item until a moment (ms); NaN for items without events."""
    first = np.full(n, np.inf)
    np.minimum.at(first, item, time.astype(np.float64))
    return np.where(np.isinf(first), np.nan, (moment - first) / DAY)


def _users_of_items(user: IntArray, item: IntArray, n_items: int, n_users: int) -> sp.csr_matrix:
    """The users of each item as vectors (items, users): the similarity of items without genres."""
    return sp.csr_matrix((np.ones(len(item), np.float32), (item, user)), shape=(n_items, n_users))


def _genres_and_providers(
    attributes: Mapping[str, Attribute],
) -> tuple[sp.csr_matrix | None, NDArray[np.int64] | None, int]:
    """Choose genres and providers among the attributes of the items.

    Genres are the first list, or the first category with few values; providers are the first category with many.
    """
    lists = [a for a in attributes.values() if isinstance(a, ListAttribute)]
    categories = [a for a in attributes.values() if isinstance(a, CategoryAttribute)]
    few = [a for a in categories if 2 <= len(a.vocabulary) <= 50]
    many = [a for a in categories if 10 <= len(a.vocabulary) <= 0.5 * max(len(a), 1)]
    candidates: list[CodedAttribute] = [*(lists or few)]
    genres = next(iter(candidates), None)
    provider = next((a for a in many if a is not genres), None)
    return (
        None if genres is None else genres.matrix(),
        None if provider is None else provider.codes.astype(np.int64),
        0 if provider is None else len(provider.vocabulary),
    )

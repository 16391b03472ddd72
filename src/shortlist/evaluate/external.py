"""Judge recommendations that were made elsewhere: by implicit, LensKit, RecTools, a notebook, last year's system.

    report = shortlist.evaluate({"als": als_table, "ours": "ours.parquet"}, test=test, train=train, items=items, k=10)

Each table has a user, an item, and a rank (1 is best) or a score. The test has a user and an item, and where hits are not
worth the same a column gain. With training events there are also novelty, popularity lift and slices by activity and
popularity; with an items table diversity by genre, calibration to tastes and provider exposure. The first recommender is
compared with all others, on the same people, all people of the test.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from shortlist.config.project import Project
from shortlist.data.attributes import Attribute, CategoryAttribute, CodedAttribute, ListAttribute, encode
from shortlist.data.dataset import Dataset
from shortlist.data.guess import guess_project
from shortlist.data.ids import IdMap, id_array
from shortlist.data.times import to_milliseconds
from shortlist.errors import DataError
from shortlist.evaluate.comparison import FoldSlates, compare_slates
from shortlist.evaluate.external_lists import column_of, ids_of, read, read_lists
from shortlist.evaluate.fold import Fold
from shortlist.evaluate.folds import make_folds, refuse_sampling
from shortlist.evaluate.leaks import Leak, split_leaks
from shortlist.evaluate.measures import CatalogueStatistics, RelevantItems
from shortlist.evaluate.report import Report
from shortlist.evaluate.slice_groups import default_slices
from shortlist.evaluate.slices import SliceCodes
from shortlist.metrics.gains import gains

DAY = 86_400_000


def evaluate_recommendations(
    recommendations: dict[str, Any] | Any,
    dataset: Dataset | None = None,
    *,
    project: Project | None = None,
    test: Any = None,
    train: Any = None,
    items: Any = None,
    users: Any = None,
    k: int = 10,
    main: str = "ndcg",
    draws: int = 1000,
    seed: int = 0,
    name: str = "recommendations",
    candidates: Any = "all",
) -> Report:
    """Judge tables of recommendations, by name (or one table alone). Tables are file names or pandas, Polars or Arrow frames.

    dataset: a data set whose own split (`evaluate.protocol`) says what the test is; otherwise test is a table of what came
    true, and train, items, users are tables that tell more. Raises `DataError` naming table, row and column.
    """
    refuse_sampling(candidates)
    started = time.perf_counter()
    given = recommendations if isinstance(recommendations, dict) else {"recommendations": recommendations}
    if not given:
        raise DataError("there are no recommendations: give at least one table", field="recommendations")
    if dataset is not None:
        if test is not None or train is not None:
            raise DataError(
                "give a data set, whose split says what the test is, or tables; not both", field="test"
            )
        if project is None:
            raise DataError(
                "a data set needs project=, whose [evaluate] section says how it is split", field="project"
            )
        fold = next(iter(make_folds(project, dataset)))
        bench = _from_fold(fold)
    elif test is None:
        raise DataError(
            "there is no test: give test=, a table of what came true, or a data set", field="test"
        )
    else:
        bench = _from_tables(test, train, items, users)
    slates, told = {}, {}
    ids = bench.items
    read_in = {}
    for one, source in given.items():
        lists = read_lists(source, one, bench.people, ids)
        ids, read_in[one] = lists.items, lists  # codes of the catalogue and earlier tables stay what they are
        told[one] = {
            "people_without_a_list": lists.missing,
            "people_not_in_the_test": lists.others,
            "items_unknown": lists.outside,
            "longest_list": lists.slates.shape[1],
        }
        slates[one] = _as_long(lists.slates, k)
    judged = compare_slates(
        [FoldSlates("test", slates, bench.truth, bench.catalogue, bench.users, bench.cuts)],
        next(iter(given)),
        k,
        draws,
        seed,
        main,
    )
    facts = {
        "people": judged.people,
        "items": bench.catalogue.n,
        "relevant_pairs": len(bench.truth.item),
        "protocol": "recommendations made elsewhere",
        "seconds": round(time.perf_counter() - started, 2),
        "lists": told,
    }
    report = Report.from_comparison(
        judged,
        next(iter(given)),
        name=name,
        simulated=project is not None and project.simulated,
        k=k,
        main_metric=f"{main}@{k}",
        facts=facts,
        leaks=bench.leaks,
    )
    report.warnings += _doubts(read_in, told, bench, k)
    return report


class _Bench:
    """What tables are judged by."""

    def __init__(
        self,
        people: IdMap,
        items: IdMap,
        truth: RelevantItems,
        catalogue: CatalogueStatistics,
        cuts: SliceCodes,
        users: np.ndarray,
    ) -> None:
        self.people, self.items, self.truth = people, items, truth
        self.catalogue, self.cuts, self.users = catalogue, cuts, users
        self.leaks: list[Leak] = []


def _from_fold(fold: Fold) -> _Bench:
    from shortlist.evaluate.policies import histories_of

    if fold.contexts is not None:
        raise DataError(
            'evaluate.requests = "events" asks once an event; a table of recommendations has one list a person: use "people"',
            field="evaluate.requests",
        )
    train, own = fold.train, histories_of(fold)
    n = len(train.items)
    taken = train.log.item[train.log.acted]
    popularity = np.bincount(taken, minlength=n) / max(len(train.users), 1)
    first = np.full(n, np.inf)
    np.minimum.at(first, train.log.item, train.log.time.astype(np.float64))
    age = np.where(np.isinf(first), np.nan, (fold.moment - first) / DAY)
    genres, provider, providers = _kinds(train.items.attributes)
    vectors = genres if genres is not None else _takers(own.owner, own.item, n, len(own))
    catalogue = CatalogueStatistics(
        n, popularity, own.indptr, own.item.astype(np.int64), vectors, genres, provider, providers,
        age if fold.moment > 1e11 else None,
    )  # fmt: skip
    ids = id_array(pa.array(fold.ids), "the test")
    cuts = default_slices(catalogue, fold.users, train.users.attributes, train.items.attributes)
    return _Bench(IdMap(ids), train.items.ids, fold.truth, catalogue, cuts, np.arange(len(fold.ids)))


def _from_tables(test: Any, train: Any, items: Any, users: Any) -> _Bench:
    table = read(test, "test")
    person, thing = ids_of(table, "user", "test"), ids_of(table, "item", "test")
    people = IdMap.of(person)
    known: list[pa.Array] = []
    about = None if items is None else read(items, "items")
    about_ids = (
        None if about is None else id_array(about.column(str(column_of(about, "item", "items"))), "items")
    )
    past = None if train is None else read(train, "train")
    past_users = past_items = None
    if about_ids is not None:
        known.append(about_ids)
    if past is not None:
        past_users, past_items = ids_of(past, "user", "train"), ids_of(past, "item", "train")
        known.append(past_items)
    catalogue_ids = IdMap.of(*known) if known else IdMap.of(thing)
    n = len(catalogue_ids)
    all_items = catalogue_ids.extended(thing) if known else catalogue_ids
    owner, item = people.codes(person).astype(np.int64), all_items.codes(thing).astype(np.int64)
    worth = _worth(table)
    # each pair once, with its greatest worth; what is worth nothing was not wanted
    order = np.lexsort([-worth, item, owner])
    first = np.concatenate([[True], (np.diff(owner[order]) != 0) | (np.diff(item[order]) != 0)]) & (
        worth[order] > 0
    )
    rows = order[first]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(owner[rows], minlength=len(people)))]).astype(
        np.int64
    )
    graded = worth[rows] if len(np.unique(worth[rows])) > 1 else None
    truth = RelevantItems(indptr, item[rows], graded)
    popularity = own_ptr = taken = age = None
    vectors: Any = None
    leaks: list[Leak] = []
    if past is not None and past_users is not None and past_items is not None:
        everyone = people.extended(past_users)
        u, i = everyone.codes(past_users).astype(np.int64), all_items.codes(past_items).astype(np.int64)
        pairs = np.unique(u * n + i)
        pu, pi = pairs // n, pairs % n
        popularity = np.bincount(pi, minlength=n) / max(len(np.unique(pu)), 1)
        mine = pu < len(people)
        own_ptr = np.searchsorted(pu, np.arange(len(people) + 1)).astype(np.int64)
        taken = pi[mine]
        vectors = _takers(pu, pi, n, len(everyone))
        own_time, test_time = _times(past), _times(table)
        if own_time is not None and test_time is not None:
            start = np.full(n, np.inf)
            np.minimum.at(start, i, own_time.astype(np.float64))
            age = np.where(np.isinf(start), np.nan, (float(test_time.min()) - start) / DAY)
        leaks = split_leaks(
            (u, i, own_time if test_time is not None else None, np.ones(len(u), bool)),
            (owner, item, test_time if own_time is not None else None),
            "train and test",
        )
    of_items = _attributes(about, about_ids, catalogue_ids, "items")
    genres, provider, providers = _kinds(of_items)
    catalogue = CatalogueStatistics(
        n,
        popularity,
        own_ptr,
        taken,
        vectors if genres is None else genres,
        genres,
        provider,
        providers,
        age,
    )
    who = None if users is None else read(users, "users")
    who_ids = None if who is None else id_array(who.column(str(column_of(who, "user", "users"))), "users")
    of_people = _attributes(who, who_ids, people, "users")
    cuts = default_slices(catalogue, np.arange(len(people)), of_people, of_items)
    bench = _Bench(people, all_items, truth, catalogue, cuts, np.arange(len(people)))
    bench.leaks = leaks
    return bench


def _worth(table: pa.Table) -> np.ndarray:
    column = column_of(table, "worth", "test", False)
    if column is None:
        return np.ones(table.num_rows)
    worth = pc.fill_null(table.column(column).combine_chunks().cast(pa.float64()), np.nan)
    numbers = worth.to_numpy(zero_copy_only=False)
    bad = np.flatnonzero(~(numbers >= 0) | np.isinf(numbers))
    if len(bad):
        raise DataError(
            f"test: {column} must be 0 or more; row {bad[0] + 1} has {numbers[bad[0]]}", field=column
        )
    return np.asarray(numbers)


def _times(table: pa.Table) -> np.ndarray | None:
    column = column_of(table, "timestamp", "", False)
    return None if column is None else to_milliseconds(table.column(column).combine_chunks())[0]


def _takers(users: np.ndarray, items: np.ndarray, n_items: int, n_users: int) -> sp.csr_matrix:
    """Who took each item: what items are like where nothing is said of them."""
    ones = np.ones(len(items), np.float32)
    return sp.csr_matrix((ones, (items, users)), shape=(n_items, n_users))


def _attributes(
    table: pa.Table | None, ids: pa.Array | None, codes: IdMap, role: str
) -> dict[str, Attribute]:
    """The categories and lists of a table, for the rows of `codes`."""
    if table is None or ids is None:
        return {}
    guess = guess_project(
        pa.table({"user_id": ids.slice(0, 2), "item_id": ids.slice(0, 2)}),
        table if role == "items" else None,
        table if role == "users" else None,
    )
    settings = guess.items if role == "items" else guess.users
    if settings is None:
        return {}
    rows = np.full(len(codes), -1, np.int64)
    at = codes.codes(ids)
    rows[at[at >= 0]] = np.flatnonzero(at >= 0)
    return {
        name: encode(name, kind, table.column(name)).take(rows)
        for name, kind in settings.attributes.items()
        if kind in {"category", "list"}
    }


def _kinds(attributes: dict[str, Attribute]) -> tuple[sp.csr_matrix | None, np.ndarray | None, int]:
    """Genres (the first list, or category of few values), and providers (the first category of many)."""
    lists = [a for a in attributes.values() if isinstance(a, ListAttribute)]
    few = [
        a for a in attributes.values() if isinstance(a, CategoryAttribute) and 2 <= len(a.vocabulary) <= 50
    ]
    makers = [
        a
        for a in attributes.values()
        if isinstance(a, CategoryAttribute) and 10 <= len(a.vocabulary) <= 0.5 * max(len(a), 1)
    ]
    coded: list[CodedAttribute] = [*(lists or few)]
    genres = next(iter(coded), None)
    maker = next((a for a in makers if a is not genres), None)
    return (
        None if genres is None else genres.matrix(),
        None if maker is None else maker.codes.astype(np.int64),
        0 if maker is None else len(maker.vocabulary),
    )


def _as_long(slates: np.ndarray, k: int) -> np.ndarray:
    """At least k wide, so that a short list is short and not another metric."""
    if slates.shape[1] >= k:
        return slates
    return np.pad(slates, ((0, 0), (0, k - slates.shape[1])), constant_values=-1)


def _doubts(lists: dict[str, Any], told: dict[str, dict[str, int]], bench: _Bench, k: int) -> list[str]:
    """What is odd about the tables themselves."""
    found = []
    for name, facts in told.items():
        if facts["people_without_a_list"]:
            found.append(
                f"{name} has no list for {facts['people_without_a_list']:,} of {len(bench.people):,} people of the test; they count as missed."
            )
        if facts["longest_list"] < k:
            found.append(f"{name} has lists of at most {facts['longest_list']} items, and {k} are judged.")
        c = bench.catalogue
        if c.indptr is not None and c.taken is not None:
            slates = lists[name].slates[:, :k]
            wasted = float((gains(slates, c.indptr, c.taken) > 0).sum() / max((slates >= 0).sum(), 1))
            width = max(len(lists[name].items), c.n)
            owner = np.repeat(np.arange(len(bench.people)), np.diff(c.indptr))
            wanted = np.isin(
                bench.truth.owner * width + bench.truth.item, owner * width + c.taken, kind="sort"
            ).mean()
            if wasted > 0.01 and wanted < 0.01:
                found.append(
                    f"{wasted:.0%} of the places of {name} go to items that the person already has in training, which the test never counts."
                )
    return found

"""The work of an executor on a part of the people of a test: their slates, then their metrics, by the code of one machine."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.cascade.histories import HistoryEvent
from shortlist.data.attributes import Attribute
from shortlist.data.check import Check
from shortlist.data.entities import Entities, EntityChange
from shortlist.data.entity_tables import read_attribute
from shortlist.data.histories import Histories
from shortlist.data.ids import IdMap
from shortlist.data.log import Log
from shortlist.data.texts import Texts
from shortlist.distributed.placed_bundle import PlacedBundle
from shortlist.distributed.table_frame import FILE, ROW
from shortlist.distributed.usable_events import ARRIVAL, ITEM, KIND, TIME, USER, VALUE
from shortlist.engines.plain_types import plain_array
from shortlist.evaluate.catalogue import item_statistics
from shortlist.evaluate.comparison import FoldSlates, fold_columns
from shortlist.evaluate.fold import Fold
from shortlist.evaluate.fold_slates import SUBJECT, fold_slates
from shortlist.evaluate.measures import IntArray, RelevantItems, WholeSet
from shortlist.evaluate.on_spark.people import OF_USER, PART, PERSON
from shortlist.evaluate.policies import BaselineModels, baselines, histories_of, recommender_policy
from shortlist.evaluate.relevance import relevant_items
from shortlist.evaluate.slice_groups import PeopleScheme, item_groups
from shortlist.evaluate.slices import SliceCodes
from shortlist.recommender import Recommender

MAIN = "ndcg"
ANSWERS = "kind string, name string, id long, n double, part binary"
"""Rows of `answer_part`: sums by kind, name and number, and the slates of the part in a row of kind `slates`."""
SUMS = "person int, name int, metric int, total double, n long"


@dataclass(frozen=True, repr=False)
class PartWork:
    """The instructions to executors.

    Attributes
    ----------
    bundle
        The recommender, trained on the events before `moment`.
    moment
        Where the test begins, ms.
    models
        What the baselines learned from all events before it.
    popularity
        float64 (items,): the share of people who took each item.
    scheme
        The groups of people.
    """

    bundle: PlacedBundle
    moment: int
    models: BaselineModels
    popularity: NDArray[np.float64]
    scheme: PeopleScheme

    def __repr__(self) -> str:
        return f"PartWork({self.bundle!r})"


def answer_part(work: PartWork, table: pa.Table) -> pa.Table:
    """Make the slates of all recommenders for the people of a part. Runs on an executor."""
    recommender = work.bundle.load()
    table = table.sort_by([(TIME, "ascending"), (FILE, "ascending"), (ROW, "ascending")])
    fold, person = _fold(recommender, table, work.moment)
    if not len(fold.users):
        return _rows([])
    _let_know(recommender, fold)
    seed = recommender.project.seed + table.column(PART)[0].as_py()
    policies = {SUBJECT: recommender_policy(recommender, fold)}
    policies |= baselines(recommender, fold, work.models, seed)
    slates, rows = dict[str, IntArray](), list[tuple[str, str, int, float, bytes | None]]()
    for name, policy in policies.items():
        started = time.perf_counter()
        slates[name] = policy(np.arange(len(fold.truth)), recommender.project.evaluate.k)
        rows.append(("seconds", name, 0, time.perf_counter() - started, None))
    histories = histories_of(fold)
    catalogue = replace(
        item_statistics(recommender, work.popularity, work.moment),
        indptr=histories.indptr,
        taken=histories.item.astype(np.int64),
    )
    found = fold_slates(recommender, fold, slates, {}, catalogue, work.scheme)
    for name, made in slates.items():
        rows += _whole_rows(name, WholeSet.of(made, catalogue, recommender.project.evaluate.k))
    sizes, counts = np.unique(np.diff(histories.indptr), return_counts=True)
    rows += [("history", "", size, n, None) for size, n in zip(sizes.tolist(), counts.tolist(), strict=True)]
    rows.append(("slates", "", 0, 0.0, _packed(found, person)))
    return _rows(rows)


def _rows(rows: list[tuple[str, str, int, float, bytes | None]]) -> pa.Table:
    kinds = (pa.string(), pa.string(), pa.int64(), pa.float64(), pa.binary())
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(kinds)
    arrays = [pa.array(list(column), kind) for column, kind in zip(columns, kinds, strict=True)]
    return pa.Table.from_arrays(arrays, names=["kind", "name", "id", "n", "part"])


def _whole_rows(name: str, whole: WholeSet) -> Iterator[tuple[str, str, int, float, bytes | None]]:
    """The numbers of a whole set of slates that add up over parts."""
    for kind, exposure in (("shown", whole.shown), ("provider", whole.provider)):
        if exposure is not None:
            for group in np.flatnonzero(exposure.shown).tolist():
                yield kind, name, group, float(exposure.shown[group]), None
    if whole.lift is not None:
        for number, value in enumerate((whole.lift.users, whole.lift.shown, whole.lift.past)):
            yield "lift", name, number, float(value), None


def _fold(recommender: Recommender, table: pa.Table, moment: int) -> tuple[Fold, NDArray[np.int32]]:
    """Make the fold of a part, with its people as the only users, and return the group of each request.

    Events of a kind that the model's log does not have are left out: the model cannot read them.
    """
    base = recommender.dataset
    kind = IdMap(pa.array(base.log.kinds, pa.string())).codes(table.column(KIND).combine_chunks())
    kept = np.flatnonzero(kind >= 0)
    table = table.take(pa.array(kept))
    ids = table.column(USER).combine_chunks().unique()
    users = IdMap(ids)
    user, n = users.codes(table.column(USER).combine_chunks()), len(table)
    log = Log(
        base.log.kinds,
        user,
        table.column(ITEM).to_numpy().astype(np.int32),
        table.column(TIME).to_numpy(),
        kind[kept].astype(np.int16),
        table.column(VALUE).to_numpy(),
        np.full(n, -1, np.int32),
        np.full(n, -1, np.int16),
        np.full(n, np.nan, np.float32),
        arrival=table.column(ARRIVAL).to_numpy(),
    )
    first = np.unique(user, return_index=True)[1]
    attributes = _attributes(base.users.attributes, table, first)
    people = Entities(users, Texts([str(one) for one in ids.to_pylist()]), attributes)
    data = replace(base, users=people, log=log)
    train, test = data.before(moment), data.between(moment, int(log.time[-1]) + 1 if n else moment)
    objective = recommender.project.objectives[recommender.project.relevant]
    positive = np.flatnonzero(test.positives(objective))
    asked, truth = relevant_items(
        recommender.project, train, test.log.user[positive], test.log.item[positive], max(n, 1)
    )
    person = table.column(PERSON).to_numpy()[first][asked].astype(np.int32)
    fold = Fold("", train, train, asked, users.ids(asked), moment, truth, test=test.log)
    return fold, person


def _attributes(
    likes: Mapping[str, Attribute], table: pa.Table, first: NDArray[np.int64]
) -> dict[str, Attribute]:
    """Return the attributes of users with the vocabulary of the model. first: a row of each user."""
    found = {}
    for name, like in likes.items():
        column = plain_array(table.column(f"{OF_USER}{name}").combine_chunks().take(pa.array(first)))
        own = read_attribute(name, like.kind, column, "users", Check())
        found[name] = like.with_values([own.show(row) for row in range(len(first))])
    return found


def _let_know(recommender: Recommender, fold: Fold) -> None:
    """Tell a recommender the histories, impressions and attributes of the people that the log of its bundle does not have."""
    train, known = fold.train, recommender.dataset.users.ids
    attributes, log = train.users.attributes, train.log.rows(~train.log.acted)
    shown = Histories.of(log.user, len(train.users), log.item, log.time, log.kind, log.value)
    strangers = [
        (code, known.own(user))
        for code, user in zip(fold.users.tolist(), fold.ids, strict=True)
        if known.code(user) < 0
    ]
    profiles = [
        EntityChange(user, None, {name: a.show(code) for name, a in attributes.items()})
        for code, user in strangers
        if attributes
    ]
    acted, seen = (
        {user: _events_of(histories, code) for code, user in strangers}
        for histories in (train.histories, shown)
    )
    recommender.state.set_visitors(acted, profiles, seen)


def _events_of(histories: Histories, code: int) -> list[HistoryEvent]:
    rows = slice(int(histories.indptr[code]), int(histories.indptr[code + 1]))
    arrays = (histories.item, histories.time, histories.kind, histories.value)
    return [HistoryEvent(*one) for one in zip(*(array[rows].tolist() for array in arrays), strict=True)]


def _packed(found: FoldSlates, person: NDArray[np.int32]) -> bytes:
    """Return the slates of a part, and what judges them, as bytes."""
    assert found.groups is not None
    assert found.catalogue.indptr is not None
    assert found.catalogue.taken is not None
    arrays: dict[str, Any] = {
        "person": person,
        "names": np.array(list(found.slates)),
        "slates": np.stack(list(found.slates.values())),
        "truth": found.truth.indptr,
        "relevant": found.truth.item,
        "indptr": found.catalogue.indptr,
        "taken": found.catalogue.taken,
    }
    for dimension, (codes, names) in found.groups.people.items():
        if dimension != "activity":
            arrays |= {f"codes|{dimension}": codes, f"groups|{dimension}": np.array(names)}
    for name, extra in found.extra.items():
        arrays |= {f"extra|{metric}|{name}": values for metric, values in extra.items()}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def judge_parts(
    work: PartWork,
    wholes: Mapping[str, WholeSet],
    columns: Mapping[str, int],
    batches: Iterator[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """Compute the metrics of the people of parts, and sum them by group. Runs on an executor.

    Parameters
    ----------
    work
        As for `answer_part`; the scheme has the bounds of activity.
    wholes
        Recommender → its slates in all parts.
    columns
        Metric or key of a slice → its number.
    batches
        The rows of kind `slates`.
    """
    recommender = work.bundle.load()
    catalogue = item_statistics(recommender, work.popularity, work.moment)
    items = item_groups(catalogue, recommender.dataset.items.attributes)
    numbers = {name: number for number, name in enumerate(wholes)}
    for batch in batches:
        for content in batch.column("part").to_pylist():
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                person = arrays["person"]
                indptr, taken = arrays["indptr"], arrays["taken"]
                people = {"activity": work.scheme.activity(np.diff(indptr))}
                people |= {
                    key.partition("|")[2]: (arrays[key], arrays[f"groups|{key.partition('|')[2]}"].tolist())
                    for key in arrays.files
                    if key.startswith("codes|")
                }
                names = arrays["names"].tolist()
                fold = FoldSlates(
                    "",
                    dict(zip(names, arrays["slates"], strict=True)),
                    RelevantItems(arrays["truth"], arrays["relevant"]),
                    replace(catalogue, indptr=indptr, taken=taken),
                    np.arange(len(person)),
                    SliceCodes(people, items),
                    {name: _extra(arrays, name) for name in names},
                )
            found, _ = fold_columns(fold, recommender.project.evaluate.k, MAIN, wholes, least=0)
            for name, metrics in found.items():
                for metric, values in metrics.items():
                    yield _sums(person, numbers[name], columns[metric], values)


def _extra(arrays: Any, name: str) -> dict[str, NDArray[np.float64]]:
    keys = [key.split("|") for key in arrays.files if key.startswith("extra|")]
    return {metric: arrays[f"extra|{metric}|{who}"] for _, metric, who in keys if who == name}


def _sums(person: NDArray[np.int32], name: int, metric: int, values: NDArray[np.float64]) -> pa.RecordBatch:
    """Sum the values of each group; people without a value (NaN) are left out."""
    known = ~np.isnan(values)
    groups, owner = np.unique(person[known], return_inverse=True)
    return pa.RecordBatch.from_pydict(
        {
            "person": pa.array(groups, pa.int32()),
            "name": pa.array(np.full(len(groups), name), pa.int32()),
            "metric": pa.array(np.full(len(groups), metric), pa.int32()),
            "total": pa.array(np.bincount(owner, values[known], len(groups)), pa.float64()),
            "n": pa.array(np.bincount(owner, minlength=len(groups)), pa.int64()),
        }
    )

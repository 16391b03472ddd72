"""Evaluate recommendations that were made elsewhere: by implicit, LensKit, RecTools, a notebook, or an earlier system.

report = shortlist.evaluate({"als": als_table, "ours": "ours.parquet"}, test=test, train=train, items=items, k=10)
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.ids import IdMap
from shortlist.errors import DataError
from shortlist.evaluate.comparison import FoldSlates, compare_slates
from shortlist.evaluate.external_lists import ExternalLists, read_lists
from shortlist.evaluate.external_tables import ExternalTest, test_of_fold, test_of_tables
from shortlist.evaluate.folds import make_folds, refuse_sampling
from shortlist.evaluate.measures import IntArray
from shortlist.evaluate.report import Report
from shortlist.metrics.gains import gains

MAX_SEEN, MAX_REPEATED = 0.01, 0.01
"""A warning follows where more recommended items were in training, and fewer relevant ones, than these shares."""


def evaluate_recommendations(  # noqa: PLR0913 - the public keywords of shortlist.evaluate
    recommendations: Mapping[str, Any] | Any,
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
    """Evaluate tables of recommendations; the first is compared with all others on the same people.

    A table has a user, an item, and a rank (1 is best) or a score. Tables are file names or pandas, Polars or Arrow
    frames. Training events add novelty, popularity lift and slices; a table of items adds diversity, genre calibration
    and the exposure of providers.

    Parameters
    ----------
    recommendations : mapping of str to table, or a table
        The tables by name.
    dataset : Dataset, optional
        A data set whose split makes the test; needs `project`, whose `[evaluate]` says how it is split.
    test : table, optional
        Users and relevant items, instead of a data set; a column gain (or relevance, grade) is optional.
    train, items, users : table, optional
        Training events, items and users.
    k, main, draws, seed : int, str, int, int
        Length of the lists, metric of the comparisons, and number and seed of the bootstrap resamples.
    name : str
        Name of the evaluation.
    candidates : "all"
        Anything else is refused: metrics on sampled candidates can order recommenders wrongly.

    Raises
    ------
    DataError
        Names the table, the row and the column that is wrong.
    """
    refuse_sampling(candidates)
    tables = recommendations if isinstance(recommendations, Mapping) else {"recommendations": recommendations}
    if not tables:
        raise DataError("there are no recommendations: give at least one table", field="recommendations")
    options = _Options(name, project is not None and project.simulated, k, main, draws, seed)
    started = time.perf_counter()
    report = _report(tables, _make_test(dataset, project, _Tables(test, train, items, users)), options)
    report.facts["seconds"] = round(time.perf_counter() - started, 2)
    return report


@dataclass(frozen=True)
class _Options:
    """The name of the evaluation, and what is computed."""

    name: str
    simulated: bool
    k: int
    main: str
    draws: int
    seed: int


def _report(tables: Mapping[str, Any], test: ExternalTest, options: _Options) -> Report:
    """Read the tables and compare them."""
    lists, k, subject = _read_all(tables, test), options.k, next(iter(tables))
    slates = {name: _at_least_wide(found.slates, k) for name, found in lists.items()}
    fold = FoldSlates("test", slates, test.relevant, test.catalogue, test.users, test.groups)
    compared = compare_slates([fold], subject, k, options.draws, options.seed, options.main)
    report = Report.from_comparison(
        compared,
        subject,
        name=options.name,
        simulated=options.simulated,
        k=k,
        main_metric=f"{options.main}@{k}",
        facts={
            "people": compared.people,
            "items": test.catalogue.n,
            "relevant_pairs": len(test.relevant.item),
            "protocol": "recommendations made elsewhere",
            "seconds": 0.0,
            "lists": {name: _facts(found) for name, found in lists.items()},
        },
        leaks=test.leaks,
    )
    for name, found in lists.items():
        report.warnings += _list_warnings(name, found, test, k)
    return report


@dataclass(frozen=True)
class _Tables:
    """The tables of an evaluation without a data set; None where a table is not given."""

    test: Any
    train: Any
    items: Any
    users: Any


def _make_test(dataset: Dataset | None, project: Project | None, tables: _Tables) -> ExternalTest:
    if dataset is None:
        if tables.test is None:
            raise DataError(
                "there is no test: give test=, a table of users and their relevant items, or a data set",
                field="test",
            )
        return test_of_tables(tables.test, tables.train, tables.items, tables.users)
    if tables.test is not None or tables.train is not None:
        raise DataError(
            "give either a data set, whose split makes the test, or tables; not both", field="test"
        )
    if project is None:
        raise DataError(
            "a data set needs project=, whose [evaluate] section says how it is split", field="project"
        )
    return test_of_fold(next(iter(make_folds(project, dataset))))


def _read_all(tables: Mapping[str, Any], test: ExternalTest) -> dict[str, ExternalLists]:
    """Read all tables; the codes of the catalogue and of items in earlier tables stay the same."""
    items: IdMap = test.items
    lists: dict[str, ExternalLists] = {}
    for name, source in tables.items():
        lists[name] = read_lists(source, name, test.people, items)
        items = lists[name].items
    return lists


def _facts(lists: ExternalLists) -> dict[str, int]:
    return {
        "people_without_a_list": lists.missing,
        "people_not_in_the_test": lists.others,
        "items_unknown": lists.outside,
        "longest_list": lists.slates.shape[1],
    }


def _at_least_wide(slates: IntArray, k: int) -> IntArray:
    """Pad slates to a width of k, so that a short list does not change the metric."""
    if slates.shape[1] >= k:
        return slates
    return np.pad(slates, ((0, 0), (0, k - slates.shape[1])), constant_values=-1)


def _list_warnings(name: str, lists: ExternalLists, test: ExternalTest, k: int) -> list[str]:
    """Return where a table of recommendations may mislead."""
    found = []
    if lists.missing:
        found.append(
            f"{name} has no list for {lists.missing:,} of {len(test.people):,} people of the test; they count as missed."
        )
    if lists.slates.shape[1] < k:
        found.append(f"{name} has lists of at most {lists.slates.shape[1]} items, but {k} are evaluated.")
    found += _tie_warnings(name, lists, k)
    c = test.catalogue
    if c.indptr is not None and c.taken is not None:
        slates = lists.slates[:, :k]
        seen = float(
            (gains(slates, c.indptr.astype(np.int64), c.taken) > 0).sum() / max((slates >= 0).sum(), 1)
        )
        width = max(len(lists.items), c.n)
        owner = np.repeat(np.arange(len(test.people)), np.diff(c.indptr))
        pairs = test.relevant.owner * width + test.relevant.item
        repeated = np.isin(pairs, owner * width + c.taken, kind="sort").mean()
        if seen > MAX_SEEN and repeated < MAX_REPEATED:
            found.append(
                f"{seen:.0%} of the slots of {name} go to items that the person already has in training; the test does "
                "not count them."
            )
    return found


def _tie_warnings(name: str, lists: ExternalLists, k: int) -> list[str]:
    """Return how many lists have ties, because the order of the table's rows decides about them."""
    tied = int(lists.tied(k).sum())
    if not tied:
        return []
    people = int((lists.slates[:, 0] >= 0).sum())
    constant = int(lists.constant.sum())
    whole = f" On {constant:,} of them every item has the same score." if constant else ""
    text = (
        f"{name} has ties: on {tied:,} of {people:,} lists, items among the first {k} have the same score or rank as "
        f"the next item.{whole} The order of the table's rows decides between them, so the metrics of {name} depend on "
        "that order. Give each item of a list a rank of its own, or break the ties at random."
    )
    return [text]

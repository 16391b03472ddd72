"""Folds: how the protocols split a data set into training and test.

- **time** (default): training is everything before one moment, the test everything after it. This is the situation of
  a system that goes live.
- **rolling**: several such moments, each tested up to the next (rolling origin: Tashman 2000). One moment can be lucky;
  the spread between the moments shows how much.
- **leave_last**: the last relevant event of each person is held out; training is the rest of the log, with later events
  of other people. It is common in papers. The future events favour whatever follows trends (Ji et al. 2023, "A critical
  study on data leakage in recommender system offline evaluation"), so the report states their share.
- **users**: a share of the people is held out (strong generalisation: Marlin 2004). Their earlier events are known when
  they ask (fold-in), their later events are the test.
- **given**: the test is a table of its own, as for data sets with a published split (`given_test.py`).

Candidates are never sampled: metrics on sampled candidates can order recommenders wrongly, and more people do not help
(Krichene & Rendle 2020, "On sampled metrics for item recommendation").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.config.project import Project
from shortlist.config.short_repr import ShortRepr
from shortlist.data.dataset import Dataset
from shortlist.data.split import cut_for_test
from shortlist.errors import DataError, ProjectError
from shortlist.evaluate.fold import REAL_TIME, Fold
from shortlist.evaluate.given_test import given_fold
from shortlist.evaluate.measures import IntArray, RelevantItems
from shortlist.evaluate.relevance import relevant_items, sample, unseen_rows


def make_folds(project: Project, dataset: Dataset) -> Iterator[Fold]:
    """Yield the folds of a project's protocol.

    Raises
    ------
    DataError
        If the test has no relevant items.
    """
    protocol = project.evaluate.protocol
    if protocol == "rolling":
        yield from _rolling(project, dataset)
    elif protocol == "leave_last":
        yield _leave_last(project, dataset)
    elif protocol == "users":
        yield _held_out_users(project, dataset)
    elif protocol == "given":
        yield given_fold(project, dataset)
    else:
        cut = cut_for_test(dataset.log, project.evaluate)
        yield fold_between(project, dataset, cut, int(dataset.log.time[-1]) + 1)


def refuse_sampling(candidates: object) -> None:
    """Raise `ProjectError` for any candidates but the whole catalogue."""
    if candidates not in (None, "all"):
        raise ProjectError(
            f"evaluate.candidates = {candidates!r}: evaluation ranks the whole catalogue. Metrics on sampled candidates "
            'can order recommenders wrongly, and more people do not help (Krichene & Rendle 2020, "On sampled metrics for '
            'item recommendation"). For a faster evaluation, lower evaluate.people: people may be sampled, items may not.',
            field="evaluate.candidates",
        )


def fold_between(project: Project, dataset: Dataset, cut: int, end: int) -> Fold:
    """Make the fold that trains before the moment `cut` and tests from there until `end` (ms)."""
    train, test = dataset.before(cut), dataset.between(cut, end)
    name = f"from {_date(cut)}"
    return _fold(project, _Split(name, train, train, test, cut, {"test_from": _date(cut)}))


@dataclass(frozen=True, repr=False)
class _Split(ShortRepr):
    """A split whose requests are not made yet; the attributes are those of `Fold`."""

    name: str
    train: Dataset
    known: Dataset
    test: Dataset
    moment: int
    facts: dict[str, Any] = field(default_factory=dict)


def _rolling(project: Project, dataset: Dataset) -> Iterator[Fold]:
    times = dataset.log.time[dataset.log.acted]
    start, n = 1 - project.evaluate.test, project.evaluate.cuts
    cuts = [int(times[min(int(len(times) * s), len(times) - 1)]) for s in np.linspace(start, 1, n + 1)[:-1]]
    ends = [*cuts[1:], int(dataset.log.time[-1]) + 1]
    for cut, end in zip(cuts, ends, strict=True):
        if end > cut:
            yield fold_between(project, dataset, cut, end)


def _leave_last(project: Project, dataset: Dataset) -> Fold:
    log = dataset.log
    positive = np.flatnonzero(dataset.positives(project.objectives[project.relevant]))
    last = np.full(len(dataset.users), -1, np.int64)
    last[log.user[positive]] = positive  # the later row overwrites
    # remove all events of the person from that moment on, and those of the same slate: its impression, its rating
    moment = np.where(last >= 0, log.time[np.maximum(last, 0)], np.iinfo(np.int64).max)
    slate = np.where(last >= 0, log.slate[np.maximum(last, 0)], -1)
    removed = (log.time >= moment[log.user]) | ((log.slate >= 0) & (log.slate == slate[log.user]))
    train = replace(dataset, log=log.rows(np.flatnonzero(~removed)))
    held_out = np.unique(last[last >= 0])
    later = np.searchsorted(log.time, log.time[held_out], side="right")
    share_later = (len(log) - later) / max(len(log), 1)
    facts = {
        "test_from": "each person's last",
        "learnt_from_after_the_test": f"{float(np.mean(share_later)):.0%} of the log, on average",
    }
    test = replace(dataset, log=log.rows(held_out))
    end = int(log.time[-1]) + 1
    return _fold(project, _Split("leave last", train, train, test, end, facts), np.arange(len(held_out)))


def _held_out_users(project: Project, dataset: Dataset) -> Fold:
    log = dataset.log
    rng = np.random.default_rng(project.seed)
    positive = np.flatnonzero(dataset.positives(project.objectives[project.relevant]))
    people, counts = np.unique(log.user[positive], return_counts=True)
    people = people[counts >= 2]
    held_out = np.zeros(len(dataset.users), bool)
    held_out[rng.permutation(people)[: round(project.evaluate.test * len(people))]] = True
    moment = _fold_in_moments(dataset, positive[held_out[log.user[positive]]])
    theirs = held_out[log.user]
    replayed = np.flatnonzero(theirs & (log.time < moment[log.user]))
    tested = np.flatnonzero(theirs & (log.time >= moment[log.user]))
    known_rows = np.flatnonzero(~theirs | (log.time < moment[log.user]))
    split = _Split(
        "held-out people",
        train=replace(dataset, log=log.rows(np.flatnonzero(~theirs))),
        known=replace(dataset, log=log.rows(known_rows)),
        test=replace(dataset, log=log.rows(tested)),
        moment=int(log.time[-1]) + 1,
        facts={"test_from": "people held out whole", "people_held_out": int(held_out.sum())},
    )
    return replace(_fold(project, split), replayed=np.searchsorted(known_rows, replayed))


def _fold_in_moments(dataset: Dataset, positive: IntArray) -> NDArray[np.int64]:
    """The moment of each user after four fifths of the given events, int64 (users,); 0 without events."""
    log = dataset.log
    order = positive[np.argsort(log.user[positive], kind="stable")]
    start = np.searchsorted(log.user[order], np.arange(len(dataset.users) + 1))
    size = np.diff(start)
    first = np.where(size > 0, np.minimum(start[:-1] + (size * 0.8).astype(int), start[1:] - 1), 0)
    if not len(order):
        return np.zeros(len(size), np.int64)
    return np.where(size > 0, log.time[order[np.minimum(first, len(order) - 1)]], 0)


def _fold(project: Project, split: _Split, positive: NDArray[np.int64] | None = None) -> Fold:
    """Make the requests of a test: one per person, or one per event in its own context.

    positive: the rows of the test that are relevant; default: those that fulfil the relevant objective.
    """
    log = split.test.log
    whole = positive is None
    if positive is None:
        positive = np.flatnonzero(split.test.positives(project.objectives[project.relevant]))
    contexts: list[dict[str, Any]] | None = None
    if project.evaluate.requests == "events":
        rows = sample(project, unseen_rows(split.known, log, positive, project.rerank))
        contexts = [
            {name: value for name, a in log.context.items() if (value := a.show(row)) is not None}
            for row in rows.tolist()
        ]
        users = log.user[rows]
        truth = RelevantItems(np.arange(len(rows) + 1), log.item[rows].astype(np.int64))
    else:
        users, truth = relevant_items(project, split.known, log.user[positive], log.item[positive])
    if not len(users):
        raise DataError(
            f"the test has no relevant items ({project.relevant}); increase evaluate.test",
            field="evaluate.test",
        )
    ids = split.train.users.ids.ids(users)
    fold = Fold(split.name, split.train, split.known, users, ids, split.moment, truth, contexts)
    return replace(fold, facts=split.facts, test=log if whole and contexts is None else None)


def _date(moment: int) -> str:
    if moment < REAL_TIME:
        return f"event {moment // 1000:,}"
    return str(np.datetime64(moment, "ms").astype("datetime64[s]"))

"""What is learnt from, who is asked for, and what counts as right: the protocols.

- **time** (default): one moment; everything before is learnt from, everything after is the test. What a system meets when it
  goes live.
- **rolling**: several such moments, one after the other, each tested up to the next (rolling origin: Tashman 2000). One
  moment can be lucky; the spread between them says how lucky.
- **leave_last**: each person's last relevant event is held out, the rest of everybody's log is learnt from, also what others
  did after it. Common in papers; the future that it lets in favours whatever follows trends (Ji et al. 2023, "A critical
  study on data leakage in recommender system offline evaluation"), so the report says how much of it there was.
- **users**: a share of the people is held out whole (strong generalisation: Marlin 2004). Their earlier events are given when
  asking (fold-in), their later ones are the test.
- **given**: the test is a table of its own, as data sets with a published split have it.

Candidates are never sampled in any of them: metrics on sampled candidates can order recommenders wrongly, and do not become
right with more people (Krichene & Rendle 2020, "On sampled metrics for item recommendation").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.event_check import check_events
from shortlist.data.split import cut_for_test
from shortlist.engines.duckdb import read_table
from shortlist.errors import DataError, ProjectError
from shortlist.evaluate.measures import RelevantItems
from shortlist.metrics.gains import ragged


@dataclass(frozen=True)
class Fold:
    """One experiment. `train`: what is learnt from. `known`: that and what is told when asking, which histories are made of;
    `told`: rows of `known.log` that training has not seen. `ids`, `users` int32 (R,): who asks (−1: nobody known), `moment`
    ms: when; `truth`: what was right for each.
    """

    name: str
    train: Dataset
    known: Dataset
    users: np.ndarray
    ids: list[Any]
    moment: int
    truth: RelevantItems
    contexts: list[dict[str, Any]] | None = None
    told: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    facts: dict[str, Any] = field(default_factory=dict)
    given: tuple[np.ndarray, np.ndarray, np.ndarray | None] | None = None
    """user, item and time of a test that is a table of its own, in codes that go on where training's end."""


def make_folds(project: Project, dataset: Dataset) -> Iterator[Fold]:
    """The experiments of a project's protocol, one after the other. Raises `DataError` where nobody can be asked for."""
    protocol = project.evaluate.protocol
    if protocol == "rolling":
        yield from _rolling(project, dataset)
    elif protocol == "leave_last":
        yield _leave_last(project, dataset)
    elif protocol == "users":
        yield _users(project, dataset)
    elif protocol == "given":
        yield _given(project, dataset)
    else:
        cut = cut_for_test(dataset.log, dataset.project.evaluate)
        yield fold_between(project, dataset, cut, int(dataset.log.time[-1]) + 1)


def refuse_sampling(candidates: Any) -> None:
    """Raises `ProjectError` for anything but the whole catalogue, and says why."""
    if candidates not in (None, "all"):
        raise ProjectError(
            f"evaluate.candidates = {candidates!r}: only the whole catalogue is ranked. Metrics on sampled candidates can put a "
            'worse recommender first, and more people do not mend it (Krichene & Rendle 2020, "On sampled metrics for item '
            'recommendation"). To be faster, lower evaluate.people: people may be sampled, items may not.',
            field="evaluate.candidates",
        )


def _rolling(project: Project, dataset: Dataset) -> Iterator[Fold]:
    times = dataset.log.time[dataset.log.acted]
    start, n = 1 - project.evaluate.test, project.evaluate.cuts
    marks = [int(times[min(int(len(times) * s), len(times) - 1)]) for s in np.linspace(start, 1, n + 1)[:-1]]
    ends = [*marks[1:], int(dataset.log.time[-1]) + 1]
    for cut, end in zip(marks, ends, strict=True):
        if end > cut:
            yield fold_between(project, dataset, cut, end)


def fold_between(project: Project, dataset: Dataset, cut: int, end: int) -> Fold:
    """Everything before a moment is learnt from, what follows until another is the test."""
    train, test = dataset.before(cut), dataset.between(cut, end)
    positive = np.flatnonzero(test.positives(project.objectives[project.relevant]))
    name = f"from {_date(cut)}"
    return _fold(name, project, train, train, test, positive, cut, {"test_from": _date(cut)})


def _leave_last(project: Project, dataset: Dataset) -> Fold:
    log = dataset.log
    positive = np.flatnonzero(dataset.positives(project.objectives[project.relevant]))
    last = np.full(len(dataset.users), -1, np.int64)
    last[log.user[positive]] = positive  # the later row overwrites
    # everything of that person from that moment on is gone, also what belongs to the event: its impression, its rating
    moment = np.where(last >= 0, log.time[np.maximum(last, 0)], np.iinfo(np.int64).max)
    slate = np.where(last >= 0, log.slate[np.maximum(last, 0)], -1)
    gone = (log.time >= moment[log.user]) | ((log.slate >= 0) & (log.slate == slate[log.user]))
    keep = np.flatnonzero(~gone)
    train = replace(dataset, log=log.rows(keep))
    held = np.unique(last[last >= 0])
    end = int(log.time[-1]) + 1
    later = np.searchsorted(log.time, log.time[held], side="right")
    follows = (len(log) - later) / max(len(log), 1)
    facts = {
        "test_from": "each person's last",
        "learnt_from_after_the_test": f"{float(np.mean(follows)):.0%} of the log, on average",
    }
    test = replace(dataset, log=log.rows(held))
    return _fold("leave last", project, train, train, test, np.arange(len(held)), end, facts)


def _users(project: Project, dataset: Dataset) -> Fold:
    log = dataset.log
    rng = np.random.default_rng(project.seed)
    positive = np.flatnonzero(dataset.positives(project.objectives[project.relevant]))
    people, counts = np.unique(log.user[positive], return_counts=True)
    people = people[counts >= 2]
    held = np.zeros(len(dataset.users), bool)
    held[rng.permutation(people)[: round(project.evaluate.test * len(people))]] = True
    # the first four fifths of each held-out person's time line are told, what follows is asked for
    own = positive[held[log.user[positive]]]
    order = own[np.argsort(log.user[own], kind="stable")]
    start = np.searchsorted(log.user[order], np.arange(len(held) + 1))
    size = np.diff(start)
    first = np.where(size > 0, np.minimum(start[:-1] + (size * 0.8).astype(int), start[1:] - 1), 0)
    moment = np.where(
        size > 0, log.time[order[np.minimum(first, max(len(order) - 1, 0))]] if len(order) else 0, 0
    )
    mine = held[log.user]
    told = np.flatnonzero(mine & (log.time < moment[log.user]))
    asked = np.flatnonzero(mine & (log.time >= moment[log.user]))
    train = replace(dataset, log=log.rows(np.flatnonzero(~mine)))
    known_rows = np.flatnonzero(~mine | (log.time < moment[log.user]))
    known = replace(dataset, log=log.rows(known_rows))
    test = replace(dataset, log=log.rows(asked))
    hits = np.flatnonzero(test.positives(project.objectives[project.relevant]))
    facts = {"test_from": "people held out whole", "people_held_out": int(held.sum())}
    end = int(log.time[-1]) + 1
    fold = _fold("held-out people", project, train, known, test, hits, end, facts)
    return replace(fold, told=np.searchsorted(known_rows, told))


def _given(project: Project, dataset: Dataset) -> Fold:
    source = project.evaluate.given
    if not source:
        raise ProjectError(
            'evaluate.protocol = "given" needs evaluate.given: the table of test events',
            field="evaluate.given",
        )
    # of a test only who, what, when and how much is asked
    columns = project.data.columns.model_copy(
        update=dict.fromkeys(("slate", "position", "propensity", "arrival", "event_id"))
    )
    data = project.data.model_copy(update={"columns": columns, "context": {}})
    raw, check = check_events(
        read_table(source), project.model_copy(update={"data": data}), source, None, None
    )
    check.raise_errors()
    assert raw is not None
    objective = project.objectives[project.relevant]
    wanted = np.isin(np.array(raw.kind.to_pylist()), objective.events)
    if objective.at_least is not None:
        wanted &= np.nan_to_num(raw.value, nan=-np.inf) >= objective.at_least
    rows = np.flatnonzero(wanted)
    if not len(rows):
        raise DataError(
            f"{source}: no row of the test is relevant ({project.relevant})", field="evaluate.given"
        )
    n_items = len(dataset.items)
    all_items = dataset.items.ids.extended(raw.item)
    everyone = dataset.users.ids.extended(raw.user)
    users = everyone.codes(raw.user)[rows].astype(np.int64)
    truth_items = all_items.codes(raw.item)[rows].astype(np.int64)
    facts = {
        "test_from": source,
        "test_people_unknown": int((np.unique(users) >= len(dataset.users)).sum()),
        "test_items_unknown": int((np.unique(truth_items) >= n_items).sum()),
    }
    pairs = np.unique(users * len(all_items) + truth_items)
    had = dataset.histories.only(dataset.once(dataset.histories.item))
    pairs = np.setdiff1d(pairs, had.owner * len(all_items) + had.item)
    people = _some(project, np.unique(pairs // len(all_items)))
    truth = _truth(pairs // len(all_items), pairs % len(all_items), people)
    codes = np.where(people < len(dataset.users), people, -1).astype(np.int32)
    end = int(dataset.log.time[-1]) + 1
    timed = raw.time if project.data.columns.timestamp else None
    given = everyone.codes(raw.user), all_items.codes(raw.item), timed
    return Fold("given", dataset, dataset, codes, everyone.ids(people), end, truth, facts=facts, given=given)


def _fold(
    name: str,
    project: Project,
    train: Dataset,
    known: Dataset,
    test: Dataset,
    positive: np.ndarray,
    moment: int,
    facts: dict[str, Any],
) -> Fold:
    """Requests of a test: each person once for all that followed, or each event by itself, in its own context."""
    log, n_items = test.log, len(train.items)
    if project.evaluate.requests == "events":
        had = known.histories.only(known.once(known.histories.item))
        pairs = log.user[positive].astype(np.int64) * n_items + log.item[positive]
        positive = positive[~np.isin(pairs, had.owner * n_items + had.item)]
        rows = _some(project, positive)
        contexts = [
            {n: value for n, a in log.context.items() if (value := a.show(row)) is not None}
            for row in rows.tolist()
        ]
        users, truth = (
            log.user[rows],
            RelevantItems(np.arange(len(rows) + 1), log.item[rows].astype(np.int64)),
        )
    else:
        contexts = None
        users, truth = relevant_items(project, known, log.user[positive], log.item[positive])
    if not len(users):
        raise DataError(
            f"nobody in the test part has anything relevant ({project.relevant}); make evaluate.test larger",
            field="evaluate.test",
        )
    return Fold(name, train, known, users, train.users.ids.ids(users), moment, truth, contexts, facts=facts)


def relevant_items(
    project: Project, known: Dataset, users: np.ndarray, items: np.ndarray, most: int | None = None
) -> tuple[np.ndarray, RelevantItems]:
    """Who is asked for (at most so many as the project says), and what was relevant to each: of these positives, those not
    already in the history. users, items: int codes, side by side.
    """
    n_items = len(known.items)
    pairs = np.unique(users.astype(np.int64) * n_items + items)
    had = known.histories.only(known.once(known.histories.item))
    pairs = np.setdiff1d(pairs, had.owner * n_items + had.item)
    people = _some(project, np.unique(pairs // n_items), most)
    return people.astype(np.int32), _truth(pairs // n_items, pairs % n_items, people)


def _some(project: Project, rows: np.ndarray, most: int | None = None) -> np.ndarray:
    most = most or project.evaluate.people
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(project.seed).permutation(rows)[:most])


def _truth(users: np.ndarray, items: np.ndarray, people: np.ndarray) -> RelevantItems:
    """Users sorted, as items side by side; people sorted."""
    low, high = np.searchsorted(users, people), np.searchsorted(users, people, side="right")
    return RelevantItems(*ragged([items[a:b] for a, b in zip(low, high, strict=True)]))


def _date(moment: int) -> str:
    # a log without times counts its rows; its "moments" are small numbers
    if moment < 1e11:
        return f"event {moment // 1000:,}"
    return str(np.datetime64(moment, "ms").astype("datetime64[s]"))

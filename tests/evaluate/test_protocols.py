"""Protocols: what is learnt from, who is asked, what counts as right. Leaks that were planted are named; clean runs are not accused."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.typing import NDArray

import shortlist
from shortlist.config.project import Project
from shortlist.config.rows import ExcludedRows
from shortlist.data.dataset import Dataset
from shortlist.errors import DataError, ProjectError
from shortlist.evaluate.fold import Fold
from shortlist.evaluate.folds import make_folds
from shortlist.evaluate.leaks import check_leaks, find_leaks, retriever_leaks
from shortlist.evaluate.protocol import evaluate
from shortlist.evaluate.report import Report
from shortlist.features.custom import feature
from shortlist.recommender import Recommender
from shortlist.simulate.movies import make_movies
from shortlist.simulate.world import World
from support.sizes import size


def with_(project: Project, **settings: Any) -> Project:
    return project.model_copy(update={"evaluate": project.evaluate.model_copy(update=settings)})


def relevant(project: Project, dataset: Dataset) -> NDArray[np.int64]:
    return np.flatnonzero(dataset.positives(project.objectives[project.relevant]))


def one(project: Project, dataset: Dataset) -> Fold:
    found = list(make_folds(project, dataset))
    assert len(found) == 1
    return found[0]


# ---------------------------------------------------------------- protocols


def test_time_learns_from_before_and_asks_for_after(dataset: Dataset, project: Project) -> None:
    fold = one(project, dataset)
    assert fold.train.log.time.max() < fold.moment
    later = relevant(project, dataset)
    later = later[dataset.log.time[later] >= fold.moment]
    n = len(dataset.items)
    wanted = np.unique(dataset.log.user[later].astype(np.int64) * n + dataset.log.item[later])
    h = fold.train.histories
    wanted = np.setdiff1d(wanted, h.owner * n + h.item)
    np.testing.assert_array_equal(fold.users[fold.truth.owner].astype(np.int64) * n + fold.truth.item, wanted)


def test_rolling_cuts_follow_each_other(dataset: Dataset, project: Project) -> None:
    found = list(make_folds(with_(project, protocol="rolling", cuts=3), dataset))
    assert len(found) == 3
    assert [f.moment for f in found] == sorted(f.moment for f in found)
    for fold, following in itertools.pairwise(found):
        assert fold.train.log.time.max() < fold.moment
        # the test of one cut is over where the next begins
        later = relevant(project, dataset)
        times = dataset.log.time[later]
        inside = set(dataset.log.user[later[(times >= fold.moment) & (times < following.moment)]].tolist())
        assert set(fold.users.tolist()) <= inside


def test_leave_last_takes_each_persons_last(dataset: Dataset, project: Project) -> None:
    fold = one(with_(project, protocol="leave_last"), dataset)
    log = dataset.log
    rows = relevant(project, dataset)
    last = {int(log.user[r]): int(r) for r in rows}
    for row in range(0, len(fold.users), 17):
        user = int(fold.users[row])
        held = fold.truth.item[fold.truth.indptr[row] : fold.truth.indptr[row + 1]]
        assert held.tolist() == [log.item[last[user]]]
        own = fold.train.log.time[fold.train.log.user == user]
        assert not len(own) or own.max() < log.time[last[user]]
        assert log.slate[last[user]] not in set(fold.train.log.slate[fold.train.log.user == user])
    assert "of the log" in fold.facts["learnt_from_after_the_test"]


def test_held_out_people_are_nowhere_in_training(dataset: Dataset, project: Project) -> None:
    fold = one(with_(project, protocol="users", test=0.1), dataset)
    assert not np.isin(fold.users, fold.train.log.user).any()
    assert np.isin(fold.users, fold.known.log.user).mean() > 0.9  # but their earlier events are told
    h = fold.known.histories
    for row in range(0, len(fold.users), 5):
        user = int(fold.users[row])
        told = h.item[h.indptr[user] : h.indptr[user + 1]]
        wanted = fold.truth.item[fold.truth.indptr[row] : fold.truth.indptr[row + 1]]
        assert not np.isin(wanted, told).any()


def test_a_given_test_table(dataset: Dataset, project: Project, tmp_path: Path) -> None:
    ids = dataset.items.ids
    table = pa.table(
        {
            "user_id": ["u00001", "u00002", "somebody new", "u00001"],
            "item_id": [ids.id(3), ids.id(5), ids.id(7), "an item nobody knows"],
            "timestamp": [1_772_000_000] * 4,
            "kind": ["play"] * 4,
            "value": [100.0] * 4,
        }
    )
    path = tmp_path / "test.parquet"
    pd.DataFrame(table.to_pydict()).to_parquet(path)
    given = with_(project, protocol="given", given=str(path))
    fold = one(given, dataset)
    assert fold.facts["test_people_unknown"] == 1
    assert fold.facts["test_items_unknown"] == 1
    assert (fold.users == -1).sum() == 1
    assert fold.truth.item.max() == len(dataset.items)
    assert not fold.warnings
    pd.DataFrame(table.to_pydict()).assign(timestamp=[1_772_000_000] * 3 + [None]).to_parquet(path)
    rows = [ExcludedRows(column="item_id", values=[str(ids.id(5))])]
    without = given.model_copy(update={"data": given.data.model_copy(update={"exclude": rows})})
    said = "; ".join(one(without, dataset).warnings)
    assert "timestamp" in said
    assert "item_id" in said
    with pytest.raises(ProjectError, match=r"evaluate\.given"):
        one(with_(project, protocol="given"), dataset)
    pd.DataFrame(table.to_pydict()).assign(kind="rating").to_parquet(path)
    with pytest.raises(DataError, match="no row of the test is relevant"):
        one(given, dataset)


def test_sampled_candidates_are_refused_with_the_reason(dataset: Dataset, project: Project) -> None:
    with pytest.raises(ProjectError, match="whole catalogue") as caught:
        evaluate(with_(project, candidates=100), dataset)
    assert "Krichene & Rendle 2020" in str(caught.value)
    assert "people may be sampled, items may not" in str(caught.value)


@pytest.fixture(scope="module")
def small(project: Project) -> Project:
    """Quick to train: few trees."""
    rank = project.rank.model_copy(update={"trees": size(10, 20), "heads": "joint"})
    return with_(project.model_copy(update={"rank": rank}), people=200, bootstrap=100)


@pytest.mark.parametrize("protocol", ["rolling", "leave_last", "users"])
def test_every_protocol_ends_in_a_report(small: Project, dataset: Dataset, protocol: str) -> None:
    report = evaluate(with_(small, protocol=protocol, cuts=2), dataset)
    assert report.facts["protocol"] == protocol.replace("_", " ")
    own = report.metrics["shortlist"]["ndcg@10"]
    assert own.low <= own.value <= own.high
    assert own.value > report.metrics["random"]["ndcg@10"].value
    assert report.leaks == []
    dimensions = {s.dimension for s in report.slices}
    assert "popularity" in dimensions
    assert len(report.cuts) == (len(report.metrics) if protocol == "rolling" else 0)
    if protocol == "rolling":
        assert "test periods it ranges from" in report.verdict()


def test_cold_people_and_items_are_reported_apart(small: Project, dataset: Dataset) -> None:
    report = evaluate(small, dataset)
    names = {(s.dimension, s.name.partition(" (")[0]) for s in report.slices}
    assert {("activity", "few events"), ("popularity", "head"), ("popularity", "tail")} <= names
    assert ("age", "up to 30 days") in names
    # a slice holds those people only, and their mean is what the slice says
    few = next(s for s in report.slices if s.name.startswith("few events"))
    assert 20 <= few.people < report.facts["people"]


# ---------------------------------------------------------------- leaks, planted


def names(leaks: list[Any]) -> set[str]:
    return {leak.name for leak in leaks}


def test_clean_tables_are_not_accused(dataset: Dataset, project: Project) -> None:
    assert check_leaks(dataset, project.evaluate) == []


def test_a_statistic_over_the_test_period_is_named(world: World, dataset: Dataset, project: Project) -> None:
    log = dataset.log
    plays = np.bincount(log.item[log.is_kind(["play"])], minlength=len(dataset.items))
    leaky = replace(world, items=world.items.append_column("plays", pa.array(plays)))
    settings = {**leaky.settings, "data": {**leaky.settings["data"]}}
    settings["items"] = {
        **settings["items"],
        "attributes": {**settings["items"]["attributes"], "plays": "number"},
    }
    leaky = replace(leaky, settings=settings)
    found = check_leaks(leaky.dataset(), leaky.project().evaluate)
    assert names(found) == {"statistic over the test period"}
    assert found[0].where == "items.plays"
    assert "the number of play events" in str(found[0])
    # the same column as of the cut is not accused
    cut = one(project, dataset).moment
    before = np.bincount(log.item[log.is_kind(["play"]) & (log.time < cut)], minlength=len(dataset.items))
    clean = replace(world, items=world.items.append_column("plays", pa.array(before)), settings=settings)
    assert check_leaks(clean.dataset(), project.evaluate) == []


def _tables(dataset: Dataset, cut: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    log = dataset.log
    rows = np.flatnonzero(log.is_kind(["play"]))
    frame = pd.DataFrame(
        {
            "user_id": dataset.users.ids.ids(log.user[rows]),
            "item_id": dataset.items.ids.ids(log.item[rows]),
            "timestamp": log.time[rows],
        }
    )
    return frame[frame.timestamp < cut], frame[frame.timestamp >= cut]


def _lists(test: pd.DataFrame) -> pd.DataFrame:
    people = test.user_id.unique()
    return pd.DataFrame({"user_id": people, "item_id": test.item_id.iloc[0], "rank": 1})


def test_duplicates_and_future_events_between_tables_are_named(dataset: Dataset, project: Project) -> None:
    cut = one(project, dataset).moment
    train, test = _tables(dataset, cut)

    def run(train: pd.DataFrame) -> Report:
        return shortlist.evaluate({"mine": _lists(test)}, test=test, train=train, draws=100)

    assert run(train).leaks == []
    twice = run(pd.concat([train, test.sample(40, random_state=0)]))
    assert "duplicates across the split" in names(twice.leaks)
    assert "40 of" in str(next(leak for leak in twice.leaks if leak.name.startswith("duplicates")))
    later = test.assign(item_id=np.roll(test.item_id, 1), timestamp=test.timestamp + 7)
    late = run(pd.concat([train, later.sample(frac=0.5, random_state=1)]))
    assert "future events in training" in names(late.leaks)
    verdict = late.verdict()
    assert verdict.startswith("Do not trust these numbers yet: a leak was found (")
    assert (
        "On ndcg@10, mine " in verdict or "mine reaches ndcg@10" in verdict
    )  # beside the verdict, not instead of it
    # without times, the same pair on both sides is a duplicate
    bare = shortlist.evaluate(
        {"mine": _lists(test)},
        test=test.drop(columns="timestamp"),
        train=pd.concat([train, test.head(30)]).drop(columns="timestamp"),
        draws=100,
    )
    assert names(bare.leaks) == {"duplicates across the split"}


def test_the_target_in_a_feature_is_named() -> None:
    """A custom feature that looks people up in a table that was written afterwards."""
    # films enough that hardly anybody is shown one twice: who is shown one, and takes it another time, blurs the leak
    world = make_movies(users=600, items=2_000, sessions=4_000, days=60, seed=3)
    log = world.dataset().log
    rows = log.is_kind(["play"])
    played = log.user[rows].astype(np.int64) * 10_000 + log.item[rows]

    @feature("looked_up")
    def looked_up(person: pa.Array, film: pa.Array) -> np.ndarray:
        pairs = person.to_numpy(zero_copy_only=False) * 10_000 + film.to_numpy(zero_copy_only=False)
        return np.isin(pairs.astype(np.int64), played).astype(float)

    settings = {**world.settings}
    for role in ("items", "users"):
        table = settings[role]
        settings[role] = {**table, "attributes": {**table["attributes"], "number": "number"}}
    inputs = ["user.number", "item.number"]
    settings["features"] = [
        *settings["features"],
        {"name": "watched_before", "kind": "custom", "function": "looked_up", "inputs": inputs},
    ]
    settings["rank"] = {"examples": "impressions", "trees": 20, "heads": "joint"}
    numbered = {
        role: getattr(world, role).append_column("number", pa.array(np.arange(getattr(world, role).num_rows)))
        for role in ("items", "users")
    }
    leaky = replace(world, settings=settings, **numbered)
    project, dataset = leaky.project(), leaky.dataset()
    recommender = Recommender(project).fit(dataset)
    found = find_leaks(project, dataset, one(project, dataset), recommender, {})
    assert names(found) == {"target in a feature"}
    assert found[0].where == "watched_before"
    assert "alone it predicts 'play'" in str(found[0])


def test_a_retriever_that_saw_the_rankers_window_is_named(recommender: Recommender) -> None:
    aucs_by_objective = recommender.model.profile.auc
    clean = {objective: dict(aucs) for objective, aucs in aucs_by_objective.items()}
    assert retriever_leaks(recommender, clean) == []
    before = {o: dict(a) for o, a in aucs_by_objective.items()}
    try:
        aucs_by_objective["play"] |= {"als_score": 0.97}
        found = retriever_leaks(recommender, {"play": {**clean["play"], "als_score": 0.62, "als_rank": 0.6}})
        too_few = retriever_leaks(recommender, {"play": dict.fromkeys(clean["play"], 0.5)})
    finally:
        aucs_by_objective.clear()
        aucs_by_objective.update(before)
    assert names(found) == {"retriever saw the ranker's window"}
    assert found[0].where == "als"
    assert too_few == []


def test_a_real_run_with_a_retriever_that_saw_too_much(
    dataset: Dataset, small: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ALS fitted on everything before the ranker's examples are made: its scores know the answers."""
    from shortlist.retrieve.als import ALS

    fit = ALS.fit
    whole = one(small, dataset).train
    monkeypatch.setattr(
        ALS,
        "fit",
        lambda self, data, *more: fit(self, whole if len(data.log) < len(whole.log) else data, *more),
    )
    report = evaluate(small, dataset)
    assert "retriever saw the ranker's window" in names(report.leaks)
    assert {leak.where for leak in report.leaks} == {"als"}


@pytest.mark.parametrize("seed", range(4))
def test_honest_columns_are_not_accused_whatever_the_world(seed: int) -> None:
    world = make_movies(users=400, items=250, sessions=2_500, days=40, seed=seed)
    data = world.dataset()
    cut = one(world.project(), data).moment
    log, n = data.log, len(data.items)
    before = log.time < cut
    plays, shown = (
        np.bincount(log.item[before & log.is_kind([k])], minlength=n) for k in ("play", "impression")
    )
    rng = np.random.default_rng(seed)
    columns = {
        "plays": plays,
        "shown": shown,
        "rate": plays / np.maximum(shown, 1),
        "noise": rng.random(n),
        "noisy_plays": plays * rng.uniform(0.8, 1.2, n),
    }
    items, settings = world.items, {**world.settings}
    for name, column in columns.items():
        items = items.append_column(name, pa.array(column.astype(float)))
    numbers = dict.fromkeys(columns, "number")
    settings["items"] = {
        **settings["items"],
        "attributes": {**settings["items"]["attributes"], **numbers},
    }
    world = replace(world, items=items, settings=settings)
    assert check_leaks(world.dataset(), world.project().evaluate) == []

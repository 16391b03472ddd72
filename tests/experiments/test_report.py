"""Experiments from the store to a verdict."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.config.experiments import Experiment
from shortlist.config.project import Project, parse_project
from shortlist.errors import DataError
from shortlist.experiments.assign import assign_arm
from shortlist.experiments.report import experiments_page, report_experiments
from shortlist.simulate.world import World
from shortlist.store.event_store import EventStore
from shortlist.store.records import StoredEvent, StoredSlate
from support.experiments import experiment

DAY = 86_400_000


def _store(
    path: Path, lift: float = 0.5, people: int = 600, lose: float = 0.0
) -> tuple[EventStore, Experiment]:
    """A store as a server would have written it: two arms, plays before and after the first slate."""
    e = experiment(guard_rails=["rating"], people=people)
    store = EventStore(path)
    rng = np.random.default_rng(5)
    slates, events = [], []
    for n in range(people):
        user = f"u{n:05d}"
        arm = assign_arm("variety", e, user)
        if arm == "varied" and rng.random() < lose:
            continue
        at = 1_000 * DAY + int(rng.integers(0, 7)) * DAY
        eager = rng.gamma(2.0)
        slates.append(StoredSlate(f"s{n}", user, at, "p1", ["m1", "m2"], [1.0, 1.0], {"variety": arm}))
        for number in range(rng.poisson(3 * eager)):
            events.append(StoredEvent(f"b{n}-{number}", user, "m1", "play", at - DAY, 60.0))
        rate = 3 * eager * (1 + lift * (arm == "varied"))
        for number in range(rng.poisson(rate)):
            events.append(StoredEvent(f"a{n}-{number}", user, "m1", "play", at + 5_000, 60.0, slate=f"s{n}"))
        events.append(
            StoredEvent(
                f"r{n}", user, "m1", "rating", at + 9_000, 4.0 - (arm == "varied") + rng.normal(0, 0.5)
            )
        )
    store.write(slates=slates)
    store.write(events)
    return store, e


def _project(world: World, e: Experiment, **more: Any) -> Project:
    return parse_project(
        {**world.settings, "experiments": {"variety": e.model_dump(exclude_none=True), **more}}
    )


def test_a_report_reads_the_store(world: World, tmp_path: Path) -> None:
    store, e = _store(tmp_path / "e.sqlite")
    project = _project(world, e)
    found = report_experiments(project, store)
    assert len(found) == 1
    outcome = found[0]
    assert sum(outcome.arms.values()) == 600
    main = next(x for x in outcome.effects if x.metric == "play")
    assert main.verdict == "better"
    assert main.difference.value == pytest.approx(3.0, abs=0.9)
    assert main.explained > 0.1
    rail = next(x for x in outcome.effects if x.guard_rail)
    assert rail.verdict == "worse"
    assert "breaks the guard-rail rating" in outcome.verdict()
    page = experiments_page(project, found)
    assert "varied increases play" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_users_of_two_arms_are_left_out_and_counted(world: World, tmp_path: Path) -> None:
    store, e = _store(tmp_path / "e.sqlite", people=200)
    other = {"now": "varied", "varied": "now"}
    mine = assign_arm("variety", e, "u00003")
    store.write(
        slates=[StoredSlate("again", "u00003", 2_000 * DAY, "p1", ["m1"], [1.0], {"variety": other[mine]})]
    )
    outcome = report_experiments(_project(world, e), store)[0]
    assert outcome.moved == 1
    assert sum(outcome.arms.values()) == 199
    assert "People in several arms" in experiments_page(_project(world, e), [outcome])


def test_placements_are_judged_by_what_was_shown_there(world: World, tmp_path: Path) -> None:
    """Four people in each arm: plays from slates at home and at the end, and one that names no slate."""
    e = experiment(people=100)
    placed = {"home": {"experiments": ["variety"]}, "end": {"experiments": ["variety"]}, "other": {}}
    settings = {"experiments": {"variety": e.model_dump(exclude_none=True)}, "placements": placed}
    project = parse_project({**world.settings, **settings})
    of = {arm: [u for u in map(str, range(40)) if assign_arm("variety", e, u) == arm][:4] for arm in e.arms}
    store = EventStore(tmp_path / "e.sqlite")
    slates, events = [], []
    for arm, users in of.items():
        for user in users:
            for place, at in (("home", 10), ("end", 20)):
                slate_id = f"{place}-{user}"
                slates.append(
                    StoredSlate(slate_id, user, at, "p", ["m1"], [1.0], {"variety": arm}, placement=place)
                )
                # at home the varied arm has two plays and the other one; at the end nobody of the varied arm plays
                plays = (2 if arm == "varied" else 1) if place == "home" else (arm == "now")
                events += [
                    StoredEvent(f"{slate_id}-{n}", user, "m1", "play", 30 + n, 60.0, slate=slate_id)
                    for n in range(plays)
                ]
            events.append(StoredEvent(f"alone-{user}", user, "m1", "play", 50, 60.0))
    store.write(slates=slates)
    store.write(events)
    found = {outcome.title: outcome for outcome in report_experiments(project, store)}
    assert list(found) == ["variety", "variety in home", "variety in end"]
    means = {title: (o.effects[0].base, o.effects[0].mean) for title, o in found.items()}
    assert means == {"variety": (3.0, 3.0), "variety in home": (1.0, 2.0), "variety in end": (1.0, 0.0)}
    assert [o.title for o in report_experiments(project, store, "end")] == ["variety in end"]
    assert report_experiments(project, store, "other") == []
    with pytest.raises(DataError, match="did you mean 'home'"):
        report_experiments(project, store, "hme")
    assert "variety in home" in experiments_page(project, list(found.values()))


def test_lost_exposures_are_a_mismatch(world: World, tmp_path: Path) -> None:
    store, e = _store(tmp_path / "e.sqlite", people=1_500, lose=0.35)
    outcome = report_experiments(_project(world, e), store)[0]
    assert outcome.broken
    assert "No result" in experiments_page(_project(world, e), [outcome])


def test_experiments_without_arms_or_users(world: World, tmp_path: Path) -> None:
    store = EventStore(tmp_path / "e.sqlite")
    with pytest.raises(DataError, match="no experiment"):
        report_experiments(parse_project(world.settings), store)
    outcome = report_experiments(_project(world, experiment()), store)[0]
    assert outcome.verdict() == "No user has been exposed yet."


def test_a_store_of_an_earlier_version_is_brought_up(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as old:
        old.execute(
            "CREATE TABLE events (row INTEGER PRIMARY KEY AUTOINCREMENT, event_id VARCHAR NOT NULL UNIQUE, user TEXT NOT NULL, "
            "item TEXT NOT NULL, kind VARCHAR NOT NULL, time INTEGER NOT NULL, value FLOAT, context TEXT)"
        )
        old.execute("""INSERT INTO events VALUES (1, 'e1', '"u1"', '"m1"', 'play', 5, NULL, '{}')""")
    store = EventStore(path)
    assert [e.event_id for e in store.events()] == ["e1"]
    store.write([StoredEvent("e2", "u1", "m2", "play", 6, slate="s")])
    assert [e.slate for e in store.events()] == [None, "s"]
    assert list(store.slates()) == []

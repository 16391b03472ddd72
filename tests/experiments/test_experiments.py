"""Experiments: who gets which arm, intervals that survive peeking, interleaving, and the way from a served slate to a verdict."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from shortlist.cli.main import app
from shortlist.config.experiments import Experiment
from shortlist.config.project import Project, parse_project
from shortlist.errors import DataError, ProjectError
from shortlist.evaluate.offpolicy import SlateLog
from shortlist.experiments.analyse import MISMATCH, ExposedPeople, analyse, analyse_interleaved
from shortlist.experiments.assign import assign_arm
from shortlist.experiments.interleave import team_draft
from shortlist.experiments.report import experiments_page, report_experiments
from shortlist.experiments.sequential import always_valid, cuped, difference
from shortlist.recommender import Recommender
from shortlist.simulate.world import World
from shortlist.store.event_store import EventStore
from shortlist.store.export import export_log
from shortlist.store.records import StoredEvent, StoredSlate
from support.http import call
from support.peeking import DAYS, USERS_PER_DAY, daily_looks
from support.servers import Server

DAY = 86_400_000
ARMS = {"now": {}, "varied": {"diversity": 0.6}}


def experiment(**more: Any) -> Experiment:
    return Experiment.model_validate({"metric": "play", "arms": ARMS, **more})


# ---------------------------------------------------------------- assignment


def test_arms_are_stable_and_fit_their_shares() -> None:
    e = experiment(arms={"a": {"share": 3}, "b": {"share": 1}})
    arms = [assign_arm("x", e, f"u{n}") for n in range(20_000)]
    assert arms == [assign_arm("x", e, f"u{n}") for n in range(20_000)]
    assert np.mean([a == "b" for a in arms]) == pytest.approx(0.25, abs=0.01)
    assert assign_arm("x", e, 17) == assign_arm("x", e, "17")
    moved = experiment(arms={"a": {"share": 3}, "b": {"share": 1}}, salt="again")
    assert np.mean([assign_arm("x", moved, f"u{n}") != a for n, a in enumerate(arms)]) > 0.2


def test_two_experiments_are_independent() -> None:
    e = experiment()
    table = np.zeros((2, 2))
    for n in range(8_000):
        first, second = (int(assign_arm(name, e, n) == "varied") for name in ("one", "two"))
        table[first, second] += 1
    np.testing.assert_allclose(table / 8_000, 0.25, atol=0.02)


def test_experiments_are_checked_with_the_project(world: World) -> None:
    def project(**e: Any) -> Project:
        return parse_project({**world.settings, "experiments": {"x": {"metric": "play", "arms": ARMS, **e}}})

    assert list(project().experiments["x"].arms) == ["now", "varied"]
    for bad, said in (
        ({"metric": "sleep"}, "sleep"),
        ({"arms": {"now": {}}}, "at least 2 items"),
        ({"arms": {"now": {}, "b": {"weights": {"sleep": 1}}}}, "sleep"),
        ({"guard_rails": ["sleep"]}, "sleep"),
    ):
        with pytest.raises(ProjectError, match=said):
            project(**bad)


# ---------------------------------------------------------------- peeking


def test_a_thousand_a_a_tests_read_every_day_are_wrong_at_most_one_in_twenty() -> None:
    rng = np.random.default_rng(0)
    always = plain = mismatch = 0
    for _ in range(1000):
        looks = list(daily_looks(rng, 0.0))
        found = [analyse("aa", people, "play", [], tight_at=DAYS * USERS_PER_DAY) for people in looks]
        always += any(o.effects[0].verdict != "can't tell" for o in found)
        mismatch += any(o.broken for o in found)
        for people in looks:
            gap, variance = difference(*(people.outcome["play"][people.arm == a] for a in (0, 1)))
            if abs(gap) > 1.96 * np.sqrt(variance):
                plain += 1
                break
    assert plain > 120  # who peeks at ordinary intervals is wrong this often
    assert always <= 50, always
    assert mismatch <= 10


def test_power_is_shown_and_the_past_adds_to_it() -> None:
    """A fifth more, 1,680 people: found by day 14, and far more often with what people did before."""
    rng = np.random.default_rng(1)
    with_past = without = 0
    for _ in range(60):
        last = list(daily_looks(rng, 0.2))[-1]
        own = analyse("ab", last, "play", [], tight_at=DAYS * USERS_PER_DAY).effects[0]
        raw = analyse("ab", last, "play", [], tight_at=DAYS * USERS_PER_DAY, use_past=False).effects[0]
        with_past += own.verdict == "better"
        without += raw.verdict == "better"
        assert own.explained > 0.2
        assert raw.explained == 0
    assert with_past >= 40
    assert with_past > without + 10


def test_the_interval_tightens_and_is_wider_than_a_single_looks() -> None:
    widths = [always_valid(0.0, 4.0 / n, n, 1000).high for n in (10, 100, 1000, 10_000)]
    assert widths == sorted(widths, reverse=True)
    assert 1.3 < widths[2] / (1.96 * np.sqrt(4.0 / 1000)) < 1.9
    never = always_valid(0.5, float("inf"), 1)
    assert (never.low, never.high) == (float("-inf"), float("inf"))


def test_cuped_keeps_the_mean_and_takes_the_share_that_is_known() -> None:
    rng = np.random.default_rng(2)
    before = rng.normal(3, 1, 5000)
    outcome = 2 * before + rng.normal(0, 1, 5000)
    adjusted, explained = cuped(outcome, before)
    assert adjusted.mean() == pytest.approx(outcome.mean())
    assert explained == pytest.approx(0.8, abs=0.02)
    assert cuped(outcome, np.ones(5000))[1] == 0


def test_a_sample_ratio_mismatch_is_no_result() -> None:
    n = np.array([10_000, 9_400])
    arm = np.repeat([0, 1], n)
    rng = np.random.default_rng(3)
    values = {"play": rng.random(n.sum()) + arm}
    people = ExposedPeople(["a", "b"], [1, 1], arm, values, {"play": np.zeros(n.sum())}, np.zeros(n.sum()))
    found = analyse("x", people, "play", [])
    assert found.broken
    assert found.mismatch < MISMATCH
    assert found.verdict().startswith("No result")
    assert "10,000 in a, 9,400 in b" in found.verdict()
    fair = analyse("x", replace(people, shares=[10_000, 9_400]), "play", [])
    assert not fair.broken
    assert fair.effects[0].verdict == "better"


# ---------------------------------------------------------------- interleaving


@given(st.permutations(range(8)), st.permutations(range(8)), st.integers(1, 8), st.integers(0, 1000))
def test_a_draft_takes_each_sides_best(a: list[int], b: list[int], n: int, seed: int) -> None:
    items, teams = team_draft(a, b, n, seed)
    assert len(items) == len(set(items)) == n
    for place, (item, team) in enumerate(zip(items, teams, strict=True)):
        ranking = (a, b)[team]
        assert item == next(i for i in ranking if i not in items[:place])
        if place % 2:  # each round, each side picks once
            assert teams[place] != teams[place - 1]
    assert team_draft(a, b, n, seed) == (items, teams)


def test_interleaving_needs_fewer_users_than_an_ab_test() -> None:
    """Ranking b has the wanted items somewhat higher. 400 people, each choosing a few times, in both designs."""
    rng = np.random.default_rng(4)
    found = {"interleaved": 0, "groups": 0}
    wrong = 0
    for trial in range(40):
        for b_better in (True, False):
            credit = np.zeros((400, 2))
            arm = rng.integers(0, 2, 400)
            grouped = np.zeros(400)
            for person in range(400):
                wanted = rng.random(20) < 0.1
                a = rng.permutation(20)
                b = np.argsort(-(wanted * 0.35 + rng.random(20))) if b_better else rng.permutation(20)
                items, teams = team_draft(a.tolist(), b.tolist(), 8, trial * 1000 + person)
                for item, team in zip(items, teams, strict=True):
                    credit[person, team] += wanted[item] and rng.random() < 0.5
                own = (b if arm[person] else a)[:8]
                grouped[person] = (wanted[own] & (rng.random(8) < 0.5)).sum()
            said = analyse_interleaved("x", ["a", "b"], credit, 300)
            assert said.preference is not None
            people = ExposedPeople(
                ["a", "b"], [1, 1], arm, {"play": grouped}, {"play": np.zeros(400)}, np.zeros(400)
            )
            groups = analyse("x", people, "play", [], 400).effects[0]
            if b_better:
                found["interleaved"] += said.preference.low > 0
                found["groups"] += groups.verdict == "better"
            else:
                wrong += not said.preference.low <= 0 <= said.preference.high
    assert found["interleaved"] > found["groups"] + 5
    assert wrong <= 4


# ---------------------------------------------------------------- from the store to a verdict


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


# ---------------------------------------------------------------- over HTTP


@pytest.fixture(scope="module")
def trial(recommender: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server whose project runs two experiments and explores."""
    project = recommender.project
    changed = project.model_copy(
        update={
            "experiments": {
                "variety": experiment(),
                "duel": experiment(
                    method="interleave", arms={"old": {}, "new": {"weights": {"seconds": 3.0}}}
                ),
            },
            "rerank": project.rerank.model_copy(update={"explore": 0.4}),
        }
    )
    only = changed.model_copy(update={"experiments": {"variety": changed.experiments["variety"]}})
    folder = tmp_path_factory.mktemp("trial")
    bundle = recommender.with_project(only).save(folder / "bundle")
    recommender.with_project(changed).save(folder / "duel")
    server = Server(bundle, folder / "events.sqlite")
    yield server
    server.stop()


def test_served_slates_are_logged_for_off_policy_estimates(trial: Server, tmp_path: Path) -> None:
    shown = {}
    for n in range(40):
        status, slate = call(f"{trial.url}/v1/recommend", {"user": f"u{n:05d}", "n": 5})
        assert status == 200
        shown[slate["slate_id"]] = slate
        assert slate["experiments"] == {"variety": assign_arm("variety", experiment(), f"u{n:05d}")}
    policies = {s["experiments"]["variety"]: s["policy"] for s in shown.values()}
    assert len(set(policies.values())) == 2  # two arms, two policies
    first = next(iter(shown.values()))
    event = {
        "user": "u00000",
        "item": first["items"][0]["item"],
        "kind": "play",
        "slate_id": first["slate_id"],
    }
    assert call(f"{trial.url}/v1/events", {"events": [event]})[0] == 200
    store = EventStore(trial.store)
    kept = {s.slate_id: s for s in store.slates()}
    assert set(shown) <= set(kept)
    for slate_id, slate in shown.items():
        stored = kept[slate_id]
        assert stored.items == [i["item"] for i in slate["items"]]
        assert stored.propensities == [i["propensity"] for i in slate["items"]]
        assert stored.policy == slate["policy"]
        assert stored.arms == slate["experiments"]
    assert any(p < 1 for s in kept.values() for p in s.propensities if p is not None)
    # the log is one that estimators take
    table = export_log(store)
    impressions = table.filter([k == "impression" for k in table.column("kind").to_pylist()])
    chance = np.array(impressions.column("propensity").to_pylist()).reshape(-1, 5)
    SlateLog(np.zeros_like(chance), np.zeros_like(chance), chance, np.arange(len(chance)))
    assert table.column("slate").to_pylist().count(first["slate_id"]) == 6
    out = tmp_path / "log.parquet"
    run = CliRunner().invoke(
        app, ["export", str(trial.bundle), "--store", str(trial.store), "--out", str(out)]
    )
    assert run.exit_code == 0, run.output
    assert pq.read_table(out).num_rows == table.num_rows


def test_a_seed_makes_an_explored_slate_again(trial: Server) -> None:
    body = {"user": "u00009", "n": 6, "explore": 1.5, "seed": 12}
    one, two = (call(f"{trial.url}/v1/recommend", body)[1] for _ in range(2))
    assert [i["item"] for i in one["items"]] == [i["item"] for i in two["items"]]
    other = call(f"{trial.url}/v1/recommend", {**body, "seed": 13})[1]
    assert [i["item"] for i in one["items"]] != [i["item"] for i in other["items"]]
    status, answer = call(f"{trial.url}/v1/recommend", {**body, "seed": -1})
    assert (status, answer["field"]) == (422, "seed")
    status, answer = call(f"{trial.url}/v1/recommend", {**body, "explore": 99})
    assert (status, answer["field"]) == (422, "explore")


def test_the_command_writes_the_page(trial: Server, tmp_path: Path) -> None:
    page, out = tmp_path / "page.html", tmp_path / "page.json"
    arguments = ["experiment", "report", str(trial.bundle), "--store", str(trial.store)]
    run = CliRunner().invoke(app, [*arguments, "--html", str(page), "--json", str(out)])
    assert run.exit_code == 0, run.output
    assert "variety" in run.output
    said = json.loads(out.read_text())
    assert said[0]["experiment"] == "variety"
    assert "CUPED" in page.read_text()
    missing = CliRunner().invoke(
        app, ["experiment", "report", str(trial.bundle), "--store", str(tmp_path / "no.sqlite")]
    )
    assert missing.exit_code != 0


def test_interleaving_over_http(trial: Server, tmp_path: Path) -> None:
    duel = Server(trial.bundle.parent / "duel", tmp_path / "duel.sqlite")
    try:
        for n in range(30):
            user = f"u{n:05d}"
            slate = call(f"{duel.url}/v1/recommend", {"user": user, "n": 6})[1]
            assert slate["experiments"]["duel"] == "interleaved"
            items = [i["item"] for i in slate["items"]]
            assert len(set(items)) == 6
            chosen = {
                "user": user,
                "item": items[0],
                "kind": "play",
                "value": 30.0,
                "slate_id": slate["slate_id"],
            }
            assert call(f"{duel.url}/v1/events", {"events": [chosen]})[0] == 200
    finally:
        duel.stop()
    store = EventStore(tmp_path / "duel.sqlite")
    drafted = [s for s in store.slates() if s.teams is not None]
    assert len(drafted) == 30
    assert all(sorted(s.teams or []) == [0, 0, 0, 1, 1, 1] for s in drafted)
    project = Recommender.load(trial.bundle.parent / "duel").project
    outcome = next(o for o in report_experiments(project, store) if o.name == "duel")
    assert outcome.preference is not None
    assert outcome.facts["people_who_chose"] == 30

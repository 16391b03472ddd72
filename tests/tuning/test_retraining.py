"""Training again from a server's store: the log is lengthened exactly, nothing is counted twice, and what is worse is turned down."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from typer.testing import CliRunner

from shortlist.bundle.registry import BundleRegistry
from shortlist.cli.main import app
from shortlist.config.base import IMPRESSION
from shortlist.config.project import parse_project
from shortlist.config.toml import write_toml
from shortlist.data.dataset import Dataset
from shortlist.evaluate.policies import log_events
from shortlist.recommender import Recommender
from shortlist.serve.live_models import LoadedModel, load_model
from shortlist.serve.writer import Writer
from shortlist.simulate.movies import make_movies
from shortlist.simulate.world import World
from shortlist.store.event_store import EventStore
from shortlist.store.merge import StorePosition, merge_store
from shortlist.store.records import Operation, StoredEvent, StoredSlate
from shortlist.tuning.gate import retrain, run_gate
from support.sizes import size
from support.worlds import quick


@pytest.fixture(scope="module")
def long_world() -> World:
    world = make_movies(users=600, items=200, sessions=size(2_500, 5_000), days=40, seed=5)
    settings = {**world.settings, "rank": {}, "evaluate": {"bootstrap": 200}}
    return quick(replace(world, settings=settings), trees=size(10, 20))


@pytest.fixture(scope="module")
def whole(long_world: World) -> Dataset:
    return long_world.dataset()


@pytest.fixture(scope="module")
def cut(whole: Dataset) -> int:
    return int(np.quantile(whole.log.time, 0.7))


@pytest.fixture(scope="module")
def early(long_world: World, cut: int) -> World:
    """The world's tables as they were when the first model was trained."""
    then = long_world.events.filter(pc.less(long_world.events.column("timestamp"), cut // 1000))
    return replace(long_world, events=then)


@pytest.fixture(scope="module")
def trained(early: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the tables as they were; each comparison loads it, since answering changes its live state."""
    folder = tmp_path_factory.mktemp("early") / "bundle"
    return Recommender(early.project()).fit(early.dataset()).save(folder)


def fill(store: EventStore, whole: Dataset, cut: int) -> int:
    """What happened since, as a server stored it: slates with their chances, and events that name them."""
    log = whole.log
    rows = np.flatnonzero(log.time >= cut)
    shown = rows[(log.kind[rows] == log.kinds.index(IMPRESSION)) & (log.slate[rows] >= 0)]
    by_slate: dict[int, list[int]] = {}
    for row in shown[np.argsort(log.position[shown], kind="stable")].tolist():
        by_slate.setdefault(int(log.slate[row]), []).append(row)
    store.write(
        slates=[
            StoredSlate(
                f"s{slate}",
                whole.users.ids.id(int(log.user[of[0]])),
                int(log.time[of[0]]),
                "p",
                whole.items.ids.ids(log.item[of]),
                [float(p) for p in log.propensity[of]],
            )
            for slate, of in by_slate.items()
        ]
    )
    events = [
        replace(e, slate=f"s{log.slate[row]}" if log.slate[row] >= 0 else None)
        for row, e in zip(rows.tolist(), log_events(whole, rows), strict=True)
    ]
    for start in range(0, len(events), 5_000):
        store.write(events[start : start + 5_000])
    return len(events)


@pytest.fixture
def store(whole: Dataset, cut: int, tmp_path: Path) -> EventStore:
    one = EventStore(tmp_path / "events.sqlite")
    fill(one, whole, cut)
    return one


def rows_of(data: Dataset) -> list[tuple[object, ...]]:
    log = data.log
    users, items = data.users.ids.ids(log.user), data.items.ids.ids(log.item)
    # of a slate its number does not matter, only which events share it
    first: dict[int, int] = {}
    for at, slate in enumerate(log.slate.tolist()):
        first.setdefault(slate, at if slate >= 0 else -1)
    device = [log.context["device"].show(r) for r in range(len(log))] if "device" in log.context else users
    return [
        (u, i, t, k, None if v != v else v, first[s] >= 0, p, None if c != c else round(c, 5), d)
        for u, i, t, k, v, s, p, c, d in zip(
            users,
            items,
            log.time.tolist(),
            log.kind.tolist(),
            log.value.tolist(),
            log.slate.tolist(),
            log.position.tolist(),
            log.propensity.tolist(),
            device,
            strict=True,
        )
    ]


def test_tables_and_store_are_one_log(early: World, whole: Dataset, store: EventStore, cut: int) -> None:
    base = early.dataset()
    more = merge_store(base, store, early.project().data)
    assert len(base.log) < len(more.dataset.log) == len(whole.log)
    assert sorted(map(repr, rows_of(more.dataset))) == sorted(map(repr, rows_of(whole)))
    assert (np.diff(more.dataset.log.time) >= 0).all()
    assert more.new == len(whole.log) - len(base.log) == len(list(store.events()))
    # events of one slate still share it, and no others do; of one that began before the cut the tables have the beginning
    log, was = more.dataset.log, whole.log
    late, then = (x.slate[(x.slate >= 0) & (x.time >= cut)] for x in (log, was))
    assert sorted(np.unique(late, return_counts=True)[1]) == sorted(np.unique(then, return_counts=True)[1])
    assert not set(late.tolist()) & set(log.slate[log.time < cut].tolist())
    # from its own mark on there is nothing new; from another store's mark, everything is looked at again and found there already
    again = merge_store(more.dataset, store, early.project().data, more.position)
    assert (again.new, again.position) == (0, more.position)
    other = merge_store(
        more.dataset, store, early.project().data, StorePosition("another store", 10**6, 10**6)
    )
    assert other.new == 0
    own = base.check.set_aside.get("duplicates", 0)  # of the tables themselves
    assert other.dataset.check.set_aside["duplicates"] == own + len(list(store.events()))


def test_unusable_events_are_counted(early: World, store: EventStore) -> None:
    base = early.dataset()
    before = merge_store(base, store, early.project().data)
    someone, item = base.users.ids.id(0), base.items.ids.id(0)
    time = before.dataset.log.time[-1] + 1
    store.write(
        [
            StoredEvent("x1", someone, "no such item", "play", int(time)),
            StoredEvent("x2", someone, item, "sang", int(time)),
            StoredEvent("x3", "somebody new", item, "play", int(time), 100.0),
        ]
    )
    more = merge_store(base, store, early.project().data)
    check = more.dataset.check
    assert check.set_aside["of unknown items"] == check.set_aside["of unknown kinds"] == 1
    assert check.read == check.kept + sum(check.set_aside.values())
    assert len(more.dataset.log) == len(before.dataset.log) + 1
    assert more.dataset.users.ids.code("somebody new") == len(before.dataset.users)
    assert all(len(a) == len(more.dataset.users) for a in more.dataset.users.attributes.values())


def test_operators_changes_are_learnt_from(early: World, store: EventStore) -> None:
    base = early.dataset()
    new_titles = {"title": "A new one", "attributes": {"genres": ["Comedy", "A new genre"]}}
    retired, erased = base.items.ids.id(3), base.users.ids.id(int(base.log.user[0]))
    store.add_operations([Operation(1, "item", "m-new", new_titles, "k")])
    store.add_operations([Operation(2, "item", retired, {"retired": True}, "k")])
    store.erase(erased, 3, "k")
    store.write([StoredEvent("n1", base.users.ids.id(5), "m-new", "play", int(base.log.time[-1]), 50.0)])
    more = merge_store(base, store, early.project().data)
    items = more.dataset.items
    code = items.ids.code("m-new")
    assert items.titles[code] == "A new one"
    assert sorted(items.attributes["genres"].show(code)) == ["A new genre", "Comedy"]
    assert (more.dataset.log.item == code).sum() == 1
    assert np.flatnonzero(more.retired).tolist() == [3]
    # neither the person nor their id is in what is trained from; everybody else's events are whole
    assert more.erased == 1
    assert more.dataset.users.ids.code(erased) == -1
    assert erased not in more.dataset.users.titles
    theirs = int((base.log.user == base.users.ids.code(erased)).sum())
    assert theirs > 0
    names = base.users.ids.ids(base.log.user)
    kept = [row for row in rows_of(base) if row[0] != erased]
    assert len(kept) == len(names) - theirs
    assert {repr(row) for row in kept} <= {repr(row) for row in rows_of(more.dataset)}
    # the base itself is as it was
    assert base.items.ids.code("m-new") == -1
    assert len(base.items.titles) == 200


def load(place: Path, store: EventStore) -> LoadedModel:
    """A bundle as a server loads it."""
    writer = Writer("", lambda _: store)
    try:
        return load_model(place, writer)
    finally:
        writer.stop()


def test_a_server_counts_nothing_twice(
    early: World, whole: Dataset, trained: Path, store: EventStore, tmp_path: Path
) -> None:
    base = early.dataset()
    store.add_operations([Operation(2, "item", base.items.ids.id(3), {"retired": True}, "k")])
    more = merge_store(base, store, early.project().data)
    second = retrain(early.project(), more, Recommender.load(trained))
    place = second.save(tmp_path / "again")
    loaded = load(place, store)
    assert loaded.row == more.position.row == len(list(store.events()))
    assert loaded.not_replayed == 0
    assert loaded.recommender.state.catalogue.retired.nonzero()[0].tolist() == [3]
    someone = whole.users.ids.id(int(whole.log.user[-1]))
    moment = int(whole.log.time[-1]) + 1000
    histories = [
        r.state.histories.of(r.dataset.users.ids.codes([someone]), [someone])
        for r in (loaded.recommender, second)
    ]
    assert len(histories[0].item) == len(histories[1].item)
    for counters in (second.state.counters, loaded.recommender.state.counters):
        counters.advance(moment)
    for aggregate, counter in second.state.counters.counters.items():
        other = loaded.recommender.state.counters.counters[aggregate]
        keys = np.arange(min(len(counter.n) - 1, 300))
        counter.advance(moment)
        other.advance(moment)
        assert counter.lookup(keys).n.tolist() == other.lookup(keys).n.tolist()
    # what comes after is folded in; a store that is another one is folded in as a whole
    item = whole.items.ids.id(0)
    store.write([StoredEvent("later", someone, item, "play", moment, 10.0)])
    assert load(place, store).row == len(list(store.events()))
    elsewhere = EventStore(tmp_path / "other.sqlite")
    elsewhere.write([StoredEvent("other", someone, item, "play", moment, 10.0)])
    assert elsewhere.id != store.id
    other_one = load(place, elsewhere)
    of_them = other_one.recommender.state.histories.of(whole.users.ids.codes([someone]), [someone])
    assert len(of_them.item) == len(histories[1].item) + 1


def test_the_gate(early: World, trained: Path, store: EventStore) -> None:
    base = early.dataset()
    more = merge_store(base, store, early.project().data)
    same = run_gate(early.project(), more.dataset, Recommender.load(trained))
    assert same.passed
    assert same.comparison is not None
    assert same.comparison.people >= 100
    assert same.comparison.verdict != "worse"
    # a project that proposes what hardly anybody wants
    broken = parse_project(
        {
            **early.settings,
            "retrieve": {"candidates": 5, "sources": [{"model": "content"}]},
            "rank": {"trees": 1, "learning_rate": 0.001, "heads": "joint"},
        }
    )
    worse = run_gate(broken, more.dataset, Recommender.load(trained))
    assert not worse.passed, worse.sentence
    assert "worse" in worse.sentence
    # hardly anything new: settings are compared on the end of the log, which the present model must not have seen
    seen_all = Recommender(early.project()).fit(more.dataset)
    settings = run_gate(early.project(), more.dataset, seen_all)
    assert settings.comparison is not None
    assert "hardly anything is new" in settings.sentence
    assert settings.comparison.difference.value == pytest.approx(0, abs=0.02)
    assert run_gate(early.project(), more.dataset, None).passed


def test_from_a_terminal(early: World, whole: Dataset, cut: int, tmp_path: Path) -> None:
    folder = tmp_path / "world"
    project = early.write(folder)
    models, target = tmp_path / "models", tmp_path / "events.sqlite"
    runner = CliRunner()

    def run(*arguments: str) -> tuple[int, str]:
        done = runner.invoke(app, ["train", "-p", str(project), "--out", f"{models}/", *arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.output

    assert run()[0] == 0
    first = BundleRegistry(models).current()
    number = fill(EventStore(target), whole, cut)
    # a project that is clearly worse: written, turned down, and the present one goes on
    worse = {
        **early.settings,
        "retrieve": {"candidates": 10, "sources": [{"model": "popular"}]},
        "rank": {"trees": 1, "learning_rate": 0.001, "heads": "joint", "examples": "impressions"},
    }
    right = project.read_text(encoding="utf-8")
    project.write_text(write_toml(worse, "worse"), encoding="utf-8")
    code, said = run("--from-store", str(target))
    assert code == 3, said
    assert "rejected" in said
    assert "copy itself" not in said
    assert BundleRegistry(models).current().version == first.version
    assert [m.rejected != "" for m in BundleRegistry(models).list()] == [False, True]
    project.write_text(right, encoding="utf-8")
    code, said = run("--from-store", str(target), "--json", str(tmp_path / "o.json"))
    assert code == 0, said
    facts = json.loads((tmp_path / "o.json").read_text())
    assert facts["from_store"] == number
    assert not facts["turned_down"]
    assert '[rank] examples = "impressions"' in said  # it learns from candidates, and the log has impressions
    second = BundleRegistry(models).current()
    assert second.version == facts["model_version"] != first.version
    # without tables, from the bundle's own log; old bundles go
    project.unlink()
    code, said = run("--from-store", str(target), "--base", "bundle", "--no-gate", "--keep", "1")
    assert code == 0, said
    left = BundleRegistry(models).list()
    assert BundleRegistry(models).current().made == max(m.made for m in left)
    assert first.version not in {m.version for m in left}
    last = Recommender.load(BundleRegistry(models).current().path)
    assert len(last.dataset.log) == len(whole.log)


def test_problems_are_reported(bundle: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    store = tmp_path / "events.sqlite"
    EventStore(store)
    for arguments, word in (
        (["--from-store", str(tmp_path / "none.sqlite"), "--out", str(tmp_path / "m")], "no such file"),
        (["--from-store", str(store), "--out", str(bundle)], "is a bundle"),
        (["--from-store", str(store), "--base", "bundle", "--out", str(tmp_path / "m")], "no bundle yet"),
        (["--from-store", str(store), "--base", "moon"], "tables or bundle"),
    ):
        done = runner.invoke(app, ["train", "-p", str(tmp_path / "no.toml"), *arguments])
        assert done.exit_code != 0
        assert word in str(done.exception), done.exception

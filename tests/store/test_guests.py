"""Visitors with text ids where the log has whole numbers: named when they are set aside, kept where ids are texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from shortlist.bundle.registry import bundles_in
from shortlist.cli.main import app
from shortlist.config.data import DataSettings
from shortlist.config.project import read_project
from shortlist.data.dataset import Dataset
from shortlist.data.guess.project import guess_project
from shortlist.recommender import Recommender
from shortlist.store.event_store import EventStore
from shortlist.store.merge import merge_store
from shortlist.store.records import StoredEvent

START = 1_760_000_000
VISITS = [
    StoredEvent("a", "guest-7f3a", 1, "event", (START + 10_000) * 1000),
    StoredEvent("b", "guest-7f3a", 2, "event", (START + 10_001) * 1000),
    StoredEvent("c", 5, 3, "event", (START + 10_002) * 1000),
    StoredEvent("d", "5", 4, "event", (START + 10_003) * 1000),
]


@pytest.fixture
def store(tmp_path: Path) -> EventStore:
    one = EventStore(tmp_path / "events.sqlite")
    one.write(VISITS)
    return one


def log(rows: int = 6) -> list[dict[str, int]]:
    return [{"user_id": k % 3 + 4, "item_id": k % 5 + 1, "timestamp": START + k} for k in range(rows)]


def test_without_the_setting_guests_are_counted_and_named(store: EventStore) -> None:
    merged = merge_store(Dataset.from_frames(log()), store, DataSettings())
    assert merged.new == 2  # user 5, in both spellings
    assert merged.dataset.users.ids.values.to_pylist() == [4, 5, 6]
    assert merged.dataset.check.set_aside["of guests"] == 2
    [problem] = [p for p in merged.dataset.check.problems if p.what.startswith("the ids of users")]
    assert problem.examples == [f"user 'guest-7f3a', item {item}, kind 'event'" for item in (1, 2)]
    assert 'data.user_ids = "text"' in problem.fix


def test_where_ids_are_texts_guests_are_kept(store: EventStore) -> None:
    """The base can be of a bundle that was trained before the setting."""
    merged = merge_store(Dataset.from_frames(log()), store, DataSettings(user_ids="text"))
    assert merged.new == 4
    users = merged.dataset.users.ids
    assert users.values.to_pylist() == ["4", "5", "6", "guest-7f3a"]
    assert users.code(5) == users.code("5") == 1
    of_guest = merged.dataset.log.user == users.code("guest-7f3a")
    assert merged.dataset.items.ids.ids(merged.dataset.log.item[of_guest]) == [1, 2]


def test_an_erased_number_is_erased_where_ids_are_texts(store: EventStore) -> None:
    store.erase(5, START * 1000, "test")
    merged = merge_store(Dataset.from_frames(log()), store, DataSettings(user_ids="text"))
    assert merged.dataset.users.ids.values.to_pylist() == ["4", "6", "guest-7f3a"]


def test_a_users_table_of_whole_numbers_follows_the_setting() -> None:
    events, users = log(), [{"user_id": k, "age": 30 + k} for k in (4, 5, 6, 7)]
    project = guess_project(events, users=users)
    data = project.data.model_copy(update={"user_ids": "text"})
    dataset = Dataset.from_frames(events, users=users, project=project.model_copy(update={"data": data}))
    assert dataset.users.ids.values.to_pylist() == ["4", "5", "6", "7"]
    assert dataset.users.attributes["age"].show(dataset.users.ids.code(7)) == 37


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_init_proposes_the_setting_and_training_then_keeps_guests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: EventStore
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{k % 40 + 1},{(k * 7 + k // 40) % 30 + 1},{START + k * 10}" for k in range(900)]
    (tmp_path / "log.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]))
    run("init", "log.csv")
    project = tmp_path / "shortlist.toml"
    text = project.read_text()
    assert 'add user_ids = "text" to this section' in " ".join(text.replace("#", " ").split())
    project.write_text(text.replace('events = "log.csv"', 'events = "log.csv"\nuser_ids = "text"'))
    assert read_project(project).data.user_ids == "text"
    said = run("train", "--from-store", "events.sqlite", "--no-gate", "--out", "models/")
    assert "904 events, 4 of them from the store" in said
    [bundle] = bundles_in(tmp_path / "models")
    recommender = Recommender.load(bundle)
    assert recommender.model.dataset.users.ids.code("guest-7f3a") >= 0
    shown = [item.item for item in recommender.recommend(user="guest-7f3a", n=30).items]
    assert shown
    assert not {1, 2} & set(shown)  # its own history is known, and what it has seen is left out

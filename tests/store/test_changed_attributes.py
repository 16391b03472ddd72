"""Stored changes and events whose attributes have another form after a training: what still fits holds, the rest is named."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from shortlist.cascade.catalogue import ItemChange
from shortlist.cascade.state import PreparedChanges
from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.recommender import Recommender
from shortlist.serve.live_models import MOST_TOLD, LoadedModel
from shortlist.store.event_store import EventStore
from shortlist.store.merge import merge_store
from shortlist.store.records import Operation, StoredEvent

START = 1_760_000_000
ITEM_CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("i0", {"title": "New title", "attributes": {"meaning": [1.0, 2.0], "price": 5.0}, "retired": True}),
    ("i1", {"attributes": {"meaning": [1.0, 2.0, 3.0]}}),
    ("i2", {"attributes": {"price": "cheap", "colour": "red"}}),
    ("new", {"attributes": {"weight": 3.0, "meaning": "a text"}}),
    ("i3", {"title": "Third", "attributes": {"weight": 1.0}}),
]
"""Of a model with vectors of two numbers, words as prices, and weights."""
FAULTS = {
    ("i0", "attributes.meaning: expected 3 numbers, got 2"),
    ("i2", "attributes.price: expected a number, got 'cheap'"),
    ("new", "attributes.meaning: expected a list of 3 numbers, got 'a text'"),
    ("new", "attributes: items have no 'weight'; there are: meaning, price, colour"),
    ("i3", "attributes: items have no 'weight'; there are: meaning, price, colour"),
}


@pytest.fixture(scope="module")
def trained() -> Recommender:
    """Items have vectors of three numbers, prices and colours; users have an age, and events an hour."""
    events = [
        {
            "user_id": f"u{user}",
            "item_id": f"i{(user + at) % 12}",
            "timestamp": START + 60 * at + user,
            "hour": at,
        }
        for user in range(20)
        for at in range(8)
    ]
    items = [
        {"item_id": f"i{k}", "meaning": [k, 1.0, -k], "price": float(k), "colour": "red" if k % 2 else "blue"}
        for k in range(12)
    ]
    users = [{"user_id": f"u{k}", "age": 20.0 + k, "country": "PT"} for k in range(20)]
    project = parse_project(
        {
            "data": {
                "events": "events.parquet",
                "items": "items.parquet",
                "users": "users.parquet",
                "context": {"hour": "number"},
            },
            "items": {
                "id": "item_id",
                "attributes": {"meaning": "embedding", "price": "number", "colour": "category"},
            },
            "users": {"id": "user_id", "attributes": {"age": "number", "country": "category"}},
        }
    )
    return Recommender(project).fit(Dataset.from_frames(events, items, users, project=project))


@pytest.fixture
def store(tmp_path: Path, trained: Recommender) -> EventStore:
    one = EventStore(tmp_path / "events.sqlite")
    now = trained.now()
    one.add_operations(
        [
            *(Operation(now, "item", item, body, "t") for item, body in ITEM_CHANGES),
            Operation(now, "user", "u1", {"attributes": {"age": "forty", "country": "ES"}}, "t"),
            Operation(now, "user", "u2", {"attributes": {"shoe": 43, "age": 30.0}}, "t"),
            Operation(now, "user", "u3", {"attributes": {"shoe": 44}}, "t"),
        ]
    )
    one.write(
        [
            StoredEvent("e1", "u1", "i5", "event", now, context={"hour": "noon"}),
            StoredEvent("e2", "u1", "i6", "event", now, context={"hour": 12}),
        ]
    )
    return one


def test_a_server_keeps_what_still_fits(
    trained: Recommender, store: EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    loaded = LoadedModel(trained.with_project(trained.project), Path())
    with caplog.at_level(logging.WARNING, "shortlist.serve"):
        loaded.read(store.rows_since)
    state = loaded.recommender.state
    items = state.catalogue.items
    of = {item: items.ids.code(item) for item in ("i0", "i1", "i2", "i3", "new")}
    assert [items.titles[of[item]] for item in ("i0", "i3", "new")] == ["New title", "Third", "new"]
    assert state.catalogue.retired[of["i0"]]
    shown = {name: [items.attributes[name].show(code) for code in of.values()] for name in items.attributes}
    assert shown["price"] == [5.0, 1.0, 2.0, 3.0, None]
    assert shown["colour"] == ["blue", "red", "red", "red", None]
    assert shown["meaning"] == [[0.0, 1.0, 0.0], [1.0, 2.0, 3.0], [2.0, 1.0, -2.0], [3.0, 1.0, -3.0], None]
    assert [dict(state.profiles.of(user)) for user in ("u1", "u2", "u3")] == [
        {"country": "ES"},
        {"age": 30.0},
        {},
    ]
    assert (loaded.not_applied, loaded.users_not_applied, loaded.not_replayed) == (4, 3, 0)
    history = [items.ids.id(event.item) for event in state.histories.since("u1")]
    assert history == ["i5", "i6"]
    said = [record.getMessage() for record in caplog.records]
    for item, fault in FAULTS:
        assert any(f"item {item!r}" in line and fault in line and "Send it again" in line for line in said), (
            fault
        )
    of_users = [line for line in said if "user:" in line]
    assert [line.split("user: ")[1].split(" ")[0] for line in of_users] == [
        "attributes.age",
        "attributes.shoe",
        "attributes.shoe",
    ]
    assert "forty" not in str(of_users)


def test_many_changes_that_do_not_fit_are_made_at_once(
    trained: Recommender, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """All of a store can name an attribute that the model lacks: the catalogue is made anew once, and the log has the first ones."""
    store = EventStore(tmp_path / "many.sqlite")
    store.add_operations(
        [
            Operation(
                trained.now(), "item", f"new{k}", {"attributes": {"weight": 1.0, "price": float(k)}}, "t"
            )
            for k in range(300)
        ]
    )
    loaded = LoadedModel(trained.with_project(trained.project), Path())
    state, made = loaded.recommender.state, list[int]()
    change = state.change_items

    def counted(changes: Sequence[ItemChange], prepared: PreparedChanges | None = None) -> None:
        made.append(len(changes))
        change(changes, prepared)

    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.WARNING, "shortlist.serve"):
        patch.setattr(state, "change_items", counted)
        loaded.read(store.rows_since)
    assert made == [300]
    items = state.catalogue.items
    assert items.attributes["price"].show(items.ids.code("new299")) == 299.0
    assert loaded.not_applied == 300
    assert len(caplog.records) == MOST_TOLD + 1
    assert "/readyz" in caplog.records[-1].getMessage()


def test_training_from_the_store_keeps_what_still_fits(trained: Recommender, store: EventStore) -> None:
    merged = merge_store(trained.dataset, store, trained.project.data)
    data = merged.dataset
    code = data.items.ids.code
    assert data.items.titles[code("i0")] == "New title"
    assert merged.retired[code("i0")]
    assert [data.items.attributes["price"].show(code(item)) for item in ("i0", "i2", "new")] == [
        5.0,
        2.0,
        None,
    ]
    assert data.items.attributes["meaning"].show(code("i0")) == [0.0, 1.0, 0.0]
    assert [data.users.attributes["age"].show(data.users.ids.code(user)) for user in ("u1", "u2")] == [
        21.0,
        30.0,
    ]
    assert data.users.attributes["country"].show(data.users.ids.code("u1")) == "ES"
    assert merged.new == 2
    hours = data.log.context["hour"]
    assert {data.items.ids.id(data.log.item[row]): hours.show(row) for row in range(len(data.log))[-2:]} == {
        "i5": None,
        "i6": 12.0,
    }
    found = {problem.what: problem for problem in data.check.problems if problem.file == "the event store"}
    counts = {what: problem.count for what, problem in found.items()}
    assert counts == {
        "fields of changes of items that cannot be applied": len(FAULTS),
        "fields of changes of users that cannot be applied": 3,
        "values of contexts that cannot be read; their events are used without them": 1,
    }
    items = found["fields of changes of items that cannot be applied"]
    assert items.examples[0] == "row 1: item 'i0': attributes.meaning: expected 3 numbers, got 2"
    assert "Send these again" in items.fix
    (context,) = (problem for what, problem in found.items() if "contexts" in what)
    assert (context.column, context.examples) == (
        "events",
        ["event 'e1': context.hour: expected a number, got 'noon'"],
    )


def test_a_change_that_one_model_cannot_take_is_none_of_another_s_trouble(
    trained: Recommender, store: EventStore
) -> None:
    """A canary may have vectors of another length: what is computed ahead for it is nothing, and no error on the store's thread."""
    loaded = LoadedModel(trained.with_project(trained.project), Path())
    assert loaded.prepare(store.operations_since(0)[:1]) is None
    assert loaded.prepare(store.operations_since(1)[:1]) is not None

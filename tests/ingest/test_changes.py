"""Titles and attributes of items and users from files and from Kafka: what `PUT` would have done, exactly once."""

from __future__ import annotations

import datetime as dt
import json
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.cascade.catalogue import ItemChange
from shortlist.config.data import AttributeKind
from shortlist.config.project import parse_project
from shortlist.errors import DataError
from shortlist.ingest.change_rules import ChangeRules
from shortlist.ingest.folder import FolderSource
from shortlist.ingest.kafka import KafkaSettings, KafkaSource
from shortlist.ingest.rules import MOST_REJECTED, EventRules, RecordRules
from shortlist.ingest.stream import IngestTotals, ingest
from shortlist.recommender import Recommender
from shortlist.store.event_store import EventStore
from shortlist.store.records import Operation
from support.cli import run
from support.kafka import KafkaCluster

NEVER = threading.Event()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "in"
    path.mkdir()
    return path


def take(folder: Path, store: EventStore, rules: ChangeRules, **options: Any) -> IngestTotals:
    return ingest(FolderSource(str(folder), rules, once=True, settle=0.0, **options), store, NEVER)


def changes(store: EventStore) -> list[Operation]:
    return [operation for _, operation in store.operations_since(0)]


def test_rows_of_items_become_changes(folder: Path, store_target: str) -> None:
    store = EventStore(store_target)
    table = pa.table(
        {
            "item_id": ["i1", "i2", None],
            "title": ["One", None, "Three"],
            "price": pa.array([Decimal("1.50"), None, Decimal("2.00")], pa.decimal128(6, 2)),
            "added": [dt.datetime(2024, 5, 1, 12), None, None],
            "genres": [["a", "b"], [], None],
            "retired": [False, True, None],
        }
    )
    pq.write_table(table, folder / "a.parquet")
    totals = take(folder, store, ChangeRules("items"))
    assert (totals.stored, totals.rejected) == (2, 1)
    assert str(totals) == "2 changes of items stored, 1 rejected"
    one, two = changes(store)
    assert (one.what, one.about, one.by) == ("item", "i1", "ingest")
    assert one.body["title"] == "One"
    assert one.body["attributes"] == {"price": 1.5, "added": "2024-05-01T12:00:00", "genres": ["a", "b"]}
    assert (one.body["retired"], two.body["retired"]) == (False, True)
    assert "title" not in two.body, "an empty title stays what it was"
    assert two.body["attributes"] == {"price": None, "added": None, "genres": []}
    [(_, _, kept)] = store.rejected_since(0)
    assert kept.reason == "row 3: item_id: the id is missing"
    # nothing twice; an earlier state that comes again counts again
    assert take(folder, store, ChangeRules("items")).stored == 0
    pq.write_table(table, folder / "b.parquet")
    assert take(folder, store, ChangeRules("items")).stored == 2
    store.close()


@pytest.mark.parametrize("array", [False, True])
def test_json_has_the_form_of_the_interface(folder: Path, tmp_path: Path, array: bool) -> None:
    """What `attributes` names is changed, null makes it unknown, and what it does not name stays."""
    rows: list[dict[str, Any]] = [
        {"item": "i1", "title": "One", "attributes": {"genres": ["a", "b"], "price": 1.5}},
        {"item": "i2", "attributes": {"price": None}},
        {"item": "i3", "retired": True},
        {"item": "i4", "attributes": {}},
        {"item": "i5", "attributes": "red"},
        {"item": "i6", "attributes": ["red"]},
        {"item": "i7", "colour": "red", "attributes": {"price": 2}},
    ]
    name, lines = ("a.json", [json.dumps(rows)]) if array else ("a.jsonl", [json.dumps(row) for row in rows])
    (folder / name).write_text("\n".join(lines))
    store = EventStore(tmp_path / "events.sqlite")
    totals = take(folder, store, ChangeRules("items"))
    assert (totals.stored, totals.rejected) == (5, 2)
    found = {
        one.about: {key: value for key, value in one.body.items() if key != "at"} for one in changes(store)
    }
    assert found["i1"] == {"title": "One", "attributes": {"genres": ["a", "b"], "price": 1.5}}
    assert found["i2"] == {"attributes": {"price": None}}
    assert found["i3"] == {"attributes": {}, "retired": True}
    assert found["i7"]["attributes"] == {"colour": "red", "price": 2}


def test_keys_that_a_row_of_json_lacks_stay(folder: Path, tmp_path: Path) -> None:
    """As in `PUT /v1/items`; an empty cell of a table of columns makes an attribute unknown."""
    (folder / "a.jsonl").write_text(
        '{"item": "i1", "price": 2}\nnone\n{"item": "i2", "size": {"h": 1}, "price": null}\n'
    )
    (folder / "b.csv").write_text("item,price,colour\ni3,2,\n")
    store = EventStore(tmp_path / "events.sqlite")
    totals = take(folder, store, ChangeRules("items"))
    assert (totals.stored, totals.rejected) == (3, 1)
    found = {one.about: one.body["attributes"] for one in changes(store)}
    assert found == {
        "i1": {"price": 2},
        "i2": {"size.h": 1, "price": None},
        "i3": {"price": 2, "colour": None},
    }


@pytest.mark.parametrize("kinds", [{}, {"vector": "embedding", "genres": "list"}])
def test_vectors_of_json_are_numbers(folder: Path, tmp_path: Path, kinds: dict[str, AttributeKind]) -> None:
    (folder / "a.jsonl").write_text(
        '{"item": "i1", "vector": [1, 2], "genres": ["a", "b"]}\n{"item": "i2", "vector": [0.5, -1]}\n'
    )
    (folder / "b.jsonl").write_text('{"item": "i3", "vector": [3, 4], "genres": [7, 8]}\n')
    store = EventStore(tmp_path / "events.sqlite")
    assert take(folder, store, ChangeRules("items", kinds=kinds)).stored == 3
    found = {one.about: one.body["attributes"] for one in changes(store)}
    assert found == {
        "i1": {"vector": [1, 2], "genres": ["a", "b"]},
        "i2": {"vector": [0.5, -1]},
        "i3": {"vector": [3, 4], "genres": ["7", "8"] if kinds else [7, 8]},
    }


def test_texts_are_read_by_the_kinds_of_the_project(folder: Path, tmp_path: Path) -> None:
    kinds = {"genres": "list", "price": "number", "vector": "embedding"}
    project = parse_project(
        {"data": {"events": "e.csv"}, "items": {"id": "sku", "title": "name", "attributes": kinds}}
    )
    (folder / "a.csv").write_text(
        'sku;name;genres;price;vector;other\n007;Bond;a|b;"1,50";"[1, 2]";x\n008;Bond 2;;"2,75";;y\n'
    )
    store = EventStore(tmp_path / "e.sqlite")
    assert project.items is not None
    totals = take(folder, store, ChangeRules("items", kinds=project.items.attributes), project=project)
    assert (totals.stored, totals.faults) == (2, {})
    one, two = changes(store)
    assert (one.about, one.body["title"]) == ("007", "Bond")
    assert one.body["attributes"] == {"genres": ["a", "b"], "price": 1.5, "vector": [1, 2]}
    assert two.body["attributes"] == {"genres": None, "price": 2.75, "vector": None}
    store.close()


def test_a_model_rejects_what_it_does_not_know(
    folder: Path, tmp_path: Path, recommender: Recommender
) -> None:
    rules = ChangeRules("items", recommender.state)
    store = EventStore(tmp_path / "e.sqlite")
    lines = [
        {"item": "m00001", "attributes": {"genres": ["Drama"]}},
        {"item": "m00001", "attributes": {"genre": ["Drama"]}},
        {"item": "m00002", "attributes": {"genres": "Drama"}},
        {"item": "m00003", "attribute": {}},
    ]
    read: list[Operation] = []
    reasons = []
    for line in lines:
        try:
            read.append(rules.read(line, ""))
        except Exception as error:  # noqa: BLE001 - its text is compared
            reasons.append(str(error))
    assert [one.about for one in read] == ["m00001"]
    assert "did you mean 'genres'" in reasons[0]
    assert "expected a list" in reasons[1]
    assert "attribute" in reasons[2]
    (folder / "a.csv").write_text("item,title,genres\nm00001,New title,Drama|Comedy\n")
    assert take(folder, store, rules).stored == 1
    assert changes(store)[0].body["attributes"] == {"genres": ["Drama", "Comedy"]}
    store.close()


def test_users_come_from_kafka(kafka: KafkaCluster, store_target: str) -> None:
    topic = f"users-{store_target[-6:]}"
    kafka.send(topic, {"user": 7, "attributes": {"country": "DE"}})
    kafka.send(topic, {"users": [{"user": "b", "attributes": {"age": 30}}, {"user": "c", "attributes": {}}]})
    store = EventStore(store_target)

    def read(rules: RecordRules, group: str) -> IngestTotals:
        """Read the topic to its end; each run has a group of its own, so that no member that left is waited for."""
        settings = KafkaSettings(kafka.brokers, topic, once=True, group=f"{topic}-{group}")
        return ingest(KafkaSource(settings, rules), store, NEVER)

    totals = read(ChangeRules("users"), "a")
    assert (totals.stored, totals.rejected) == (2, 1)
    assert {(one.what, one.about) for one in changes(store)} == {("user", 7), ("user", "b")}
    again = read(ChangeRules("users"), "b")
    assert (again.stored, again.rejected) == (0, 0)
    # the same topic read as events is another source: its records are looked at anew
    as_events = read(EventRules(), "c")
    assert (as_events.stored, as_events.rejected) == (0, 2)
    assert store.erase(7, 1, "test")["attributes"] == 1
    store.close()


def test_a_server_and_a_training_take_what_a_file_brought(
    folder: Path, tmp_path: Path, bundle: Path, recommender: Recommender
) -> None:
    """The command line, and the catalogue of a server that starts on the store."""
    (folder / "a.jsonl").write_text(
        json.dumps({"item": "m00001", "title": "Renamed", "retired": "yes"}) + "\n"
    )
    out = run(
        "ingest",
        "in",
        "--of",
        "items",
        "--bundle",
        bundle,
        "--store",
        "e.sqlite",
        "--once",
        "--settle",
        "0",
        cwd=tmp_path,
    )
    assert "1 changes of items stored" in out
    store = EventStore(tmp_path / "e.sqlite")
    [(row, operation)] = store.operations_since(0)
    store.close()
    assert row
    state = Recommender.load(bundle).state
    state.change_items([ItemChange.of(operation.about, operation.body)])
    code = state.catalogue.items.ids.code("m00001")
    assert state.catalogue.items.titles[code] == "Renamed"
    assert state.catalogue.retired[code]


def test_what_cannot_be_read_is_said(folder: Path, tmp_path: Path) -> None:
    store = EventStore(tmp_path / "e.sqlite")
    (folder / "a.csv").write_text("sku,title\n1,x\n")
    faults = take(folder, store, ChangeRules("items")).faults
    assert "there is no column item or item_id or id" in faults["a.csv"]
    project = parse_project({"data": {"events": "e.csv"}, "items": {"id": "number"}})
    faults = take(folder, store, ChangeRules("items"), project=project).faults
    assert "there is no column 'number'" in faults["a.csv"]
    faults = take(folder, store, ChangeRules("users"), project=project).faults
    assert "there is no [users] section" in faults["a.csv"]
    (folder / "b.csv").write_text("item\n" + "".join(f"{'x' * 600}{n}\n" for n in range(120)))
    with pytest.raises(DataError, match="none of the first 120 records is an item"):
        take(folder, store, ChangeRules("items"))
    store.close()


def test_rejected_rows_of_a_file_are_kept_up_to_a_number(folder: Path, store_target: str) -> None:
    """The same for changes as for events: the first 1,000 of each file."""
    store = EventStore(store_target)
    rows = [f"{'' if n % 4 else f'i{n}'},3" for n in range(6_000)]  # three of four have no id
    (folder / "items.csv").write_text("item,price\n" + "\n".join(rows) + "\n")
    totals = take(folder, store, ChangeRules("items"))
    assert (totals.stored, totals.rejected) == (1_500, MOST_REJECTED)
    kept = store.rejected_since(0, 2_000)
    assert len(kept) == MOST_REJECTED
    assert kept[0][2].reason.startswith("row 2: ")
    store.close()

"""The event store on SQLite and PostgreSQL: order, idempotence, operations, erasure, migrations, faults."""

from __future__ import annotations

import copy
import pickle
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from shortlist.config.data import DataSettings
from shortlist.data.dataset import Dataset
from shortlist.errors import ShortlistError, StoreError
from shortlist.serve.keys import Keyring, all_keys, make_key, revoke_key
from shortlist.store.event_store import EventStore
from shortlist.store.merge import StorePosition, merge_store
from shortlist.store.records import Operation, StoredEvent, StoredSlate
from shortlist.store.schema import metadata


def event(number: int, user: object = "u1") -> StoredEvent:
    return StoredEvent(f"e{number}", user, f"i{number}", "play", 1_000 + number, 1.5, {"device": "tv"}, "s1")


def test_a_batch_is_stored_once_and_in_order(store_target: str) -> None:
    store = EventStore(store_target)
    new, last = store.write([event(1), event(2), event(1)], [])
    assert ([e.event_id for e in new], last) == (["e1", "e2"], 2)
    new, last = store.write([event(2), event(3)], [])
    assert [e.event_id for e in new] == ["e3"]
    assert store.events_since(0)[-1][0] == last
    assert store.write([event(3)], []) == ([], 0)
    assert list(store.events()) == [event(1), event(2), event(3)]
    assert [e for _, e in store.events_since(store.events_since(0)[0][0])] == [event(2), event(3)]
    store.close()


def test_ids_and_texts_are_read_back_unchanged(store_target: str) -> None:
    store = EventStore(store_target)
    odd = StoredEvent(
        "'; DROP TABLE events; --", 7, "ein Ümlaut \x00 😀", "play", -5, None, {"a": [1, {"b": None}]}
    )
    store.write([odd, StoredEvent("text", "7", 8, "play", 2**53)])
    assert list(store.events()) == [odd, StoredEvent("text", "7", 8, "play", 2**53)]
    slate = StoredSlate("s", None, 5, "p", ["a", 3], [0.5, None], {"x": "arm"}, [0, 1], {"device": "tv"})
    placed = replace(slate, slate_id="t", placement="home")
    store.write(slates=[slate, slate, placed])
    assert list(store.slates()) == [slate, placed]
    store.close()


def test_two_servers_write_in_one_order(store_target: str) -> None:
    """Rows become visible in their order: a reader that has seen a row has seen all earlier rows."""
    stores = [EventStore(store_target) for _ in range(3)]
    seen: list[int] = []
    done = threading.Event()

    def write(which: int) -> None:
        for batch in range(20):
            stores[which].write([event(1000 * which + 10 * batch + i) for i in range(7)])

    def read() -> None:
        while not done.is_set() or stores[2].events_since(seen[-1] if seen else 0):
            seen.extend(row for row, _ in stores[2].events_since(seen[-1] if seen else 0))

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(which,)) for which in (0, 1)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert seen == sorted(seen)
    assert len(seen) == len(set(seen)) == 280
    for store in stores:
        store.close()


def test_operations_are_an_ordered_log(store_target: str) -> None:
    store = EventStore(store_target)
    one = Operation(5, "item", "i1", {"attributes": {"price": 3}}, "key of the shop")
    assert store.add_operations([one]) < store.add_operations(
        [Operation(6, "item", 2, {"retired": True}, "x")]
    )
    rows = store.operations_since(0)
    assert rows[0][1] == one
    assert [o.about for _, o in store.operations_since(rows[0][0])] == [2]
    before = rows[-1][0]
    many = [Operation(7, "item", f"n{number}", {}, "x") for number in range(50)]
    last = store.add_operations(many)
    assert [(row, o.about) for row, o in store.operations_since(before)][-1] == (last, "n49")
    assert [o for _, o in store.operations_since(before)] == many
    assert store.add_operations([]) == 0
    store.close()


def test_erasure_removes_all_rows_of_one_user_only(store_target: str) -> None:
    store = EventStore(store_target)
    store.write([event(1, 7), event(2, "7"), event(3, 77), event(4, "other")])
    store.write(slates=[StoredSlate(f"s{u}", u, 1, "p", [], []) for u in (7, "x")])
    assert len(store.of_user("7")["events"]) == 2
    assert store.erase("7", 99, "admin") == {"events": 2, "slates": 1, "attributes": 0, "rejected": 0}
    assert [e.user for e in store.events()] == [77, "other"]
    assert [s.user for s in store.slates()] == ["x"]
    _, done = store.operations_since(0)[-1]
    assert (done.what, done.about, done.by) == ("erase", "7", "admin")
    # row numbers are not reused: a reader that has seen one would miss its successor
    before = store.events_since(0)[-1][0]
    store.write([event(9)])
    assert store.events_since(0)[-1][0] > before
    store.close()


def keyring(store: EventStore) -> Keyring:
    ring = Keyring()
    ring.refresh(store)
    return ring


def test_keys_are_stored_as_hashes(store_target: str) -> None:
    store = EventStore(store_target)
    assert not keyring(store).locked
    secret = make_key(store, "shop", ["recommend", "events"], 5)
    ring = keyring(store)
    found = ring.find(secret)
    assert found is not None
    assert (found.name, found.scopes) == ("shop", frozenset({"recommend", "events"}))
    assert ring.find(secret[:-1]) is None
    with store.engine.connect() as connection:
        row = str(connection.execute(text("SELECT * FROM keys")).one())
    assert secret not in row
    for wrong in ((["fly"], 5.0), ([], 5.0), (["events"], 0.0)):
        with pytest.raises(ShortlistError):
            make_key(store, "y", *wrong)
    with pytest.raises(ShortlistError, match="already"):
        make_key(store, "shop", ["events"], 1)
    revoke_key(store, "shop")
    with pytest.raises(ShortlistError, match="no key"):
        revoke_key(store, "shop")
    ring = keyring(store)
    assert ring.find(secret) is None
    assert ring.locked, "the last key's end must not open the doors"
    assert [k.revoked is None for k in all_keys(store)] == [False]
    store.close()


def test_rate_limit_of_a_key(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "e.sqlite")
    make_key(store, "slow", ["events"], 2)
    key = keyring(store).keys["slow"]
    assert [key.take(100.0) for _ in range(6)] == [True] * 4 + [False] * 2, "a burst of two seconds' worth"
    assert [key.take(101.0) for _ in range(3)] == [True, True, False]
    store.close()


def test_migrations_create_the_tables_of_the_schema(store_target: str) -> None:
    store = EventStore(store_target)
    there = inspect(store.engine)
    for table in metadata.sorted_tables:
        made = {
            c["name"]: (str(c["type"]).split("(")[0], c["nullable"]) for c in there.get_columns(table.name)
        }
        wanted = {
            c.name: (str(c.type.compile(store.engine.dialect)).split("(")[0], bool(c.nullable))
            for c in table.columns
        }
        assert {n: m[1] for n, m in made.items()} == {n: w[1] for n, w in wanted.items()}, table.name
        assert set(made) == set(wanted)
        indexes = {index["name"] for index in there.get_indexes(table.name)}
        assert {index.name for index in table.indexes} <= indexes
    store.close()


def test_an_old_store_is_migrated(tmp_path: Path) -> None:
    """The store is of the time before migrations: without slates, and without the slate of an event."""
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(
            'CREATE TABLE events ("row" INTEGER PRIMARY KEY AUTOINCREMENT, event_id VARCHAR UNIQUE NOT NULL, '
            "user TEXT NOT NULL, item TEXT NOT NULL, kind VARCHAR NOT NULL, time INTEGER NOT NULL, value FLOAT, context TEXT)"
        )
        connection.execute(
            "INSERT INTO events (event_id, user, item, kind, time, context) VALUES ('a', '\"u\"', '3', 'play', 9, '{}')"
        )
    store = EventStore(path)
    store.write([event(1)])
    assert list(store.events()) == [StoredEvent("a", "u", 3, "play", 9), event(1)]
    store.close()
    assert len(list(EventStore(path).events())) == 2


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite"
    EventStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer Shortlist"):
        EventStore(path)


def test_invalid_stores_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="mysql://"):
        EventStore("mysql://somewhere/x")
    nothing = "postgresql://nobody:secret@127.0.0.1:9/none"
    with pytest.raises(StoreError) as failed:
        EventStore(nothing)
    assert "secret" not in failed.value.message
    (tmp_path / "text").write_text("this is no database, whatever its name says " * 50)
    with pytest.raises(StoreError, match="not a database"):
        EventStore(tmp_path / "text")


def test_a_full_disk_stores_nothing_of_the_batch(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "e.sqlite")
    store.write([event(1)])
    with store.engine.connect() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
    store.close()
    store.engine = create_engine(f"sqlite:///{tmp_path / 'e.sqlite'}")

    from sqlalchemy import event as listen

    @listen.listens_for(store.engine, "connect")
    def _full(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")

    with pytest.raises(StoreError, match="full"):
        store.write([StoredEvent(f"x{i}", "u", "i" * 2000, "play", 1) for i in range(500)])
    assert list(store.events()) == [event(1)]


def test_a_store_and_a_merge_have_short_reprs(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "e.sqlite")
    assert repr(store) == f"EventStore('sqlite:///{tmp_path / 'e.sqlite'}')"
    dataset = Dataset.from_frames([{"user_id": "u", "item_id": "i", "kind": "play", "timestamp": 10}])
    store.write(
        [StoredEvent("e1", "new", "i", "play", 20_000), StoredEvent("e2", "u", "gone", "play", 30_000)]
    )
    merged = merge_store(dataset, store, DataSettings())
    assert repr(merged) == "MergedDataset(Dataset(2 users, 1 items, 2 events); 1 new events, 0 users erased)"
    assert merged.dataset.check.set_aside == {"of unknown items": 1}
    assert merged.position == StorePosition(store.id, 2, 0)
    store.close()


def test_a_store_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    """Also the files that SQLite keeps beside it; the mode of a store that exists stays as it is."""
    store = EventStore(tmp_path / "e.sqlite")
    store.write([StoredEvent("e1", "u1", "m1", "play", 1)])
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) > 1
    store.close()
    (tmp_path / "e.sqlite").chmod(0o640)
    EventStore(tmp_path / "e.sqlite").close()
    assert (tmp_path / "e.sqlite").stat().st_mode & 0o777 == 0o640


def test_an_erased_person_is_not_in_the_bytes_of_the_store(store_target: str) -> None:
    """After many rows of many users, no file of the store contains the id, but for the operation that names it."""
    store = EventStore(store_target)
    name = "zebra-person-4711"
    for at in range(40):
        batch = [
            StoredEvent(f"e{at}-{n}", name if n % 3 == 0 else f"u{n}", f"i{n}", "play", at * 1000 + n)
            for n in range(20)
        ]
        slate = StoredSlate(f"s{at}", name, at, "p", ["i1"], [1.0])
        store.write(batch, [slate])
    assert store.erase(name, 5, "test") == {"events": 280, "slates": 40, "attributes": 0, "rejected": 0}
    if "://" not in store_target:
        files = Path(store_target).parent.glob(f"{Path(store_target).name}*")
        assert sum(path.read_bytes().count(name.encode()) for path in files) == 1, (
            "only the operation names it"
        )
    assert store.of_user(name) == {"events": [], "slates": [], "changes": [], "rejected": []}
    assert len(list(store.events())) == 40 * 13
    store.close()


def test_a_store_cannot_be_copied(tmp_path: Path) -> None:
    """It holds connections: the refusal says what to do instead."""
    store = EventStore(tmp_path / "events.sqlite")
    for copied in (pickle.dumps, copy.deepcopy, copy.copy):
        with pytest.raises(TypeError, match=r"open it again: EventStore\(path\)"):
            copied(store)
    store.close()

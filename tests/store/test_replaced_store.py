"""A store whose file is deleted or replaced while it is open is refused, and its server stays closed."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from shortlist.errors import StoreError
from shortlist.serve.keys import make_key
from shortlist.store.event_store import EventStore
from shortlist.store.merge import StorePosition
from shortlist.store.records import StoredEvent
from shortlist.store.schema import metadata
from support.http import call
from support.servers import Server
from support.waiting import wait_for

EVENT = StoredEvent("e1", "u1", "i1", "play", 1_700_000_000_000)


def remove(store: Path) -> None:
    for part in store.parent.glob(f"{store.name}*"):
        part.unlink()


def move(store: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for part in store.parent.glob(f"{store.name}*"):
        part.rename(folder / part.name)


def test_a_file_that_goes_away_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite"
    store = EventStore(path)
    store.write([EVENT])
    move(path, tmp_path / "moved")
    for use in (lambda: store.write([EVENT]), lambda: store.events_since(0), store.last_row):
        with pytest.raises(StoreError, match="removed, emptied or replaced"):
            use()
    EventStore(path).close()  # another store at the same path
    with pytest.raises(StoreError, match="removed, emptied or replaced"):
        store.write([EVENT])
    remove(path)
    move(tmp_path / "moved" / path.name, tmp_path)
    assert store.events_since(0)[0][1].event_id == "e1", "it works again where the file is back"
    store.close()


def numbered(event_id: str) -> StoredEvent:
    return replace(EVENT, event_id=event_id)


def replace_content(target: str, by: str) -> None:
    """Put the rows of another store in place of those of a store, as restoring a backup does: the file stays the same."""
    if "://" not in target:
        with closing(sqlite3.connect(by)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
        return
    source_engine, engine = EventStore(by).engine, EventStore(target).engine
    with source_engine.connect() as old, engine.begin() as new:
        for table in reversed(metadata.sorted_tables):
            new.execute(table.delete())
        for table in metadata.sorted_tables:
            rows = [dict(row) for row in old.execute(table.select()).mappings()]
            if rows:
                new.execute(table.insert(), rows)
        last = old.exec_driver_sql("SELECT last_value FROM events_row_seq").scalar_one()
        new.exec_driver_sql(f"SELECT setval('events_row_seq', {last})")
    source_engine.dispose()
    engine.dispose()


@pytest.fixture
def other_target(store_target: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The address of a second store of the same kind."""
    if "://" in store_target:
        return str(request.getfixturevalue("postgres").database())
    return str(tmp_path / "other.sqlite")


def test_another_store_in_its_place_is_refused(store_target: str, other_target: str) -> None:
    """Rows of another store at the same address: neither written, nor read on from."""
    store, other = EventStore(store_target), EventStore(other_target)
    store.write([EVENT])
    other.write([numbered("a"), numbered("b")])
    other.close()
    replace_content(store_target, other_target)
    for use in (lambda: store.write([numbered("new")]), lambda: store.rows_since(1, 0)):
        with pytest.raises(StoreError, match="another one or by an earlier copy"):
            use()
    store.close()
    store = EventStore(store_target)
    assert [event.event_id for event in store.events()] == ["a", "b"]
    store.close()


def test_an_earlier_copy_in_its_place_is_refused(store_target: str, other_target: str) -> None:
    """A backup is restored while the store is open: new events would get numbers that were read before."""
    store = EventStore(store_target)
    store.write([EVENT])
    EventStore(other_target).close()
    replace_content(other_target, store_target)
    store.write([numbered("later")])
    assert store.last_row() == 2
    replace_content(store_target, other_target)
    with pytest.raises(StoreError, match="another one or by an earlier copy"):
        store.write([numbered("new")])
    store.close()
    store = EventStore(store_target)
    with pytest.raises(StoreError, match=r"trained from 2 rows .* only 1"):
        StorePosition(store.id, 2).within(store)
    assert StorePosition(store.id, 1).within(store).row == 1
    assert StorePosition("of another store", 2).within(store).row == 0
    store.close()


def test_an_emptied_file_is_refused(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "e.sqlite")
    store.write([EVENT])
    os.truncate(tmp_path / "e.sqlite", 0)
    with pytest.raises(StoreError, match="emptied"):
        store.write([numbered("new")])
    store.close()


def test_erased_rows_are_no_earlier_copy(store_target: str) -> None:
    store = EventStore(store_target)
    store.write([EVENT])
    store.erase(EVENT.user, 1, "test")
    assert store.write([numbered("next")])[1] == 2
    assert store.last_row() == 2
    store.close()


def test_only_the_expected_store_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite"
    first = EventStore(path)
    expected = first.id
    first.close()
    EventStore(path, expected).close()
    remove(path)
    with pytest.raises(StoreError, match="was removed"):
        EventStore(path, expected)
    assert not path.exists(), "no new store is made"
    EventStore(path).close()
    with pytest.raises(StoreError, match="is another one"):
        EventStore(path, expected)


def test_a_server_whose_store_is_deleted(bundle: Path, tmp_path: Path) -> None:
    """Events are refused, the server says so, and a new worker does not open what needed a key."""
    path = tmp_path / "e.sqlite"
    store = EventStore(path)
    key = make_key(store, "all", ["recommend", "events", "admin"], 1000)
    store.close()
    server = Server(bundle, path)
    mine = {"Authorization": f"Bearer {key}"}
    event = {"user": "u00001", "item": "m00001", "kind": "play", "value": 5.0}
    try:
        assert call(f"{server.url}/v1/events", {"events": [event]}, headers=mine)[0] == 200
        remove(path)
        wait_for(lambda: call(f"{server.url}/readyz")[1]["status"] == "degraded", "the server is degraded")
        reasons = call(f"{server.url}/readyz")[1]["reasons"]
        assert str(tmp_path) not in str(reasons)
        for _ in range(3):
            assert call(f"{server.url}/v1/events", {"events": [event]}, headers=mine)[0] == 503
        assert call(f"{server.url}/v1/recommend", {"n": 3}, headers=mine)[0] == 200
        assert call(f"{server.url}/v1/admin/audit")[0] == 401
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        for child in children:
            if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)

        def answered() -> int:
            try:
                return call(f"{server.url}/v1/admin/audit")[0]
            except OSError:
                return 0

        assert all(answered() in {0, 401} for _ in range(30))
        assert not path.exists()
    finally:
        server.kill()

"""A store whose file is deleted or replaced while it is open is refused, and its server stays closed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from shortlist.errors import StoreError
from shortlist.serve.keys import make_key
from shortlist.store.event_store import EventStore
from shortlist.store.records import StoredEvent
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
    for use in (lambda: store.write([EVENT]), lambda: store.events_since(0), lambda: store.id):
        with pytest.raises(StoreError, match="removed or replaced"):
            use()
    EventStore(path).close()  # another store at the same path
    with pytest.raises(StoreError, match="removed or replaced"):
        store.write([EVENT])
    remove(path)
    move(tmp_path / "moved" / path.name, tmp_path)
    assert store.events_since(0)[0][1].event_id == "e1", "it works again where the file is back"
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

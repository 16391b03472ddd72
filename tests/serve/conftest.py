"""Fixtures of the serving tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shortlist.serve.keys import make_key
from shortlist.store.event_store import EventStore
from support.servers import Server


@pytest.fixture(scope="module")
def locked(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server below the path prefix /recs, with one key per scope, and a key with a low rate limit."""
    target = tmp_path_factory.mktemp("locked") / "e.sqlite"
    store = EventStore(target)
    keys = {
        scope: make_key(store, scope, [scope], 500) for scope in ("recommend", "events", "admin", "metrics")
    }
    keys["slow"] = make_key(store, "slow", ["recommend"], 1)
    store.close()
    server = Server(bundle, target, "--root-path", "/recs", environment={"SHORTLIST_LOG": "json"})
    yield server, keys
    server.stop()

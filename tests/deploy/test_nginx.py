"""Two servers on one PostgreSQL behind nginx: bundles and servers are replaced while people ask."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from shortlist.store.event_store import EventStore
from support.bundles import copy_bundle
from support.http import call
from support.load import Load
from support.nginx import Nginx
from support.postgres import Postgres
from support.servers import Server
from support.waiting import wait_for


def serves(server: Server, version: str) -> bool:
    """Whether a server has taken a bundle up."""
    return bool(call(f"{server.url}/healthz")[1]["model_version"] == version)


def has_answered(load: Load, n: int) -> bool:
    """Whether n requests have been answered."""
    return load.answered >= n


def test_bundles_and_servers_are_replaced_without_an_error(
    bundle: Path, postgres: Postgres, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    copy_bundle(bundle, models / "b1", "v1", 1_000)
    store = postgres.database()
    servers = [Server(models, store), Server(models, store)]
    nginx = Nginx(tmp_path / "nginx", servers)
    load = Load(nginx.url)
    try:
        wait_for(lambda: load.answered > 30, "requests are answered")
        copy_bundle(bundle, models / "b2", "v2", 2_000)
        for server in servers:
            wait_for(partial(serves, server, "v2"), "v2 serves")
        assert not load.failed, load.failed[:3]
        # the servers themselves are replaced, one after the other
        for server in servers:
            server.stop()
            wait_for(partial(has_answered, load, load.answered + 20), "the other server answers")
            server.start()
            time.sleep(3)  # nginx asks a server again after fail_timeout
        wait_for(partial(has_answered, load, load.answered + 20), "both answer")
        assert call(f"{nginx.url}/metrics")[0] == 404, "each server has metrics of its own"
    finally:
        load.stop()
        nginx.stop()
        for server in servers:
            server.stop()
    assert not load.failed, (load.failed[:3], nginx.log.read_text()[-2_000:])
    assert load.versions >= {"v2"}
    stored = EventStore(store)
    ids = [event.event_id for event in stored.events()]
    stored.close()
    assert len(ids) == len(set(ids)) == load.accepted

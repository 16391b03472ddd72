"""API keys: scopes, rate limits, revocation; without keys only the loopback interface is served."""

from __future__ import annotations

import http.client
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shortlist.cli.main import app
from shortlist.errors import ShortlistError
from shortlist.serve.keys import make_key, revoke_key
from shortlist.serve.middleware.guard import required_scope
from shortlist.store.event_store import EventStore
from support.http import bearer, call
from support.servers import Server
from support.waiting import wait_for

PLAY = {"user": "u00002", "item": "m00001", "kind": "play", "value": 7.0}


@pytest.mark.parametrize("prefix", ["", "/recs", "/%72ecs"])
def test_scopes_allow_only_their_own_routes(locked: tuple[Server, dict[str, str]], prefix: str) -> None:
    """Also where a proxy leaves its path prefix: access control and routes see the same path."""
    server, keys = locked
    doors: dict[str, tuple[str, str, Any]] = {
        "recommend": ("POST", "/v1/recommend", {"user": "u00001", "n": 2}),
        "events": ("POST", "/v1/events", {"events": [PLAY]}),
        "admin": ("GET", "/v1/admin/audit", None),
        "metrics": ("GET", "/metrics", None),
    }
    doors = {scope: (method, prefix + path, body) for scope, (method, path, body) in doors.items()}
    for scope, (method, path, body) in doors.items():
        assert call(server.url + path, body, method=method)[0] == 401
        assert call(server.url + path, body, method=method, headers=bearer("sl_wrong"))[0] == 401
        assert call(server.url + path, body, method=method, headers={"Authorization": "Basic eDp5"})[0] == 401
        for name in ("recommend", "events", "admin", "metrics"):
            status = call(server.url + path, body, method=method, headers=bearer(keys[name]))[0]
            assert status == (200 if name == scope else 403), (path, name)
    for path in ("/", "/healthz", "/readyz", "/page/main.js", "/openapi.json"):
        assert call(server.url + prefix + path)[0] == 200
    assert (
        call(f"{server.url}/recs{prefix or '/recs'}/v1/admin/audit", headers=bearer(keys["recommend"]))[0]
        == 404
    )


def test_every_route_requires_a_scope(locked: tuple[Server, dict[str, str]]) -> None:
    """A new route without a scope fails this test."""
    server, _ = locked
    paths = call(f"{server.url}/openapi.json")[1]["paths"]
    open_ones = {
        (m, p) for p, methods in paths.items() for m in methods if required_scope(m.upper(), p) is None
    }
    assert open_ones == {("get", "/healthz"), ("get", "/readyz")}
    changing = {(m, p) for p, ms in paths.items() for m in ms if m in {"put", "delete", "patch"}}
    assert changing
    assert {required_scope(m.upper(), p) for m, p in changing} == {"admin"}


def test_rate_limit_of_a_key(locked: tuple[Server, dict[str, str]]) -> None:
    server, keys = locked
    statuses = [
        call(f"{server.url}/v1/recommend", {"n": 1}, headers=bearer(keys["slow"]))[0] for _ in range(5)
    ]
    assert statuses[:2] == [200, 200]
    assert 429 in statuses
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        for _ in range(3):
            headers = {**bearer(keys["slow"]), "Content-Type": "application/json"}
            connection.request("POST", "/v1/recommend", b'{"n": 1}', headers)
            answer = connection.getresponse()
            answer.read()
    assert (answer.status, answer.getheader("Retry-After")) == (429, "1")


def test_revoked_keys_are_refused(locked: tuple[Server, dict[str, str]]) -> None:
    server, _ = locked
    store = EventStore(server.store)
    secret = make_key(store, "guest", ["recommend"], 100)
    url, body = f"{server.url}/v1/recommend", {"n": 1}

    def until(status: int) -> None:
        wait_for(lambda: call(url, body, headers=bearer(secret))[0] == status, f"status {status}")

    until(200)
    revoke_key(store, "guest")
    until(401)
    store.close()


def test_without_keys_only_loopback_is_served(bundle: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["serve", str(bundle), "--host", "0.0.0.0", "--store", str(tmp_path / "e.sqlite")]
    )
    assert done.exit_code != 0
    assert isinstance(done.exception, ShortlistError)
    assert "shortlist keys add" in done.exception.message

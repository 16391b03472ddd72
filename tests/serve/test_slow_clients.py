"""Clients that do not finish what they send hold up neither others nor the end of the server."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from shortlist.serve.keys import Key, Keyring
from shortlist.serve.middleware import guard
from shortlist.serve.middleware.guard import Guard
from shortlist.serve.settings import ServerSettings
from shortlist.serve.telemetry import Metrics
from shortlist.store.event_store import EventStore
from support.http import call
from support.servers import Server

UNFINISHED = b"POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"


def request(kind: bytes = b"application/json") -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": "/v1/recommend",
        "query_string": b"",
        "headers": [(b"content-type", kind), (b"content-length", b"500")],
    }


@pytest.mark.parametrize(("kind", "status"), [(b"application/json", 408), (b"text/plain", 415)])
def test_an_unfinished_body_is_waited_for_a_limited_time(
    kind: bytes, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "DRAIN_SECONDS", 0.05)
    sent: list[MutableMapping[str, Any]] = []
    parts = [{"type": "http.request", "body": b"{", "more_body": True}]

    async def receive() -> dict[str, Any]:
        if parts:
            return parts.pop()
        await asyncio.sleep(60)
        raise AssertionError("waited for too long")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass

    started = time.monotonic()
    layer = Guard(app, Keyring(), Metrics(), ServerSettings(body_seconds=0.1))
    asyncio.run(layer(request(kind), receive, send))
    assert time.monotonic() - started < 5
    assert sent[0]["status"] == status


def test_sigterm_ends_a_server_with_unfinished_bodies(bundle: Path, tmp_path: Path) -> None:
    server = Server(bundle, tmp_path / "e.sqlite", "--grace", "2")
    connections = []
    for _ in range(30):
        connection = socket.create_connection(("127.0.0.1", server.port), 5)
        connection.sendall(UNFINISHED)
        connections.append(connection)
    assert call(f"{server.url}/v1/recommend", {"n": 1})[0] == 200
    started = time.monotonic()
    server.process.terminate()
    server.process.wait(20)
    assert time.monotonic() - started < 12
    for connection in connections:
        connection.close()


def test_the_rate_of_a_key_is_shared_by_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = Key("a", "0" * 64, frozenset({"recommend"}), 10.0, 0)
    monkeypatch.setattr("shortlist.serve.keys.all_keys", lambda _store: [key])
    ring = Keyring(workers=4)
    ring.refresh(EventStore(tmp_path / "e.sqlite"))
    shared = ring.keys["a"]
    assert shared.rate == 2.5
    assert sum(shared.take(100.0) for _ in range(100)) == 5, "a burst of two seconds' worth"
    assert sum(shared.take(102.0) for _ in range(100)) == 5

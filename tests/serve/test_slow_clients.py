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
from shortlist.serve.middleware import guard, unfinished
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

    started = time.monotonic()
    layer = Guard(read_all, Keyring(), Metrics(), ServerSettings(body_seconds=0.1))
    asyncio.run(layer(request(kind), receive, send))
    assert time.monotonic() - started < 5
    assert sent[0]["status"] == status


def test_sigterm_ends_a_server_with_unfinished_bodies(bundle: Path, tmp_path: Path) -> None:
    server = Server(bundle, tmp_path / "e.sqlite", "--grace", "2", fresh=True)
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


def test_beyond_a_number_of_unfinished_bodies_each_has_less_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "MOST", 3)
    monkeypatch.setattr(unfinished, "CROWDED_SECONDS", 0.1)
    layer = Guard(read_all, Keyring(), Metrics(), ServerSettings(body_seconds=0.6))

    async def ask() -> tuple[int, float]:
        sent: list[MutableMapping[str, Any]] = []

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        started = time.monotonic()
        await layer(request(), stalled, send)
        return sent[0]["status"], time.monotonic() - started

    async def crowd() -> list[tuple[int, float]]:
        return await asyncio.gather(*(ask() for _ in range(6)))

    answers = asyncio.run(crowd())
    assert [status for status, _ in answers] == [408] * 6
    assert [took < 0.5 for _, took in answers] == [False] * 3 + [True] * 3
    assert layer.unfinished.count == 0


async def read_all(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass


async def stalled() -> dict[str, Any]:
    await asyncio.sleep(60)
    raise AssertionError("waited for too long")


HTTP_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
WEBSOCKET = b"""GET / HTTP/1.1
Host: localhost
Upgrade: websocket
Connection: Upgrade, close
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==

""".replace(b"\n", b"\r\n")


@pytest.mark.parametrize("start", [HTTP_2, WEBSOCKET], ids=["HTTP/2", "websocket"])
def test_only_http_1_is_spoken(server: Server, start: bytes) -> None:
    """Other protocols have no limit on time: connections that send nothing more would stay for ever."""
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.sendall(start)
        connection.settimeout(5)
        answer = b""
        while part := connection.recv(65536):  # until the server closes the connection
            answer += part
    assert answer.startswith(b"HTTP/1.1") or not answer
    assert b" 101 " not in answer.partition(b"\r\n")[0]

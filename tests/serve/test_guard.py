"""Limits on request bodies, security headers, and logs without personal data."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticSerializationError

from shortlist.serve.keys import Keyring
from shortlist.serve.middleware.guard import Guard
from shortlist.serve.telemetry import Metrics
from support.http import call
from support.servers import Server
from support.waiting import wait_for

PLAY = {"user": "u00002", "item": "m00001", "kind": "play", "value": 7.0}


def test_bodies_that_are_not_json_or_too_large_are_refused(server: Server) -> None:
    def send(headers: dict[str, str], body: Any, chunked: bool = False) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        try:
            connection.request("POST", "/v1/recommend", body, headers, encode_chunked=chunked)
            return connection.getresponse().status
        except (BrokenPipeError, ConnectionResetError):
            return 413
        finally:
            connection.close()

    assert send({"Content-Type": "text/plain"}, b'{"n": 1}') == 415
    assert send({"Content-Type": "application/x-www-form-urlencoded"}, b"n=1") == 415
    assert send({}, b'{"n": 1}') == 415
    assert send({"Content-Type": "application/json; charset=utf-8"}, b'{"n": 1}') == 200
    big = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    assert send(big, iter([b" " * 100_000] * 30), chunked=True) == 413, "counted as it arrives"
    assert send(big, iter([b'{"n"', b": 1}"]), chunked=True) == 200
    assert call(f"{server.url}/v1/recommend", {"history": ["m00001"] * 1001})[0] == 422
    deep = b'{"context": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    assert call(f"{server.url}/v1/recommend", raw=deep)[0] in {400, 422}


@pytest.mark.parametrize(
    "value", ["[" * 3000 + "]" * 3000, '{"a":' * 3000 + "1" + "}" * 3000, "9" * 6000, "\xff", "{", "", "nul"]
)
def test_a_body_that_cannot_be_parsed_is_refused_like_others(server: Server, value: str) -> None:
    for path in ("/v1/recommend", "/v1/page", "/v1/events", "/v1/why", "/v1/items"):
        for body in (value, f'{{"user": {value}}}'):
            status, answer = call(server.url + path, raw=body.encode("latin-1"))
            assert status in {400, 422}
            assert set(answer) == {"error", "field"}
            assert answer["error"]


def test_compressed_bodies_are_read_within_the_same_limits(server: Server) -> None:
    encoded = {"Content-Encoding": "gzip"}

    def send(body: bytes, headers: dict[str, str] = encoded, path: str = "/v1/recommend") -> tuple[int, Any]:
        return call(server.url + path, raw=body, headers=headers)

    plain = call(f"{server.url}/v1/recommend", {"user": "u00003", "n": 7})[1]
    body = gzip.compress(b'{"user": "u00003", "n": 7}')
    for name in ("gzip", "x-gzip", "GZIP"):
        status, answer = send(body, {"Content-Encoding": name})
        assert (status, [one["item"] for one in answer["items"]]) == (
            200,
            [one["item"] for one in plain["items"]],
        )
    assert send(b'{"user": "u00003", "n": 7}', {"Content-Encoding": "identity"})[0] == 200
    events = {"events": [{**PLAY, "event_id": f"gzip-{at}"} for at in range(1000)]}
    assert send(gzip.compress(json.dumps(events).encode()), path="/v1/events") == (
        200,
        {"accepted": 1000, "repeated": 0},
    )
    assert send(gzip.compress(b" " * 999_000 + b'{"n": 7}'))[0] == 200
    assert send(gzip.compress(b" " * 1_000_001))[0] == 413
    assert send(gzip.compress(b" " * 50_000_000, 1))[0] == 413
    for wrong in (body[:-1], body[:12], b"", b'{"n": 7}', body + b"x", body[:15] + b"xyz" + body[18:]):
        status, answer = send(wrong)
        assert (status, answer["field"]) == (400, None), wrong
        assert "not gzip" in answer["error"]
    for name in ("br", "deflate", "zstd", "gzip, gzip", "x"):
        status, answer = send(body, {"Content-Encoding": name})
        assert status == 415
        assert "Content-Encoding: gzip" in answer["error"]


def test_a_compressed_body_that_arrives_in_parts(server: Server) -> None:
    packed = gzip.compress(b'{"n": 3, "context": {}}')
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        headers = {
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
            "Transfer-Encoding": "chunked",
        }
        parts = iter([packed[at : at + 1] for at in range(len(packed))])
        connection.request("POST", "/v1/recommend", parts, headers, encode_chunked=True)
        answer = connection.getresponse()
        assert (answer.status, len(json.loads(answer.read())["items"])) == (200, 3)


def test_headers_of_every_response(server: Server) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        for path in ("/", "/healthz", "/v1/project", "/nowhere"):
            connection.request("GET", path, headers={"X-Request-Id": "abc-1"})
            answer = connection.getresponse()
            answer.read()
            assert answer.getheader("X-Content-Type-Options") == "nosniff"
            assert answer.getheader("X-Frame-Options") == "DENY"
            assert answer.getheader("X-Request-Id") == "abc-1"
        connection.request("GET", "/", headers={"X-Request-Id": "<script>"})
        answer = connection.getresponse()
        answer.read()
    assert answer.getheader("X-Request-Id") != "<script>"
    policy = answer.getheader("Content-Security-Policy") or ""
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_logs_contain_no_values(bundle: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    server = Server(bundle, tmp_path / "e.sqlite", environment={"SHORTLIST_LOG": "json"}, output=log)
    try:
        marked = {
            "user": "secret-person",
            "item": "secret-item",
            "kind": "secret-kind",
            "context": {"a": "secret-x"},
        }
        assert call(f"{server.url}/v1/events", {"events": [marked]})[0] == 422
        assert (
            call(f"{server.url}/v1/recommend", {"user": "secret-person"}, headers={"X-Request-Id": "r-7"})[0]
            == 200
        )
        assert call(f"{server.url}/v1/users/secret-person/history")[0] == 200
        wait_for(lambda: log.read_text().count("r-7"), "the log line of the request")
    finally:
        server.stop()
    text = log.read_text()
    assert "secret" not in text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    answered = [line for line in lines if line["message"] == "answered"]
    assert any(line["request_id"] == "r-7" and line["path"] == "/v1/recommend" for line in answered)
    assert {line["status"] for line in answered} >= {200, 422}


async def messages_of(guard: Guard) -> list[Any]:
    """Return the ASGI messages that answer one GET request."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/recommend",
        "query_string": b"",
        "headers": [],
        "client": ("127.0.0.1", 1),
    }
    await guard(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    "error",
    [
        ValueError("secret"),
        UnicodeDecodeError("utf-8", b"secret", 0, 1, "secret"),  # its constructor has required arguments
        PydanticSerializationError("secret"),
    ],
)
def test_every_error_is_answered_in_json(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """For any error of a route, the client gets a sentence in JSON, and the log the location without the message."""

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise error

    with caplog.at_level("ERROR"):
        messages = asyncio.run(messages_of(Guard(broken, Keyring(), Metrics())))
    assert messages[0]["status"] == 500
    assert "went wrong" in json.loads(messages[1]["body"])["error"]
    assert type(error).__name__ in caplog.text
    assert "test_guard.py" in caplog.text
    assert "secret" not in caplog.text

"""The server over HTTP: answers, live events, durability, invalid input."""

from __future__ import annotations

import sqlite3
import urllib.error
import urllib.request
from typing import Any

import pytest

from support.http import call
from support.servers import Server


def test_recommend(server: Server) -> None:
    status, slate = call(f"{server.url}/v1/recommend", {"user": "u00001", "n": 7})
    assert status == 200
    assert len(slate["items"]) == 7
    assert slate["user_known"] is True
    assert set(slate["items"][0]) == {
        "item",
        "title",
        "score",
        "predictions",
        "sources",
        "reason",
        "propensity",
    }
    assert set(slate["items"][0]["predictions"]) == {"play", "seconds", "rating"}
    status, visitor = call(f"{server.url}/v1/recommend", {"history": ["m00003", "unknown"], "n": 3})
    assert (status, visitor["unknown_items"]) == (200, ["unknown"])
    assert call(f"{server.url}/v1/recommend", {"user": 12345})[1]["user_known"] is False


def test_guard_rails_and_products(server: Server) -> None:
    free = call(f"{server.url}/v1/recommend", {"user": "u00001", "n": 5})[1]
    assert free["guard_rails"] == {}
    rating = sum(i["predictions"]["rating"] for i in free["items"]) / 5
    held = call(
        f"{server.url}/v1/recommend", {"user": "u00001", "n": 5, "at_least": {"rating": rating + 0.1}}
    )[1]
    assert held["guard_rails"]["rating"]["reached"] > rating
    assert call(f"{server.url}/v1/recommend", {"user": "u00001", "combine": "product"})[0] == 200
    status, answer = call(f"{server.url}/v1/recommend", {"user": "u00001", "combine": "max"})
    assert (status, answer["field"]) == (422, "combine")
    status, answer = call(f"{server.url}/v1/recommend", {"user": "u00001", "at_least": {"sleep": 1}})
    assert (status, answer["field"]) == (422, "at_least.sleep")


def test_the_next_request_reflects_an_event(server: Server) -> None:
    first = call(f"{server.url}/v1/recommend", {"user": "fresh"})[1]
    event = {
        "user": "fresh",
        "item": first["items"][0]["item"],
        "kind": "play",
        "value": 5000,
        "event_id": "e1",
    }
    assert call(f"{server.url}/v1/events", {"events": [event]}) == (200, {"accepted": 1, "repeated": 0})
    assert call(f"{server.url}/v1/events", {"events": [event, event]}) == (
        200,
        {"accepted": 0, "repeated": 2},
    )
    second = call(f"{server.url}/v1/recommend", {"user": "fresh"})[1]
    assert second["user_known"]
    assert event["item"] not in {row["item"] for row in second["items"]}
    assert any(
        row["reason"] == f"Because you watched {first['items'][0]['title']}" for row in second["items"]
    )
    assert call(f"{server.url}/v1/users/fresh/history")[1]["history"][0]["item"] == event["item"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"user": "u", "n": 0}, "n"),
        ({"user": "u", "n": -3}, "n"),
        ({"user": "u", "n": 5000}, "n"),
        ({"user": "u", "n": "many"}, "n"),
        ({"user": "u", "weights": {"fame": 1}}, "weights.fame"),
        ({"user": "u", "weights": {"play": "x"}}, "weights.play"),
        ({"user": "u", "filters": {"colour": {"any": ["red"]}}}, "filters.colour"),
        ({"user": "u", "filters": "colour = 'red'"}, "filters"),
        ({"user": "u", "filters": "minutes <"}, "filters"),
        ({"user": "u", "filters": "studio = viewed.studio"}, "filters"),
        ({"user": "u", "filters": 5}, "filters"),
        ({"user": "u", "boosts": [{"when": "colour = 1", "amount": 1}]}, "boosts.0.when"),
        ({"user": "u", "boosts": [{"when": "minutes < 9", "amount": "now"}]}, "boosts.0.amount"),
        ({"user": "u", "surprise": 1}, "surprise"),
        ({"user": ["u"]}, "user"),
        ({"user": "u", "context": {"moon": 1}}, "context.moon"),
        ({"user": "u", "diversity": 7}, "diversity"),
    ],
)
def test_invalid_requests_are_refused(server: Server, body: Any, field: str) -> None:
    status, answer = call(f"{server.url}/v1/recommend", body)
    assert status == 422
    assert answer["field"] == field
    assert "Traceback" not in answer["error"]


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"user": "u", "item": "nope", "kind": "play"}, "events.1.item"),
        ({"user": "u", "item": "m00001", "kind": "sing"}, "events.1.kind"),
        ({"user": "u", "item": "m00001", "kind": "play", "timestamp": "soon"}, "events.1.timestamp"),
        ({"user": "u", "item": "m00001", "kind": "play", "timestamp": 99_000_000_000}, "events.1.timestamp"),
        ({"item": "m00001", "kind": "play"}, "events.1.user"),
        ({"user": "u", "item": "m00001", "kind": "play", "value": "3"}, "events.1.value"),
        ({"user": "u", "item": "m00001", "kind": "play", "value": True}, "events.1.value"),
    ],
)
def test_an_invalid_event_stores_nothing(server: Server, event: Any, field: str) -> None:
    def stored() -> int:
        with sqlite3.connect(server.store) as connection:
            return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])

    before = stored()
    status, answer = call(
        f"{server.url}/v1/events", {"events": [{"user": "u", "item": "m00001", "kind": "play"}, event]}
    )
    assert (status, answer["field"]) == (422, field)
    assert stored() == before


def test_malformed_json_and_large_bodies_are_refused(server: Server) -> None:
    status, answer = call(f"{server.url}/v1/recommend", raw=b"{nope")
    assert status == 400
    assert "not valid JSON" in answer["error"]
    assert call(f"{server.url}/v1/recommend", raw=b" " * 1_000_001)[0] == 413
    assert call(f"{server.url}/v1/recommend", raw=b"[]")[0] == 422


def test_similar_items_operations_and_docs(server: Server) -> None:
    status, found = call(f"{server.url}/v1/items/m00001/similar?n=4")
    assert status == 200
    assert len(found["items"]) == 4
    assert call(f"{server.url}/v1/items/none/similar")[0] == 404
    assert call(f"{server.url}/v1/items/m00001/similar?n=0")[0] == 422
    assert call(f"{server.url}/healthz")[1]["status"] == "ok"
    assert (
        'shortlist_answers_total{path="/v1/items/{item}/similar",status="200"}'
        in call(f"{server.url}/metrics")[1]
    )
    paths = call(f"{server.url}/openapi.json")[1]["paths"]
    assert {"/v1/recommend", "/v1/events", "/v1/items/{item}/similar", "/healthz"} <= set(paths)
    assert call(f"{server.url}/docs")[0] == 200
    assert call(f"{server.url}/page/../api.py")[0] == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_checks_answer_head(server: Server, path: str) -> None:
    """HEAD has the status of GET, and no body."""
    request = urllib.request.Request(server.url + path, method="HEAD")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
        assert answer.read() == b""

"""Values that cannot be an id of the log: refused at the door, set aside where a store holds them all the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

import shortlist
from shortlist.errors import RequestError
from shortlist.recommender import Recommender
from shortlist.store.event_store import EventStore
from shortlist.store.merge import merge_store
from shortlist.store.records import Operation, StoredEvent
from support.http import call
from support.servers import Server
from support.worlds import quick_training

HALF = "\ud83e"  # half of an emoji, as JSON can spell it
HUGE = 10**400
BAD_IDS = [2**63, -(2**63) - 1, HUGE, HALF, f"shoe{HALF}", "a\0b", "", "x" * 513, True, 1.5]


def trained(ids: Any, folder: Path) -> Path:
    """A bundle of a small log: 40 users, 30 items."""
    rng = np.random.default_rng(0)
    events = [
        {"user_id": ids(int(u)), "item_id": ids(int(i)), "timestamp": 1_760_000_000 + 600 * at}
        for at, (u, i) in enumerate(zip(rng.integers(1, 41, 900), rng.integers(1, 31, 900), strict=True))
    ]
    project = shortlist.guess_project(events)
    dataset = shortlist.Dataset.from_frames(events, project=project)
    with quick_training():
        return shortlist.Recommender(project).fit(dataset).save(folder / "bundle")


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose ids are whole numbers."""
    return trained(int, tmp_path_factory.mktemp("numbers"))


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose ids are texts, most with a slash."""
    return trained(lambda code: f"shop/{code}" if code > 2 else f"n{code}", tmp_path_factory.mktemp("texts"))


@pytest.fixture(scope="module")
def server(numbers: Path) -> Iterator[Server]:
    server = Server(numbers, numbers.parent / "events.sqlite")
    yield server
    server.stop()


def refused(answer: tuple[int, Any]) -> bool:
    return answer[0] == 422 and bool(answer[1]["error"]) and "field" in answer[1]


@pytest.mark.parametrize("value", BAD_IDS, ids=lambda v: f"{type(v).__name__} {ascii(v)[:12]}")
def test_python_refuses_it_everywhere(numbers: Path, value: Any) -> None:
    recommender = Recommender.load(numbers)
    for given in ({"user": value}, {"history": [1, value]}, {"after": value}):
        with pytest.raises(RequestError) as error:
            recommender.recommend(**given)
        assert error.value.field == next(iter(given))
    with pytest.raises(RequestError, match="user"):
        recommender.observe(value, 1, "event")
    with pytest.raises(RequestError, match="item"):
        recommender.observe(1, value, "event")
    with pytest.raises(RequestError, match="item"):
        recommender.change_item(value, {"title": "x"})
    assert recommender.state.observed == 0


@pytest.mark.parametrize("value", BAD_IDS, ids=lambda v: ascii(v)[:12])
def test_http_refuses_it_everywhere(server: Server, value: Any) -> None:
    """Nothing is stored, and every answer is 422 with a sentence and a field."""
    before = call(f"{server.url}/readyz")[1]["row"]
    assert refused(call(f"{server.url}/v1/recommend", {"user": value, "n": 1}))
    assert refused(call(f"{server.url}/v1/recommend", {"history": [value], "n": 1}))
    assert refused(call(f"{server.url}/v1/page", {"user": value}))
    assert refused(call(f"{server.url}/v1/events", {"events": [{"user": value, "item": 1, "kind": "event"}]}))
    assert refused(call(f"{server.url}/v1/items", {"items": [{"item": value}]}, method="PUT"))
    assert call(f"{server.url}/v1/recommend", {"user": 1, "n": 1})[0] == 200
    assert call(f"{server.url}/readyz")[1]["row"] == before


@pytest.mark.parametrize("user", ["--5", "007", "+7", "１", "7.0", " 7", "9" * 400])
def test_a_text_that_is_no_number_is_a_guest(server: Server, user: str) -> None:
    """Where ids are whole numbers, other texts are users without a history; no other spelling means user 7."""
    status, slate = call(f"{server.url}/v1/recommend", {"user": user, "n": 3})
    assert (status, slate["user_known"]) == (200, False)
    path = quote(user, safe="")
    assert call(f"{server.url}/v1/users/{path}/history")[1]["events"] == 0
    assert call(f"{server.url}/v1/users/{path}/export")[0] == 200
    assert call(f"{server.url}/v1/items/{path}/similar")[0] == 404
    play = {"user": user, "item": 1, "kind": "event"}
    assert call(f"{server.url}/v1/events", {"events": [play]}) == (200, {"accepted": 1, "repeated": 0})
    assert call(f"{server.url}/v1/users/{path}/history")[1]["events"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/recommend", {"weights": {"event": HUGE}}),
        ("POST", "/v1/recommend", {"at_least": {"event": HUGE}}),
        ("POST", "/v1/recommend", {"filters": {"items": {"any": [HALF]}}}),
        ("POST", "/v1/recommend", {"context": {"hour": 2**70}}),
        ("POST", "/v1/recommend", {"context": {"device": "x" * 2000}}),
        ("POST", "/v1/recommend", {"seed": HUGE}),
        ("POST", "/v1/page", {"context": {"langs": HUGE}}),
        ("POST", "/v1/page", {"rows": True}),
        ("POST", "/v1/page", {"n": "5"}),
        ("POST", "/v1/recommend", {"diversity": True}),
        ("POST", "/v1/recommend", {"after": True}),
        ("POST", "/v1/rank", {"user": True, "items": [1]}),
        ("PUT", "/v1/users", {"users": [{"user": True, "attributes": {"country": "NO"}}]}),
        ("POST", "/v1/why", {"item": 1, "n": "a"}),
        ("POST", "/v1/why", {"item": 1, "n": 1.5}),
        ("POST", "/v1/events", {"events": [{"user": 1, "item": 1, "kind": "event", "value": HUGE}]}),
        ("POST", "/v1/events", {"events": [{"user": 1, "item": 1, "kind": "event", "value": True}]}),
        ("POST", "/v1/events", {"events": [{"user": 1, "item": 1, "kind": "event", "timestamp": True}]}),
        ("POST", "/v1/events", {"events": [{"user": 1, "item": 1, "kind": "event", "timestamp": HUGE}]}),
        (
            "POST",
            "/v1/events",
            {"events": [{"user": 1, "item": 1, "kind": "event", "timestamp": "9" * 5000}]},
        ),
        ("POST", "/v1/events", {"events": [{"user": 1, "item": 1, "kind": "event", "slate_id": "\0"}]}),
        ("POST", "/v1/events", {"events": [{"user": 1, "item": 1, "kind": "event", "event_id": HALF}]}),
        ("POST", "/v1/events", {"events": [{"user": 1, "item": 1, "kind": HALF}]}),
        ("PUT", "/v1/items/1", {"title": HALF}),
        ("PUT", "/v1/items/1", {"attributes": {"year": HUGE}}),
        ("GET", "/v1/users/%00/export", None),
        ("DELETE", "/v1/users/%ED%A0%80", None),
    ],
)
def test_wrong_values_are_the_client_s_fault(server: Server, method: str, path: str, body: Any) -> None:
    raw = None if body is None else json.dumps(body).encode()
    status, answer = call(server.url + path, raw=raw, method=method)
    assert status == 422, answer
    assert answer["error"]
    assert answer["field"]


def test_a_body_that_is_no_utf8_is_refused_with_a_sentence(server: Server) -> None:
    status, answer = call(f"{server.url}/v1/recommend", raw=b"\xff\xfe")
    assert status == 400
    assert answer["error"]


def test_a_store_with_bad_rows_starts_and_trains(numbers: Path, tmp_path: Path) -> None:
    """Rows that an earlier version accepted are set aside and counted; the good ones among them count."""
    store = EventStore(tmp_path / "events.sqlite")
    now = Recommender.load(numbers).now()
    store.write(
        [
            StoredEvent("good", 1, 2, "event", now),
            StoredEvent("text", "--5", 2, "event", now),
            StoredEvent("huge", 2**80, 2, "event", now),
            StoredEvent("item", 1, 2**80, "event", now),
            StoredEvent("time", 3, 2, "event", 2**62),
            StoredEvent("last", 4, 2, "event", now),
        ]
    )
    store.add_operations(
        [
            Operation(now, "item", 99, {"title": "Fits"}, "t"),
            Operation(now, "item", 2**63, {"title": "Too large"}, "t"),
            Operation(now, "item", "shoe", {}, "t"),
        ]
    )
    store.close()
    server = Server(numbers, tmp_path / "events.sqlite")
    try:
        ready = call(f"{server.url}/readyz")[1]
        assert ready["item_changes_not_applied"] == 2
        assert ready["events_not_replayed"] >= 1
        assert ready["items"] == len(Recommender.load(numbers).dataset.items) + 1
        assert call(f"{server.url}/v1/users/4/history")[1]["history"][0]["item"] == 2
        assert call(f"{server.url}/v1/recommend", {"user": 1, "n": 3})[0] == 200
    finally:
        server.stop()
    recommender = Recommender.load(numbers)
    merged = merge_store(
        recommender.dataset, EventStore(tmp_path / "events.sqlite"), recommender.project.data
    )
    assert merged.new >= 2
    found = {
        problem.what: problem.count
        for problem in merged.dataset.check.problems
        if problem.file == "the event store"
    }
    assert found["changes of items that cannot be applied"] == 2
    assert len(merged.dataset.items) == len(recommender.dataset.items) + 1
    assert shortlist.Recommender(recommender.project).fit(merged.dataset).recommend(user=4, n=3)


def test_ids_with_slashes_in_addresses(texts: Path, tmp_path: Path) -> None:
    """Every call with an id in its address takes every id, encoded or as it is."""
    server = Server(texts, tmp_path / "events.sqlite")
    try:
        for spelled in ("shop%2F7", "shop/7"):
            items = call(f"{server.url}/v1/items/{spelled}/similar?n=3")
            assert items[0] == 200
            assert len(items[1]["items"]) == 3
            assert call(f"{server.url}/v1/items/{spelled}")[1]["item"] == "shop/7"
            assert call(f"{server.url}/v1/items/{spelled}", {"title": "Seven"}, method="PUT")[0] == 200
            assert call(f"{server.url}/v1/users/{spelled}/history")[1]["events"] > 0
            assert call(f"{server.url}/v1/users/{spelled}/export")[1]["user"] == "shop/7"
        for new in ("a%2Fsimilar", "100%25", "caf%C3%A9%20%26%20more", "..%2F..", "%E2%82%AC"):
            assert call(f"{server.url}/v1/items/{new}", {"title": new}, method="PUT")[1]["added"]
            assert call(f"{server.url}/v1/items/{new}")[1]["title"] == new
        assert call(f"{server.url}/v1/items/100%25")[1]["item"] == "100%"
        assert call(f"{server.url}/v1/items/caf%C3%A9%20%26%20more")[1]["item"] == "café & more"
        assert call(f"{server.url}/v1/users/shop%2F7", method="DELETE")[0] == 200
        assert call(f"{server.url}/v1/users/shop%2F7/history")[1]["events"] == 0
    finally:
        server.stop()

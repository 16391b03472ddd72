"""The Python clients against a real server, and against answers that a server gives only when it fails."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import shortlist_client
from shortlist.serve.keys import make_key
from shortlist.store.event_store import EventStore
from shortlist_client import ApiError, AsyncClient, Client, ShownItem
from shortlist_client.errors import parse_answer, seconds_of
from shortlist_client.retry import delay_before
from support.embedded import EmbeddedServer
from support.http import call
from support.waiting import wait_for

SLATE = {"slate_id": "s1", "items": [{"item": "a", "title": "A", "score": 1.0}], "later": "field"}
OK = {"accepted": 1, "repeated": 0}


@pytest.fixture(scope="module")
def running(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(bundle, tmp_path_factory.mktemp("clients") / "events.sqlite")
    yield server
    server.stop()


def run(client: Client | AsyncClient, work: Callable[[Any], Any]) -> Any:
    """Run a generator of requests: each yielded value is awaited where the client is asynchronous."""

    async def asynchronously(client: AsyncClient) -> Any:
        async with client as entered:
            steps, given = work(entered), None
            while True:
                try:
                    given = await steps.send(given)
                except StopIteration as end:
                    return end.value

    if isinstance(client, AsyncClient):
        return asyncio.run(asynchronously(client))
    with client as entered:
        steps, given = work(entered), None
        while True:
            try:
                given = steps.send(given)
            except StopIteration as end:
                return end.value


KINDS = pytest.mark.parametrize("kind", [Client, AsyncClient])


# ---------------------------------------------------------------- a real server


@KINDS
def test_slates_pages_and_events(running: EmbeddedServer, kind: Any) -> None:
    user = f"visitor-{kind.__name__}"

    def work(client: Any) -> Any:
        slate = yield client.recommend(n=3)
        assert [one.position for one in slate.items] == [0, 1, 2]
        assert not slate.user_known
        first = slate.items[0]
        assert first.slate_id == slate.slate_id
        assert set(first.predictions) == set(call(f"{running.url}/v1/project")[1]["objectives"])
        similar = yield client.similar(first.item, n=2)
        assert len(similar) == 2
        assert not isinstance(similar[0], ShownItem)
        page = yield client.page(rows=2, n=4)
        assert len(page.rows) == 2
        assert page.rows[0].items[0].slate_id == page.rows[0].slate_id
        event_id = client.track("play", first, value=60.0)
        assert (yield client.flush()) == 0
        again = {**client.event("play", first), "event_id": event_id}
        assert (yield client.send([again])) == shortlist_client.EventsAnswer(accepted=0, repeated=1)
        assert (yield client.recommend(n=1)).user_known
        return first

    first = run(kind(running.url, user=user), work)
    history = call(f"{running.url}/v1/users/{user}/history")[1]["history"]
    assert [(event["item"], event["value"]) for event in history] == [(first.item, 60.0)]
    stored = call(f"{running.url}/v1/users/{user}/export")[1]["events"]
    assert [event["slate"] for event in stored] == [first.slate_id]


@KINDS
def test_a_given_list_is_ranked(running: EmbeddedServer, kind: Any) -> None:
    if "/v1/rank" not in call(f"{running.url}/openapi.json")[1]["paths"]:
        pytest.skip("the server has no /v1/rank")

    def work(client: Any) -> Any:
        return (yield client.rank(["m00001", {"item": "m00002"}, "m00003"], user="u00001"))

    ranked = run(kind(running.url), work)
    assert {one.item for one in ranked.items} == {"m00001", "m00002", "m00003"}
    assert [one.score for one in ranked.items] == sorted((one.score for one in ranked.items), reverse=True)
    assert {one.slate_id for one in ranked.items} == {ranked.slate_id}


@KINDS
def test_people_and_changes(running: EmbeddedServer, kind: Any) -> None:
    user, item = f"guest/{kind.__name__} é", f"new/{kind.__name__}"

    def work(client: Any) -> Any:
        assert (yield client.change_user(user, {"country": "NO"})).user == user
        assert (yield client.change_users([{"user": user, "attributes": {"country": "SE"}}])).users == 1
        assert (yield client.change_item(item, {"title": "Dune", "attributes": {"minutes": 155}})).added
        assert (yield client.change_items([{"item": item, "title": "Dune 2"}])).items == 1
        assert [one.item for one in (yield client.similar(item, n=1))] != [item]
        yield client.send([client.event("play", "m00001", user=user)])
        held = yield client.export_user(user)
        assert (held.attributes["country"], len(held.events)) == ("SE", 1)
        alike = yield client.similar_users("u00004", n=3)
        assert [one.score for one in alike] == sorted((one.score for one in alike), reverse=True)
        assert len(alike) == 3
        wanted = yield client.audience(items=["m00002", item], users=["u00004", user], n=1, cap=1)
        assert wanted.considered == 2
        assert {one.item for one in wanted.members} == {"m00002", item}
        why = yield client.why(item, user="u00004")
        assert (why.item, why.title) == (item, "Dune 2")
        assert why.steps[-1]["sentence"] == why.sentence
        assert (yield client.retire_item(item)).item == item
        assert (yield client.why(item, user="u00004")).stage == "catalogue"
        assert (yield client.erase_user(user)).erased["events"] == 1
        assert (yield client.export_user(user)).events == []

    run(kind(running.url), work)


@KINDS
def test_errors_name_the_field(running: EmbeddedServer, kind: Any) -> None:
    def work(client: Any) -> Any:
        yield client.recommend(weights={"fame": 1.0})

    with pytest.raises(ApiError) as caught:
        run(kind(running.url), work)
    assert (caught.value.status, caught.value.field) == (422, "weights.fame")
    assert caught.value.request_id
    assert "fame" in str(caught.value)


@KINDS
def test_a_wrong_event_does_not_hold_up_the_others(running: EmbeddedServer, kind: Any) -> None:
    lost: list[Any] = []
    user = f"mixed-{kind.__name__}"

    def work(client: Any) -> Any:
        for item in ("m00001", "no such item", "m00002"):
            client.track("play", item)
        assert (yield client.flush()) == 0

    run(kind(running.url, user=user, on_error=lambda error, events: lost.append((error.field, events))), work)
    assert [(field, [event["item"] for event in events]) for field, events in lost] == [
        ("events.1.item", ["no such item"])
    ]
    assert call(f"{running.url}/v1/users/{user}/history")[1]["events"] == 2


@KINDS
def test_events_are_sent_by_themselves(running: EmbeddedServer, kind: Any) -> None:
    user = f"quiet-{kind.__name__}"

    def stored() -> int:
        return int(call(f"{running.url}/v1/users/{user}/history")[1]["events"])

    def work(client: Any) -> Any:
        client.track("play", "m00001")
        if isinstance(client, Client):
            wait_for(lambda: stored() == 1, "the event")
            yield client.flush()
        else:
            for _ in range(600):
                yield asyncio.sleep(0.02)
                if (yield asyncio.to_thread(stored)) == 1:
                    break
        assert stored() == 1

    run(kind(running.url, user=user, flush_interval=0.05), work)


def test_events_that_wait_are_sent_at_the_end_of_a_program(running: EmbeddedServer) -> None:
    program = f"""
from shortlist_client import Client
client = Client({running.url!r}, user="short", flush_interval=600)
client.track("play", "m00001")
"""
    subprocess.run(
        [sys.executable, "-c", program], check=True, timeout=60, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert call(f"{running.url}/v1/users/short/history")[1]["events"] == 1


def test_a_client_that_is_forgotten_ends_its_thread_and_sends_its_events(running: EmbeddedServer) -> None:
    client = Client(running.url, user="forgotten", flush_interval=600)
    client.track("play", "m00001")
    thread = client._sender._thread
    assert thread is not None
    del client
    thread.join(30)
    assert not thread.is_alive()
    assert call(f"{running.url}/v1/users/forgotten/history")[1]["events"] == 1


@pytest.fixture(scope="module")
def locked(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedServer, str]]:
    target = tmp_path_factory.mktemp("locked") / "e.sqlite"
    store = EventStore(target)
    key = make_key(store, "page", ["public"], 100)
    store.close()
    server = EmbeddedServer(bundle, target)
    yield server, key
    server.stop()


@KINDS
def test_a_key_is_sent(locked: tuple[EmbeddedServer, str], kind: Any) -> None:
    server, key = locked

    def work(client: Any) -> Any:
        return (yield client.recommend(n=2))

    assert len(run(kind(server.url, key=key), work).items) == 2
    with pytest.raises(ApiError, match="a key is needed") as caught:
        run(kind(server.url), work)
    assert caught.value.status == 401


# ---------------------------------------------------------------- prepared answers


def scripted(kind: Any, *answers: Any, **options: Any) -> tuple[Any, list[httpx.Request]]:
    """A client whose server gives prepared answers: a body, (status, body, headers) or an exception."""
    sent: list[httpx.Request] = []
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        given = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(given, Exception):
            raise given
        status, body, headers = given if isinstance(given, tuple) else (200, given, {})
        return httpx.Response(
            status, text=body if isinstance(body, str) else json.dumps(body), headers=headers
        )

    return kind("http://recs.example/x/", transport=httpx.MockTransport(answer), **options), sent


@KINDS
def test_a_failure_that_passes_is_repeated_with_the_same_ids(kind: Any) -> None:
    client, sent = scripted(kind, (503, "gateway", {}), httpx.ConnectError("refused"), OK)

    def work(client: Any) -> Any:
        yield client.send([{"user": "u", "item": "i", "kind": "play"}])

    run(client, work)
    assert len(sent) == 3
    assert len({json.loads(one.content)["events"][0]["event_id"] for one in sent}) == 1


@KINDS
@pytest.mark.parametrize(
    ("failure", "retries", "expected", "message"),
    [
        ((422, {"error": "no", "field": "n"}, {}), 2, 1, "no"),
        ((500, "", {}), 2, 1, "answered 500"),
        ((429, {"error": "later"}, {"retry-after": "60"}), 2, 1, "later"),
        ((429, {"error": "later"}, {}), 1, 2, "later"),
        ((200, "<html>", {}), 2, 1, "answered 200"),
        (httpx.ConnectError("refused"), 1, 2, "cannot be reached: refused"),
        (httpx.ReadTimeout("slow"), 0, 1, "did not answer within 3 seconds"),
    ],
)
def test_other_failures_are_not_repeated(
    kind: Any, failure: Any, retries: int, expected: int, message: str
) -> None:
    client, sent = scripted(kind, failure, retries=retries, timeout=3)

    def work(client: Any) -> Any:
        yield client.recommend()

    with pytest.raises(ApiError, match=message):
        run(client, work)
    assert len(sent) == expected


@KINDS
def test_requests_name_the_user_of_the_client_unless_they_say_whom_they_are_about(kind: Any) -> None:
    client, sent = scripted(kind, SLATE, user="u1", key="sl_1")

    def work(client: Any) -> Any:
        yield client.recommend(n=3)
        yield client.recommend(user="u2")
        yield client.recommend(history=["a"])
        yield client.rank(["a", {"item": "b", "price": 2}], context={"device": "tv"})
        yield client.similar("shop/7 é", n=8, by="a&b")
        yield client.similar(7)

    run(client, work)
    assert [json.loads(one.content) for one in sent[:4]] == [
        {"n": 3, "user": "u1"},
        {"user": "u2"},
        {"history": ["a"]},
        {"context": {"device": "tv"}, "user": "u1", "items": ["a", {"item": "b", "price": 2}]},
    ]
    assert [one.url.raw_path.decode() for one in sent[3:]] == [
        "/x/v1/rank",
        "/x/v1/items/shop%2F7%20%C3%A9/similar?n=8&by=a%26b",
        "/x/v1/items/7/similar",
    ]
    assert sent[0].headers["authorization"] == "Bearer sl_1"


def test_events_name_the_slate_that_showed_the_item() -> None:
    rows = [{**SLATE, "slate_id": "p-0"}]
    client, _ = scripted(Client, SLATE, {"page_id": "p", "rows": rows}, {"items": SLATE["items"]}, user="u1")
    shown = client.recommend().items[0]
    client.page()
    (similar,) = client.similar("x")

    def slate_of(item: Any, **options: Any) -> Any:
        return client.event("play", item, **options).get("slate_id")

    assert slate_of(shown) == "s1"  # as it was shown there
    assert slate_of("a") == "p-0"  # the slate that showed it last
    assert slate_of(similar) is None
    assert slate_of("a", slate_id=None) is None
    assert slate_of("a", slate_id="own") == "own"
    assert slate_of("never shown") is None
    made = client.event(
        "play", "a", value=0.0, context={"device": "tv"}, timestamp=5, user="u2", event_id="e"
    )
    assert made == {
        "user": "u2", "item": "a", "kind": "play", "value": 0.0, "context": {"device": "tv"},
        "timestamp": 5, "event_id": "e", "slate_id": "p-0",
    }  # fmt: skip


def test_an_event_needs_a_user() -> None:
    client, _ = scripted(Client, OK)
    with pytest.raises(ApiError, match="needs a user") as caught:
        client.track("play", "a")
    assert (caught.value.status, caught.value.field) == (0, "user")


def test_answers_that_are_no_json_and_waits() -> None:
    for text in ("Internal Server Error", "", "null", '"text"', '{"error": ""}', '{"error": {}}'):
        with pytest.raises(ApiError, match="The server answered 502 without an explanation"):
            parse_answer(502, text, {})
    dates = ["Wed, 21 Oct 2026 07:28:30 GMT", "Wed, 21 Oct 2026 07:27:00 GMT"]
    assert [seconds_of(text, 1792567680.0) for text in ("2", *dates, "soon", "", None)] == [
        2,
        30,
        0,
        None,
        None,
        None,
    ]
    assert [delay_before(k, None, 10, lambda: 1.0) for k in (1, 2, 3, 9)] == [0.2, 0.4, 0.8, 10]
    assert delay_before(1, 4, 10, lambda: 0.5) == 4.1

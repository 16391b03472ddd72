"""Public keys: what pages may do with a key that everyone can read, over real HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shortlist.errors import ShortlistError
from shortlist.serve.keys import make_key
from shortlist.serve.settings import ServerSettings
from shortlist.store.event_store import EventStore
from support.embedded import EmbeddedServer
from support.http import bearer, call

SHOP = "https://shop.example"
PLAY = {"user": "v-1", "item": "m00001", "kind": "play", "value": 7.0}
ONLY = "a public key may only send events and ask for recommendations, pages, similar items and ranked lists"


@pytest.fixture(scope="module")
def shop(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a server that pages of `SHOP` may call, and its keys."""
    target = tmp_path_factory.mktemp("public") / "e.sqlite"
    store = EventStore(target)
    keys = {
        "public": make_key(store, "web", ["public"], 500),
        "slow": make_key(store, "slow", ["public"], 1),
        "private": make_key(store, "backend", ["recommend", "events", "admin"], 500),
    }
    store.close()
    server = EmbeddedServer(bundle, target, ServerSettings(origins=(SHOP,)))
    yield server.url, keys
    server.stop()


def beacon(url: str, key: str, body: Any = None, origin: str = SHOP) -> tuple[int, Any]:
    """Send events as `navigator.sendBeacon` does: a body of text, a key in the address, no headers of the page."""
    text = json.dumps({"events": [PLAY]} if body is None else body)
    headers = {"Content-Type": "text/plain;charset=UTF-8", "Origin": origin, "Sec-Fetch-Site": "cross-site"}
    return call(f"{url}/v1/events?key={key}", raw=text.encode(), headers=headers)


def test_a_public_key_has_a_prefix_of_its_own_and_no_other_scope(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "e.sqlite")
    assert make_key(store, "web", ["public"], 1).startswith("slp_")
    assert make_key(store, "app", ["recommend"], 1).startswith("sl_")
    with pytest.raises(ShortlistError, match="make a second key for: admin") as caught:
        make_key(store, "both", ["public", "admin"], 1)
    assert caught.value.field == "scopes"
    store.close()


def test_a_public_key_may_do_what_a_page_needs(shop: tuple[str, dict[str, str]]) -> None:
    url, keys = shop
    headers = {**bearer(keys["public"]), "Origin": SHOP, "Sec-Fetch-Site": "cross-site"}
    status, slate = call(f"{url}/v1/recommend", {"user": "v-1", "n": 2}, headers=headers)
    assert (status, len(slate["items"])) == (200, 2)
    item = slate["items"][0]["item"]
    assert call(f"{url}/v1/items/{item}/similar?n=2", headers=headers)[0] == 200
    assert call(f"{url}/v1/page", {"rows": 2}, headers=headers)[0] == 200
    events = {"events": [{**PLAY, "item": item, "slate_id": slate["slate_id"]}]}
    assert call(f"{url}/v1/events", events, headers=headers) == (200, {"accepted": 1, "repeated": 0})


def test_a_public_key_may_do_nothing_else(shop: tuple[str, dict[str, str]]) -> None:
    """Every other operation of the interface is refused, whatever it is asked with; a new one is refused, too."""
    url, keys = shop
    allowed = {
        ("post", "/v1/recommend"),
        ("post", "/v1/page"),
        ("post", "/v1/rank"),
        ("post", "/v1/events"),
        ("get", "/v1/items/{item}/similar"),
        ("get", "/healthz"),
        ("get", "/readyz"),
    }
    operations = {(m, p) for p, ms in call(f"{url}/openapi.json")[1]["paths"].items() for m in ms} - allowed
    assert {
        ("get", "/v1/users"),
        ("get", "/v1/users/{user}/history"),
        ("get", "/v1/users/{user}/export"),
    } <= operations
    assert ("get", "/v1/admin/audit") in operations
    for method, path in sorted(operations):
        address = url + path.format(item="m00001", user="u00001", row=1)
        body: dict[str, Any] | None = {} if method in {"post", "put"} else None
        status, answer = call(address, body, method=method.upper(), headers=bearer(keys["public"]))
        assert (status, answer) == (403, {"error": ONLY, "field": None}), (method, path)
    for path in ("/v1/recommend?debug=timing", "/v1/users/x/similar", "/v1/items//similar"):
        method = "POST" if "debug" in path else "GET"
        body = {} if method == "POST" else None
        assert call(url + path, body, method=method, headers=bearer(keys["public"]))[0] == 403, path


def test_pages_of_other_origins_cannot_use_a_public_key(shop: tuple[str, dict[str, str]]) -> None:
    url, keys = shop
    foreign = {"Origin": "https://other.example", "Sec-Fetch-Site": "cross-site"}
    for path, body in (("/v1/recommend", {"n": 1}), ("/v1/items/m00001/similar", None)):
        status, answer = call(url + path, body, headers={**bearer(keys["public"]), **foreign})
        assert (status, "--cors-origin" in answer["error"]) == (403, True), path
    assert beacon(url, keys["public"], origin="https://other.example")[0] == 403


def test_a_beacon_has_its_key_in_the_address(shop: tuple[str, dict[str, str]]) -> None:
    url, keys = shop
    event = {**PLAY, "event_id": "beacon-1"}
    assert beacon(url, keys["public"], {"events": [event]}) == (200, {"accepted": 1, "repeated": 0})
    assert beacon(url, keys["public"], {"events": [event]}) == (200, {"accepted": 0, "repeated": 1})
    status, answer = beacon(url, keys["public"], {"events": [{**PLAY, "item": "none"}]})
    assert (status, answer["field"]) == (422, "events.0.item")


def test_a_secret_is_not_taken_from_an_address_and_text_is_not_taken_elsewhere(
    shop: tuple[str, dict[str, str]],
) -> None:
    url, keys = shop
    assert beacon(url, keys["private"])[0] == 401
    assert beacon(url, "slp_wrong")[0] == 401
    assert beacon(url, "")[0] == 415
    text = {"Content-Type": "text/plain"}
    key = keys["public"]
    assert call(f"{url}/v1/recommend?key={key}", raw=b"{}", headers=text)[0] == 415
    assert call(f"{url}/v1/recommend?key={key}", {"n": 1})[0] == 401
    assert call(f"{url}/v1/events", raw=b"{}", headers={**text, **bearer(key)})[0] == 415
    # a key in a header is the one that counts
    assert call(f"{url}/v1/events?key={key}", {"events": [PLAY]}, headers=bearer("sl_wrong"))[0] == 401


@pytest.mark.parametrize("declared", [True, False])
def test_bodies_with_a_public_key_are_small(shop: tuple[str, dict[str, str]], declared: bool) -> None:
    url, keys = shop
    body = json.dumps({"user": "x" * 70_000}).encode()
    assert call(f"{url}/v1/recommend", raw=body, headers=bearer(keys["private"]))[0] == 422
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    headers = {**bearer(keys["public"]), "Content-Type": "application/json"}
    if declared:
        connection.request("POST", "/v1/recommend", body, headers)
    else:
        connection.request(
            "POST", "/v1/recommend", iter([body[:40_000], body[40_000:]]), headers, encode_chunked=True
        )
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["error"]) == (
        413,
        "the body is larger than 65,536 bytes",
    )
    connection.close()


def test_the_wait_that_a_rate_demands_can_be_read_by_pages(shop: tuple[str, dict[str, str]]) -> None:
    url, keys = shop
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    headers = {**bearer(keys["slow"]), "Content-Type": "application/json", "Origin": SHOP}
    for _ in range(4):
        connection.request("POST", "/v1/recommend", b'{"n": 1}', headers)
        answer = connection.getresponse()
        answer.read()
    assert (answer.status, answer.getheader("Retry-After")) == (429, "1")
    assert answer.getheader("Access-Control-Allow-Origin") == SHOP
    assert "retry-after" in (answer.getheader("Access-Control-Expose-Headers") or "")
    connection.close()

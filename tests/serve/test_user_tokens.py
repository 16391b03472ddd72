"""Signed user ids over HTTP: a public key that takes the id of a user only with the token of the user's own server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from shortlist.errors import ShortlistError
from shortlist.serve.keys import all_keys, make_key, new_user_secret
from shortlist.serve.settings import ServerSettings
from shortlist.store.event_store import EventStore
from shortlist_client import ApiError, Client, sign_user
from support.cli import run
from support.embedded import EmbeddedServer
from support.http import bearer, call

SHOP = "https://shop.example"
SECRET = new_user_secret()
VISITOR = "v-" + "0123456789abcdef" * 2


class Shop:
    """A server, and the public key of a shop whose users are signed."""

    def __init__(self, bundle: Path, target: Path) -> None:
        store = EventStore(target)
        self.signed = make_key(store, "web", ["public"], 500, SECRET)
        self.plain = make_key(store, "app", ["public"], 500)
        self.backend = make_key(store, "backend", ["recommend", "events", "metrics", "admin"], 500)
        store.close()
        self.server = EmbeddedServer(bundle, target, ServerSettings(origins=(SHOP,)))
        self.url = self.server.url

    def ask(self, path: str, body: Any, key: str | None = None) -> tuple[int, Any]:
        return call(self.url + path, body, headers=bearer(key or self.signed))


@pytest.fixture(scope="module")
def shop(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(bundle, tmp_path_factory.mktemp("signed") / "e.sqlite")
    yield shop
    shop.server.stop()


def bodies(user: Any) -> dict[str, dict[str, Any]]:
    event = {"user": user, "item": "m00001", "kind": "play", "value": 7.0}
    return {
        "/v1/recommend": {"user": user, "n": 2},
        "/v1/page": {"user": user, "rows": 1},
        "/v1/rank": {"user": user, "items": ["m00001", "m00002"]},
        "/v1/events": {"events": [event]},
    }


def made(claims: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode({"sub": "u00001", "exp": int(time.time()) + 60, **claims}, secret, algorithm)


def test_a_user_needs_the_token_of_the_user(shop: Shop) -> None:
    for path, body in bodies("u00001").items():
        status, answer = shop.ask(path, body)
        assert (status, answer["field"]) == (401, "user_token"), path
        for token in (made({}), sign_user("u00001", SECRET)):
            assert shop.ask(path, {**body, "user_token": token})[0] == 200, path
        status, answer = shop.ask(path, {**body, "user_token": made({"sub": "u00002"})})
        field = "events.0.user" if path == "/v1/events" else "user"
        assert (status, answer["field"]) == (401, field)
        assert answer["error"] == f"{field}: the token (user_token) is of another user"


def test_tokens_that_are_refused(shop: Shop) -> None:
    now = int(time.time())
    wrong = {
        "too old": made({"exp": now - 60}),
        "no token that was signed": made({}, "another secret of more than thirty-two characters"),
        "no token that was signed with": "nonsense",
        "(a JSON Web Token, HS256)": made({}, SECRET * 2, "HS512"),
        "no token": jwt.encode({"sub": "u00001", "exp": now + 60}, "", "none"),
        'needs "sub"': jwt.encode({"exp": now + 60}, SECRET),
        '"exp", the end': jwt.encode({"sub": "u00001"}, SECRET),
    }
    for said, token in wrong.items():
        status, answer = shop.ask("/v1/recommend", {"user": "u00001", "user_token": token})
        assert (status, answer["field"]) == (401, "user_token"), said
        assert said in answer["error"]
    assert shop.ask("/v1/recommend", {"user": "u00001", "user_token": "x" * 5000})[0] == 422


def test_visitors_need_no_token(shop: Shop) -> None:
    for path, body in bodies(VISITOR).items():
        assert shop.ask(path, body)[0] == 200, path
    assert shop.ask("/v1/recommend", {"history": ["m00001"]})[0] == 200
    for almost in ("v-1", VISITOR.upper(), VISITOR + "0", " " + VISITOR):
        assert shop.ask("/v1/recommend", {"user": almost})[0] == 401, almost


def test_a_batch_of_a_visitor_who_logs_in(shop: Shop) -> None:
    events = [{"user": user, "item": "m00001", "kind": "play"} for user in (VISITOR, "u00001", "u00002")]
    token = made({})
    assert shop.ask("/v1/events", {"events": events[:2], "user_token": token})[0] == 200
    status, answer = shop.ask("/v1/events", {"events": events, "user_token": token})
    assert (status, answer["field"]) == (401, "events.2.user")


def test_other_keys_check_no_tokens(shop: Shop) -> None:
    for key in (shop.plain, shop.backend):
        assert shop.ask("/v1/recommend", {"user": "u00001"}, key)[0] == 200
        status, answer = shop.ask("/v1/recommend", {"user": "u00001", "user_token": made({})}, key)
        assert (status, answer["field"]) == (422, "user_token")
        assert "--signed-users" in answer["error"]


def test_results_are_counted_once(shop: Shop) -> None:
    def counts() -> dict[str, float]:
        lines = call(f"{shop.url}/metrics", headers=bearer(shop.backend))[1].splitlines()
        found = (line.split() for line in lines if line.startswith("shortlist_user_tokens_total{"))
        return {name.split('"')[1]: float(value) for name, value in found}

    before = counts()
    body = {"user": "u00001"}
    shop.ask("/v1/recommend", {**body, "user_token": made({})})
    shop.ask("/v1/recommend", body)
    shop.ask("/v1/recommend", {**body, "user_token": made({"exp": 1})})
    shop.ask("/v1/recommend", {**body, "user_token": "x"})
    after = counts()
    assert {name: after[name] - before.get(name, 0.0) for name in after} == {
        "valid": 1.0,
        "missing": 1.0,
        "expired": 1.0,
        "wrong": 1.0,
    }


def test_the_client_renews_a_token_and_changes_its_user(shop: Shop) -> None:
    asked: list[str] = []

    def token() -> str:
        asked.append("")
        return sign_user("u00001", SECRET, -60.0 if len(asked) == 1 else 60.0)

    lost: list[ApiError] = []
    with Client(
        shop.url, key=shop.signed, user=VISITOR, on_error=lambda error, _: lost.append(error)
    ) as client:
        assert client.recommend(n=1).items
        client.track("play", "m00001", value=60)
        client.identify("u00001", token)
        assert client.recommend(n=1).items
        assert len(asked) == 2, "the first token was too old"
        client.track("play", "m00001", value=60)
        client.identify("u00002", sign_user("u00002", SECRET))
        assert client.page(rows=1).rows
        with pytest.raises(ApiError) as refused:
            client.recommend(user="u00001")
        assert (refused.value.status, refused.value.field) == (401, "user")
    assert lost == []


def test_the_command(tmp_path: Path) -> None:
    store = f"{tmp_path / 'e.sqlite'}"
    said = run(
        "keys", "add", "web", "--scopes", "public", "--signed-users", "--store", store, cwd=tmp_path
    ).split()
    opened = EventStore(store)
    (key,) = all_keys(opened)
    assert key.user_secret in said
    assert "user_secret" not in repr(key)
    with pytest.raises(ShortlistError, match="only public keys take signed users") as refused:
        make_key(opened, "backend", ["recommend"], 10, SECRET)
    assert refused.value.field == "signed-users"
    opened.close()
    assert "signed users" in run("keys", "list", "--store", store, cwd=tmp_path)

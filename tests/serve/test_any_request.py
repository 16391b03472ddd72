"""Whatever the schema allows is answered, and what is accepted survives a restart and can be trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import shortlist
from shortlist.cascade.change_body import ItemBody
from shortlist.recommender import Recommender
from shortlist.serve.schema import EventsBody, ItemsBody, PageBody, RecommendBody, WhyBody
from shortlist.store.event_store import EventStore
from shortlist.store.merge import merge_store
from support.http import call
from support.schemas import SchemaValues, integers, texts
from support.servers import Server
from support.sizes import size
from support.worlds import quick_training

USERS, ITEMS = [1, 2, "3", 41, "a guest"], [1, 2, "3", 900]
KNOWN: dict[str, Any] = {
    "user": USERS,
    "item": ITEMS,
    "after": ITEMS,
    "history": [[], [1], [2, "3"]],
    "kind": ["view", "buy"],
    "n": [1, 5],
    "rows": [1, 3],
    "timestamp": [None, 1_760_000_000, "2025-10-09T08:53:20Z", 1_760_000_000_000, "1999-01-01"],
    "value": [None, 1.0, 999999999999.0],
    "weights": {"view": [1, -1.0, 0], "buy": [1, 1e6]},
    "filters": {
        "price": [{"max": 5}, {"min": 2}],
        "genres": [{"none": ["a"]}, {"any": ["b"]}],
        "made": [{"min": "2020"}],
    },
    "at_least": {"buy": [0.0, 0.5]},
    "context": {"device": ["phone", "tv"], "hour": [1, 23.0, True], "weekend": [True, 1]},
    "attributes": {
        "price": [1, 2.5, True],
        "genres": [["a"], [], "a"],
        "colour": ["red", "a new colour"],
        "made": ["2024-02-29", 1_700_000_000, "01-Jan-1995"],
        "stock": [True, 0],
        "about": ["words of a text", ""],
        "vector": [[0.5, 0.5, 0.1], [1, 2], [float("nan")] * 3],
    },
    "combine": ["sum", "product"],
    "seed": [0, 7],
    "title": ["A title", None],
    "event_id": ["e1", "e2", None],
    "slate_id": ["s1", None],
    "cursor": [None],
}
BODIES: dict[str, tuple[str, type[BaseModel]]] = {
    "/v1/recommend": ("POST", RecommendBody),
    "/v1/page": ("POST", PageBody),
    "/v1/why": ("POST", WhyBody),
    "/v1/events": ("POST", EventsBody),
    "/v1/items": ("PUT", ItemsBody),
}


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, Any]:
    """One request, with one odd field at most: method, path and body. Half of them are events, because these are stored."""
    odd = draw(st.sampled_from(["", *KNOWN]))
    which = draw(st.sampled_from([*BODIES, "/v1/events", "/v1/events", "/v1/events", "one item", "a person"]))
    if which in BODIES:
        method, model = BODIES[which]
        schema = model.model_json_schema()
        return method, which, draw(SchemaValues(schema.get("$defs", {}), KNOWN, odd).of(schema))
    identity = draw(st.one_of(st.sampled_from([*USERS, *ITEMS]), texts.filter(bool), integers))
    path = quote(str(identity).encode("utf-8", "surrogatepass"), safe="")
    if which == "a person":
        return draw(st.sampled_from(["GET", "DELETE"])), f"/v1/users/{path}/export", None
    return (
        "PUT",
        f"/v1/items/{path}",
        draw(SchemaValues({}, KNOWN, odd).of(ItemBody.model_json_schema())),
    )


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with whole-number ids, attributes of every kind, and context."""
    rng = np.random.default_rng(0)
    items = [
        {
            "item_id": i,
            "title": f"Item {i}",
            "price": float(i),
            "genres": [["a"], ["b"], ["a", "b"]][i % 3],
            "colour": ["red", "blue"][i % 2],
            "made": f"202{i % 5}-01-01",
            "stock": i % 7 > 0,
            "about": f"some words about the thing with number {i}, {'short' if i % 2 else 'long'}",
            "vector": rng.normal(size=3).tolist(),
        }
        for i in range(1, 31)
    ]
    events = [
        {
            "user_id": int(rng.integers(1, 41)),
            "item_id": int(rng.integers(1, 31)),
            "timestamp": 1_760_000_000 + 600 * at,
            "event": ["view", "view", "buy"][at % 3],
            "device": ["phone", "tv"][at % 2],
            "hour": at % 24,
            "weekend": at % 7 > 4,
        }
        for at in range(1200)
    ]
    project = shortlist.guess_project(events, items)
    dataset = shortlist.Dataset.from_frames(events, items, project=project)
    folder = tmp_path_factory.mktemp("any") / "bundle"
    with quick_training():
        return shortlist.Recommender(project).fit(dataset).save(folder)


def seen(url: str, users: set[Any]) -> dict[str, Any]:
    """What a server says of the people and the items."""
    paths = {str(user): quote(str(user), safe="") for user in users}
    items = call(f"{url}/v1/items?n=200")[1]
    described = {}
    for item in items["items"]:
        found = call(f"{url}/v1/items/{item['item']}")[1]
        described[item["item"]] = {name: found[name] for name in ("title", "retired", "attributes")}
    return {
        "histories": {user: call(f"{url}/v1/users/{path}/history?n=200")[1] for user, path in paths.items()},
        "total": items["total"],
        "items": described,
    }


@pytest.mark.usefixtures("quick_training")
def test_any_request(every_kind: Path, tmp_path: Path) -> None:
    server = Server(every_kind, tmp_path / "events.sqlite")
    users: set[Any] = {1, 2, 3, 41, "a guest"}
    accepted = {"events": 0, "items": 0}

    @settings(max_examples=size(100, 250), deadline=None, suppress_health_check=list(HealthCheck))
    @given(requests())
    def send(request: tuple[str, str, Any]) -> None:
        method, path, body = request
        raw = None if body is None else json.dumps(body).encode()
        status, answer = call(f"{server.url}{path}", raw=raw, method=method)
        assert status in {200, 400, 404, 405, 422}, (answer, body)
        if status == 200 and path == "/v1/events":
            accepted["events"] += answer["accepted"]
            users.update(event["user"] for event in body["events"])
        accepted["items"] += status == 200 and method == "PUT"

    try:
        send()
        assert accepted["events"] > 10
        assert accepted["items"] > 0
        before, ready = seen(server.url, users), call(f"{server.url}/readyz")[1]
        assert ready["status"] == "ready"
        assert (ready["events_not_replayed"], ready["item_changes_not_applied"]) == (0, 0)
        server.stop()
        server.start()
        assert seen(server.url, users) == before
        assert call(f"{server.url}/readyz")[1] == ready
    finally:
        server.stop()
    model, store = Recommender.load(every_kind), EventStore(tmp_path / "events.sqlite")
    merged = merge_store(model.dataset, store, model.project.data)
    stored = sum(1 for _ in store.events())
    store.close()
    repeated = merged.dataset.check.set_aside.get("duplicates", 0)
    guests = merged.dataset.check.set_aside.get("of guests", 0)
    assert merged.new == stored - repeated - guests, merged.dataset.check.summary()
    trained = Recommender(model.project).fit(merged.dataset)
    for user in (1, "a guest", None):
        assert len(trained.recommend(user, n=3)) == 3

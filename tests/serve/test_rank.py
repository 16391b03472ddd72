"""POST /v1/rank: order, errors, what is kept of a given list, and training from it."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.config.base import IMPRESSION
from shortlist.data.dataset import Dataset
from shortlist.rank.list_members import list_members
from shortlist.recommender import Recommender
from shortlist.store.event_store import EventStore
from shortlist.store.export import export_log
from shortlist.store.merge import merge_store
from support.embedded import EmbeddedServer
from support.given_lists import ITEMS, list_log, list_project
from support.http import call


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = list_project()
    dataset = Dataset.from_frames(list_log(), ITEMS, None, project)
    return Recommender(project).fit(dataset).save(tmp_path_factory.mktemp("lists") / "bundle")


@pytest.fixture(scope="module")
def served(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    target = tmp_path_factory.mktemp("store") / "events.sqlite"
    server = EmbeddedServer(bundle, target)
    yield server.url, target
    server.stop()


LIST: list[dict[str, Any]] = [{"item": f"i{k}", "price": 90.0 - 2 * k, "score": k} for k in range(30)]


def test_every_item_comes_back(served: tuple[str, Path], bundle: Path) -> None:
    url, _ = served
    new = {"item": "n1", "title": "New", "price": 3.0, "cat": "a"}
    status, answer = call(
        f"{url}/v1/rank", {"user": "u1", "items": [*LIST, new, "n2"], "weights": {"click": 2}}
    )
    assert status == 200
    assert sorted(one["item"] for one in answer["items"]) == sorted(
        [*(one["item"] for one in LIST), "n1", "n2"]
    )
    assert answer["items"][-1]["item"] == "n2"
    assert answer["unknown_items"] == ["n1", "n2"]
    assert set(answer["items"][0]) == {
        "item",
        "title",
        "score",
        "predictions",
        "sources",
        "reason",
        "propensity",
    }
    expected = Recommender.load(bundle).rank("u1", [*LIST, new, "n2"], weights={"click": 2.0})
    assert [one["item"] for one in answer["items"]] == [one.item for one in expected]
    visitor = call(f"{url}/v1/rank?debug=timing", {"history": ["i3"], "items": ["i4", "i5"]})[1]
    assert visitor["timing"]["total"] > 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"items": [{"item": "i1", "prize": 2}]}, "items.0.prize"),
        ({"items": ["i1", {"item": "i2", "price": "2"}]}, "items.1.price"),
        ({"items": ["i1", "i1"]}, "items.1.item"),
        ({"items": []}, "items"),
        ({"items": "i1"}, "items"),
        ({"items": None}, "items"),
        ({}, "items"),
        ({"items": ["i1"], "n": 3}, "n"),
        ({"items": ["i1"], "context": {"devise": "tv"}}, "context.devise"),
        ({"items": [f"x{k}" for k in range(2_001)]}, "items"),
    ],
)
def test_errors_name_the_field(served: tuple[str, Path], body: dict[str, Any], field: str) -> None:
    status, answer = call(f"{served[0]}/v1/rank", body)
    assert (status, answer["field"]) == (422, field)


def test_an_unknown_field_is_answered_with_those_of_this_route(served: tuple[str, Path]) -> None:
    for path, body, sentence in (
        ("/v1/rank", {"itms": ["i1"]}, "did you mean 'items'?; there are: placement, user, "),
        ("/v1/recommend", {"filter": "price < 3"}, "did you mean 'filters'?"),
        ("/v1/rank", {"items": ["i1"], "boosts": []}, "there is no such field; there are: placement, user"),
        (
            "/v1/events",
            {"events": [{"usr": "u", "item": "i1", "kind": "click"}]},
            "did you mean 'user'?; there are: user, item, kind",
        ),
    ):
        assert sentence in call(f"{served[0]}{path}", body)[1]["error"]


def test_a_list_is_kept_and_learnt_from(served: tuple[str, Path]) -> None:
    """The whole list is kept with its numbers; of what was shown of it, training takes the examples."""
    url, target = served
    answer = call(f"{url}/v1/rank", {"user": "u7", "items": [*LIST, "gone"], "context": {"device": "tv"}})[1]
    shown = [one["item"] for one in answer["items"][:5]]
    plain = call(f"{url}/v1/recommend", {"user": "u7", "n": 5})[1]
    events = [
        {"user": "u7", "item": item, "kind": IMPRESSION, "slate_id": slate["slate_id"]}
        for slate, items in ((answer, shown), (plain, [one["item"] for one in plain["items"]]))
        for item in items
    ]
    events.append({"user": "u7", "item": shown[0], "kind": "click", "slate_id": answer["slate_id"]})
    assert call(f"{url}/v1/events", {"events": events})[0] == 200
    store = EventStore(target)
    slate = wait_for_slate(store, answer["slate_id"])
    assert slate.items == [one["item"] for one in answer["items"]]
    by_item = {one["item"]: one for one in LIST}
    prices = [by_item[item]["price"] if item in by_item else None for item in slate.items]
    assert slate.given is not None
    assert slate.given["price"] == pytest.approx(prices)
    assert wait_for_slate(store, plain["slate_id"]).given is None
    project = list_project()
    base = Dataset.from_frames(list_log(), ITEMS, None, project)
    merged = merge_store(base, store, project.data).dataset
    log = merged.log
    rows = np.flatnonzero((log.kind == log.kinds.index(IMPRESSION)) & (np.arange(len(log)) >= len(base.log)))
    given, others = rows[: len(shown)], rows[len(shown) :]
    assert merged.items.ids.ids(log.item[given]) == shown
    assert log.given["price"][given].tolist() == pytest.approx([by_item[item]["price"] for item in shown])
    assert np.isnan(log.given["price"][others]).all()
    members = list_members(merged, [given, others])
    assert members.is_list.tolist() == [True, False]
    assert merged.items.ids.ids(members.items(0)) == sorted(by_item, key=merged.items.ids.code)
    table = export_log(store)
    exported = {
        (r["slate"], r["item_id"]): r["price"] for r in table.to_pylist() if r["position"] is not None
    }
    assert exported[answer["slate_id"], shown[0]] == by_item[shown[0]]["price"]
    assert exported[plain["slate_id"], plain["items"][0]["item"]] is None
    assert Recommender(project).fit(merged).rank("u7", LIST).items
    store.close()


def wait_for_slate(store: EventStore, slate_id: str) -> Any:
    """The stored slate; slates are written behind the answer."""
    for _ in range(100):
        found = [slate for slate in store.slates() if slate.slate_id == slate_id]
        if found:
            return found[0]
        time.sleep(0.1)
    raise AssertionError("the slate was not stored")


def test_lists_are_counted(served: tuple[str, Path]) -> None:
    url, _ = served
    call(f"{url}/v1/rank", {"user": "u1", "items": LIST})
    with urllib.request.urlopen(f"{url}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    assert 'shortlist_list_items_bucket{le="25.0"}' in text
    assert 'path="/v1/rank"' in text

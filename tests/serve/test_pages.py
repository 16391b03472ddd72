"""Pages over HTTP: `cursor` of POST /v1/recommend, what is kept of each page, and both clients."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shortlist.config.base import IMPRESSION
from shortlist.data.cursor import Cursor
from shortlist.data.dataset import Dataset
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest
from shortlist.store.event_store import EventStore
from shortlist.store.export import export_log
from shortlist.store.merge import merge_store
from shortlist_client import ApiError, Client
from support.embedded import EmbeddedServer
from support.http import call


@pytest.fixture(scope="module")
def pair(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[str], Path]]:
    """Two servers that share a store, as behind a load balancer."""
    target = tmp_path_factory.mktemp("store") / "events.sqlite"
    servers = [EmbeddedServer(bundle, target) for _ in range(2)]
    yield [one.url for one in servers], target
    for one in servers:
        one.stop()


def test_pages_of_several_servers(
    pair: tuple[list[str], Path], recommender: Recommender, dataset: Dataset
) -> None:
    urls, target = pair
    body: dict[str, Any] = {"user": "u00011", "n": 6}
    slates: list[dict[str, Any]] = []
    for page in range(4):
        status, slate = call(f"{urls[page % 2]}/v1/recommend", body)
        assert status == 200
        slates.append(slate)
        body["cursor"] = slate["cursor"]
        event = {"user": "u00011", "item": slate["items"][0]["item"], "slate_id": slate["slate_id"]}
        events = [{**event, "kind": kind} for kind in (IMPRESSION, "play")]
        assert call(f"{urls[1 - page % 2]}/v1/events", {"events": events})[0] == 200
    shown = [item["item"] for slate in slates for item in slate["items"]]
    assert len(set(shown)) == len(shown) == 24
    assert [slate["first_position"] for slate in slates] == [0, 6, 12, 18]
    store = EventStore(target)
    kept = wait_for_slates(store, {slate["slate_id"] for slate in slates})
    assert [kept[slate["slate_id"]].first_position for slate in slates] == [0, 6, 12, 18]
    log = export_log(store).to_pylist()
    rows = {row["slate"]: row["position"] for row in log if row["item_id"] == slates[2]["items"][1]["item"]}
    assert rows == {slates[2]["slate_id"]: 13}
    merged = merge_store(dataset, store, recommender.project.data).dataset.log
    assert sorted(merged.position[-8:][merged.position[-8:] >= 0].tolist()) == [0, 6, 12, 18]
    store.close()


def wait_for_slates(store: EventStore, wanted: set[str]) -> dict[str, Any]:
    """Slates are written behind their answers."""
    end = time.monotonic() + 20
    while True:
        kept = {slate.slate_id: slate for slate in store.slates()}
        if wanted <= set(kept):
            return kept
        assert time.monotonic() < end, "the slates were not written"
        time.sleep(0.05)


def test_errors_of_cursors(pair: tuple[list[str], Path]) -> None:
    url = f"{pair[0][0]}/v1/recommend"
    cursor = call(url, {"user": "u00012", "n": 3})[1]["cursor"]
    unsigned = Cursor.read(cursor.rpartition(".")[0], RecommendRequest(user="u00012").first_page)
    assert len(unsigned.items) == 3
    for body, status in (
        ({"cursor": "nonsense"}, 400),
        ({"cursor": cursor.rpartition(".")[0]}, 400),  # without its signature
        ({"cursor": "A" + cursor[1:]}, 400),
        ({"cursor": cursor[:-1] + ("A" if cursor[-1] != "A" else "B")}, 400),
        (
            {"cursor": Cursor(unsigned.terms, (*unsigned.items, "m00009"), unsigned.moment).text(["m00010"])},
            400,
        ),
        ({"cursor": cursor, "weights": {"play": 9.0}}, 409),
        ({"cursor": cursor, "user": "u00013"}, 409),
        ({"cursor": 7}, 422),
    ):
        found, answer = call(url, {"user": "u00012", "n": 3, **body})
        assert (found, answer["field"]) == (status, "cursor")
    assert call(f"{url}?debug=timing", {"user": "u00012", "cursor": cursor})[1]["first_position"] == 3


def test_a_cursor_is_of_one_store(pair: tuple[list[str], Path], bundle: Path, tmp_path: Path) -> None:
    """A server of another store refuses it; `why` takes it, and needs it signed, too."""
    body = {"user": "u00015", "n": 3}
    slate = call(f"{pair[0][0]}/v1/recommend", body)[1]
    asked = {**body, "item": slate["items"][0]["item"], "cursor": slate["cursor"]}
    assert call(f"{pair[0][1]}/v1/why", asked)[1]["stage"] == "page"
    assert call(f"{pair[0][1]}/v1/why", {**asked, "cursor": slate["cursor"][1:]})[0] == 400
    other = EmbeddedServer(bundle, tmp_path / "other.sqlite")
    try:
        status, answer = call(f"{other.url}/v1/recommend", {**body, "cursor": slate["cursor"]})
        assert (status, answer["field"]) == (400, "cursor")
        assert "request the first page again" in answer["error"]
    finally:
        other.stop()


def test_the_python_client_pages(pair: tuple[list[str], Path]) -> None:
    with Client(pair[0][0], user="u00014") as client:
        first = client.recommend(n=4)
        second = client.recommend(n=4, cursor=first.cursor)
        assert [one.position for one in second.items] == [4, 5, 6, 7]
        assert not {one.item for one in first.items} & {one.item for one in second.items}
        with pytest.raises(ApiError) as refused:
            client.recommend(n=4, cursor=first.cursor, diversity=1.0)
        assert (refused.value.status, refused.value.field) == (409, "cursor")

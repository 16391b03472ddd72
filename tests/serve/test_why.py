"""Explanations of missing items, and the time of each stage."""

from __future__ import annotations

from shortlist.recommender import Recommender
from support.http import call
from support.servers import Server


def test_why_names_the_stage_that_dropped_an_item(server: Server, recommender: Recommender) -> None:
    who = call(f"{server.url}/v1/users")[1]["users"][0]["user"]
    slate = call(f"{server.url}/v1/recommend", {"user": who, "n": 5})[1]["items"]
    on, url = slate[0]["item"], f"{server.url}/v1/why"
    assert call(url, {"user": who, "n": 5, "item": on})[1]["shown"]
    mine = call(f"{server.url}/v1/users/{who}/history")[1]["history"][0]["item"]
    seen = call(url, {"user": who, "item": mine})[1]
    assert (seen["shown"], seen["stage"]) == (False, "history")
    filters = {"items": {"none": [on]}}
    ruled = call(url, {"user": who, "item": on, "filters": filters})[1]
    assert (ruled["stage"], ruled["sentence"]) == ("rules", "The filter on items excludes it.")
    far = call(f"{server.url}/v1/recommend", {"user": who, "n": 200})[1]["items"][-1]["item"]
    low = call(url, {"user": who, "n": 5, "item": far})[1]
    assert low["stage"] == "rank"
    assert "by utility" in low["sentence"]
    assert [s["stage"] for s in low["steps"]] == ["catalogue", "rules", "history", "retrieve", "rank"]
    assert call(url, {"item": "none"})[0] == 422


def test_timing_of_one_request(server: Server) -> None:
    answer = call(f"{server.url}/v1/recommend?debug=timing", {"user": "u00001"})[1]
    timing = answer["timing"]
    assert set(timing) == {"request", "retrieve", "features", "rank", "rerank", "slate", "total"}
    assert 0 < sum(v for k, v in timing.items() if k != "total") <= timing["total"]
    assert call(f"{server.url}/v1/recommend?debug=all", {"user": "u00001"})[0] == 422
    text = call(f"{server.url}/metrics")[1]
    for name in (
        "stage_seconds_bucket",
        "batch_size_count",
        "shown_items_total",
        "slates_total",
        "event_lag_seconds",
    ):
        assert f"shortlist_{name}" in text

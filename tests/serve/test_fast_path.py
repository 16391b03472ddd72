"""The fast path of slates and given lists against the full path."""

from __future__ import annotations

from support.http import call
from support.servers import Server


def test_fast_path_equals_full_path(server: Server) -> None:
    """A request with a query string takes the full path; without one, it takes the fast path."""

    def same(
        body: object = None, raw: bytes | None = None, path: str = "/v1/recommend"
    ) -> tuple[int, dict[str, object]]:
        url = f"{server.url}{path}"
        short, long = call(url, body, raw), call(f"{url}?x=1", body, raw)
        assert short[0] == long[0]
        for one in (short[1], long[1]):
            one.pop("slate_id", None)
            one.pop("cursor", None)  # has the moment of the request
        assert short[1] == long[1]
        return short

    assert same({"user": "u00001", "n": 7})[0] == 200
    assert same({"history": ["m00003", "unknown"], "n": 3, "seed": 4, "explore": 0.5})[0] == 200
    assert same({"user": None})[0] == 200
    assert same({"user": "u00001", "n": 0})[0] == 422
    assert same({"user": "u00001", "weights": {"nothing": 1}})[0] == 422
    assert same({"who": 3})[0] == 422
    assert same(raw=b"{")[0] == 400
    assert same(raw=b'{"user": "\\ud800", "n": 2}')[0] == 422  # half of a character cannot be stored
    assert same({"user": "u00001", "items": ["m00004", "m00002"]}, path="/v1/rank")[0] == 200
    assert (
        same({"user": "u00001", "items": [{"item": "new", "title": "New"}, "m00002"]}, path="/v1/rank")[0]
        == 200
    )
    assert same({"user": "u00001", "items": []}, path="/v1/rank")[0] == 422
    assert same({"user": "u00001", "items": ["m00002", "m00002"]}, path="/v1/rank")[0] == 422
    assert same(raw=b'{"items": [', path="/v1/rank")[0] == 400
    counted = call(f"{server.url}/metrics")[1]
    assert 'shortlist_answers_total{path="/v1/recommend",status="200"}' in counted
    assert 'shortlist_answers_total{path="/v1/recommend",status="422"}' in counted
    assert 'shortlist_answers_total{path="/v1/rank",status="200"}' in counted

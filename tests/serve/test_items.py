"""Changes of the catalogue while serving."""

from __future__ import annotations

from pathlib import Path

from shortlist.recommender import Recommender
from shortlist.serve.routes.operations import TOGETHER
from support.http import call
from support.servers import Server

PLAY = {"user": "u00002", "item": "m00001", "kind": "play", "value": 7.0}


def test_items_are_added_changed_and_retired(bundle: Path, tmp_path: Path) -> None:
    server = Server(bundle, tmp_path / "e.sqlite")
    project = Recommender.load(bundle).project
    assert project.items is not None
    try:
        history = ["m00003", "m00010", "m00020"]

        def shown(n: int = 200) -> set[str]:
            return {
                i["item"]
                for i in call(f"{server.url}/v1/recommend", {"history": history, "n": n})[1]["items"]
            }

        def found() -> list[str]:
            request = {"history": history, "n": 1, "filters": {"items": {"any": ["new-film"]}}}
            return [i["item"] for i in call(f"{server.url}/v1/recommend", request)[1]["items"]]

        first = call(f"{server.url}/v1/recommend", {"history": history, "n": 1})[1]["items"][0]["item"]
        assert call(f"{server.url}/v1/items/{first}", method="DELETE")[0] == 200
        assert first not in shown()
        assert call(f"{server.url}/v1/items/{first}", {"retired": False}, method="PUT")[0] == 200
        assert first in shown()
        # a new item with the attributes of the best item is recommended at once
        like = Recommender.load(bundle).dataset.items
        code = like.ids.code(first)
        attributes = {name: a.show(code) for name, a in like.attributes.items()}
        status, answer = call(
            f"{server.url}/v1/items/new-film", {"title": "A new film", "attributes": attributes}, method="PUT"
        )
        assert (status, answer["added"]) == (200, True)
        assert found() == ["new-film"]
        play = {"user": "w", "item": "new-film", "kind": "play", "value": 5.0}
        assert call(f"{server.url}/v1/events", {"events": [play]})[0] == 200
        assert call(f"{server.url}/v1/users/w/history")[1]["history"][0]["title"] == "A new film"
        for body, field in (
            ({"attributes": {"colour": 1}}, "attributes.colour"),
            ({"attributes": {"genres": 5}}, "attributes.genres"),
            ({"surprise": 1}, "surprise"),
        ):
            status, answer = call(f"{server.url}/v1/items/m00001", body, method="PUT")
            assert (status, answer["field"]) == (422, field)
        assert call(f"{server.url}/v1/items/none", method="DELETE")[0] == 404
        for before in (1, 2 * TOGETHER + 3):  # in the first part that is checked, and in a later one
            good = [{"item": "m00001", "retired": True}] * before
            many = {"items": [*good, {"item": "bad", "attributes": {"x": 1}}]}
            status, answer = call(f"{server.url}/v1/items", many, method="PUT")
            assert (status, answer["field"]) == (422, f"items.{before}.attributes.x")
        # none of the changes of a body with a wrong one was made
        assert call(f"{server.url}/v1/items/m00001")[1]["retired"] is False
        server.kill()
        server.start()
        assert found() == ["new-film"]
        why = call(f"{server.url}/v1/why", {"history": history, "item": "new-film", "n": 200})[1]
        assert {k: why["steps"][3][k] for k in ("stage", "passed")} == {"stage": "retrieve", "passed": True}
        assert "content" in why["steps"][3]["sentence"]
    finally:
        server.stop()

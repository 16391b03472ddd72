"""Operators change settings over HTTP: preview, proposal, approval on all servers, restart, new bundle, undo, scopes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shortlist.config.changes import changed_project
from shortlist.data.attributes import NumberAttribute
from shortlist.errors import ShortlistError
from shortlist.recommender import Recommender
from shortlist.serve.keys import make_key, revoke_key
from shortlist.serve.middleware.guard import required_scope
from shortlist.serve.settings import ServerSettings
from shortlist.store.event_store import EventStore
from support.bundles import copy_bundle
from support.embedded import EmbeddedServer
from support.http import bearer, call
from support.paths import ROOT
from support.placements import with_placements
from support.shell import code_blocks
from support.waiting import wait_for

SHORT = {"name": "no long ones", "when": "minutes > 100", "action": "hide"}
EDITS = "/v1/admin/edits"


class Desk:
    """Two servers on one store and one folder of bundles, and the keys of three people."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        self.models, self.target = folder / "models", folder / "events.sqlite"
        self.models.mkdir()
        copy_bundle(bundle, self.models / "first", "first", 1)
        store = EventStore(self.target)
        self.keys = {
            "anna": make_key(store, "anna", ["recommend", "admin"], 500),
            "ben": make_key(store, "ben", ["recommend", "admin", "approve"], 500),
            "app": make_key(store, "app", ["recommend"], 500),
        }
        store.close()
        self.servers = [EmbeddedServer(self.models, self.target) for _ in range(2)]

    def ask(self, path: str, body: Any = None, by: str = "anna", server: int = 0) -> tuple[int, Any]:
        return call(self.servers[server].url + path, body, headers=bearer(self.keys[by]))

    def slate(self, server: int, **fields: Any) -> dict[str, Any]:
        status, slate = self.ask("/v1/recommend", {"user": "u00005", "n": 10, **fields}, "app", server)
        assert status == 200
        return dict(slate)

    def proposed(self, settings: dict[str, Any], note: str = "because") -> int:
        base = self.ask(EDITS)[1]["serving"]
        status, answer = self.ask(EDITS, {"settings": settings, "base": base, "note": note})
        assert status == 200, answer
        return int(answer["history"][0]["row"])

    def stop(self) -> None:
        for server in self.servers:
            server.stop()


@pytest.fixture
def desk(bundle: Path, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(bundle, tmp_path)
    yield desk
    desk.stop()


def serves(desk: Desk, server: int, version: str) -> bool:
    return bool(desk.slate(server)["model_version"] == version)


def shows(desk: Desk, server: int, slate: dict[str, Any]) -> bool:
    return bool(desk.slate(server)["items"] == slate["items"])


def longest(recommender: Recommender, slate: dict[str, Any]) -> float:
    minutes = recommender.dataset.items.attribute("minutes", NumberAttribute).values
    codes = recommender.dataset.items.ids.codes([one["item"] for one in slate["items"]])
    return float(minutes[codes].max())


def test_a_change_from_proposal_to_undo(desk: Desk, recommender: Recommender, bundle: Path) -> None:
    before = [desk.slate(server) for server in (0, 1)]
    assert longest(recommender, before[0]) > 100
    (written,) = code_blocks(ROOT / "docs" / "how-to" / "operators.md", "json")
    body = json.loads(written)
    settings = body["settings"]
    assert settings == {"rerank": {"rules": [SHORT]}, "weights": {"rating": 3.0}}

    status, preview = desk.ask(f"{EDITS}/preview", {"settings": settings})
    assert status == 200
    assert preview["changed"] > 0.5
    weighed = desk.ask(f"{EDITS}/preview", {"settings": {"weights": settings["weights"]}})[1]["objectives"]
    assert weighed["rating"]["value"] > 0 > weighed["play"]["value"]
    assert "rule: no long ones" in [part["part"] for part in preview["parts"]]

    row = desk.proposed(settings, body["note"])
    assert desk.slate(0)["items"] == before[0]["items"], "a proposal has no effect"
    answer = desk.ask(EDITS)[1]
    assert (answer["serving"], answer["history"][0]["state"]) == (0, "open")
    assert answer["history"][0]["preview"]["price"] == preview["price"]
    assert desk.ask(f"{EDITS}/approve/{row}", {"note": ""}, "anna")[0] == 403

    status, answer = desk.ask(f"{EDITS}/approve/{row}", {"note": "agreed"}, "ben")
    assert (status, answer["serving"], answer["present"]["weights"]["rating"]) == (200, row, 3.0)
    changed = desk.slate(0)
    assert longest(recommender, changed) <= 100
    assert changed["policy"] != before[0]["policy"]
    wait_for(lambda: longest(recommender, desk.slate(1)) <= 100, "the other server follows", 10)
    assert desk.slate(1)["policy"] == changed["policy"]
    written_down = changed_project(recommender.project, settings["rerank"], settings["weights"])
    expected = recommender.with_project(written_down).recommend("u00005", 10)
    assert [one["item"] for one in changed["items"]] == [one.item for one in expected]

    desk.servers[1].stop()  # a restart
    desk.servers[1] = EmbeddedServer(desk.models, desk.target)
    assert desk.slate(1)["policy"] == changed["policy"]

    copy_bundle(bundle, desk.models / "second", "second", 2)  # a new bundle
    for server in (0, 1):
        wait_for(partial(serves, desk, server, "second"), "the new bundle serves", 60)
        assert longest(recommender, desk.slate(server)) <= 100

    status, answer = desk.ask(f"{EDITS}/undo/{row}", {"note": "enough"}, "ben", server=1)
    assert (status, answer["serving"], answer["settings"]) == (200, 0, {})
    for server in (0, 1):
        wait_for(partial(shows, desk, server, before[0]), "the settings of the bundle serve again", 10)
    done = [(one["action"], one["by"], one["note"]) for one in desk.ask(EDITS)[1]["history"]]
    assert done == [
        ("undo", "ben", "enough"),
        ("approve", "ben", "agreed"),
        ("propose", "anna", "films for the evening"),
    ]


def test_what_is_refused(desk: Desk) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"rerank": {"diversty": 1}}, "settings.rerank.diversty"),
        ({"rerank": {"diversity": 2}}, "settings.rerank.diversity"),
        ({"rerank": {"in_stock": "minutes"}}, "settings.rerank.in_stock"),
        ({"rerank": {"rules": [{**SHORT, "when": "minuts > 3"}]}}, "settings.rerank.rules.0.when"),
        ({"rerank": {"rules": [SHORT, SHORT]}}, "settings.rerank.rules.1.name"),
        ({"weights": {"fame": 1}}, "settings.weights.fame"),
        ({"weights": {"play": 0, "seconds": 0, "rating": 0}}, "settings.weights"),
        ({"weights": {"play": float("nan")}}, "settings.weights.play"),
        ({"weights": {"play": True}}, "settings.weights.play"),
        ({"placements": {"no name": {}}}, "settings.placements.no name"),
        ({"placements": {"home": {"n": 0}}}, "settings.placements.home.n"),
        ({"placements": {"home": {"filters": "minuts < 3"}}}, "settings.placements.home.filters"),
        ({"page": {}}, "settings.page"),
    ]
    for settings, field in cases:
        for path, body in ((f"{EDITS}/preview", {}), (EDITS, {"base": 0, "note": "x"})):
            status, answer = desk.ask(path, {"settings": settings, **body})
            assert (status, answer["field"]) == (422, field), answer
    same = {"weights": {"play": desk.ask(EDITS)[1]["bundle"]["weights"]["play"]}}
    for settings in ({}, {"rerank": {}}, same):  # what serves already
        status, answer = desk.ask(EDITS, {"settings": settings, "base": 0, "note": "x"})
        assert (status, answer["field"]) == (422, "settings"), answer
        assert "nothing would change" in answer["error"]
        assert desk.ask(f"{EDITS}/preview", {"settings": settings})[0] == 200
    one, two = (desk.proposed({"rerank": {"diversity": d}}) for d in (0.2, 0.4))
    assert desk.ask(f"{EDITS}/approve/{one}", {}, "ben")[0] == 200
    status, answer = desk.ask(f"{EDITS}/approve/{two}", {}, "ben")
    assert (status, answer["field"]) == (409, "row")
    assert "reject it" in answer["error"]
    assert desk.ask(f"{EDITS}/reject/{two}", {}, "ben")[0] == 200
    assert desk.ask(f"{EDITS}/approve/99", {}, "ben")[0] == 404
    assert desk.ask(EDITS, {"settings": {}, "base": 0, "note": "x"})[0] == 409
    assert desk.ask(EDITS, {"settings": {}, "base": one, "note": ""})[0] == 422
    assert desk.ask(f"{EDITS}/undo/{one}", {"note": "a\0"}, "ben")[1]["field"] == "note"
    assert desk.ask(EDITS, by="app")[0] == 403
    assert desk.ask(EDITS)[1]["serving"] == one
    assert desk.ask(EDITS, {"settings": {"rerank": {"diversity": 0.2}}, "base": one, "note": "x"})[0] == 422
    desk.proposed({})  # back to the settings of the bundle


def test_a_second_key_approves(desk: Desk) -> None:
    """As soon as two keys have the scope `approve`, none approves what it proposed; one alone can, unless the server demands two."""
    alone = desk.ask(EDITS, {"settings": {"rerank": {"diversity": 0.2}}, "base": 0, "note": "x"}, "ben")[1]
    assert (alone["second_key"], alone["key"]) == (False, "ben")
    assert desk.ask(f"{EDITS}/approve/1", {}, "ben")[1]["serving"] == 1
    store = EventStore(desk.target)
    desk.keys["carla"] = make_key(store, "carla", ["admin", "approve"], 500)
    wait_for(lambda: desk.ask(EDITS, by="ben")[1]["second_key"], "the server reads the new key", 10)
    row = desk.ask(EDITS, {"settings": {}, "base": 1, "note": "x"}, "ben")[1]["history"][0]["row"]
    status, answer = desk.ask(f"{EDITS}/approve/{row}", {}, "ben")
    assert (status, answer["field"]) == (409, "row")
    assert "was made with this key (ben), and a second key must approve it" in answer["error"]
    assert desk.ask(EDITS)[1]["serving"] == 1
    assert desk.ask(f"{EDITS}/approve/{row}", {}, "carla")[1]["serving"] == row
    revoke_key(store, "carla")
    store.close()
    wait_for(
        lambda: not desk.ask(EDITS, by="ben")[1]["second_key"], "the server reads that it is revoked", 10
    )


def test_whether_a_second_key_is_needed_is_a_setting(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ShortlistError, match="'auto', 'always' or 'never'") as refused:
        ServerSettings.of(second_key="sometimes")
    assert refused.value.field == "second_key"
    settings = ServerSettings.of(admin_without_key=True, second_key="always")
    server = EmbeddedServer(bundle, tmp_path / "events.sqlite", settings)
    try:
        body = {"settings": {"rerank": {"diversity": 0.2}}, "base": 0, "note": "x"}
        assert call(server.url + EDITS, body)[1]["second_key"]
        status, answer = call(f"{server.url}{EDITS}/approve/1", {})
        assert (status, answer["field"]) == (409, "row")
    finally:
        server.stop()


def test_a_bundle_that_cannot_have_the_settings_does_not_serve(desk: Desk, bundle: Path) -> None:
    """Approved rules go on acting: a bundle that lost the attribute of one is turned down, and the reason is shown."""
    row = desk.proposed({"rerank": {"rules": [SHORT]}})
    assert desk.ask(f"{EDITS}/approve/{row}", {}, "ben")[0] == 200

    def without_minutes(folder: Path) -> None:
        project = folder / "project.json"
        project.write_text(project.read_text().replace('"minutes": "number"', '"length": "number"'))

    copy_bundle(bundle, desk.models / "second", "second", 2, without_minutes)

    def rejected() -> str:
        models = desk.ask("/v1/admin/models")[1]["models"]
        return next((m["rejected"] or "" for m in models if m["version"] == "second"), "")

    assert "minutes" in wait_for(rejected, "the bundle is turned down", 60)
    assert desk.slate(0)["model_version"] == "first"


def test_a_placement_is_changed(recommender: Recommender, tmp_path: Path) -> None:
    bundle = with_placements(recommender).save(tmp_path / "bundle")
    server = EmbeddedServer(bundle, tmp_path / "events.sqlite", ServerSettings(admin_without_key=True))
    try:
        present = call(server.url + EDITS)[1]["present"]["placements"]["short"]
        change = {"placements": {"short": {**present, "n": 3, "diversity": 0.9}}}
        body = {"settings": change, "placement": "short", "base": 0, "note": "fewer"}
        status, answer = call(server.url + EDITS, body)
        assert status == 200, answer
        assert answer["history"][0]["preview"]["placement"] == "short"
        wrong = {"settings": {"placements": {"short": {"diversty": 1}}}}
        status, answer = call(f"{server.url}{EDITS}/preview", wrong)
        assert (status, answer["field"]) == (422, "settings.placements.short.diversty")
        status, answer = call(f"{server.url}{EDITS}/approve/1", {})
        assert (status, answer["present"]["placements"]["short"]["n"]) == (200, 3)
        sizes = [
            len(call(f"{server.url}/v1/recommend", {"user": "u00005", "placement": name})[1]["items"])
            for name in ("short", None)
        ]
        assert sizes == [3, 10]
        # a placement that the project does not have
        fresh = {**change["placements"], "checkout": {"n": 4, "filters": "minutes < 100"}}
        body = {"settings": {"placements": fresh}, "placement": "checkout", "base": 1, "note": "a new place"}
        assert call(f"{server.url}/v1/recommend", {"placement": "checkout"})[0] == 422
        answer = call(server.url + EDITS, body)[1]
        assert answer["history"][0]["preview"]["changed"] > 0
        row = answer["history"][0]["row"]
        answer = call(f"{server.url}{EDITS}/approve/{row}", {})[1]
        assert answer["present"]["placements"]["checkout"] == fresh["checkout"]
        assert "checkout" not in answer["bundle"]["placements"]
        slate = call(f"{server.url}/v1/recommend", {"user": "u00005", "placement": "checkout"})[1]
        assert len(slate["items"]) == 4
        assert longest(recommender, slate) < 100
        call(f"{server.url}{EDITS}/undo/{row}", {})
        status, answer = call(f"{server.url}/v1/recommend", {"placement": "checkout"})
        assert (status, answer["field"]) == (422, "placement")
    finally:
        server.stop()


def test_scopes_of_decisions() -> None:
    for action in ("approve", "reject", "undo"):
        assert required_scope("POST", f"{EDITS}/{action}/3") == "approve"
    assert required_scope("POST", EDITS) == required_scope("GET", EDITS) == "admin"
    assert required_scope("POST", f"{EDITS}/preview") == "admin"

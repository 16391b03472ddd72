"""New models take over while requests run; a canary serves a share of users."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from shortlist.bundle.registry import BundleRegistry
from shortlist.recommender import Recommender
from shortlist.serve.live_models import LiveModels, LoadedModel
from shortlist.store.event_store import EventStore
from support.bundles import copy_bundle
from support.http import call
from support.load import Load
from support.servers import Server
from support.waiting import wait_for


def change_models(server: Server, folder: Path, bundle: Path, load: Load) -> None:
    """Deploy, reject, roll back, promote and try models, while requests run."""
    admin = f"{server.url}/v1/admin/models"

    def serves(version: str) -> None:
        wait_for(lambda: call(f"{server.url}/healthz")[1]["model_version"] == version, f"{version} serves")

    serves("v1")
    copy_bundle(bundle, folder / "b2", "v2", 2_000)
    serves("v2")
    # a damaged bundle is rejected, and the model that serves stays
    broken = copy_bundle(bundle, folder / "b3", "v3", 3_000)
    (broken / "ranker" / "ranker.json").write_text("{}")
    rejected = wait_for(
        lambda: BundleRegistry(folder).decisions()["rejected"], "the damaged bundle is rejected"
    )
    assert "checksum" in rejected["v3"]
    assert call(f"{server.url}/healthz")[1]["model_version"] == "v2"
    assert call(f"{admin}/rollback", {})[0] == 200
    serves("v1")
    assert call(f"{admin}/promote", {"version": "v2"}) == (200, {"version": "v2"})
    serves("v2")
    copy_bundle(bundle, folder / "b4", "v4", 4_000)
    assert call(f"{admin}/canary", {"version": "v4", "share": 0.5})[0] == 200
    wait_for(lambda: call(f"{server.url}/readyz")[1]["canary"] == "v4", "the canary serves")
    load.versions.clear()
    wait_for(lambda: load.versions >= {"v2", "v4"}, "both models answer")
    assert load.versions == {"v2", "v4"}
    users = [f"u{n:05d}" for n in range(40)]
    first, second = (
        {u: call(f"{server.url}/v1/recommend", {"user": u})[1]["model_version"] for u in users}
        for _ in range(2)
    )
    assert first == second, "a user stays with a model"
    assert 8 <= sum(version == "v4" for version in second.values()) <= 32


def test_models_change_under_load_without_failed_requests(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    copy_bundle(bundle, folder / "b1", "v1", 1_000)
    server = Server(folder, tmp_path / "e.sqlite", "--admin-without-key")
    load = Load(server.url)
    try:
        change_models(server, folder, bundle, load)
        wait_for(lambda: load.answered > 100, "100 requests")
    finally:
        load.stop()
        server.stop()
    assert not load.failed, load.failed[:3]
    # the store holds each event once, and each change of the model
    store = EventStore(tmp_path / "e.sqlite")
    assert len(list(store.events())) == len({e.event_id for e in store.events()}) >= load.answered - 3
    changes = [o.body["version"] for _, o in store.operations_since(0) if o.what == "model"]
    assert changes == ["v1", "v2", "v4"]


def test_answers_do_not_say_where_bundles_lie(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    copy_bundle(bundle, folder / "a", "a", 1000)
    broken = copy_bundle(bundle, folder / "b", "b", 500)
    server = Server(folder, tmp_path / "e.sqlite", "--admin-without-key")

    def texts() -> str:
        answers = [
            call(f"{server.url}/v1/admin/models/{what}", {"version": "c", **more})
            for what, more in (("promote", {}), ("shadow", {}), ("canary", {"share": 0.5}))
        ]
        assert [status for status, _ in answers] == [422] * 3
        places = ("/readyz", "/v1/admin/models", "/v1/admin/live", "/v1/admin/report")
        return json.dumps([answers, *(call(server.url + place) for place in places)])

    try:
        assert "no model 'c'" in texts()
        assert str(tmp_path) not in texts()
        BundleRegistry(folder).reject("b", f"{broken}/items.arrow is damaged")
        assert "b/items.arrow is damaged" in texts()
        assert str(tmp_path) not in texts()
        (folder / "models.json").write_text("{")
        wait_for(lambda: call(f"{server.url}/readyz")[1]["status"] == "degraded", "the damage to be noticed")
        assert "models.json is damaged" in texts()
        assert str(tmp_path) not in texts()
    finally:
        server.stop()


def test_canary_serves_its_share_of_users(recommender: Recommender, bundle: Path) -> None:
    other = Recommender.load(bundle)
    live = LiveModels(LoadedModel(recommender, bundle), LoadedModel(other, bundle), 0.3)
    share = np.mean([live.of(f"u{n}") is other for n in range(4000)])
    assert 0.26 < share < 0.34
    assert live.of(None) is recommender

"""`shortlist train` into an object store: from tables, and again with the events of a store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shortlist.bundle.registry import BundleRegistry
from shortlist.bundle.remote import local_bundle
from shortlist.store.event_store import EventStore
from shortlist.store.records import StoredEvent
from support.cli import run
from support.objects import S3Server

PROJECT = """
[data]
events = "events.csv"
columns = { user = "user_id", item = "item_id", timestamp = "timestamp", kind = "kind" }
[objectives.play]
events = ["play"]
[retrieve]
sources = [{ model = "popular" }]
"""


def test_models_are_trained_into_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORTLIST_CACHE", str(tmp_path / "cache"))
    lines = [f"u{n % 40},i{(n * n + n // 7) % 23},play,{1_700_000_000 + 600 * n}" for n in range(1200)]
    (tmp_path / "events.csv").write_text("\n".join(["user_id,item_id,kind,timestamp", *lines]) + "\n")
    (tmp_path / "shortlist.toml").write_text(PROJECT)
    s3 = S3Server()
    try:
        address = f"{s3.bucket()}/models/"
        out = run("train", "--out", address, "--json", "first.json", cwd=tmp_path)
        first = json.loads((tmp_path / "first.json").read_text())
        assert first["bundle"].startswith(address)
        assert f"shortlist serve {address}" in " ".join(out.split())
        store = EventStore(tmp_path / "e.sqlite")
        store.write([StoredEvent(f"e{n}", f"u{n}", "i3", "play", 1_700_900_000_000 + n) for n in range(30)])
        store.close()
        options = ["--from-store", "e.sqlite", "--no-gate", "--json", "second.json", "--keep", "1"]
        run("train", "--out", address, *options, cwd=tmp_path)
        second = json.loads((tmp_path / "second.json").read_text())
        assert second["from_store"] == 30
        assert second["removed"] == [first["bundle"]]
        assert BundleRegistry(local_bundle(address)).current().version == second["model_version"]
    finally:
        s3.stop()

"""A server, batches and exports with everything in an object store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shortlist.bundle.remote import publish_bundle
from shortlist.engines.duckdb import read_source
from shortlist.engines.object_store import ObjectStore
from shortlist.recommender import Recommender
from shortlist.store.event_store import EventStore
from shortlist.store.records import StoredEvent
from support.bundles import copy_bundle
from support.cli import run
from support.http import call
from support.objects import S3Server
from support.servers import Server
from support.waiting import wait_for


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.stop()


def test_a_server_follows_the_bundles_of_a_store(
    s3: S3Server, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORTLIST_CACHE", str(tmp_path / "cache"))
    address = f"{s3.bucket()}/models/"
    publish_bundle(copy_bundle(bundle, tmp_path / "a", "a", 1), address)
    server = Server(address, tmp_path / "e.sqlite", environment={"SHORTLIST_FOLLOW_SECONDS": "1"})
    try:

        def version() -> str:
            return str(call(f"{server.url}/v1/recommend", {"n": 3})[1]["model_version"])

        assert version() == "a"
        publish_bundle(copy_bundle(bundle, tmp_path / "b", "b", 2), address)
        wait_for(lambda: version() == "b", "the newer bundle")
    finally:
        server.stop()


def test_tables_are_written_to_a_store(
    s3: S3Server, bundle: Path, recommender: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORTLIST_CACHE", str(tmp_path / "cache"))
    bucket = s3.bucket()
    model = publish_bundle(bundle, f"{bucket}/model")
    run("batch", model, "--out", f"{bucket}/slates.parquet", "-n", "2", cwd=tmp_path)
    run("batch", model, "--out", f"{bucket}/parts", "-n", "2", "--users-per-part", "400", cwd=tmp_path)
    slates = read_source(f"{bucket}/slates.parquet").table
    parts = read_source(f"{bucket}/parts/part-*.parquet").table
    assert slates.num_rows == parts.num_rows == 2 * len(recommender.dataset.users)
    user = str(recommender.dataset.users.ids.id(0))
    store = EventStore(tmp_path / "e.sqlite")
    store.write([StoredEvent("e1", "somebody", "i", "play", 1)])
    store.close()
    out = run("export", model, "--store", "e.sqlite", "--out", f"{bucket}/log.parquet", cwd=tmp_path)
    assert f"1 rows → {bucket}/log.parquet" in out
    assert read_source(f"{bucket}/log.parquet").table.num_rows == 1
    options = ["--export", f"{bucket}/slates.parquet", "--export", f"{bucket}/parts"]
    out = run("erase", user, "--store", "e.sqlite", *options, cwd=tmp_path)
    assert out.count("2 rows erased") == 2
    for place in ("slates.parquet", "parts/part-*.parquet"):
        assert user not in read_source(f"{bucket}/{place}").table.column("user").to_pylist()
    assert ObjectStore.of(f"{bucket}/slates.parquet").objects()


def test_mistakes_are_sentences(s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.bucket()
    assert "holds no bundle" in run("recommend", f"{bucket}/none", cwd=tmp_path, ok=False)
    out = run("serve", f"{bucket}/none", cwd=tmp_path, ok=False)
    assert "name the event store (--store)" in out

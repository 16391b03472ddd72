"""Azure Blob Storage and Google Cloud Storage, against servers with their interfaces, where those are installed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from shortlist.bundle.format import read_manifest, write_folder
from shortlist.bundle.remote import local_bundle, publish_bundle
from shortlist.engines.duckdb import read_source
from shortlist.engines.object_store import ObjectStore, local_output
from shortlist.errors import DataError
from shortlist.ingest.folder import FolderSource
from shortlist.ingest.rules import EventRules
from shortlist.ingest.stream import ingest
from shortlist.store.event_store import EventStore
from support.emulators import PROGRAMS, Emulator
from support.numbered_events import events

NEVER = threading.Event()


@pytest.fixture(scope="module", params=sorted(PROGRAMS))
def emulator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    scheme = str(request.param)
    if shutil.which(PROGRAMS[scheme]) is None:
        pytest.skip(f"{PROGRAMS[scheme]} is not installed")
    emulator = Emulator(scheme, tmp_path_factory.mktemp(scheme))
    yield emulator
    emulator.stop()


def test_tables_exports_and_removal(emulator: Emulator) -> None:
    bucket = emulator.bucket()
    for day, part in ((1, events(0, 3)), (2, events(3, 5))):
        with local_output(f"{bucket}/log/day={day}/a.parquet") as path:
            pq.write_table(part, path)
    folder = read_source(f"{bucket}/log/").table
    assert (folder.num_rows, set(folder.column("day").to_pylist())) == (5, {"1", "2"})
    assert read_source(f"{bucket}/l*/day=2/*.parquet").table.num_rows == 2
    assert read_source(f"{bucket}/log/day=1/a.parquet").table.num_rows == 3
    store = ObjectStore.of(f"{bucket}/log")
    assert [(store.name_of(one), one.size > 0, one.modified > 0) for one in store.objects()] == [
        ("day=1/a.parquet", True, True),
        ("day=2/a.parquet", True, True),
    ]
    store.remove("day=1/a.parquet")
    store.remove("day=1/a.parquet")
    assert read_source(f"{bucket}/log/").table.num_rows == 2
    with pytest.raises(DataError, match="there is no such object"):
        read_source(f"{bucket}/nothing.parquet")


def test_files_that_arrive_are_stored_once(emulator: Emulator, store_target: str) -> None:
    bucket, store = emulator.bucket(), EventStore(store_target)
    for name, part in (("a", events(0, 4)), ("b", events(4, 9))):
        with local_output(f"{bucket}/in/{name}.parquet") as path:
            pq.write_table(part, path)
    totals = [
        ingest(FolderSource(f"{bucket}/in/", EventRules(), once=True), store, NEVER).stored for _ in range(2)
    ]
    assert totals == [9, 0]
    store.close()


def test_bundles_are_published_and_copied(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORTLIST_CACHE", str(tmp_path / "cache"))
    address = f"{emulator.bucket()}/model"
    for made, version in enumerate(("one", "two")):

        def fill(fresh: Path, version: str = version) -> None:
            (fresh / "state.json").write_text(version)

        folder = tmp_path / version
        write_folder(folder, fill, {"model_version": version, "made": made, "name": "test"})
        assert publish_bundle(folder, address) == address
        assert read_manifest(local_bundle(address))["model_version"] == version

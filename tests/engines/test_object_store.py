"""Tables in an object store, against a server with the interface of S3."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.config.project import read_project
from shortlist.data.dataset import Dataset
from shortlist.engines.duckdb import read_source
from shortlist.errors import DataError
from shortlist.ingest.folder import FolderSource
from shortlist.ingest.rules import EventRules
from shortlist.ingest.stream import ingest
from shortlist.store.event_store import EventStore
from support.cli import run
from support.numbered_events import events
from support.objects import S3Server


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.stop()


def put(s3: S3Server, address: str, table: pa.Table, tmp_path: Path) -> None:
    file = tmp_path / "upload.parquet"
    pq.write_table(table, file)
    s3.put(address, file)


def test_an_object_a_folder_and_a_pattern_are_tables(s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.bucket()
    put(s3, f"{bucket}/log/day=1/a.parquet", events(0, 3), tmp_path)
    put(s3, f"{bucket}/log/day=2/a.parquet", events(3, 5), tmp_path)
    put(s3, f"{bucket}/other/b.parquet", events(90, 91), tmp_path)
    (tmp_path / "c.csv").write_text("user_id;item_id\n007;1e5\n")
    s3.put(f"{bucket}/c.csv", tmp_path / "c.csv")
    one = read_source(f"{bucket}/log/day=1/a.parquet").table
    assert one.column("timestamp").to_pylist() == [1_700_000_000, 1_700_000_001, 1_700_000_002]
    folder = read_source(f"{bucket}/log/").table
    assert folder.num_rows == 5
    assert set(folder.column("day").to_pylist()) == {"1", "2"}, "names of folders are columns, as on a disk"
    assert read_source(f"{bucket}/l*/*/a.parquet").table.num_rows == 5
    assert read_source(f"{bucket}/*/b.parquet").table.num_rows == 1
    assert read_source(f"{bucket}/c.csv").table.to_pylist() == [{"user_id": "007", "item_id": "1e5"}]


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("/nothing.parquet", "there is no such object"),
        ("/no*.parquet", "there is no such object"),
        ("/text.docx", "this kind of file cannot be read"),
    ],
)
def test_what_cannot_be_read_is_named(s3: S3Server, tmp_path: Path, place: str, sentence: str) -> None:
    bucket = s3.bucket()
    (tmp_path / "x").write_text("x")
    s3.put(f"{bucket}/text.docx", tmp_path / "x")
    with pytest.raises(DataError, match=sentence) as found:
        read_source(bucket + place)
    assert found.value.message.startswith(bucket + place)
    with pytest.raises(DataError, match="an address is s3://BUCKET/PATH, without a key"):
        read_source("s3://key:secret@bucket/x.parquet")


def test_a_bucket_that_is_not_there(s3: S3Server) -> None:
    with pytest.raises(DataError, match=r"s3://no-such-bucket/events\.parquet"):
        read_source("s3://no-such-bucket/events.parquet")


def test_a_project_names_tables_of_a_store(s3: S3Server, tmp_path: Path) -> None:
    """`init` reads them, names them in the project, and the project can be read from any folder."""
    bucket = s3.bucket()
    put(s3, f"{bucket}/log/a.parquet", events(0, 200), tmp_path)
    put(s3, f"{bucket}/log/b.parquet", events(200, 400), tmp_path)
    items = pa.table({"item_id": [f"i{n}" for n in range(5)], "title": [f"Item {n}" for n in range(5)]})
    put(s3, f"{bucket}/items.parquet", items, tmp_path)
    out = run("init", f"{bucket}/log/*.parquet", "--items", f"{bucket}/items.parquet", "--yes", cwd=tmp_path)
    assert "Guessed settings" in out
    project = read_project(tmp_path / "shortlist.toml")
    assert (project.data.events, project.data.items) == (f"{bucket}/log/*.parquet", f"{bucket}/items.parquet")
    assert "log" in project.name
    assert len(Dataset.from_project(project).log) == 400


def test_a_folder_of_a_store_is_a_source_of_events(s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.bucket()
    put(s3, f"{bucket}/in/a.parquet", events(0, 10), tmp_path)
    store = EventStore(tmp_path / "e.sqlite")

    def take() -> int:
        source = FolderSource(f"{bucket}/in/", EventRules(), once=True)
        return ingest(source, store, threading.Event()).stored

    assert take() == 10
    put(s3, f"{bucket}/in/sub/b.parquet", events(10, 14), tmp_path)
    assert take() == 4
    assert take() == 0
    store.close()

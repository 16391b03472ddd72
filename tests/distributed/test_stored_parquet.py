"""Parquet of an object store on the executors: the table that one machine reads, in pieces, with the file and row of each fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.config.project import parse_project
from shortlist.distributed.read_frame import read_frame
from shortlist.distributed.table_frame import FILE, ROW, TableFrame
from shortlist.distributed.whole_log import collected, read_whole_log
from shortlist.engines.duckdb import read_source
from shortlist.errors import DataError
from support.objects import S3Server
from support.spark_case import bounded

DAY = 86_400


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def executors(spark: Any, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A session whose executors have the credentials of the store in their environment."""
    for name, value in s3.environment.values.items():
        monkeypatch.setitem(spark.sparkContext.environment, name, value)
    return spark


def put(s3: S3Server, address: str, table: pa.Table, tmp_path: Path, rows: int = 1_000) -> None:
    file = tmp_path / "upload.parquet"
    pq.write_table(table, file, row_group_size=rows)
    s3.put(address, file)


def events(low: int, high: int, **others: Any) -> pa.Table:
    numbers = range(low, high)
    users = pa.array([f"u{n % 3}" if n != 4 else None for n in numbers]).dictionary_encode()
    times = pa.array(
        [(1_600_000_000 + DAY * n) * 10**9 for n in numbers], pa.timestamp("ns", "Europe/Berlin")
    )
    columns = {
        "user_id": users,
        "item_id": pa.array([f"00{n % 2}" for n in numbers], pa.large_string()),
        "t": times,
    }
    return pa.table({**columns, "n": pa.array(numbers, pa.uint32()), **others})


def frame_of(spark: Any, source: str) -> TableFrame:
    project = parse_project({"data": {"events": source, "columns": {"timestamp": "t"}}})
    return read_frame(spark, project, "events")


def test_the_table_is_that_of_one_machine(
    executors: Any, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.bucket()
    put(s3, f"{bucket}/log/day=1/a.parquet", events(0, 7, tags=[["x"], None] * 3 + [[]]), tmp_path, 2)
    put(s3, f"{bucket}/log/day=2%2F3/b.parquet", events(7, 9), tmp_path)
    (tmp_path / "note").write_text("no table")
    s3.put(f"{bucket}/log/_SUCCESS", tmp_path / "note")
    monkeypatch.setattr("shortlist.distributed.parquet_pieces.PIECE", 1_000)
    found = frame_of(executors, f"{bucket}/log/")
    assert found.notes == ("tags: missing from 1 of 2 files; no value in their rows",)
    assert found.frame.rdd.getNumPartitions() >= 4  # a file of four row groups is divided
    rows = collected(found.frame).sort_by("n")
    assert rows.column(FILE).to_pylist() == ["a.parquet"] * 7 + ["b.parquet"] * 2
    assert rows.column(ROW).to_pylist() == [*range(7), 0, 1]
    here = read_source(f"{bucket}/log/").table.sort_by("n")
    assert rows.column_names == [*here.column_names, FILE, ROW]
    for name in here.column_names:
        one, other = (each.column(name).to_pylist() for each in (rows, here))
        assert one == other, name


def test_faults_have_their_file_and_row(executors: Any, s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.bucket()
    put(s3, f"{bucket}/log/a.parquet", events(0, 3), tmp_path)
    put(s3, f"{bucket}/log/b.parquet", events(3, 7), tmp_path)
    source = f"{bucket}/log/*.parquet"
    project = bounded(parse_project({"data": {"events": source, "columns": {"timestamp": "t"}}}), 1_000)
    check = read_whole_log(executors, project, read_frame(executors, project, "events")).check
    assert (check.read, check.kept) == (7, 6)
    [problem] = [one for one in check.problems if one.level == "set aside"]
    assert problem.file == "*.parquet/b.parquet"
    assert problem.examples[0].startswith("row 2: user_id=None, item_id=000")


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"n": pa.array(["1", "2"])}, r"differ in the type of a column \(n: int64 in a.parquet; string in b.parquet\)"),
        ({"N": [1, 2]}, r"'n' and 'N' have the same name but for upper and lower case"),
        ({"at": pa.array([1, 2], pa.time64("us"))}, r"b.parquet: at: a column of type time64.us. cannot be read by executors; write it"),
    ],
)  # fmt: skip
def test_files_that_make_no_table(
    executors: Any, s3: S3Server, tmp_path: Path, others: dict[str, Any], words: str
) -> None:
    bucket = s3.bucket()
    put(s3, f"{bucket}/log/a.parquet", events(0, 2), tmp_path)
    put(s3, f"{bucket}/log/b.parquet", events(2, 4, **others), tmp_path)
    with pytest.raises(DataError, match=words):
        frame_of(executors, f"{bucket}/log")


def test_objects_that_are_not_there_or_no_parquet(executors: Any, s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.bucket()
    with pytest.raises(
        DataError, match=r"s3://.*/none: there is no such .parquet object, folder, or object of this pattern"
    ):
        frame_of(executors, f"{bucket}/none")
    (tmp_path / "text").write_text("no table")
    s3.put(f"{bucket}/x.parquet", tmp_path / "text")
    with pytest.raises(DataError, match=r"x.parquet cannot be read: .*[Pp]arquet"):
        frame_of(executors, f"{bucket}/x.parquet")

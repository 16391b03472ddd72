"""Delta tables on the executors: the version that one machine reads, without a package of Spark."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest

from shortlist.config.project import parse_project
from shortlist.distributed.read_frame import read_frame
from shortlist.distributed.table_frame import FILE, ROW, TableFrame
from shortlist.distributed.whole_log import collected
from shortlist.engines.duckdb import read_source
from shortlist.errors import DataError, MissingExtraError


def frame_of(spark: Any, source: str) -> TableFrame:
    return read_frame(spark, parse_project({"data": {"events": source}}), "events")


def rows(low: int, high: int) -> pa.Table:
    numbers = range(low, high)
    return pa.table(
        {
            "user_id": [f"u{n}" for n in numbers],
            "day": [None if n == 3 else ("a b", "c/d")[n % 2] for n in numbers],
            "n": pa.array(numbers, pa.int32()),
            "at": pa.array([10**15 + n for n in numbers], pa.timestamp("us", "UTC")),
        }
    )


def test_the_version_is_that_of_one_machine(spark: Any, tmp_path: Path) -> None:
    path = tmp_path / "events"
    deltalake.write_deltalake(path, rows(0, 5), partition_by=["day"])
    deltalake.write_deltalake(path, rows(5, 9), mode="append")
    deltalake.DeltaTable(path).delete("n = 6")  # its file is still there
    here = read_source(str(path)).table.sort_by("n")
    assert here.column("n").to_pylist() == [0, 1, 2, 3, 4, 5, 7, 8]
    for source in (str(path), f"delta:{path}"):
        frame = frame_of(spark, source)
        assert frame.notes == (f"{path}: version 2 of the Delta table",)
        found = collected(frame.frame).sort_by("n")
        assert found.column_names == [*here.column_names, FILE, ROW]
        assert found.select(here.column_names).to_pylist() == here.to_pylist()
        assert all(name.endswith(".parquet") for name in found.column(FILE).to_pylist())


def test_tables_that_cannot_be_read(spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    deltalake.write_deltalake(empty, rows(0, 0))
    with pytest.raises(DataError, match="empty: the Delta table has no rows"):
        frame_of(spark, str(empty))
    (tmp_path / "broken" / "_delta_log").mkdir(parents=True)
    with pytest.raises(DataError, match="broken: the Delta table cannot be read"):
        frame_of(spark, str(tmp_path / "broken"))
    mapped = tmp_path / "mapped"
    deltalake.write_deltalake(mapped, rows(0, 2), configuration={"delta.columnMapping.mode": "none"})
    log = next((mapped / "_delta_log").glob("*.json"))
    text = log.read_text()
    assert '"minReaderVersion":1' in text
    log.write_text(text.replace('"minReaderVersion":1', '"minReaderVersion":2'))
    with pytest.raises(
        DataError,
        match=r"has columnMapping.*spark.jars.packages = io.delta:delta-spark.*DeltaSparkSessionExtension",
    ):
        frame_of(spark, str(mapped))
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(MissingExtraError, match=r"shortlist\[delta\]"):
        frame_of(spark, str(mapped))

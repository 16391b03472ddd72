"""Iceberg tables on the executors: the rows that their own library finds, without a package of Spark."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from shortlist.config.project import parse_project
from shortlist.distributed.read_frame import read_frame
from shortlist.distributed.table_frame import FILE, ROW, TableFrame
from shortlist.distributed.whole_log import collected
from shortlist.errors import DataError, MissingExtraError

SOURCE = "iceberg:here.shop.events"


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A catalogue in SQLite, which PyIceberg finds by its environment."""
    catalogs = pytest.importorskip("pyiceberg.catalog", reason="pip install 'shortlist[iceberg]'")
    settings = {
        "type": "sql",
        "uri": f"sqlite:///{tmp_path}/catalog.db",
        "warehouse": f"file://{tmp_path}/tables",
    }
    made = catalogs.load_catalog("here", **settings)
    made.create_namespace("shop")

    def load(name: str) -> Any:
        assert name == "here"
        return made

    monkeypatch.setattr(catalogs, "load_catalog", load)
    return made


def frame_of(spark: Any) -> TableFrame:
    return read_frame(spark, parse_project({"data": {"events": SOURCE}}), "events")


def rows(low: int, high: int, **more: Any) -> pa.Table:
    numbers = range(low, high)
    columns = {
        "user_id": [f"u{n}" for n in numbers],
        "day": [("a b", "c/d")[n % 2] for n in numbers],
        "n": pa.array(numbers, pa.int32()),
        "at": pa.array([10**15 + n for n in numbers], pa.timestamp("us", "UTC")),
    }
    return pa.table({name: column for name, column in (columns | more).items() if column is not None})


def test_the_latest_snapshot_is_read_by_the_ids_of_its_columns(spark: Any, catalog: Any) -> None:
    """After deletes, a renamed column, a column that was dropped and made anew, and a wider type."""
    from pyiceberg.transforms import IdentityTransform
    from pyiceberg.types import LongType, StringType

    table = catalog.create_table("shop.events", schema=rows(0, 1, old=["x"]).schema)
    with table.update_spec() as spec:
        spec.add_field("day", IdentityTransform(), "day")
    table.append(rows(0, 5, old=["x"] * 5))
    table.append(rows(5, 9, old=["x"] * 4))
    table.delete("n = 6")
    with table.update_schema() as schema:
        schema.rename_column("user_id", "person")
        schema.update_column("n", LongType())
        schema.delete_column("old")
    with table.update_schema() as schema:
        schema.add_column("old", StringType())
    table = catalog.load_table("shop.events")
    table.append(rows(20, 22, person=["v0", "v1"], user_id=None, n=pa.array([20, 2**40]), old=["new", None]))
    here = catalog.load_table("shop.events").scan().to_arrow().sort_by("n")
    assert here.column("n").to_pylist() == [0, 1, 2, 3, 4, 5, 7, 8, 20, 2**40]
    frame = frame_of(spark)
    assert frame.notes == (
        f"{SOURCE}: snapshot {catalog.load_table('shop.events').current_snapshot().snapshot_id} of the Iceberg table",
    )
    found = collected(frame.frame).sort_by("n")
    assert found.column_names == [*here.column_names, FILE, ROW]
    assert found.select(here.column_names).to_pylist() == here.to_pylist()
    assert all(name.endswith(".parquet") for name in found.column(FILE).to_pylist())


def test_what_the_package_of_spark_reads_is_refused(
    spark: Any, catalog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyiceberg.table import DataScan

    with pytest.raises(
        DataError, match=r"iceberg:here.shop.events: the Iceberg table cannot be read: Table does not exist"
    ):
        frame_of(spark)
    table = catalog.create_table("shop.events", schema=rows(0, 1).schema)
    with pytest.raises(DataError, match=r"shop\.events: the Iceberg table has no rows"):
        frame_of(spark)
    table.append(rows(0, 5))
    own = DataScan.plan_files

    def with_deletes(scan: Any) -> list[Any]:
        return [SimpleNamespace(file=task.file, delete_files={task.file}) for task in own(scan)]

    def with_equality_deletes(_scan: Any) -> list[Any]:
        raise ValueError("PyIceberg does not yet support equality deletes: https://github.com/apache/iceberg")

    def of_orc(scan: Any) -> list[Any]:
        file = next(iter(own(scan))).file
        return [
            SimpleNamespace(
                file=SimpleNamespace(file_path=file.file_path, file_format="FileFormat.ORC"), delete_files=()
            )
        ]

    for plan, words in (
        (with_deletes, "has deletes that are not merged with the rows of 1 files"),
        (with_equality_deletes, "has equality deletes"),
        (of_orc, "has files of ORC"),
    ):
        monkeypatch.setattr(DataScan, "plan_files", plan)
        with pytest.raises(
            DataError,
            match=rf"{words}, which the package of Spark reads: set spark.jars.packages = org.apache.iceberg",
        ):
            frame_of(spark)
    monkeypatch.setitem(sys.modules, "pyiceberg.catalog", None)
    with pytest.raises(MissingExtraError, match=r"shortlist\[iceberg\]"):
        frame_of(spark)


def test_a_session_with_the_catalogue_reads_by_itself(spark: Any) -> None:
    spark.conf.set("spark.sql.catalog.here", "org.apache.iceberg.spark.SparkCatalog")
    try:
        with pytest.raises(
            DataError,
            match=r"Spark lacks the package that reads it; set spark.jars.packages = org.apache.iceberg",
        ):
            frame_of(spark)
    finally:
        spark.conf.unset("spark.sql.catalog.here")

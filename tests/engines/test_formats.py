"""Arrow IPC, Delta tables, and tables of databases."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest
from pyarrow import feather

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.engines.duckdb import read_source
from shortlist.errors import DataError, MissingExtraError
from support.postgres import Postgres

ROWS = {"user_id": ["007", "8"], "item_id": [1, 2], "timestamp": [1_700_000_000, 1_700_000_001]}


@pytest.mark.parametrize("kind", ["file", "stream", "feather"])
def test_arrow_ipc(kind: str, tmp_path: Path) -> None:
    table = pa.table(ROWS)
    path = tmp_path / ("events.feather" if kind == "feather" else "events.arrow")
    if kind == "feather":
        feather.write_feather(table, path, compression="zstd")
    else:
        new = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
        with new(path, table.schema) as writer:
            writer.write_table(table)
    assert read_source(str(path)).table.to_pydict() == ROWS
    (tmp_path / "x.arrow").write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match=r"x\.arrow: Arrow cannot read it"):
        read_source(str(tmp_path / "x.arrow"))


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "A"])
    with pa.ipc.new_file(tmp_path / "x.arrow", table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(DataError, match="2 columns have the name 'a'"):
        read_source(str(tmp_path / "x.arrow"))


def test_a_delta_table_has_its_present_rows(tmp_path: Path) -> None:
    """Its folder still holds the Parquet files of deleted rows."""
    path = tmp_path / "events"
    deltalake.write_deltalake(str(path), pa.table(ROWS))
    deltalake.DeltaTable(str(path)).delete("item_id = 1")
    reading = read_source(str(path))
    assert reading.table.column("item_id").to_pylist() == [2]
    assert "version 1 of the Delta table" in reading.notes[0]
    (path / "_delta_log" / f"{1:020}.json").write_text("broken")
    with pytest.raises(DataError, match="the Delta table cannot be read"):
        read_source(str(path))


def test_a_delta_table_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deltalake.write_deltalake(str(tmp_path / "events"), pa.table(ROWS))
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'shortlist\[delta\]'"):
        read_source(str(tmp_path / "events"))


def test_tables_of_postgresql(postgres: Postgres) -> None:
    import psycopg

    address = postgres.database()
    with psycopg.connect(address) as connection:
        connection.execute("CREATE SCHEMA log")
        connection.execute(
            'CREATE TABLE log.events (user_id text, item_id bigint, at timestamptz, "Kind" text, value float8)'
        )
        connection.execute(
            "INSERT INTO log.events SELECT 'u' || n % 5, n % 3, to_timestamp(1700000000 + n), 'play', n FROM generate_series(1, 30) n"
        )
    table = read_source(f"{address}?table=log.events").table
    assert table.column_names == ["user_id", "item_id", "at", "Kind", "value"]
    assert table.num_rows == 30
    numerics = (
        f"{address}?query=SELECT 12.500::numeric AS price, NULL::numeric AS none, gen_random_uuid() AS id"
    )
    [row] = read_source(numerics).table.to_pylist()
    assert (row["price"], row["none"]) == (12.5, None), (
        "the driver delivers the text 12.500, which could be 12500"
    )
    assert len(row["id"]) == 36
    query = f"{address}?query=SELECT user_id, item_id, at FROM log.events WHERE value > 20"
    assert read_source(query).table.num_rows == 10
    data = {
        "events": f"{address}?table=log.events",
        "columns": {"user": "user_id", "item": "item_id", "timestamp": "at", "kind": "Kind"},
    }
    dataset = Dataset.from_project(
        parse_project({"data": data, "objectives": {"play": {"events": ["play"]}}})
    )
    assert (len(dataset.log), int(dataset.log.time[0])) == (30, 1_700_000_001_000)
    for wrong, sentence in (
        (f"{address}?table=log.nothing", 'relation "log.nothing" does not exist'),
        (f"{address}?query=DELETE FROM log.events", "cannot be read"),
        (f"{address}?query=DELETE FROM log.events RETURNING 1", "read-only transaction"),
        (address, "name the table"),
        (f'{address}?table=a;b"c', "is no name of a table"),
        (
            address.replace("shortlist@", "shortlist:secret@") + "?table=log.events",
            "an address holds no password",
        ),
        ("postgresql://127.0.0.1:1/x?table=y", "the database cannot be read"),
    ):
        with pytest.raises(DataError, match=sentence) as found:
            read_source(wrong)
        assert "secret" not in found.value.message
    assert read_source(f"{address}?table=log.events").table.num_rows == 30


def test_tables_of_sqlite(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE events (user_id TEXT, item_id INTEGER)")
        connection.execute("INSERT INTO events VALUES ('007', 1)")
    connection.close()
    address = f"sqlite:///{tmp_path}/shop.db"
    assert read_source(f"{address}?table=events").table.to_pylist() == [{"user_id": "007", "item_id": 1}]
    with pytest.raises(DataError, match="the database cannot be read"):
        read_source(f"sqlite:///{tmp_path}/none.db?table=events")
    assert not (tmp_path / "none.db").exists()


def test_a_driver_that_is_not_installed() -> None:
    with pytest.raises(MissingExtraError, match="pip install adbc-driver-snowflake"):
        read_source("snowflake://account/db?table=events")
    with pytest.raises(DataError, match="make a view of the query"):
        read_source("snowflake://account/db?query=SELECT 1")

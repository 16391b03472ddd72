"""DuckDB reads files, database tables and queries; errors name the source."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.engines import make_engine
from shortlist.engines.duckdb import DuckDBEngine, connect, read_table
from shortlist.errors import DataError

TABLE = pa.table({"a": [1, 2], "b": ["x", "y"]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pq.write_table(TABLE, tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("a,b\n1,x\n2,y\n")
    (tmp_path / "t.tsv").write_text("a\tb\n1\tx\n2\ty\n")
    (tmp_path / "t.bin").write_text("a")
    (tmp_path / "t.jsonl").write_text('{"a": 1}')
    (tmp_path / "parts").mkdir()
    pq.write_table(TABLE, tmp_path / "parts" / "0.parquet")
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        connection.register("source", TABLE)
        connection.execute('CREATE SCHEMA s; CREATE TABLE s."odd ""name" AS SELECT * FROM source')
    return tmp_path


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.tsv", "parts"])
def test_files_are_read(folder: Path, name: str) -> None:
    assert read_table(str(folder / name)).to_pydict() == TABLE.to_pydict()


def test_tables_and_queries_of_a_database_are_read(folder: Path) -> None:
    database = str(folder / "t.duckdb")
    assert read_table('s.odd "name', database).to_pydict() == TABLE.to_pydict()
    assert read_table('SELECT a FROM s."odd ""name" WHERE a > 1', database).to_pydict() == {"a": [2]}


def test_an_odd_value_in_a_late_row_changes_the_type(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n" + "1\n" * 30_000 + "x\n")
    assert read_table(str(tmp_path / "t.csv")).schema.field("a").type == pa.string()


@pytest.mark.parametrize(
    ("source", "database", "message"),
    [
        ("none.csv", None, "none.csv: no such file"),
        ("t.bin", None, "this kind of file cannot be read"),
        ("t.duckdb", None, "name it in data.database"),
        ("none", "t.duckdb", "table none: DuckDB cannot read it"),
        ("SELECT x", None, "SELECT x: DuckDB cannot read it"),
        ("t", "none.duckdb", "no such DuckDB file"),
        ("t", "t.csv", "DuckDB cannot open it"),
    ],
)
def test_errors_name_the_source(
    folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, database: str | None, message: str
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(DataError, match=message):
        read_table(source, database)


def test_a_database_is_opened_read_only(folder: Path) -> None:
    with connect(str(folder / "t.duckdb")) as connection, pytest.raises(duckdb.Error, match="read-only"):
        connection.execute("CREATE TABLE t (a INT)")


def test_the_engine_runs_sql_over_arrow_tables() -> None:
    engine = make_engine("duckdb")
    assert isinstance(engine, DuckDBEngine)
    assert engine.run("SELECT sum(a) AS total FROM t", {"t": TABLE}).to_pydict() == {"total": [3]}

"""DuckDB: reads every kind of table we accept, and runs the SQL of `features/history.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from shortlist.config.data import is_query
from shortlist.errors import DataError


class DuckEngine:
    """Queries over Arrow tables in memory, all cores."""

    def run(self, sql: str, tables: dict[str, pa.Table]) -> pa.Table:
        with duckdb.connect(config={"preserve_insertion_order": "false"}) as connection:
            for name, table in tables.items():
                connection.register(name, table)
            return connection.sql(sql).to_arrow_table()


def connect(database: str | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB, or a read-only look into a DuckDB file."""
    if database is None:
        return duckdb.connect()
    if not Path(database).exists():
        raise DataError(f"{database}: no such DuckDB file", field="data.database")
    try:
        return duckdb.connect(database, read_only=True)
    except duckdb.Error as error:
        raise DataError(
            f"{database}: DuckDB cannot open it: {_first_line(error)}", field="data.database"
        ) from None


def read_table(source: str, database: str | None = None) -> pa.Table:
    """Read a file (.parquet, .csv, .tsv), a table of `database`, or the result of a SQL query, as Arrow.

    Raises `DataError` naming the source where it does not exist or cannot be parsed.
    """
    with connect(database) as connection:
        if is_query(source):
            return _fetch(connection, source, [], source)
        suffix = "".join(Path(source).suffixes[-2:]).lower()
        if not Path(source).exists():
            if database is not None and Path(source).suffix == "":
                quoted = ".".join('"' + part.replace('"', '""') + '"' for part in source.split("."))
                return _fetch(connection, f"SELECT * FROM {quoted}", [], f"{database}: table {source}")
            raise DataError(f"{source}: no such file")
        if suffix.endswith(".parquet") or Path(source).is_dir():
            pattern = f"{source}/**/*.parquet" if Path(source).is_dir() else source
            return _fetch(connection, "SELECT * FROM read_parquet(?)", [pattern], source)
        if any(part in suffix for part in (".csv", ".tsv", ".txt")):
            # The sniffer looks at everything: a late odd row changes a column's type rather than stopping the read.
            sql = "SELECT * FROM read_csv(?, sample_size = -1, delim = ?)" if ".tsv" in suffix else None
            if sql:
                return _fetch(connection, sql, [source, "\t"], source)
            return _fetch(connection, "SELECT * FROM read_csv(?, sample_size = -1)", [source], source)
        if suffix.endswith((".duckdb", ".db")):
            raise DataError(f"{source} is a database: name it in data.database, and the table in data.events")
    raise DataError(
        f"{source}: not a kind of file that is read here (.parquet, .csv, .tsv, .inter, a MovieLens folder)"
    )


def list_tables(database: str) -> list[str]:
    """The names of the tables and views in a DuckDB file."""
    with connect(database) as connection:
        rows = connection.execute(
            "SELECT table_name FROM information_schema.tables ORDER BY table_name"
        ).fetchall()
    return [row[0] for row in rows]


def _fetch(connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any], what: str) -> pa.Table:
    try:
        return connection.sql(sql, params=parameters or None).to_arrow_table()
    except (duckdb.Error, pa.ArrowInvalid) as error:
        raise DataError(f"{what}: DuckDB cannot read it: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]

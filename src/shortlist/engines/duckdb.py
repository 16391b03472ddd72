"""DuckDB: reads files and database tables as Arrow, and runs the SQL of the features."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from shortlist.config.data import is_query
from shortlist.engines.confined import QueryFiles, check_select, confine, is_file, refusal
from shortlist.engines.databases import is_database, read_database
from shortlist.engines.delimited import Verbatim, identifies, read_delimited
from shortlist.engines.delta import is_delta, read_delta
from shortlist.engines.encoding import in_utf8
from shortlist.engines.ipc import is_ipc, read_ipc
from shortlist.engines.json_lines import is_json, read_json
from shortlist.engines.object_store import is_object_store, local_copy
from shortlist.engines.parquet import read_parquet
from shortlist.engines.plain_types import plain_table
from shortlist.engines.reading import TableReading
from shortlist.errors import DataError
from shortlist.threads import thread_limit

FILES = {
    ".parquet",
    ".csv",
    ".tsv",
    ".txt",
    ".json",
    ".jsonl",
    ".ndjson",
    ".arrow",
    ".arrows",
    ".feather",
    ".ipc",
    ".gz",
    ".inter",
    ".duckdb",
    ".db",
    ".sql",
}
"""Suffixes of file names. With a database, any other name that is not a file is a table, such as `schema.table`."""
_TEXT_FILE = re.compile(
    r"read_csv|read_json|read_ndjson|\.(?:csv|tsv|txt|json|jsonl|ndjson)\b", re.IGNORECASE
)
_LITERAL = re.compile(r"'((?:[^']|'')+)'")
_FILE_READ = re.compile(
    r"(\b(?:read_\w+|\w+_scan)\s*\(\s*|\b(?:from|join)\s+)(\[[^\]]*\]|'(?:[^']|'')+')", re.IGNORECASE
)
"""A name of a file, or a list of them, in a function that reads it or after FROM."""
_TYPED = re.compile(r"\b(?:all_varchar|columns|types)\s*=", re.IGNORECASE)


class DuckDBEngine:
    """Runs queries over Arrow tables in memory, on all cores.

    The database is made once, because that takes longer than a query over a small table. Each query has a connection
    of its own, so that several threads can run queries.
    """

    def __init__(self) -> None:
        self._database = duckdb.connect(config={"preserve_insertion_order": "false", **_threads()})

    def __repr__(self) -> str:
        return "DuckDBEngine()"

    def run(self, sql: str, tables: dict[str, pa.Table]) -> pa.Table:
        """Return the result of a query over named tables. Its rows have no defined order."""
        with self._database.cursor() as connection:
            for name, table in tables.items():
                connection.register(name, table)
            return connection.sql(sql).to_arrow_table()


def _threads() -> dict[str, Any]:
    """Return the configuration of DuckDB's threads; by default it uses all cores."""
    limit = thread_limit()
    return {} if limit is None else {"threads": str(limit)}


def connect(database: str | None = None) -> duckdb.DuckDBPyConnection:
    """Return a connection to an in-memory DuckDB, or a read-only one to a DuckDB file.

    Raises
    ------
    DataError
        If the file does not exist, or is not a DuckDB file.
    """
    if database is None:
        return duckdb.connect(config=_threads())
    if not Path(database).exists():
        raise DataError(f"{database}: no such DuckDB file", field="data.database")
    try:
        return duckdb.connect(database, read_only=True, config=_threads())
    except duckdb.Error as error:
        raise DataError(
            f"{database}: DuckDB cannot open it: {_in_one_line(error)}", field="data.database"
        ) from None


def read_table(source: str, database: str | None = None, files: QueryFiles | None = None) -> pa.Table:
    """Read a table as Arrow, as `read_source` does, where every line of it can be read.

    Raises
    ------
    DataError
        If the source does not exist, or a part of it cannot be read.
    """
    return read_source(source, database, files).complete(source)


def read_source(
    source: str,
    database: str | None = None,
    files: QueryFiles | None = None,
    verbatim: Verbatim = identifies,
    encoding: str | None = None,
) -> TableReading:
    """Read a table as Arrow, with what its report has to say.

    Parameters
    ----------
    source
        A file (.parquet, .csv, .tsv, .txt, .json, .jsonl, .arrow), a folder of Parquet files, a Delta table, objects of a store
        (`s3://bucket/events/*.parquet`), a table of a database (`postgresql://host/shop?table=events`), a table of `database`, or a SQL
        query: one SELECT statement, which can be the text of a .sql file.
    database
        A DuckDB file.
    files
        The files that a query or a view of the database may read, for sources of a project file (default: any file).
    verbatim
        Which columns of a text table hold ids, by name (default: those whose names say so).
    encoding
        The encoding of text files that are not UTF-8.

    Raises
    ------
    DataError
        If the source does not exist, or cannot be read.
    """
    reading = _read(source, database, files, verbatim, encoding)
    return replace(reading, table=plain_table(reading.table, source))


def _read(
    source: str, database: str | None, files: QueryFiles | None, verbatim: Verbatim, encoding: str | None
) -> TableReading:
    if is_database(source):
        return read_database(source)
    if is_object_store(source):
        with local_copy(source) as path, connect() as connection:
            return _read_path(connection, path, source, verbatim, encoding)
    with connect(database) as connection:
        query = source if is_query(source) else read_query_file(source)
        if query is not None:
            check_select(connection, query, source)
            return TableReading(_fetch_confined(connection, query, source, files), _of_query(query))
        path = Path(source)
        if not is_file(source):
            if database is not None and path.suffix.lower() not in FILES:
                quoted = ".".join('"' + part.replace('"', '""') + '"' for part in source.split("."))
                sql = f"SELECT * FROM {quoted}"  # noqa: S608 - each part of the name is quoted
                return TableReading(_fetch_confined(connection, sql, f"{database}: table {source}", files))
            raise DataError(f"{source}: no such file")
        return _read_path(connection, path, source, verbatim, encoding)


def _read_path(
    connection: duckdb.DuckDBPyConnection, path: Path, source: str, verbatim: Verbatim, encoding: str | None
) -> TableReading:
    """Read a file or folder that is there; `source`: what to call it."""
    if path.is_dir() and is_delta(path):
        return read_delta(path, source)
    suffix = "".join(path.suffixes[-2:]).lower()
    if suffix.endswith(".parquet") or path.is_dir():
        return read_parquet(connection, path, source)
    if is_ipc(path):
        return read_ipc(path, source)
    if is_json(path):
        return read_json(connection, path, source, verbatim)
    if any(kind in suffix for kind in (".csv", ".tsv", ".txt")):
        with in_utf8(path, source, encoding) as (readable, notes):
            reading = read_delimited(connection, readable, source, verbatim)
        return replace(reading, notes=(*notes, *reading.notes))
    if suffix.endswith((".duckdb", ".db")):
        raise DataError(f"{source} is a database: name it in data.database, and the table in data.events")
    raise DataError(
        f"{source}: this kind of file cannot be read; use .parquet, .csv, .tsv, .jsonl, .arrow, .inter, or a MovieLens folder"
    )


def read_query_file(source: str) -> str | None:
    """Return the query of a .sql file without a semicolon at its end; None for every other source.

    Raises
    ------
    DataError
        The file is not there, or is not UTF-8.
    """
    if not source.lower().endswith(".sql") or is_query(source):
        return None
    try:
        text = Path(source).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise DataError(f"{source}: {reason}") from None
    return _with_places(text.strip().rstrip(";"), Path(source).absolute().parent)


def _with_places(query: str, folder: Path) -> str:
    """Return a query in which names of files, where they are read from, are relative to a folder."""

    def placed(name: re.Match[str]) -> str:
        inside = folder / name[1].replace("''", "'")
        return "'" + str(inside).replace("'", "''") + "'" if "://" not in name[1] else name[0]

    return _FILE_READ.sub(lambda found: found[1] + _LITERAL.sub(placed, found[2]), query)


def _of_query(query: str) -> tuple[str, ...]:
    """Return a note where a query reads text files with the types that DuckDB infers."""
    if not _TEXT_FILE.search(query) or _TYPED.search(query):
        return ()
    note = (
        "a query reads a text file with the types that DuckDB infers, which changes ids such as 007, 1e2 and 10:15; "
        "read_csv('…', all_varchar = true) and read_json('…', columns = {user_id: 'VARCHAR', …}) keep values as they are written"
    )
    return (note,)


def _fetch_confined(
    connection: duckdb.DuckDBPyConnection, sql: str, source: str, files: QueryFiles | None
) -> pa.Table:
    """Run a query that a project file holds; `files` are those that it may read."""
    if files is not None:
        confine(connection, files)
    return _fetch(connection, sql, [], source, files)


def _fetch(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: list[str],
    source: str,
    files: QueryFiles | None = None,
) -> pa.Table:
    try:
        return connection.sql(sql, params=parameters or None).to_arrow_table()
    except (duckdb.Error, pa.ArrowInvalid) as error:
        refused = refusal(error, files)
        if refused is not None:
            raise DataError(f"{source}: {refused}", field="data") from None
        raise DataError(f"{source}: DuckDB cannot read it: {_in_one_line(error)}") from None


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())

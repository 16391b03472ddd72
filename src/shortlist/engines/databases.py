"""Tables of databases by address: PostgreSQL and others that have an ADBC driver, which deliver Arrow.

    postgresql://user@host/shop?table=public.events
    postgresql://user@host/shop?query=SELECT user_id, item_id, at FROM events WHERE at > now() - interval '1 year'

A project file can come from somebody else, and what it names is written into bundles. Therefore an address holds no password (the
drivers read `PGPASSWORD` and `~/.pgpass`), and a query runs in a transaction that can only read.
"""

from __future__ import annotations

import importlib
import re
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pyarrow as pa

from shortlist.engines.reading import TableReading
from shortlist.errors import DataError, MissingExtraError

DRIVERS = {
    "postgresql": "adbc_driver_postgresql",
    "postgres": "adbc_driver_postgresql",
    "sqlite": "adbc_driver_sqlite",
    "snowflake": "adbc_driver_snowflake",
    "grpc": "adbc_driver_flightsql",
    "grpc+tls": "adbc_driver_flightsql",
}
"""Scheme of an address → the module of its ADBC driver."""
_NAME = re.compile(r"[^.\"\0]+(\.[^.\"\0]+){0,2}")
READ_ONLY = {
    "adbc_driver_postgresql": "SET TRANSACTION READ ONLY",
    "adbc_driver_sqlite": "PRAGMA query_only = ON",
}
"""Module of a driver → the statement by which a database refuses to write."""


def is_database(source: str) -> bool:
    """Return whether a source is the address of a table of a database.

    Examples
    --------
    >>> [is_database(source) for source in ("postgresql://host/shop?table=events", "events.parquet")]
    [True, False]
    """
    return "://" in source and source.partition("://")[0] in DRIVERS


@dataclass(frozen=True)
class DatabaseTable:
    """A table or query of a database.

    Parameters
    ----------
    address
        The address without the table and the query.
    query
        What is read.
    module
        The module of the driver.
    """

    address: str
    query: str
    module: str

    @classmethod
    def of(cls, source: str) -> DatabaseTable:
        """Read an address. Raises `DataError` where it has a password, or not exactly one of table and query."""
        parts = urlsplit(source)
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
        if parts.password is not None or "password" in given:
            raise DataError(
                f"{parts.scheme}://…@{parts.hostname or ''}{parts.path}: an address holds no password, because it is written into bundles; "
                "use PGPASSWORD, ~/.pgpass or the settings of the driver",
                field="data",
            )
        table, query = given.pop("table", None), given.pop("query", None)
        if (table is None) == (query is None):
            raise DataError(
                f"{source}: name the table, {parts.scheme}://…?table=schema.events, or write ?query=SELECT …",
                field="data",
            )
        module = DRIVERS[parts.scheme]
        if query is not None and module not in READ_ONLY:
            raise DataError(
                f"{source}: this driver cannot be kept from writing, so that only ?table=… is read; make a view of the query",
                field="data",
            )
        if table is not None:
            if not _NAME.fullmatch(table):
                raise DataError(f"{source}: {table!r} is no name of a table", field="data")
            query = "SELECT * FROM " + ".".join(f'"{part}"' for part in table.split("."))  # noqa: S608 - each part is quoted
        address = urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(given), ""))
        if (
            parts.scheme == "sqlite"
        ):  # sqlite:///relative.db and sqlite:////absolute.db, as usual; a missing file is not made
            address = f"file:{parts.path[1:]}?mode=ro"
        return cls(address, query or "", module)


def read_database(source: str) -> TableReading:
    """Read a table or query of a database.

    Raises
    ------
    MissingExtraError
        The driver is not installed.
    DataError
        The database cannot be reached or refuses the query.
    """
    wanted = DatabaseTable.of(source)
    driver = _driver(wanted.module)
    try:
        with closing(driver.connect(wanted.address)) as connection, closing(connection.cursor()) as cursor:
            _only_read(cursor, wanted)
            cursor.execute(wanted.query)
            return TableReading(_with_numbers(cursor.fetch_arrow_table()))
    except driver.Error as error:
        raise DataError(f"{source}: the database cannot be read: {_line(error)}", field="data") from None


def _with_numbers(table: pa.Table) -> pa.Table:
    """Return a table in which PostgreSQL's numerics, which the driver delivers as texts such as `12.500`, are numbers."""
    for at, field in enumerate(table.schema):
        if (field.metadata or {}).get(b"ADBC:postgresql:typname") != b"numeric":
            continue
        column = table.column(at)
        if isinstance(field.type, pa.BaseExtensionType):
            column = pa.chunked_array([part.storage for part in column.chunks], field.type.storage_type)
        table = table.set_column(at, field.name, column.cast(pa.float64()))
    return table


def _driver(module: str) -> Any:
    try:
        return importlib.import_module(f"{module}.dbapi")
    except ImportError as error:
        wanted = "'shortlist[adbc]'" if module in READ_ONLY else module.replace("_", "-")
        raise MissingExtraError(
            f"{module} is required and not installed; run: pip install {wanted}"
        ) from error


def _only_read(cursor: Any, wanted: DatabaseTable) -> None:
    statement = READ_ONLY.get(wanted.module)
    if statement is not None:
        cursor.execute(statement)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:400]

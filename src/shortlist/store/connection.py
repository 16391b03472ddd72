"""Connections to the database of an event store: SQLite or PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from shortlist.errors import StoreError, import_extra

PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 5000", "secure_delete = ON")
"""`secure_delete` overwrites deleted rows with zeros: an erased person must not be readable in the file."""
REFUSALS = (DataError, IntegrityError, OverflowError, UnicodeError)
"""Errors by which a database refuses a value of a row."""


def open_engine(target: str) -> Engine:
    """Return the engine for the path of a SQLite file or a `postgresql://` address. It connects on first use.

    Raises
    ------
    StoreError
        The address is of another database, or the folder cannot be made.
    """
    if target.startswith(("postgresql://", "postgres://")):
        return _postgresql(target)
    if "://" in target:
        scheme = target.partition("://")[0]
        raise StoreError(
            f"a store is the path of a SQLite file or postgresql://…, and not {scheme}://", field="store"
        )
    return _sqlite(target)


def _postgresql(target: str) -> Engine:
    import_extra("psycopg", "postgres")
    return create_engine(
        "postgresql+psycopg://" + target.partition("://")[2],
        pool_pre_ping=True,
        connect_args={"connect_timeout": 3, "options": "-c statement_timeout=10000"},
    )


def _sqlite(target: str) -> Engine:
    folder = Path(target).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the event store ({target}) cannot be used: its folder cannot be made: {error.strerror}",
            field="store",
        ) from None
    _create_private(target)
    engine = create_engine(f"sqlite:///{target}")

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin explicitly, below
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # a transaction that reads first and then writes must hold the lock from its start, or fail half-way
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _create_private(target: str) -> None:
    """Make the file, readable by its owner alone: it holds what people did. SQLite gives its other files the same mode."""
    with suppress(OSError):  # there is one already, or SQLite reports why there can be none
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


class RowError(StoreError):
    """The database works, and refuses a value of the rows that were to be written."""


@contextmanager
def database_errors(target: str) -> Iterator[None]:
    """Turn every database error into a `StoreError` that shows neither SQL, values nor a password.

    A value that cannot be written, such as a text that is no UTF-8 or a number that is too large, is a `RowError`.
    """
    try:
        yield
    except REFUSALS as error:
        what = type(getattr(error, "orig", None) or error).__name__
        raise RowError(f"a value cannot be stored ({what})", field="store") from error
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        shown = target if "://" not in target else target.rpartition("@")[2]
        raise StoreError(f"the event store ({shown}) cannot be used: {reason}", field="store") from error

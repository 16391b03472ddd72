"""The event store: events, slates and operations, durable before the server answers."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import Connection, text

from shortlist.errors import StoreError
from shortlist.store.connection import RowError, database_errors, open_engine
from shortlist.store.intake import (
    IntakeResult,
    RejectedRecord,
    SourceBatch,
    SourcePosition,
    erase_rejected,
    read_positions,
    read_rejected,
    read_rejected_of,
    remove_rejected,
    take_in,
)
from shortlist.store.migrate import migrate
from shortlist.store.read import (
    read_events,
    read_identity,
    read_last_row,
    read_operations,
    read_signing_key,
    read_slates,
    read_user,
)
from shortlist.store.records import Operation, StoredEvent, StoredSlate
from shortlist.store.write import erase_user, write_events, write_operations, write_slates

log = logging.getLogger("shortlist.store")
LOCK = 7_301_955
"""Number of the advisory lock that PostgreSQL's writers take in turn."""
PAGE = 20_000
"""Number of rows that are read at once."""


def path_beside(bundle: str | Path) -> Path:
    """Return the default path of a bundle's store: a SQLite file beside it."""
    return Path(f"{str(bundle).rstrip('/')}-events.sqlite")


class EventStore:
    """Events that were received, slates that were shown, and operations of operators.

    The database is SQLite (WAL, `synchronous = FULL`) for one machine, or PostgreSQL for several; both use the same
    code. A batch is one transaction, and it is on the disk when `write` returns. Events are idempotent by `event_id`:
    an event that is sent twice is stored once.

    **Rows define the order.** Writers take turns (SQLite's write lock, an advisory lock in PostgreSQL), so rows become
    visible in their order, and a reader that has seen row 100 has seen all rows before it. The live state of every
    replica is the fold of the rows so far: a restart, or another replica, folds the same rows and arrives at the same
    state.

    Parameters
    ----------
    target
        The path of a SQLite file, which is made where it does not exist, or a `postgresql://` address. The tables of
        an earlier version are migrated.
    expected
        The id that the store must have; it must then exist. A worker that starts again does not take another store for
        the one that its server was started with.

    A SQLite file that is deleted or replaced while it is open can still be written, and everything would be lost with the
    last process that has it open. Every use therefore checks that the file at the path is the one that was opened, and that
    the database still holds this store, with all rows that were there before.

    Attributes
    ----------
    id
        The id of this store; it stays when the file is moved or the server gets another name.

    Raises
    ------
    StoreError
        The store cannot be reached, is not the expected one, or was written by a newer version.

    Examples
    --------
    >>> store = EventStore("events.sqlite")  # doctest: +SKIP
    >>> store.write([StoredEvent("e1", "u1", "i1", "play", 1_700_000_000_000)])  # doctest: +SKIP
    """

    def __init__(self, target: str | Path, expected: str | None = None) -> None:
        self.target = str(target)
        self.id, self._seen = "", 0
        self._file: tuple[int, int] | None = None
        if expected is not None and "://" not in self.target and not Path(self.target).exists():
            raise StoreError(
                f"the event store ({self.target}) was removed while its server ran", field="store"
            )
        self.engine = open_engine(self.target)
        with database_errors(self.target):
            migrate(self.engine)
        self._file = self._file_now()
        with self.reading() as connection:
            self.id = read_identity(connection)
        if expected is not None and self.id != expected:
            raise StoreError(
                f"the event store ({self.shown_target}) is another one than the server was started with; restart the "
                "server to use it",
                field="store",
            )

    def _file_now(self) -> tuple[int, int] | None:
        """Device and inode of the SQLite file, zeros where it is gone or empty; None for PostgreSQL."""
        if self.engine.dialect.name != "sqlite" or self.target == ":memory:":
            return None
        try:
            found = Path(self.target).stat()
        except OSError:
            return 0, 0
        return (found.st_dev, found.st_ino) if found.st_size else (0, 0)

    def _check_file(self) -> None:
        """Raise `StoreError` where the file was removed or replaced since it was opened."""
        if self._file is not None and self._file_now() != self._file:
            raise StoreError(
                f"the event store's file ({self.target}) was removed, emptied or replaced; put it back, or restart the server to "
                "use the present one",
                field="store",
            )

    @property
    def shown_target(self) -> str:
        """The address without its password."""
        return self.engine.url.render_as_string(hide_password=True)

    def _check_content(self, connection: Connection) -> None:
        """Raise `StoreError` where the database at the address holds another store now, or an earlier copy of this one.

        Row numbers would be given a second time: events would be acknowledged and never counted.
        """
        if self.id and (read_identity(connection) != self.id or read_last_row(connection) < self._seen):
            raise StoreError(
                f"the event store ({self.shown_target}) was replaced by another one or by an earlier copy; put it back, or "
                "restart the server to use the present one",
                field="store",
            )

    def signing_key(self) -> bytes:
        """Return the key that servers of this store sign with."""
        with self.reading() as connection:
            return read_signing_key(connection)

    def last_row(self) -> int:
        """Return the highest number that a row of an event has had; it stays when the event is deleted."""
        with self.reading() as connection:
            return read_last_row(connection)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that excludes other writers; it is committed at the end."""
        self._check_file()
        with database_errors(self.target), self.engine.connect() as opened:
            connection = opened.execution_options(writes=True)
            with connection.begin():
                if self.engine.dialect.name == "postgresql":
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
                self._check_content(connection)
                yield connection

    @contextmanager
    def reading(self, one_moment: bool = False) -> Iterator[Connection]:
        """Open a connection for reading; `one_moment`: all of its queries see the store as it is at one moment."""
        self._check_file()
        with database_errors(self.target), self.engine.connect() as connection:
            if one_moment and self.engine.dialect.name == "postgresql":  # transactions of SQLite always do
                connection.execution_options(isolation_level="REPEATABLE READ")
            self._check_content(connection)
            yield connection

    def write(
        self, events: Sequence[StoredEvent] = (), slates: Sequence[StoredSlate] = ()
    ) -> tuple[list[StoredEvent], int]:
        """Store events and slates in one transaction. On return they are on the disk.

        Returns
        -------
        tuple of list[StoredEvent] and int
            The events that were new, in order, and the row of the last one (0 where none was new): the new events
            have the rows up to it.
        """
        if not events and not slates:
            return [], 0
        with self.writing() as connection:
            if slates:
                write_slates(connection, slates)
            stored, last = write_events(connection, events)
        self._seen = max(self._seen, last)
        return stored, last

    def take_in(self, batch: SourceBatch, time: int) -> IntakeResult:
        """Store what a source delivered together with its new positions, in one transaction; `time` is the moment, ms.

        Records before the position that the store has by now are left out. Events that the database refuses are kept as
        rejected records.
        """
        try:
            with self.writing() as connection:
                result = take_in(connection, batch, time)
        except RowError:
            with self.writing() as connection:
                result = take_in(connection, batch, time, each=True)
        self._seen = max(self._seen, result.last)
        return result

    def positions(self, source: str) -> dict[str, SourcePosition]:
        """Return how far each part of a source was read."""
        with self.reading() as connection:
            return read_positions(connection, source)

    def rejected_since(self, row: int, limit: int = PAGE) -> list[tuple[int, str, RejectedRecord]]:
        """Return at most `limit` rejected records after a row, in order: each with its row and its source."""
        with self.reading() as connection:
            return read_rejected(connection, row, limit)

    def remove_rejected(self, up_to: int) -> int:
        """Delete the rejected records up to a row; return their number."""
        with self.writing() as connection:
            return remove_rejected(connection, up_to)

    def add_operations(self, operations: Sequence[Operation]) -> int:
        """Store operations in one transaction, in order, and return the row of the last one; 0 without operations."""
        if not operations:
            return 0
        with self.writing() as connection:
            return write_operations(connection, operations)

    def erase(self, user: Any, time: int, by: str) -> dict[str, int]:
        """Delete all that is stored of a user, and store the operation, so that earlier models hide the user.

        The bytes go too. SQLite writes the store anew (VACUUM) and empties its write-ahead log, which takes about a
        second a gigabyte; PostgreSQL marks the space as free and overwrites it later. The id itself remains once, in the
        operation.

        Parameters
        ----------
        user
            The id. Rows are deleted for every form in which it may have been sent (number, text).
        time
            The moment, ms.
        by
            The name of the key that was used.

        Returns
        -------
        dict[str, int]
            Table → number of deleted rows.
        """
        with self.writing() as connection:
            deleted = {**erase_user(connection, user), "rejected": erase_rejected(connection, user)}
            write_operations(connection, [Operation(time, "erase", user, deleted, by)])
        self._clean()
        return deleted

    def _clean(self) -> None:
        """Remove the bytes of deleted rows."""
        if self.engine.dialect.name == "postgresql":
            with database_errors(self.target), self.engine.connect() as opened:
                opened.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(
                    "VACUUM events, slates, operations, rejected"
                )
            return
        connection = self.engine.raw_connection()  # VACUUM runs outside of transactions
        try:
            connection.cursor().execute("VACUUM")
        except sqlite3.OperationalError:  # another process uses the store for longer than the time-out
            log.warning(
                "the store is in use: deleted rows are overwritten, but the store is not written anew"
            )
        finally:
            with suppress(sqlite3.OperationalError):
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()

    def events_since(self, row: int, limit: int = PAGE) -> list[tuple[int, StoredEvent]]:
        """Return at most `limit` events after a row, in order, each with its row."""
        with self.reading() as connection:
            return read_events(connection, row, limit)

    def operations_since(self, row: int) -> list[tuple[int, Operation]]:
        """Return the operations after a row, in order, each with its row."""
        with self.reading() as connection:
            return read_operations(connection, row)

    def rows_since(
        self, row: int, operation: int, limit: int = PAGE
    ) -> tuple[list[tuple[int, StoredEvent]], list[tuple[int, Operation]]]:
        """Return the next events and operations after two rows, as they are at one moment.

        All events that were stored before one of the operations are among those returned or before `row`, and all
        operations that were stored before one of the events are returned or before `operation`. Both lists are empty
        where nothing is new.
        """
        with self.reading(one_moment=True) as connection:
            events = read_events(connection, row, limit)
            operations = read_operations(connection, operation)
        self._seen = max(self._seen, events[-1][0] if events else 0)
        if len(events) == limit:  # operations after the page wait for the events before them
            operations = list(takewhile(lambda one: one[1].after <= events[-1][0], operations))
        return events, operations

    def events(self) -> Iterator[StoredEvent]:
        """Iterate over all events in order, a page at a time."""
        row = 0
        while page := self.events_since(row):
            yield from (event for _, event in page)
            row = page[-1][0]

    def slates(self) -> Iterator[StoredSlate]:
        """Iterate over all slates in order, a page at a time."""
        row = 0
        while True:
            with self.reading() as connection:
                page = read_slates(connection, row, PAGE)
            if not page:
                return
            yield from (slate for _, slate in page)
            row = page[-1][0]

    def of_user(self, user: Any) -> dict[str, list[Any]]:
        """Return all that is stored of a user: {"events": […], "slates": […], "changes": […], "rejected": […]}."""
        with self.reading() as connection:
            return {**read_user(connection, user), "rejected": read_rejected_of(connection, user)}

    def __reduce__(self) -> NoReturn:
        """Refuse copies and pickles: a store holds connections of this process."""
        raise TypeError(
            "an EventStore holds connections of this process and cannot be copied or pickled; open it again: EventStore(path)"
        )

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def __repr__(self) -> str:
        return f"EventStore({self.shown_target!r})"

"""Read from the event store, inside a transaction that the caller opened with `EventStore.reading`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, text

from shortlist.store.records import (
    Operation,
    StoredEvent,
    StoredSlate,
    read_event,
    read_operation,
    read_slate,
    user_forms,
)
from shortlist.store.schema import events, identity, operations, slates


def read_events(connection: Connection, after: int, limit: int) -> list[tuple[int, StoredEvent]]:
    """Return at most `limit` events after a row, in order, each with its row."""
    query = select(events).where(events.c.row > after).order_by(events.c.row).limit(limit)
    return [(row.row, read_event(row)) for row in connection.execute(query)]


def read_slates(connection: Connection, after: int, limit: int) -> list[tuple[int, StoredSlate]]:
    """Return at most `limit` slates after a row, in order, each with its row."""
    query = select(slates).where(slates.c.row > after).order_by(slates.c.row).limit(limit)
    return [(row.row, read_slate(row)) for row in connection.execute(query)]


def read_operations(connection: Connection, after: int) -> list[tuple[int, Operation]]:
    """Return the operations after a row, in order, each with its row."""
    query = select(operations).where(operations.c.row > after).order_by(operations.c.row)
    return [(row.row, read_operation(row)) for row in connection.execute(query)]


def read_user(connection: Connection, user: Any) -> dict[str, list[Any]]:
    """Return all events and slates of a user, and the changes of the user's attributes."""
    forms = user_forms(user)
    own_events = select(events).where(events.c.user.in_(forms)).order_by(events.c.row)
    own_slates = select(slates).where(slates.c.user.in_(forms)).order_by(slates.c.row)
    changes = (
        select(operations)
        .where(operations.c.what == "user", operations.c.about.in_(forms))
        .order_by(operations.c.row)
    )
    return {
        "changes": [read_operation(row) for row in connection.execute(changes)],
        "events": [read_event(row) for row in connection.execute(own_events)],
        "slates": [read_slate(row) for row in connection.execute(own_slates)],
    }


def read_identity(connection: Connection) -> str:
    """Return the id of the store."""
    return str(connection.scalar(select(identity.c.id)))


def read_signing_key(connection: Connection) -> bytes:
    """Return the key that servers of the store sign with."""
    return str(connection.scalar(select(identity.c.signing_key))).encode()


def read_last_row(connection: Connection) -> int:
    """Return the highest number that a row of an event has had; it stays when the event is deleted."""
    numbered = (
        "SELECT seq FROM sqlite_sequence WHERE name = 'events'"
        if connection.dialect.name == "sqlite"
        else "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM events_row_seq"
    )
    return int(connection.scalar(text(numbered)) or 0)

"""Write to the event store, inside a transaction that the caller opened with `EventStore.writing`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Connection, Table, delete, func, select

from shortlist.store.records import (
    Operation,
    StoredEvent,
    StoredSlate,
    event_row,
    operation_row,
    slate_row,
    user_forms,
)
from shortlist.store.schema import events, operations, slates

BATCH = 1000
"""Number of keys that are looked up in one statement."""


def write_slates(connection: Connection, batch: Sequence[StoredSlate]) -> None:
    """Store the slates that are not stored yet."""
    rows = {slate.slate_id: slate_row(slate) for slate in batch}
    _insert_new(connection, slates, slates.c.slate_id, rows)


def write_events(connection: Connection, batch: Sequence[StoredEvent]) -> tuple[list[StoredEvent], int]:
    """Store the events that are not stored yet.

    Returns
    -------
    tuple of list[StoredEvent] and int
        The new events in order, and the row of the last one (0 where none is new): they have the rows up to it.
    """
    first = {event.event_id: event for event in reversed(batch)}  # of two with one id, the first counts
    rows = {event.event_id: event_row(first[event.event_id]) for event in batch}
    new = _insert_new(connection, events, events.c.event_id, rows)
    last = int(connection.scalar(select(func.max(events.c.row))) or 0) if new else 0
    return [first[event_id] for event_id in new], last


def write_operations(connection: Connection, batch: Sequence[Operation]) -> int:
    """Store operations in order, with their place among the events, and return the row of the last one; 0 without operations.

    One statement for all: a thousand statements keep the interpreter from requests for a sixth of a second.
    """
    if not batch:
        return 0
    after = connection.scalar(select(func.max(events.c.row))) or 0
    connection.execute(operations.insert(), [{**operation_row(one), "after": after} for one in batch])
    return int(connection.scalar(select(func.max(operations.c.row))) or 0)


def erase_user(connection: Connection, user: Any) -> dict[str, int]:
    """Delete all rows of a user and return their number by table."""
    forms = user_forms(user)
    deleted = {
        str(table.name): connection.execute(delete(table).where(table.c.user.in_(forms))).rowcount
        for table in (events, slates)
    }
    changes = delete(operations).where(operations.c.what == "user", operations.c.about.in_(forms))
    return {**deleted, "attributes": connection.execute(changes).rowcount}


def _insert_new(
    connection: Connection, table: Table, key: Column[Any], rows: dict[str, dict[str, Any]]
) -> list[str]:
    """Insert the rows (key → row) whose key is not in the table, and return their keys in order.

    The transaction holds the writers' lock, so looking first and inserting afterwards is safe.
    """
    known: set[str] = set()
    keys = list(rows)
    for start in range(0, len(keys), BATCH):
        known.update(connection.scalars(select(key).where(key.in_(keys[start : start + BATCH]))))
    new = [key for key in keys if key not in known]
    if new:
        connection.execute(table.insert(), [rows[key] for key in new])
    return new

"""Deliveries of a source of events (a Kafka topic, a folder), and how far it was read, in one transaction.

A position that lies in the store itself, and is written together with the events, is what makes a restart exact: after a crash
the store has either both or neither. Two processes that read the same source cannot store anything twice either, because each
transaction looks at the position first and leaves out what lies before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, select

from shortlist.config.short_repr import ShortRepr
from shortlist.store.connection import REFUSALS
from shortlist.store.records import Operation, StoredEvent, user_forms
from shortlist.store.schema import positions, rejected
from shortlist.store.write import write_events, write_operations


@dataclass(frozen=True)
class SourcePosition:
    """How far a part of a source was read.

    Parameters
    ----------
    next
        The number of the record that comes next: the offset of a partition, or the number of the event in a file.
    facts
        What identifies the part, such as the size and the hash of a file.
    """

    next: int
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ReceivedRecord:
    """An event, or a change of an item or a user, and where it comes from: the part of the source, and its number in it."""

    part: str
    number: int
    record: StoredEvent | Operation

    @property
    def user(self) -> Any:
        """The id of the user that it is about; None for an item."""
        if isinstance(self.record, StoredEvent):
            return self.record.user
        return self.record.about if self.record.what == "user" else None


@dataclass(frozen=True)
class RejectedRecord:
    """A record that cannot be taken, kept with the reason.

    Parameters
    ----------
    part, number
        Where it comes from.
    reason
        What is wrong with it.
    field
        The name of the field at fault, or "".
    body
        The record as it was received.
    user
        The user's id where it could be read: it is erased with the user.
    time
        When it was rejected, ms since 1970.
    """

    part: str
    number: int
    reason: str
    field: str
    body: str
    user: Any
    time: int


@dataclass(frozen=True, repr=False)
class SourceBatch(ShortRepr):
    """The records that one transaction takes from a source; `positions`: part → how far it is read then."""

    source: str
    records: list[ReceivedRecord] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    positions: dict[str, SourcePosition] = field(default_factory=dict)


@dataclass(frozen=True)
class IntakeResult:
    """Counts of the records of a batch by their result.

    Attributes
    ----------
    stored
        Events that are new, and changes of items and users.
    repeated
        Events whose id was stored before.
    rejected
        Records that were kept as rejected, those included that the database refused.
    passed
        Records that another process had read already.
    last
        The row of the last new event; 0 without any.
    """

    stored: int
    repeated: int
    rejected: int
    passed: int
    last: int


def read_positions(connection: Connection, source: str) -> dict[str, SourcePosition]:
    """Return part → how far it was read."""
    found = connection.execute(select(positions).where(positions.c.source == source))
    return {row.part: SourcePosition(row.next, json.loads(row.facts)) for row in found}


def take_in(connection: Connection, batch: SourceBatch, now: int, each: bool = False) -> IntakeResult:
    """Store what a source delivered, and its positions, in the transaction of `connection`.

    Parameters
    ----------
    connection
        Opened with `EventStore.writing`.
    batch
        What was delivered.
    now
        The moment, ms since 1970.
    each
        Write each record alone, and reject those that the database refuses.
    """
    known = read_positions(connection, batch.source)

    def is_new(part: str, number: int) -> bool:
        return part not in known or number >= known[part].next

    records = [one for one in batch.records if is_new(one.part, one.number)]
    refused = [one for one in batch.rejected if is_new(one.part, one.number)]
    passed = len(batch.records) + len(batch.rejected) - len(records) - len(refused)
    written = len(records)
    if each:
        stored, last, more = _write_each(connection, records, now)
        refused += more
        written -= len(more)
    else:
        stored, last = _write(connection, records)
    if refused:
        connection.execute(rejected.insert(), [_rejected_row(batch.source, one) for one in refused])
    ahead = {
        part: at for part, at in batch.positions.items() if part not in known or at.next >= known[part].next
    }
    _write_positions(connection, batch.source, ahead, now)
    return IntakeResult(stored, written - stored, len(refused), passed, last)


def _write(connection: Connection, records: Sequence[ReceivedRecord]) -> tuple[int, int]:
    """Write events, and then changes in their order; return the number of new ones, and the row of the last event."""
    given = [one.record for one in records]
    new, last = write_events(connection, [one for one in given if isinstance(one, StoredEvent)])
    changes = [one for one in given if isinstance(one, Operation)]
    write_operations(connection, changes)
    return len(new) + len(changes), last


def _write_each(
    connection: Connection, records: Iterable[ReceivedRecord], now: int
) -> tuple[int, int, list[RejectedRecord]]:
    """Write records one at a time; return the number of new ones, the row of the last event, and those that the database refuses."""
    stored, last, refused = 0, 0, []
    for one in records:
        try:
            with connection.begin_nested():
                new, row = _write(connection, [one])
        except REFUSALS as error:
            what = type(getattr(error, "orig", None) or error).__name__
            body = json.dumps(vars(one.record), default=str)
            reason = f"the database cannot store a value of it ({what})"
            refused.append(RejectedRecord(one.part, one.number, reason, "", body, one.user, now))
        else:
            stored, last = stored + new, row or last
    return stored, last, refused


def _write_positions(
    connection: Connection, source: str, reached: dict[str, SourcePosition], now: int
) -> None:
    if not reached:
        return
    connection.execute(
        delete(positions).where(positions.c.source == source, positions.c.part.in_(list(reached)))
    )
    rows = [
        {"source": source, "part": part, "next": at.next, "facts": json.dumps(at.facts), "time": now}
        for part, at in reached.items()
    ]
    connection.execute(positions.insert(), rows)


def _rejected_row(source: str, record: RejectedRecord) -> dict[str, Any]:
    row = {**vars(record), "source": source, "user": None}
    if record.user is not None:
        row["user"] = json.dumps(record.user)
    return {
        name: value.replace("\0", "\\u0000") if isinstance(value, str) else value
        for name, value in row.items()
    }


def read_rejected(connection: Connection, after: int, limit: int) -> list[tuple[int, str, RejectedRecord]]:
    """Return at most `limit` rejected records after a row, in order: each with its row and its source."""
    query = select(rejected).where(rejected.c.row > after).order_by(rejected.c.row).limit(limit)
    return [(row.row, row.source, _read_record(row)) for row in connection.execute(query)]


def read_rejected_of(connection: Connection, user: Any) -> list[RejectedRecord]:
    """Return the rejected records of a user."""
    own = select(rejected).where(rejected.c.user.in_(user_forms(user))).order_by(rejected.c.row)
    return [_read_record(row) for row in connection.execute(own)]


def _read_record(row: Any) -> RejectedRecord:
    user = None if row.user is None else json.loads(row.user)
    return RejectedRecord(row.part, row.number, row.reason, row.field, row.body, user, row.time)


def remove_rejected(connection: Connection, up_to: int) -> int:
    """Delete the rejected records up to a row; return their number."""
    return connection.execute(delete(rejected).where(rejected.c.row <= up_to)).rowcount


def erase_rejected(connection: Connection, user: Any) -> int:
    """Delete the rejected records of a user, and those without a readable user that name the id anywhere."""
    named = rejected.c.body.contains(str(user), autoescape=True)
    own = rejected.c.user.in_(user_forms(user)) | (rejected.c.user.is_(None) & named)
    return connection.execute(delete(rejected).where(own)).rowcount

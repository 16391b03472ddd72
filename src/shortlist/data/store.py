"""The event store: what the server was told, durable before it answers.

SQLite in WAL mode through SQLAlchemy Core; `synchronous = FULL`, so that a committed batch is on the disk. Events are
idempotent by `event_id`: sending one twice stores it once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Float, Integer, MetaData, String, Table, Text, create_engine, event, select
from sqlalchemy.dialects.sqlite import insert

metadata = MetaData()
events = Table(
    "events",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=True),
    Column("event_id", String, unique=True, nullable=False),
    Column("user", Text, nullable=False),
    Column("item", Text, nullable=False),
    Column("kind", String, nullable=False),
    Column("time", Integer, nullable=False),
    Column("value", Float),
    Column("context", Text),
)


@dataclass(frozen=True)
class StoredEvent:
    """user and item as they were sent (text or whole number); time in ms."""

    event_id: str
    user: Any
    item: Any
    kind: str
    time: int
    value: float | None = None
    context: dict[str, Any] = field(default_factory=dict)


class EventStore:
    def __init__(self, path: str | Path) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.engine = create_engine(f"sqlite:///{path}")

        @event.listens_for(self.engine, "connect")
        def _pragmas(connection: Any, _record: Any) -> None:
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 5000"):
                connection.execute(f"PRAGMA {pragma}")

        metadata.create_all(self.engine)

    def add(self, batch: list[StoredEvent]) -> list[StoredEvent]:
        """Store a batch in one transaction; the events that were new, in order. On return they are on the disk."""
        if not batch:
            return []
        with self.engine.begin() as connection:
            rows = {e.event_id: e for e in reversed(batch)}
            known = set(
                connection.scalars(select(events.c.event_id).where(events.c.event_id.in_(list(rows))))
            )
            new = [e for e in dict.fromkeys(e.event_id for e in batch) if e not in known]
            if new:
                connection.execute(
                    insert(events).on_conflict_do_nothing(),
                    [
                        {
                            "event_id": e.event_id,
                            "user": json.dumps(e.user),
                            "item": json.dumps(e.item),
                            "kind": e.kind,
                            "time": e.time,
                            "value": e.value,
                            "context": json.dumps(e.context),
                        }
                        for e in (rows[i] for i in new)
                    ],
                )
        return [rows[i] for i in new]

    def all(self) -> Iterator[StoredEvent]:
        """Every event, in order of arrival: what a restart rebuilds the live state from."""
        with self.engine.connect() as connection:
            for row in connection.execute(select(events).order_by(events.c.row)):
                yield StoredEvent(
                    row.event_id,
                    json.loads(row.user),
                    json.loads(row.item),
                    row.kind,
                    row.time,
                    row.value,
                    json.loads(row.context or "{}"),
                )

    def close(self) -> None:
        self.engine.dispose()

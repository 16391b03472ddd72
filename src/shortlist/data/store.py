"""The event store: what the server was told, durable before it answers, and what it showed.

SQLite in WAL mode through SQLAlchemy Core; `synchronous = FULL`, so that a committed batch is on the disk. Events are
idempotent by `event_id`: sending one twice stores it once. Slates are kept with what an estimate from the log needs later: which
item stood where, with which chance, by which policy, and to which arms of experiments the person belonged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    inspect,
    select,
    text,
)
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
    Column("slate", String),
)
slates = Table(
    "slates",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=True),
    Column("slate_id", String, unique=True, nullable=False),
    Column("user", Text, nullable=False),
    Column("time", Integer, nullable=False),
    Column("policy", String, nullable=False),
    Column("items", Text, nullable=False),
    Column("propensities", Text, nullable=False),
    Column("arms", Text, nullable=False),
    Column("teams", Text),
    Column("context", Text),
)


@dataclass(frozen=True)
class StoredEvent:
    """user and item as they were sent (text or whole number); time in ms; slate: the id of the slate it came from, if it was told."""

    event_id: str
    user: Any
    item: Any
    kind: str
    time: int
    value: float | None = None
    context: dict[str, Any] = field(default_factory=dict)
    slate: str | None = None


@dataclass(frozen=True)
class StoredSlate:
    """A slate as it was shown. `policy`: the version of everything that chose it; `propensities`: the chance of each item in its
    slot, given the slots above; `arms`: experiment → arm; `teams`: with interleaving, whose pick each item was."""

    slate_id: str
    user: Any
    time: int
    policy: str
    items: list[Any]
    propensities: list[float | None]
    arms: dict[str, str] = field(default_factory=dict)
    teams: list[int] | None = None
    context: dict[str, Any] = field(default_factory=dict)


def path_beside(bundle: str | Path) -> Path:
    """Where the store of a bundle is, unless somebody says otherwise."""
    return Path(f"{str(bundle).rstrip('/')}-events.sqlite")


class EventStore:
    def __init__(self, path: str | Path) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.engine = create_engine(f"sqlite:///{path}")

        @event.listens_for(self.engine, "connect")
        def _pragmas(connection: Any, _record: Any) -> None:
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 5000"):
                connection.execute(f"PRAGMA {pragma}")

        metadata.create_all(self.engine)
        if "slate" not in {column["name"] for column in inspect(self.engine).get_columns("events")}:
            with self.engine.begin() as connection:  # a store of an earlier version
                connection.execute(text("ALTER TABLE events ADD COLUMN slate VARCHAR"))

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
                            "slate": e.slate,
                        }
                        for e in (rows[i] for i in new)
                    ],
                )
        return [rows[i] for i in new]

    def add_slates(self, batch: list[StoredSlate]) -> None:
        """Store slates that were shown, in one transaction; one that is there already stays."""
        if not batch:
            return
        with self.engine.begin() as connection:
            connection.execute(
                insert(slates).on_conflict_do_nothing(),
                [
                    {
                        "slate_id": s.slate_id,
                        "user": json.dumps(s.user),
                        "time": s.time,
                        "policy": s.policy,
                        "items": json.dumps(s.items),
                        "propensities": json.dumps(s.propensities),
                        "arms": json.dumps(s.arms),
                        "teams": None if s.teams is None else json.dumps(s.teams),
                        "context": json.dumps(s.context),
                    }
                    for s in batch
                ],
            )

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
                    row.slate,
                )

    def slates(self) -> Iterator[StoredSlate]:
        """Every slate that was shown, in order."""
        with self.engine.connect() as connection:
            for row in connection.execute(select(slates).order_by(slates.c.row)):
                yield StoredSlate(
                    row.slate_id,
                    json.loads(row.user),
                    row.time,
                    row.policy,
                    json.loads(row.items),
                    json.loads(row.propensities),
                    json.loads(row.arms),
                    None if row.teams is None else json.loads(row.teams),
                    json.loads(row.context or "{}"),
                )

    def close(self) -> None:
        self.engine.dispose()

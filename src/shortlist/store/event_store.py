"""The event store: what the server was told, durable before it answers, what it showed, and what operators changed.

SQLite (WAL, `synchronous = FULL`) for one machine, PostgreSQL for several; one code path through SQLAlchemy Core. A batch is one
transaction, on the disk when `write` returns. Events are idempotent by `event_id`: sending one twice stores it once. Slates are
kept with what an estimate from the log needs later: which item stood where, with which chance, by which policy, and to which arms of
experiments the person belonged.

**Rows are the order of everything.** Writers take turns (SQLite's write lock, an advisory lock in PostgreSQL), so that rows become
visible in their order and a reader that has seen row 100 has seen all before it. The live state of every replica is the fold of
the rows so far; a restart, or another replica, folds the same rows and arrives at the same state.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, delete, event, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from shortlist.errors import StoreError, import_extra
from shortlist.store.schema import events, identity, operations, slates

LOCK = 7_301_955
"""The number of the advisory lock that PostgreSQL's writers take turns with."""
PAGE = 20_000


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
    slot, given the slots above; `arms`: experiment → arm; `teams`: with interleaving, whose pick each item was.
    """

    slate_id: str
    user: Any
    time: int
    policy: str
    items: list[Any]
    propensities: list[float | None]
    arms: dict[str, str] = field(default_factory=dict)
    teams: list[int] | None = None
    context: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """What an operator changed: `what` (item, retire, erase, model), about whom or what, how, and by which key."""

    time: int
    what: str
    about: Any
    body: dict[str, Any]
    by: str


def path_beside(bundle: str | Path) -> Path:
    """Where the store of a bundle is, unless somebody says otherwise."""
    return Path(f"{str(bundle).rstrip('/')}-events.sqlite")


class EventStore:
    """Opens, and brings up to date, the store at a path (SQLite) or a `postgresql://` address. Raises `StoreError` where it
    cannot be reached, or on a store of a newer version.
    """

    def __init__(self, target: str | Path) -> None:
        self.target = str(target)
        self.engine = _engine(self.target)
        from shortlist.store.migrate import migrate

        with _told(self.target):
            migrate(self.engine)

    @property
    def shown_target(self) -> str:
        """The address without its password."""
        return self.engine.url.render_as_string(hide_password=True)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that no other writer is in the middle of."""
        with _told(self.target), self.engine.connect() as connection:
            connection = connection.execution_options(writes=True)
            with connection.begin():
                if self.engine.dialect.name == "postgresql":
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
                yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with _told(self.target), self.engine.connect() as connection:
            yield connection

    # ---------------------------------------------------------------- writing

    def write(self, batch: list[StoredEvent], shown: list[StoredSlate]) -> tuple[list[StoredEvent], int]:
        """Store slates and events in one transaction; the events that were new, in order, and the row of the last of all: the
        new ones are the rows up to it. On return they are on the disk.
        """
        if not batch and not shown:
            return [], 0
        rows, last = {e.event_id: e for e in reversed(batch)}, 0
        with self.writing() as connection:
            if shown:
                self._insert(
                    connection, slates, slates.c.slate_id, {s.slate_id: _slate_row(s) for s in shown}
                )
            new = self._insert(
                connection, events, events.c.event_id, {i: _event_row(rows[i]) for i in _ids(batch)}
            )
            if new:
                last = int(connection.scalar(select(func.max(events.c.row))) or 0)
        return [rows[i] for i in new], last

    def _insert(
        self, connection: Connection, table: Table, key: Any, rows: dict[str, dict[str, Any]]
    ) -> list[str]:
        """Rows whose key is not there yet; their keys. No other writer is here, so that looking first is enough."""
        known: set[str] = set()
        keys = list(rows)
        for start in range(0, len(keys), 1000):
            known.update(connection.scalars(select(key).where(key.in_(keys[start : start + 1000]))))
        new = [k for k in keys if k not in known]
        if new:
            connection.execute(table.insert(), [rows[k] for k in new])
        return new

    def add(self, batch: list[StoredEvent]) -> list[StoredEvent]:
        return self.write(batch, [])[0]

    def add_slates(self, batch: list[StoredSlate]) -> None:
        self.write([], batch)

    def operate(self, operation: Operation) -> int:
        """Store an operation; its row."""
        with self.writing() as connection:
            done = connection.execute(
                operations.insert().returning(operations.c.row),
                {
                    "time": operation.time,
                    "what": operation.what,
                    "about": json.dumps(operation.about),
                    "body": json.dumps(operation.body),
                    "by": operation.by,
                },
            )
            return int(done.scalar_one())

    def erase(self, user: Any, time: int, by: str) -> dict[str, int]:
        """Delete all that is stored of a person, and remember that it was asked for: what was trained before is then hidden.

        user: in every form an id may have been sent (text, number), all are deleted. How many rows of each table went.
        """
        forms = [json.dumps(form) for form in _forms(user)]
        gone = {}
        with self.writing() as connection:
            for table in (events, slates):
                gone[str(table.name)] = connection.execute(
                    delete(table).where(table.c.user.in_(forms))
                ).rowcount
            connection.execute(
                operations.insert(),
                {
                    "time": time,
                    "what": "erase",
                    "about": json.dumps(user),
                    "body": json.dumps(gone),
                    "by": by,
                },
            )
        return gone

    # ---------------------------------------------------------------- reading

    def since(self, row: int, limit: int = PAGE) -> list[tuple[int, StoredEvent]]:
        """Events after a row, in order, at most `limit`, each with its row."""
        asked = select(events).where(events.c.row > row).order_by(events.c.row).limit(limit)
        with self.reading() as connection:
            return [(r.row, _event(r)) for r in connection.execute(asked)]

    def operations_since(self, row: int) -> list[tuple[int, Operation]]:
        asked = select(operations).where(operations.c.row > row).order_by(operations.c.row)
        with self.reading() as connection:
            return [
                (r.row, Operation(r.time, r.what, json.loads(r.about), json.loads(r.body), r.by))
                for r in connection.execute(asked)
            ]

    def all(self) -> Iterator[StoredEvent]:
        """Every event, in order of arrival: what a restart rebuilds the live state from."""
        row = 0
        while page := self.since(row):
            yield from (stored for _, stored in page)
            row = page[-1][0]

    def slates(self) -> Iterator[StoredSlate]:
        """Every slate that was shown, in order."""
        row = 0
        while True:
            asked = select(slates).where(slates.c.row > row).order_by(slates.c.row).limit(PAGE)
            with self.reading() as connection:
                page = list(connection.execute(asked))
            if not page:
                return
            yield from map(_slate, page)
            row = page[-1].row

    def of_user(self, user: Any) -> dict[str, list[Any]]:
        """All that is stored of a person."""
        forms = [json.dumps(form) for form in _forms(user)]
        with self.reading() as connection:
            told = connection.execute(select(events).where(events.c.user.in_(forms)).order_by(events.c.row))
            shown = connection.execute(select(slates).where(slates.c.user.in_(forms)).order_by(slates.c.row))
            return {"events": [_event(r) for r in told], "slates": [_slate(r) for r in shown]}

    @cached_property
    def id(self) -> str:
        """Which store this is; it stays when the file is moved or the server has another name."""
        with self.reading() as connection:
            return str(connection.scalar(select(identity.c.id)))

    def count(self) -> int:
        """How many events there are."""
        with self.reading() as connection:
            return int(connection.scalar(select(func.count()).select_from(events)) or 0)

    def close(self) -> None:
        self.engine.dispose()


def _engine(target: str) -> Engine:
    if target.startswith(("postgresql://", "postgres://")):
        import_extra("psycopg", "postgres")
        address = "postgresql+psycopg://" + target.partition("://")[2]
        return create_engine(
            address,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 3, "options": "-c statement_timeout=10000"},
        )
    if "://" in target:
        raise StoreError(
            f"a store is the path of a SQLite file or postgresql://…, and not {target.partition('://')[0]}://",
            "store",
        )
    try:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{target}: the folder of the store cannot be made: {error}", field="store"
        ) from None
    engine = create_engine(f"sqlite:///{target}")

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say so, below
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 5000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # a transaction that reads first and then writes must hold the lock from its start, or fail half-way
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def _told(target: str) -> Iterator[None]:
    """Whatever goes wrong in the database, as one kind of error, without its SQL or its values."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        shown = target if "://" not in target else target.rpartition("@")[2]
        raise StoreError(f"the event store ({shown}) cannot be used: {reason}", field="store") from error


def _ids(batch: Iterable[StoredEvent]) -> list[str]:
    return list(dict.fromkeys(e.event_id for e in batch))


def _forms(user: Any) -> list[Any]:
    """The forms in which one id may have been sent: 7 and "7"."""
    forms = [user]
    if isinstance(user, int):
        forms.append(str(user))
    elif isinstance(user, str) and user.lstrip("-").isdecimal() and str(int(user)) == user:
        forms.append(int(user))
    return forms


def _event_row(e: StoredEvent) -> dict[str, Any]:
    return {
        "event_id": e.event_id,
        "user": json.dumps(e.user),
        "item": json.dumps(e.item),
        "kind": e.kind,
        "time": e.time,
        "value": e.value,
        "context": json.dumps(e.context) if e.context else None,
        "slate": e.slate,
    }


def _event(row: Any) -> StoredEvent:
    return StoredEvent(
        row.event_id,
        json.loads(row.user),
        json.loads(row.item),
        row.kind,
        row.time,
        row.value,
        json.loads(row.context) if row.context else {},
        row.slate,
    )


def _slate_row(s: StoredSlate) -> dict[str, Any]:
    return {
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


def _slate(row: Any) -> StoredSlate:
    return StoredSlate(
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

"""The tables of the event store. `migrations/` makes them, change by change; a test checks that both agree."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()
# SQLite numbers rows itself only where the type is INTEGER
Row = BigInteger().with_variant(Integer, "sqlite")

events = Table(
    "events",
    metadata,
    Column("row", Row, primary_key=True, autoincrement=True),
    Column("event_id", String, unique=True, nullable=False),
    Column("user", Text, nullable=False),
    Column("item", Text, nullable=False),
    Column("kind", String, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("value", Float),
    Column("context", Text),
    Column("slate", String),
    Index("events_user", "user"),
    sqlite_autoincrement=True,
)
slates = Table(
    "slates",
    metadata,
    Column("row", Row, primary_key=True, autoincrement=True),
    Column("slate_id", String, unique=True, nullable=False),
    Column("user", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("policy", String, nullable=False),
    Column("items", Text, nullable=False),
    Column("propensities", Text, nullable=False),
    Column("arms", Text, nullable=False),
    Column("teams", Text),
    Column("context", Text),
    Column("given", Text),
    Column("first_position", BigInteger),
    Column("placement", String),
    Index("slates_user", "user"),
    sqlite_autoincrement=True,
)
operations = Table(
    # what operators changed while serving: items added, changed or retired, users erased; in order, so that every
    # replica and every restart applies the same
    "operations",
    metadata,
    Column("row", Row, primary_key=True, autoincrement=True),
    Column("time", BigInteger, nullable=False),
    Column("what", String, nullable=False),
    Column("about", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("by", String, nullable=False),
    Column("after", BigInteger),
    sqlite_autoincrement=True,
)
keys = Table(
    "keys",
    metadata,
    Column("name", String, primary_key=True),
    Column("digest", String, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("rate", Float, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("revoked", BigInteger),
    # public keys that take signed user ids only: what the signatures are made with
    Column("user_secret", String),
)
identity = Table(
    # one row: the id of the store, which stays when the store is moved, and the key that its servers sign cursors with
    "identity",
    metadata,
    Column("id", String, primary_key=True),
    Column("signing_key", String),
)
edits = Table(
    # what operators proposed, approved, rejected and undid of the settings of serving; rows are only added
    "edits",
    metadata,
    Column("row", Row, primary_key=True, autoincrement=True),
    Column("time", BigInteger, nullable=False),
    Column("action", String, nullable=False),
    Column("about", BigInteger),
    Column("body", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("by", String, nullable=False),
    sqlite_autoincrement=True,
)
positions = Table(
    # how far each part of a source of events (a partition, a file) was read; written together with its events
    "positions",
    metadata,
    Column("source", String, primary_key=True),
    Column("part", String, primary_key=True),
    Column("next", BigInteger, nullable=False),
    Column("facts", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
)
rejected = Table(
    # records of sources that are no events, with the reason
    "rejected",
    metadata,
    Column("row", Row, primary_key=True, autoincrement=True),
    Column("source", String, nullable=False),
    Column("part", String, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("field", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("user", Text),
    Column("time", BigInteger, nullable=False),
    Index("rejected_user", "user"),
    sqlite_autoincrement=True,
)

"""`[data]`, `[items]` and `[users]`: the tables, their columns and attributes."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field

from shortlist.config.base import Settings

AttributeKind = Literal["number", "category", "list", "text", "time", "embedding", "link"]


class ColumnNames(Settings):
    """Column names of the events table (`[data.columns]`). Only `user` and `item` are required."""

    user: str = "user_id"
    """Column with the user's id."""
    item: str = "item_id"
    """Column with the item's id."""
    timestamp: str | None = None
    """Column with the time of the event: seconds, milliseconds, microseconds or nanoseconds since 1970, or a date type.
    Without it, the order of the rows is the order in time."""
    arrival: str | None = None
    """Column with the time at which the event became known, if that can be later than the event (offline phones, nightly
    imports). Features and histories use an event only from its arrival on."""
    kind: str | None = None
    """Column with the kind of event (play, click, …). Without it, every event has the kind `event`."""
    value: str | None = None
    """Column with the event's value: seconds, rating or price."""
    event_id: str | None = None
    """Column with a unique id of the event; it identifies duplicates."""
    slate: str | None = None
    """Column with the id of the slate that an impression belongs to."""
    position: str | None = None
    """Column with the position of an impression on its slate, from 0."""
    propensity: str | None = None
    """Column with the probability with which the logging policy showed the item, 0 to 1."""


class TableSettings(Settings):
    """An items or users table (`[items]`, `[users]`): its id column and the attributes to use."""

    id: str
    """Column with the id."""
    title: str | None = None
    """Column with the title that people read."""
    attributes: dict[str, AttributeKind] = Field(default_factory=dict)
    """Attribute → kind. An attribute's name is its column's name."""


class DataSettings(Settings):
    """The tables (`[data]`)."""

    events: str = ""
    """A file (.parquet, .csv, .tsv, .inter), a table of `database`, a MovieLens folder, or a SQL query."""
    items: str | None = None
    """The items table, in the same forms."""
    users: str | None = None
    """The users table, in the same forms."""
    database: str | None = None
    """A DuckDB file that contains the named tables; queries run in it."""
    columns: ColumnNames = Field(default_factory=ColumnNames)
    context: dict[str, Literal["number", "category"]] = Field(default_factory=dict)
    """Event column → kind, for columns that describe the situation of the event (device, time of day, …)."""
    engine: Literal["duckdb", "spark"] = "duckdb"
    """Which engine runs the SQL of the features in training: DuckDB in this process, or Spark (extra `spark`)."""
    kinds: dict[str, str] = Field(default_factory=dict)
    """Kind of event → what it is, for kinds that the log does not hold yet. The server takes events of these kinds, and objectives
    on them wait until there are enough. `impression` is always taken."""
    negative_kind: str | None = None
    """The kind that events with a value below 0 get, for logs that write returns as negative quantities or amounts."""
    user_ids: Literal["given", "text"] = "given"
    """Whether ids of users that are whole numbers stay numbers, or become texts. With `text`, events of guests whose ids are texts
    are trained on, too; requests may still send numbers."""
    duplicates: Literal["keep", "drop"] = "drop"
    """Whether a second identical event (same user, item, kind and time) is dropped."""


def is_query(source: str) -> bool:
    """Return whether a source is SQL text rather than the name of a file or table."""
    return bool(re.match(r"\s*(select|with|from)\s", source, re.IGNORECASE))

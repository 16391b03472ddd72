"""`[data]`, `[items]` and `[users]`: the tables, their columns and attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from shortlist.config.base import SettingError, Settings
from shortlist.config.rows import DerivedEvents, ExcludedRows, FilledDown, TimeFormat, column_format
from shortlist.errors import suggestion

AttributeKind = Literal["number", "category", "list", "text", "time", "embedding", "link"]
ENCODED_KINDS = ("text", "category", "list", "link")
"""Kinds of attributes that encoders read."""


class ColumnNames(Settings):
    """Column names of the events table (`[data.columns]`). Only `user` and `item` are required."""

    user: str = "user_id"
    """Column with the user's id."""
    item: str = "item_id"
    """Column with the item's id."""
    timestamp: str | None = None
    """Column with the time of the event: seconds, milliseconds, microseconds or nanoseconds since 1970, or a date type.
    Without it, the order of the rows is the order in time."""
    clock: str | None = None
    """Column with the time of day, where `timestamp` has the date only."""
    arrival: str | None = None
    """Column with the time at which the event became known, if that can be later than the event (offline phones, nightly
    imports). Features and histories use an event only from its arrival on."""
    kind: str | None = None
    """Column with the kind of event (play, click, …). Without it, every event has the kind `event`."""
    value: str | None = None
    """Column with the event's value: seconds, rating or price."""
    quantity: str | None = None
    """Column with the number of pieces of an order line. The value is multiplied by it (without `value`, it is the value), and a
    negative number makes the value negative."""
    event_id: str | None = None
    """Column with a unique id of the event; it identifies duplicates."""
    slate: str | None = None
    """Column with the id of the slate that an impression belongs to."""
    position: str | None = None
    """Column with the position of an impression on its slate, from 0."""
    propensity: str | None = None
    """Column with the probability with which the logging policy showed the item, 0 to 1."""


class EncodeSettings(Settings):
    """An embedding that an encoder makes of the texts of an item (`[items.encode.NAME]`), at training and when the item changes."""

    texts: list[str] = Field(min_length=1)
    """Attributes (text, category, list, link) and the title's column; the encoder gets them in this order, a line each."""
    encoder: str
    """`model2vec` (static word vectors, fast), `onnx` (a sentence transformer, milliseconds a text), or one of your own that
    `register_encoder` or an installed package makes known."""
    path: str | None = None
    """Folder with the weights, relative to the project file. Nothing is fetched from a network."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Settings of the encoder."""


class TableSettings(Settings):
    """An items or users table (`[items]`, `[users]`): its id column and the attributes to use."""

    id: str
    """Column with the id."""
    title: str | None = None
    """Column with the title that people read."""
    attributes: dict[str, AttributeKind] = Field(default_factory=dict)
    """Attribute → kind. An attribute's name is its column's name."""
    encode: dict[str, EncodeSettings] = Field(default_factory=dict)
    """Name of an embedding → how an encoder makes it of texts; of items only."""
    from_events: bool = False
    """Whether the columns of this section are those of the events table, where there is no table of its own. The most
    frequent value counts."""
    time_format: TimeFormat = None
    """How attributes of kind time are written, as `data.time_format`."""

    @model_validator(mode="before")
    @classmethod
    def _check_place(cls, values: Any) -> Any:
        """Refuse an encoder in `[items.NAME]`, and name the place where it is declared."""
        for name, value in values.items() if isinstance(values, Mapping) else ():
            if name not in cls.model_fields and isinstance(value, Mapping) and "encoder" in value:
                raise SettingError(
                    str(name),
                    f"there is no such setting; an embedding that an encoder makes is declared in [items.encode.{name}], with texts, encoder and path",
                )
        return values

    @property
    def kinds(self) -> Mapping[str, AttributeKind]:
        """Attribute → kind, with the embeddings that encoders make."""
        return {**self.attributes, **dict.fromkeys(self.encode, "embedding")}

    @model_validator(mode="after")
    def _check_encode(self) -> TableSettings:
        """Refuse an embedding whose name is a column's, and texts that are no column of texts."""
        texts = [name for name, kind in self.attributes.items() if kind in ENCODED_KINDS]
        texts += [self.title] if self.title else []
        for name, one in self.encode.items():
            if name in {*self.attributes, self.id, self.title}:
                raise SettingError(f"encode.{name}", f"{name!r} is a column; give the embedding another name")
            for number, text in enumerate(one.texts):
                if text not in texts:
                    raise SettingError(
                        f"encode.{name}.texts.{number}",
                        f"{text!r} is not the title and no attribute of kind {', '.join(ENCODED_KINDS)}{suggestion(text, texts)}; "
                        f"there are: {', '.join(texts) or 'none'}",
                    )
        return self


class DataSettings(Settings):
    """The tables (`[data]`)."""

    events: str = ""
    """A file (.parquet, .csv, .tsv, .jsonl, .arrow, .inter), a folder of Parquet files or a Delta table, `s3://…`, `gs://…` or `az://…`,
    `postgresql://…?table=…`, a table of `database`, a MovieLens folder, a SQL query, or a .sql file with one."""
    items: str | None = None
    """The items table, in the same forms."""
    users: str | None = None
    """The users table, in the same forms."""
    database: str | None = None
    """A DuckDB file that contains the named tables; queries run in it."""
    columns: ColumnNames = Field(default_factory=ColumnNames)
    context: dict[str, Literal["number", "category"]] = Field(default_factory=dict)
    """Event column → kind, for columns that describe the situation of the event (device, time of day, …)."""
    given: list[str] = Field(default_factory=list)
    """Event columns of numbers that belong to a shown item at that moment, such as the score of a search engine or the price of today.
    They are read from the impressions, which must hold the lists as they were given, and are sent with `/v1/rank`; features of kind
    `given` and `within_list` read them."""
    encoding: str | None = None
    """Encoding of text files that are not UTF-8, for example `"cp1252"` or `"utf-16"`."""
    time_format: TimeFormat = None
    """How the text dates of events are written, for example `"%d/%m/%Y %H:%M"`; or a table with a format for each column. Dates in
    another form are set aside. Default: found out from all dates of a column."""
    whole_ids: list[str] = Field(default_factory=list)
    """Columns of ids that another program has written as 17850.0; they are read as 17850."""
    unnest: str | None = None
    """Column with a list of structs, such as the `items` of web analytics: each of its elements is a row, and their fields are columns
    such as `items.item_id`. Rows with an empty list are set aside."""
    fill_down: FilledDown | None = None
    """Columns that are blank in the further lines of an order (`[data.fill_down]`)."""
    exclude: list[ExcludedRows] = Field(default_factory=list)
    """Rows that are no events, such as lines of postage (`[[data.exclude]]`). They are set aside and counted."""
    guests: str | None = None
    """Column with the number of the order, or with the id of a visitor. Rows without a user belong to a guest: the user `guest-` and
    that number. Requires `user_ids = "text"` where ids of users are whole numbers."""
    guest_ids: list[str] = Field(default_factory=list)
    """Ids that stand for no user, such as 0 for orders without an account; their rows are those of guests."""
    default_kind: str = Field("event", min_length=1)
    """The kind of all events of a log without a column of kinds."""
    derive: list[DerivedEvents] = Field(default_factory=list)
    """The events that a row of a wide log makes (`[[data.derive]]`); a row makes those only."""
    first_position: int = Field(0, ge=0)
    """The number of the first position in the log: 1 where slots are counted from 1."""
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

    @model_validator(mode="after")
    def _check_rows(self) -> DataSettings:
        """Refuse a column of kinds beside derived events (a row has one kind, or makes events of several), and guests without a number."""
        for name in self.given:
            if name in {"item", "title"} or self.given.count(name) > 1:
                reason = (
                    "is named twice"
                    if self.given.count(name) > 1
                    else "is a field of its own in a request; rename it with a query in data.events"
                )
                raise SettingError("given", f"{name!r} {reason}")
        if self.guest_ids and not self.guests:
            raise SettingError("guest_ids", 'name the column that tells guests apart: guests = "…"')
        if self.derive and self.columns.kind:
            raise SettingError(
                "columns.kind",
                "data.derive says which events a row makes, so there can be no column of kinds; remove one of the two",
            )
        return self

    def format_of(self, column: str) -> str | None:
        """Return how the times of a column of the events are written; None: found out from them."""
        return column_format(self.time_format, column)

    @property
    def used_columns(self) -> set[str]:
        """The columns of the events table that some setting names."""
        used = {name for name in self.columns.model_dump().values() if name} | {
            *self.context,
            *self.given,
            *self.whole_ids,
        }
        used |= {rule.column for rule in self.exclude} | {*filter(None, [self.guests, self.unnest])}
        if self.fill_down is not None:
            used |= {*self.fill_down.columns, *filter(None, [self.fill_down.by])}
        return used | {name for rule in self.derive for name in rule.columns}


def is_query(source: str) -> bool:
    """Return whether a source is SQL text rather than the name of a file or table."""
    return bool(re.match(r"\s*(select|with|from)\s", source, re.IGNORECASE))

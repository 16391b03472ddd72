"""Guess a project from tables."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shortlist.config.data import AttributeKind
from shortlist.config.project import Project, parse_project
from shortlist.data.guess_objectives import guess_features, guess_objectives
from shortlist.data.tables import to_arrow
from shortlist.errors import DataError

NAMES: dict[str, tuple[str, ...]] = {
    "user": (
        "user_id",
        "user",
        "userid",
        "uid",
        "customer_id",
        "customer",
        "visitor_id",
        "visitorid",
        "session_id",
        "member_id",
        "account_id",
    ),
    "item": (
        "item_id",
        "item",
        "itemid",
        "iid",
        "product_id",
        "product",
        "movie_id",
        "movieid",
        "video_id",
        "app_id",
        "article_id",
        "track_id",
        "sku",
        "content_id",
    ),
    "timestamp": (
        "timestamp",
        "time",
        "ts",
        "event_time",
        "datetime",
        "date",
        "created_at",
        "occurred_at",
        "event_timestamp",
    ),
    "kind": ("kind", "event", "event_type", "type", "action", "behavior", "behaviour", "interaction"),
    "value": (
        "value",
        "rating",
        "score",
        "seconds",
        "watch_seconds",
        "amount",
        "price",
        "cnt",
        "count",
        "quantity",
    ),
    "event_id": ("event_id", "eventid"),
    "slate": ("slate", "slate_id", "impression_id", "request_id"),
    "position": ("position", "pos", "slot"),
    "propensity": ("propensity", "propensity_score", "pscore"),
}
TITLES = ("title", "name", "item_name", "product_name", "label")


TIMES = frozenset(
    {"released", "release_date", "published", "published_at", "created_at", "arrived", "added", "added_at"}
)
"""Names of columns that are read as times even where they hold numbers or text."""
TEXTS = frozenset({"description", "text", "overview", "summary"})
STOCK = frozenset({"in_stock", "stock", "available"})


def guess_project(events: Any, items: Any = None, users: Any = None, name: str = "shortlist") -> Project:
    """Guess a project from tables: the role of each column, attributes, objectives, features and re-ranking.

    A guess looks at names first and at values second. `shortlist init` writes it with comments, so that it can be
    corrected.

    Parameters
    ----------
    events, items, users
        Pandas, Polars or Arrow tables, or lists of dictionaries.
    name
        The name of the project.

    Returns
    -------
    Project
        A project that works for these tables.

    Raises
    ------
    DataError
        No column can be the user or the item.

    Examples
    --------
    >>> project = guess_project([{"user_id": "u1", "item_id": "i1", "kind": "play"}])
    >>> list(project.objectives)
    ['play']
    """
    events = to_arrow(events)
    tables = {r: to_arrow(t) for r, t in (("items", items), ("users", users)) if t is not None}
    columns = _columns(events)
    used = {column for column in columns.values() if column}
    context = {c: k for c in events.column_names if c not in used and (k := _context_kind(events.column(c)))}
    data: dict[str, Any] = {"events": "events", "columns": {r: c for r, c in columns.items() if c}}
    settings: dict[str, Any] = {"name": name, "data": data}
    data["context"] = context
    for role, table in tables.items():
        settings[role] = _entity(table, role)
        data[role] = role
    attributes = {role: settings.get(role, {}).get("attributes", {}) for role in ("items", "users")}
    settings["objectives"] = guess_objectives(events, columns)
    settings["features"] = guess_features(events, columns, attributes, list(context))
    settings["rerank"] = _rerank(attributes["items"])
    return parse_project(settings, "the guess")


def _columns(events: pa.Table) -> dict[str, str | None]:
    """The column of each role, None where there is none."""
    columns = {role: _find(events, names) for role, names in NAMES.items()}
    for role in ("user", "item"):
        if columns[role] is None:
            raise DataError(
                f"no column of the events looks like the {role} (there are: {', '.join(events.column_names)}); "
                f"rename one to {role}_id, or write shortlist.toml by hand",
                field=f"data.columns.{role}",
            )
    if columns["value"] and not _numeric(events.schema.field(columns["value"]).type):
        columns["value"] = None
    return columns


def _find(table: pa.Table, names: tuple[str, ...]) -> str | None:
    lower = {column.lower(): column for column in table.column_names}
    return next((lower[name] for name in names if name in lower), None)


def _numeric(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _context_kind(column: pa.ChunkedArray) -> str | None:
    """The kind of a context column. A column of more than 1,000 distinct words is probably an id or a text."""
    if _numeric(column.type) or pa.types.is_boolean(column.type):
        return "number"
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return "category" if pc.count_distinct(column).as_py() <= 1000 else None
    return None


def _entity(table: pa.Table, role: str) -> dict[str, Any]:
    singular = "item" if role == "items" else "user"
    key = _find(table, (*NAMES[singular], "id")) or table.column_names[0]
    title = _find(table, TITLES) if role == "items" else None
    attributes: dict[str, AttributeKind] = {}
    for column in table.column_names:
        kind = None if column == key else _attribute_kind(column, table.column(column))
        if kind:
            attributes[column] = kind
    return {"id": key, **({"title": title} if title else {}), "attributes": attributes}


def _attribute_kind(name: str, column: pa.ChunkedArray) -> AttributeKind | None:
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return "list"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time"
    lower = name.lower()
    if lower in TIMES:
        return "time"
    if _numeric(kind) or pa.types.is_boolean(kind):
        return "number"
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        return None
    words = column.cast(pa.string())
    if (pc.mean(pc.cast(pc.match_substring(pc.fill_null(words, ""), "|"), pa.float64())).as_py() or 0) > 0.1:
        return "list"
    distinct = pc.count_distinct(words).as_py()
    if lower in TITLES or lower in TEXTS:
        return "text"
    return "category" if distinct <= max(50, len(words) // 4) else None


def _rerank(attributes: dict[str, str]) -> dict[str, str]:
    rerank: dict[str, str] = {}
    for setting, kind in (("diversity_by", "list"), ("freshness_by", "time")):
        name = next((n for n, k in attributes.items() if k == kind), None)
        if name:
            rerank[setting] = name
    stock = next((n for n in attributes if n.lower() in STOCK), None)
    if stock and attributes[stock] == "number":
        rerank["in_stock"] = stock
    return rerank

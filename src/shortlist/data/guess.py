"""Guess a project from tables: which column is which, what the attributes are, what is probably wanted.

Used by `shortlist init`, which writes the guess with comments, and by `Dataset.from_frames` without a project. A guess
is from names first and values second, and it is always written down where a person can correct it.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shortlist.config.base import IMPRESSION
from shortlist.config.data import AttributeKind
from shortlist.config.project import Project, parse_project
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


def guess_project(
    events: pa.Table, items: pa.Table | None, users: pa.Table | None, name: str = "shortlist"
) -> Project:
    """A project for these tables. Raises `DataError` where no column can be the user or the item."""
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
    taken = {column for column in columns.values() if column}
    settings: dict[str, Any] = {
        "name": name,
        "data": {
            "events": "events",
            "columns": {role: column for role, column in columns.items() if column},
            "context": {
                c: k for c in events.column_names if c not in taken and (k := _context_kind(events.column(c)))
            },
        },
    }
    for role, table in (("items", items), ("users", users)):
        if table is not None:
            settings[role] = _entity(table, role)
            settings["data"][role] = role
    settings["objectives"], settings["features"] = _wishes(events, columns, settings)
    settings["rerank"] = _rerank(settings)
    return parse_project(settings, "the guess")


def _find(table: pa.Table, names: tuple[str, ...]) -> str | None:
    lower = {column.lower(): column for column in table.column_names}
    return next((lower[name] for name in names if name in lower), None)


def _numeric(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _context_kind(column: pa.ChunkedArray) -> str | None:
    """Only columns of few distinct words describe a moment; others are probably ids or text."""
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
    if lower in {
        "released",
        "release_date",
        "published",
        "published_at",
        "created_at",
        "arrived",
        "added",
        "added_at",
    }:
        return "time"
    if _numeric(kind) or pa.types.is_boolean(kind):
        return "number"
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        return None
    words = column.cast(pa.string())
    if (pc.mean(pc.cast(pc.match_substring(pc.fill_null(words, ""), "|"), pa.float64())).as_py() or 0) > 0.1:
        return "list"
    distinct = pc.count_distinct(words).as_py()
    if lower in TITLES or lower in {"description", "text", "overview", "summary"}:
        return "text"
    return "category" if distinct <= max(50, len(words) // 4) else None


def _wishes(
    events: pa.Table, columns: dict[str, str | None], settings: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Objectives and features that fit the kinds of events there are."""
    kind, value = columns["kind"], columns["value"]
    kinds = (
        sorted(pc.unique(events.column(kind)).drop_null().cast(pa.string()).to_pylist())
        if kind
        else ["event"]
    )
    acted = [name for name in kinds if name != IMPRESSION] or kinds
    objectives: dict[str, Any] = {}
    like: float | None = None
    if kind is None and value is not None:
        numbers = events.column(value)
        low, high = pc.min(numbers).as_py() or 0, pc.max(numbers).as_py() or 0
        if low >= 0 and 4 < high <= 5:
            like = 4.0
            objectives["like"] = {"events": ["event"], "at_least": 4.0, "window": "30d"}
            objectives["rating"] = {"kind": "grade", "events": ["event"], "window": "30d", "weight": 0.0}
    if not objectives:
        objectives = {name: {"events": [name], "window": "7d"} for name in acted[:3]}
    main = acted[0]
    features: list[dict[str, Any]] = []
    for window in ("7d", "30d", "all"):
        features.append(
            {"name": f"item_{main}s_{window}", "kind": "count", "by": "item", "event": main, "window": window}
        )
    features.append({"name": "item_last_seen", "kind": "recency", "by": "item", "event": main})
    features.append({"name": f"user_{main}s", "kind": "count", "by": "user", "event": main, "window": "all"})
    features.append({"name": "user_last_seen", "kind": "recency", "by": "user", "event": main})
    if like is not None:
        features.append({"name": "item_mean", "kind": "mean", "by": "item", "event": main, "window": "all"})
        features.append({"name": "user_mean", "kind": "mean", "by": "user", "event": main, "window": "all"})
        for window in ("30d", "all"):
            features.append(
                {
                    "name": f"item_likes_{window}",
                    "kind": "count",
                    "by": "item",
                    "event": main,
                    "at_least": like,
                    "window": window,
                }
            )
    if IMPRESSION in kinds:
        features += [
            {
                "name": f"item_{name}_rate",
                "kind": "rate",
                "by": "item",
                "event": name,
                "per": IMPRESSION,
                "window": "30d",
            }
            for name in acted[:2]
        ]
        features.append({"name": "position", "kind": "position"})
    for role in ("items", "users"):
        for name, attribute in settings.get(role, {}).get("attributes", {}).items():
            side = "item" if role == "items" else "user"
            if attribute in {"number", "category"}:
                features.append({"name": name, "kind": "attribute", "of": f"{side}.{name}"})
            elif attribute == "time" and side == "item":
                features.append({"name": f"{name}_age", "kind": "age", "of": f"item.{name}"})
            if side == "item" and attribute in {"list", "category"}:
                features.append(
                    {"name": f"{name}_affinity", "kind": "affinity", "of": f"item.{name}", "last": 50}
                )
                features.append(
                    {
                        "name": f"{name}_popularity",
                        "kind": "count",
                        "by": f"item.{name}",
                        "event": main,
                        "window": "30d",
                    }
                )
    for name in settings["data"]["context"]:
        features.append({"name": name, "kind": "attribute", "of": f"context.{name}"})
    return objectives, features


def _rerank(settings: dict[str, Any]) -> dict[str, Any]:
    attributes = settings.get("items", {}).get("attributes", {})
    rerank: dict[str, Any] = {}
    for setting, kind in (("diversity_by", "list"), ("freshness_by", "time")):
        name = next((n for n, k in attributes.items() if k == kind), None)
        if name:
            rerank[setting] = name
    stock = next((n for n in attributes if n.lower() in {"in_stock", "stock", "available"}), None)
    if stock and attributes[stock] == "number":
        rerank["in_stock"] = stock
    return rerank

"""Guess objectives and features that fit the kinds of events of a log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shortlist.config.base import IMPRESSION

LIKE = 4.0
"""Ratings of up to 5 stars count as positive from here on."""


def guess_objectives(events: pa.Table, columns: Mapping[str, str | None]) -> dict[str, Any]:
    """Guess objectives: a like and a rating for a log of ratings, else one a kind of event.

    Parameters
    ----------
    events
        The events table.
    columns
        Role → column.
    """
    if _has_stars(events, columns):
        return {
            "like": {"events": ["event"], "at_least": LIKE, "window": "30d"},
            "rating": {"kind": "grade", "events": ["event"], "window": "30d", "weight": 0.0},
        }
    return {name: {"events": [name], "window": "7d"} for name in _acted(events, columns)[:3]}


def guess_features(
    events: pa.Table,
    columns: Mapping[str, str | None],
    attributes: Mapping[str, Mapping[str, str]],
    context: Iterable[str],
) -> list[dict[str, Any]]:
    """Guess features: counts, recencies and rates of the events, attributes, and affinities to their values.

    Parameters
    ----------
    events
        The events table.
    columns
        Role → column.
    attributes
        "items" and "users" → attribute → kind.
    context
        Context columns.
    """
    acted = _acted(events, columns)
    main = acted[0]
    features = [_count(f"item_{main}s_{window}", main, "item", window) for window in ("7d", "30d", "all")]
    features.append({"name": "item_last_seen", "kind": "recency", "by": "item", "event": main})
    features.append(_count(f"user_{main}s", main, "user", "all"))
    features.append({"name": "user_last_seen", "kind": "recency", "by": "user", "event": main})
    if _has_stars(events, columns):
        for side in ("item", "user"):
            mean = {"name": f"{side}_mean", "kind": "mean", "by": side, "event": main, "window": "all"}
            features.append(mean)
        features += [_likes(window, main) for window in ("30d", "all")]
    if IMPRESSION in _kinds(events, columns):
        features += [_rate(name) for name in acted[:2]]
        features.append({"name": "position", "kind": "position"})
    for role, side in (("items", "item"), ("users", "user")):
        for name, kind in attributes.get(role, {}).items():
            features += _of_attribute(name, kind, side, main)
    features += [{"name": name, "kind": "attribute", "of": f"context.{name}"} for name in context]
    return features


def _kinds(events: pa.Table, columns: Mapping[str, str | None]) -> list[str]:
    kind = columns["kind"]
    if kind is None:
        return ["event"]
    kinds: list[str] = pc.unique(events.column(kind)).drop_null().cast(pa.string()).to_pylist()
    return sorted(kinds)


def _acted(events: pa.Table, columns: Mapping[str, str | None]) -> list[str]:
    """The kinds of events that are not impressions, or all where there are no others."""
    kinds = _kinds(events, columns)
    return [name for name in kinds if name != IMPRESSION] or kinds


def _has_stars(events: pa.Table, columns: Mapping[str, str | None]) -> bool:
    """Whether the log has one kind of event and values of up to five stars."""
    value = columns["value"]
    if columns["kind"] is not None or value is None:
        return False
    numbers = events.column(value)
    low, high = pc.min(numbers).as_py() or 0, pc.max(numbers).as_py() or 0
    return bool(low >= 0 and 4 < high <= 5)


def _count(name: str, event: str, by: str, window: str) -> dict[str, Any]:
    return {"name": name, "kind": "count", "by": by, "event": event, "window": window}


def _likes(window: str, event: str) -> dict[str, Any]:
    return {
        "name": f"item_likes_{window}",
        "kind": "count",
        "by": "item",
        "event": event,
        "at_least": LIKE,
        "window": window,
    }


def _rate(event: str) -> dict[str, Any]:
    return {
        "name": f"item_{event}_rate",
        "kind": "rate",
        "by": "item",
        "event": event,
        "per": IMPRESSION,
        "window": "30d",
    }


def _of_attribute(name: str, kind: str, side: str, event: str) -> list[dict[str, Any]]:
    features: list[dict[str, Any]] = []
    if kind in {"number", "category"}:
        features.append({"name": name, "kind": "attribute", "of": f"{side}.{name}"})
    elif kind == "time" and side == "item":
        features.append({"name": f"{name}_age", "kind": "age", "of": f"item.{name}"})
    if side == "item" and kind in {"list", "category"}:
        features.append({"name": f"{name}_affinity", "kind": "affinity", "of": f"item.{name}", "last": 50})
        features.append(_count(f"{name}_popularity", event, f"item.{name}", "30d"))
    return features

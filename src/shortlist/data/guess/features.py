"""Guess features that fit the kinds of events of a log, its attributes and its context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shortlist.config.base import IMPRESSION
from shortlist.data.guess.events import EventKind, EventKinds
from shortlist.data.guess.value import Shape

COUNTED = 3
"""Kinds of events that are counted for each item, beside the main one and the unwanted ones."""
SITUATIONS = 8
"""Categories of the context by whose values the events of an item are counted: the first ones."""


def guess_features(
    kinds: EventKinds,
    attributes: Mapping[str, Mapping[str, str]],
    context: Mapping[str, str],
    repeats: bool = False,
) -> list[dict[str, Any]]:
    """Guess features: counts, recencies and rates of the events, attributes, and affinities to their values.

    Parameters
    ----------
    kinds
        The kinds of events.
    attributes
        "items" and "users" → attribute → kind.
    context
        Context column → kind.
    repeats
        Whether people come back for the same items: a user's own events with an item then count.
    """
    wanted = kinds.wanted
    main = wanted[0].name
    features = [_count(f"item_{main}s_{window}", main, "item", window) for window in ("7d", "30d", "all")]
    features.append({"name": "item_last_seen", "kind": "recency", "by": "item", "event": main})
    features.append(_count(f"user_{main}s", main, "user", "all"))
    features.append({"name": "user_last_seen", "kind": "recency", "by": "user", "event": main})
    features += _of_values(wanted[0], None if kinds.value is None or kinds.value.wanted else 1.0)
    if wanted[0].values is not None and wanted[0].values.shape is Shape.AMOUNT:
        features += _of_amounts(main, repeats)
    others = (*wanted[1 : 1 + COUNTED], *kinds.unwanted[:COUNTED])
    features += [_count(f"item_{kind.name}s", kind.name, "item", "all") for kind in others]
    if kinds.has_impressions:
        features += [_rate(kind.name) for kind in wanted[:2] if kind.name != IMPRESSION]
        features.append({"name": "position", "kind": "position"})
    for role, side in (("items", "item"), ("users", "user")):
        for name, kind in attributes.get(role, {}).items():
            features += _of_attribute(name, kind, side, main)
    features += [{"name": name, "kind": "attribute", "of": f"context.{name}"} for name in context]
    situations = [name for name, kind in context.items() if kind == "category"][:SITUATIONS]
    features += [
        _count(f"item_{main}s_in_{name}", main, f"item*context.{name}", "all") for name in situations
    ]
    if repeats:
        features += _of_own_events(main, situations)
    return _distinct(features)


def _of_own_events(main: str, situations: Sequence[str]) -> list[dict[str, Any]]:
    """Return counts and recency of a user's own events with the item, as a whole and in each situation, and how many users share them."""
    features = [
        _count(f"own_{main}s_{window}", main, "user*item", window) for window in ("30d", "90d", "all")
    ]
    features.append({"name": "own_last_seen", "kind": "recency", "by": "user*item", "event": main})
    # with the number of events: how often those who have taken the item take it again
    features.append({"name": "item_users", "kind": "distinct", "by": "item", "of": "user", "event": main})
    keys = [f"context.{name}" for name in situations]
    features += [
        _count(f"own_{main}s_in_{name}", main, f"user*item*{key}", "all")
        for name, key in zip(situations, keys, strict=True)
    ]
    if len(situations) > 1:
        # as a whole, too: what is done once in a situation may be done again in it, or never
        features.append(_count(f"own_{main}s_in_situation", main, "*".join(["user*item", *keys]), "all"))
    return features


def _of_values(main: EventKind, unwanted: float | None) -> list[dict[str, Any]]:
    """Return mean values, and counts of the events that were wanted or not, where values say it."""
    graded = main.values is not None and main.values.shape is not Shape.AMOUNT
    least = main.at_least if graded else unwanted
    if least is None:
        return []
    features: list[dict[str, Any]] = [
        {"name": f"{side}_mean", "kind": "mean", "by": side, "event": main.name, "window": "all"}
        for side in ("item", "user")
    ]
    for window in ("7d", "30d", "all"):
        name = f"item_likes_{window}" if unwanted is None else f"item_unwanted_{window}"
        features.append({**_count(name, main.name, "item", window), "at_least": least})
    return features


def _of_amounts(main: str, repeats: bool) -> list[dict[str, Any]]:
    """Return the mean amounts of an item and of a user, and of a user's own events with the item where people come back for it."""
    features: list[dict[str, Any]] = [
        {"name": f"{side}_mean", "kind": "mean", "by": side, "event": main, "window": "all"}
        for side in ("item", "user")
    ]
    if repeats:
        own = {"name": "own_mean", "kind": "mean", "by": "user*item", "event": main, "window": "all"}
        features.append({**own, "prior": 0.0})
    return features


def _distinct(features: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give features different names: an attribute can be called as a count is."""
    seen: set[str] = set()
    for feature in features:
        name, number = feature["name"], 2
        while feature["name"] in seen:
            feature["name"] = f"{name}_{number}"
            number += 1
        seen.add(feature["name"])
    return features


def _count(name: str, event: str, by: str, window: str) -> dict[str, Any]:
    return {"name": name, "kind": "count", "by": by, "event": event, "window": window}


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

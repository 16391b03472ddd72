"""A log of lists that were shown with a price and a search engine's score of that moment, and the project that learns from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.config.project import Project, parse_project

START = 1_700_000_000
ITEMS = pa.table(
    {
        "item_id": [f"i{k}" for k in range(40)],
        "title": [f"Item {k}" for k in range(40)],
        "cat": ["abcd"[k % 4] for k in range(40)],
        "tags": [["x", "y"][: k % 3] for k in range(40)],
        "stars": [float(k % 5) for k in range(40)],
        "words": [["red shoe", "blue hat", ""][k % 3] for k in range(40)],
        "vector": pa.array([[1.0, 0.0] if k % 2 else [0.6, 0.8] for k in range(40)], pa.list_(pa.float32())),
    }
)
FEATURES: list[dict[str, Any]] = [
    {"name": "price", "kind": "given", "of": "price"},
    {"name": "score", "kind": "given", "of": "score"},
    {"name": "stars", "kind": "attribute", "of": "item.stars"},
    {"name": "cat", "kind": "attribute", "of": "item.cat"},
    {"name": "tags", "kind": "attribute", "of": "item.tags"},
    {"name": "text", "kind": "attribute", "of": "item.words", "dims": 2},
    {"name": "likes", "kind": "affinity", "of": "item.cat"},
    {"name": "likes_tags", "kind": "affinity", "of": "item.tags"},
    {"name": "alike", "kind": "similarity", "of": "item.words"},
    {"name": "near", "kind": "similarity", "of": "item.vector"},
    {"name": "clicks", "kind": "count", "by": "item", "event": "click"},
    {"name": "clicks_cat", "kind": "count", "by": "item.cat", "event": "click", "window": "1d"},
    {"name": "clicks_tag", "kind": "count", "by": "user*item.tags", "event": "click"},
    {"name": "wide", "kind": "cross", "of": ["item.cat", "context.device"]},
    {"name": "price_rank", "kind": "within_list", "of": "price"},
    {"name": "price_ratio", "kind": "within_list", "of": "price", "how": "ratio"},
    {"name": "score_max", "kind": "within_list", "of": "score", "how": "difference", "to": "max"},
    {"name": "clicks_rank", "kind": "within_list", "of": "clicks"},
    {"name": "price_latest", "kind": "within_list", "of": "price", "how": "ratio", "to": "latest"},
    {
        "name": "price_click",
        "kind": "within_list",
        "of": "price",
        "how": "difference",
        "to": "latest",
        "event": "click",
    },
    {"name": "stars_seen", "kind": "within_list", "of": "stars", "how": "difference", "to": "context.seen"},
]
MORE_FEATURES: list[dict[str, Any]] = [
    {"name": "price_share", "kind": "within_list", "of": "price", "how": "share"},
    {"name": "clicks_z", "kind": "within_list", "of": "clicks", "how": "z_score"},
    {"name": "price_mean", "kind": "within_list", "of": "price", "how": "reference", "to": "mean"},
]
"""Further comparisons within a list, for tests of the features themselves."""
SETTINGS: dict[str, Any] = {
    "data": {
        "columns": {name: name for name in ("timestamp", "kind", "slate", "position")},
        "given": ["price", "score"],
        "context": {"device": "category", "seen": "category"},
    },
    "items": {
        "id": "item_id",
        "title": "title",
        "attributes": {
            "cat": "category",
            "tags": "list",
            "stars": "number",
            "words": "text",
            "vector": "embedding",
        },
    },
    "objectives": {"click": {"events": ["click"], "window": "10m"}},
    "retrieve": {"sources": [{"model": "popular"}, {"model": "neighbours"}], "candidates": 40},
    "rank": {"examples": "impressions", "trees": 40, "heads": "joint", "calibration": "platt"},
    "features": FEATURES,
}


def list_project(**sections: dict[str, Any]) -> Project:
    """The project of `list_log`; sections replace or add settings."""
    return parse_project(
        {
            name: {**SETTINGS.get(name, {}), **sections.get(name, {})}
            for name in {**SETTINGS, **sections}
            if name != "features"
        }
        | {"features": FEATURES}
    )


def list_log(slates: int = 900, size: int = 10, seed: int = 0) -> pa.Table:
    """Lists of random items, of which users click the cheapest one, more or less; every tenth slate has no given numbers."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for slate in range(slates):
        user, time = f"u{rng.integers(0, 50)}", START + 600 * slate
        items, price = rng.choice(40, size, replace=False), np.round(rng.uniform(10, 100, size), 2)
        shared: dict[str, Any] = {
            "user_id": user,
            "slate": f"s{slate}",
            "device": str(rng.choice(["tv", "phone"])),
        }
        shared["seen"] = f"i{items[rng.integers(0, size)]}" if rng.random() < 0.5 else None
        for at in range(size):
            given = {"price": float(price[at]), "score": float(size - at)} if slate % 10 else {}
            rows.append(
                {
                    **shared,
                    **given,
                    "item_id": f"i{items[at]}",
                    "timestamp": time,
                    "kind": "impression",
                    "position": at,
                }
            )
        best = int(np.argmin(price + rng.normal(0, 8, size)))
        rows.append({**shared, "item_id": f"i{items[best]}", "timestamp": time + 30, "kind": "click"})
    names = (
        "user_id",
        "item_id",
        "timestamp",
        "kind",
        "slate",
        "position",
        "device",
        "seen",
        "price",
        "score",
    )
    return pa.table({name: [row.get(name) for row in rows] for name in names})

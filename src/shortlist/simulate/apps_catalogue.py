"""The catalogue and the users of the apps world as tables, and the project of a company with this log."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.simulate.arrays import FloatArray, IdArray, IntArray
from shortlist.simulate.event_log import DAY, START
from shortlist.simulate.project_parts import TABLES, rate

CATEGORIES = [
    "Puzzle", "Action", "Social", "Photo", "Music", "News", "Finance", "Fitness",
    "Food", "Travel", "Learning", "Kids", "Shopping", "Weather", "Notes", "Dating",
]  # fmt: skip
DEVICES = ["phone", "tablet"]
DAYTIMES = ["morning", "day", "evening", "night"]
COUNTRIES = ["US", "IN", "BR", "DE", "JP", "NG"]
LOUD = ["MEGA", "Ultimate", "VIP", "Turbo", "Magic"]
PLAIN = ["Simple", "Daily", "Pocket", "Open", "Little", "Clear", "Steady"]
SECOND = ["Harbour", "Fox", "Lantern", "Pine", "Comet", "Meadow", "Robin", "Tide", "Maple", "Otter", "Pebble", "Kite"]  # fmt: skip


def items_table(
    rng: np.random.Generator, ids: IdArray, categories: FloatArray, hype: FloatArray, arrival: IntArray
) -> pa.Table:
    """Return the catalogue: title, categories, developer, size, price and the day of publication. Titles of hyped apps are loud."""
    n = len(ids)
    main = categories.argmax(1)
    developer = main * 20 + np.minimum(rng.zipf(1.5, n) - 1, 19)
    loud = rng.random(n) < hype
    titles = [
        f"{(LOUD if big else PLAIN)[a % (len(LOUD) if big else len(PLAIN))]} {SECOND[b]} {CATEGORIES[c]}"
        for big, a, b, c in zip(
            loud.tolist(), rng.integers(0, 35, n).tolist(), rng.integers(0, len(SECOND), n).tolist(), main.tolist(), strict=True
        )
    ]  # fmt: skip
    return pa.table(
        {
            "item_id": ids,
            "title": titles,
            "categories": pa.array(
                [[CATEGORIES[c] for c in np.flatnonzero(row)] for row in categories], pa.list_(pa.string())
            ),
            "main": [CATEGORIES[c] for c in main],
            "developer": [f"{SECOND[d % len(SECOND)]} {CATEGORIES[d // 20]} {d % 20 + 1}" for d in developer],
            "megabytes": np.round(np.exp(rng.normal(3.8, 0.8, n)), 1),
            "free": (rng.random(n) < 0.85).astype(np.int64),
            "published": pa.array((START + arrival * DAY) * 1000, pa.timestamp("ms")),
        }
    )


def users_table(rng: np.random.Generator, ids: IdArray, country: IntArray) -> pa.Table:
    """Return the users: country, which shifts their preferences, and age band, which does not."""
    n = len(ids)
    return pa.table(
        {
            "user_id": ids,
            "country": [COUNTRIES[c] for c in country],
            "age_band": rng.choice(
                ["13-17", "18-24", "25-34", "35-49", "50+"], n, p=[0.1, 0.25, 0.3, 0.22, 0.13]
            ),
        }
    )


def settings() -> dict[str, Any]:
    """Return the settings of the apps project: an app that is still used after a week counts most."""
    return {
        "name": "apps",
        "simulated": True,
        "view": "shelf",
        "data": {**TABLES, "context": {"device": "category", "daytime": "category"}},
        "items": {
            "id": "item_id",
            "title": "title",
            "attributes": {
                "title": "text",
                "categories": "list",
                "main": "category",
                "developer": "category",
                "megabytes": "number",
                "free": "number",
                "published": "time",
            },
        },
        "users": {"id": "user_id", "attributes": {"country": "category", "age_band": "category"}},
        "objectives": {
            "install": {"events": ["install"], "window": "1h", "weight": 0.2},
            "retained": {"events": ["retained"], "window": "8d", "weight": 1.0, "given": "install"},
            "remove": {"events": ["remove"], "window": "3d", "weight": -0.1, "given": "install"},
        },
        "features": _features(),
        "retrieve": {
            "candidates": 300,
            "weights": {"install": 0.5, "retained": 1.0, "remove": 0.0},
            "sources": [
                {"model": "popular", "half_life": "7d"},
                {"model": "neighbours"},
                {"model": "als", "factors": 32},
                {"model": "content"},
            ],
        },
        "rank": {"examples": "impressions", "position_bias": "weights", "heads": "separate"},
        "rerank": {
            "diversity_by": "categories",
            "freshness_by": "published",
            "exposure_by": "developer",
            "exposure_cap": 3,
            "new_items": {"share": 0.5, "slot": 4, "budget": 60, "window": "14d"},
        },
        "page": {
            "rows": [
                {"kind": "picks"},
                {"kind": "new", "window": "14d"},
                {"kind": "trending"},
                {"kind": "because"},
                {"kind": "attribute", "of": "main", "most": 3},
            ]
        },
        "evaluate": {"relevant": "install"},
    }  # fmt: skip


def _features() -> list[dict[str, Any]]:
    return [
        {"name": "installs_1d", "kind": "count", "by": "item", "event": "install", "window": "1d"},
        {"name": "installs_7d", "kind": "count", "by": "item", "event": "install", "window": "7d"},
        {"name": "rising", "kind": "trend", "by": "item", "event": "install", "window": "1d", "against": "7d"},
        rate("install_rate", "install", "impression", "item"),
        rate("keep_rate", "retained", "install", "item", "60d"),
        rate("remove_rate", "remove", "install", "item"),
        rate("developer_keep_rate", "retained", "install", "item.developer", "60d"),
        rate("developer_rate", "install", "impression", "item.developer"),
        rate("daytime_rate", "install", "impression", "item.categories*context.daytime"),
        rate("device_rate", "install", "impression", "item.categories*context.device"),
        rate("country_rate", "install", "impression", "user.country*item.categories"),
        rate("my_category_rate", "install", "impression", "user*item.categories", "all"),
        rate("my_category_keep", "retained", "install", "user*item.categories", "all"),
        rate("my_daytime_rate", "install", "impression", "user*context.daytime", "all"),
        {"name": "my_installs", "kind": "count", "by": "user", "event": "install"},
        {"name": "category_affinity", "kind": "affinity", "of": "item.categories", "last": 50},
        {"name": "alike", "kind": "similarity", "of": "item.title", "last": 20},
        {"name": "moment_category", "kind": "cross", "of": ["item.main", "context.daytime", "context.device"], "buckets": 256},
        {"name": "country_category", "kind": "cross", "of": ["item.main", "user.country"], "buckets": 256},
        {"name": "title", "kind": "attribute", "of": "item.title", "dims": 6},
        {"name": "megabytes", "kind": "attribute", "of": "item.megabytes"},
        {"name": "age", "kind": "age", "of": "item.published"},
        {"name": "daytime", "kind": "attribute", "of": "context.daytime"},
    ]  # fmt: skip

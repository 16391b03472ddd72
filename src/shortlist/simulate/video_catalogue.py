"""The catalogue and the users of the video world as tables, and the project of a company with this log."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.simulate.arrays import FloatArray, IdArray, IntArray
from shortlist.simulate.event_log import DAY, START
from shortlist.simulate.project_parts import TABLES, rate

TOPICS = [
    "Cooking", "Travel", "Football", "Chess", "Gardening", "Astronomy", "Guitar", "Woodwork",
    "Fashion", "Cycling", "History", "Comedy", "Gaming", "Yoga", "Cars", "Painting",
]  # fmt: skip
DEVICES = ["phone", "tv", "desktop"]
BAIT = ["You won't believe this", "Gone wrong", "They don't want you to know", "Number 7 shocks", "Must see"]
PLAIN = [
    "A quiet guide", "From the beginning", "Step by step", "An hour with", "What we learnt", "The basics",
    "In depth",
]  # fmt: skip


def items_table(
    rng: np.random.Generator,
    ids: IdArray,
    topics: FloatArray,
    bait: FloatArray,
    length: FloatArray,
    arrival: IntArray,
) -> pa.Table:
    """Return the catalogue: title, topics, channel, length and the day of upload. Titles of click-bait are loud."""
    n = len(ids)
    main = topics.argmax(1)
    channel = main * 25 + np.minimum(rng.zipf(1.4, n) - 1, 24)
    loud = rng.random(n) < bait
    words = [
        f"{(BAIT if b else PLAIN)[k % (len(BAIT) if b else len(PLAIN))]}: {TOPICS[t].lower()} {number}"
        for b, k, t, number in zip(
            loud.tolist(),
            rng.integers(0, 35, n).tolist(),
            main.tolist(),
            rng.integers(1, 400, n).tolist(),
            strict=True,
        )
    ]
    return pa.table(
        {
            "item_id": ids,
            "title": words,
            "topics": pa.array(
                [[TOPICS[t] for t in np.flatnonzero(row)] for row in topics], pa.list_(pa.string())
            ),
            "channel": [f"{TOPICS[c // 25]} channel {c % 25 + 1}" for c in channel],
            "length": length,
            "uploaded": pa.array((START + np.minimum(arrival, 10_000) * DAY) * 1000, pa.timestamp("ms")),
        }
    )


def users_table(rng: np.random.Generator, ids: IdArray) -> pa.Table:
    """Return the users: age band and country, which are independent of their tastes."""
    n = len(ids)
    return pa.table(
        {
            "user_id": ids,
            "age_band": rng.choice(
                ["13-17", "18-24", "25-34", "35-49", "50+"], n, p=[0.12, 0.28, 0.27, 0.2, 0.13]
            ),
            "country": rng.choice(
                ["BR", "DE", "GB", "IN", "JP", "US"], n, p=[0.15, 0.12, 0.13, 0.25, 0.1, 0.25]
            ),
        }
    )


def settings() -> dict[str, Any]:
    """Return the settings of the video project: watch time first, little weight on clicks."""
    return {
        "name": "video",
        "simulated": True,
        "view": "feed",
        "data": {**TABLES, "context": {"device": "category"}},
        "items": {
            "id": "item_id",
            "title": "title",
            "attributes": {
                "title": "text",
                "topics": "list",
                "channel": "category",
                "length": "number",
                "uploaded": "time",
            },
        },
        "users": {"id": "user_id", "attributes": {"age_band": "category", "country": "category"}},
        "objectives": {
            "click": {"events": ["click"], "window": "1h", "weight": 0.2},
            "seconds": {"kind": "amount", "events": ["watch"], "window": "2h", "weight": 1.0},
            "like": {"events": ["like"], "window": "2h", "weight": 0.3, "given": "click"},
            "dismiss": {"events": ["dismiss"], "window": "2h", "weight": -0.1, "given": "click"},
        },
        "features": _features(),
        "retrieve": {
            "candidates": 300,
            "weights": {"click": 0.3, "watch": 1.0, "like": 1.0, "dismiss": 0.0},
            "values": {"watch": 0.5},
            "sources": [
                {"model": "popular", "half_life": "7d"},
                {"model": "neighbours"},
                {"model": "als", "factors": 32},
                {"model": "content"},
            ],
        },
        "rank": {"examples": "impressions", "position_bias": "weights"},
        "rerank": {
            "diversity_by": "topics",
            "freshness_by": "uploaded",
            "exposure_by": "channel",
            "exposure_cap": 3,
            "new_items": {"share": 0.4, "slot": 5, "budget": 60, "window": "14d"},
        },
        "evaluate": {"relevant": "click"},
    }


def _features() -> list[dict[str, Any]]:
    return [
        {"name": "clicks_1d", "kind": "count", "by": "item", "event": "click", "window": "1d"},
        {"name": "clicks_7d", "kind": "count", "by": "item", "event": "click", "window": "7d"},
        {
            "name": "rising",
            "kind": "trend",
            "by": "item",
            "event": "click",
            "window": "1d",
            "against": "7d",
        },
        rate("click_rate", "click", "impression", "item"),
        rate("like_rate", "like", "click", "item"),
        rate("dismiss_rate", "dismiss", "click", "item"),
        {"name": "watched", "kind": "mean", "by": "item", "event": "watch", "window": "30d"},
        {
            "name": "channel_watched",
            "kind": "mean",
            "by": "item.channel",
            "event": "watch",
            "window": "30d",
        },
        rate("channel_click_rate", "click", "impression", "item.channel"),
        rate("my_topic_rate", "click", "impression", "user*item.topics"),
        {"name": "my_topic_watched", "kind": "mean", "by": "user*item.topics", "event": "watch"},
        {"name": "my_topic_last", "kind": "recency", "by": "user*item.topics", "event": "click"},
        rate("my_channel_rate", "click", "impression", "user*item.channel"),
        rate("device_rate", "click", "impression", "item*context.device"),
        {"name": "my_watched", "kind": "mean", "by": "user", "event": "watch"},
        rate("my_click_rate", "click", "impression", "user"),
        {"name": "my_topics", "kind": "distinct", "of": "item.topics", "by": "user", "event": "click"},
        {"name": "topic_affinity", "kind": "affinity", "of": "item.topics", "last": 50},
        {"name": "channel_affinity", "kind": "affinity", "of": "item.channel", "last": 50},
        {"name": "alike", "kind": "similarity", "of": "item.title", "last": 20},
        {"name": "title", "kind": "attribute", "of": "item.title", "dims": 6},
        {"name": "length", "kind": "attribute", "of": "item.length"},
        {"name": "age", "kind": "age", "of": "item.uploaded"},
        {"name": "device", "kind": "attribute", "of": "context.device"},
        {"name": "hour", "kind": "moment", "of": "hour"},
    ]  # fmt: skip

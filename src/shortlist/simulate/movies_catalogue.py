"""The catalogue and the users of the movies world as tables, and the project of a company with this log."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.simulate.arrays import FloatArray, IdArray, IntArray
from shortlist.simulate.event_log import DAY, START
from shortlist.simulate.project_parts import TABLES

GENRES = [
    "Action", "Adventure", "Animation", "Comedy", "Crime", "Documentary", "Drama", "Fantasy", "Horror",
    "Romance", "Sci-Fi", "Thriller",
]  # fmt: skip
MOODS = ["Cosy", "Dark", "Funny", "Hopeful", "Tense", "Thoughtful"]
FIRST = [
    "Amber", "Broken", "Crimson", "Distant", "Eleventh", "Faded", "Golden", "Hidden", "Iron", "Jade",
    "Kindred", "Last", "Midnight", "Northern", "Open", "Paper", "Quiet", "Restless", "Silver", "Tender",
    "Unlikely", "Velvet", "Winter", "Yellow", "Borrowed", "Salted", "Hollow", "Bright", "Seventh",
    "Wandering", "Electric", "Second",
]  # fmt: skip
SECOND = [
    "Harbour", "River", "Garden", "Window", "Letter", "Orchard", "Signal", "Summer", "Lantern", "Mountain",
    "Witness", "Bridge", "Kingdom", "Mirror", "Station", "Promise", "Island", "Stranger", "Engine", "Waltz",
    "Horizon", "Archive", "Echo", "Thief", "Cathedral", "Season", "Passage", "Tide", "Meadow", "Verdict",
    "Comet", "Recipe",
]  # fmt: skip
THIRD = [
    "", "", "", " of Lisbon", " at Dawn", " in Winter", " and the Sea", " Returns", " Underground",
    " for Two", " on Mars", " by Night", ": Part Two", " of Ash", " in Blue", " Forever",
]  # fmt: skip


def items_table(
    rng: np.random.Generator,
    ids: IdArray,
    genres: FloatArray,
    moods: IntArray,
    arrival: IntArray,
    minutes: IntArray,
) -> pa.Table:
    """Return the catalogue: title, genres, mood, studio, length and the day of arrival."""
    n = len(ids)
    combinations = rng.permutation(32 * 32 * 16)[:n] if n <= 16_000 else rng.integers(0, 16_000, n)
    studios = rng.zipf(1.6, n) % 60
    return pa.table(
        {
            "item_id": ids,
            "title": [_title(combination) for combination in combinations.tolist()],
            "genres": pa.array(
                [[GENRES[g] for g in np.flatnonzero(row)] for row in genres], pa.list_(pa.string())
            ),
            "mood": [MOODS[m] for m in moods],
            "studio": [f"Studio {s:02d}" for s in studios],
            "minutes": minutes,
            "arrived": pa.array((START + np.minimum(arrival, 10_000) * DAY) * 1000, pa.timestamp("ms")),
        }
    )


def _title(combination: int) -> str:
    """The title of a number: its digits choose the words."""
    words = f"{FIRST[combination % 32]} {SECOND[combination // 32 % 32]}{THIRD[combination // 1024 % 16]}"
    return f"The {words}" if combination % 3 else words


def users_table(rng: np.random.Generator, ids: IdArray) -> pa.Table:
    """Return the users: age band and country, which are independent of their tastes."""
    n = len(ids)
    return pa.table(
        {
            "user_id": ids,
            "age_band": rng.choice(
                ["18-24", "25-34", "35-49", "50-64", "65+"], n, p=[0.18, 0.27, 0.28, 0.18, 0.09]
            ),
            "country": rng.choice(
                ["DE", "FR", "GB", "IT", "NL", "PT", "SE"], n, p=[0.22, 0.18, 0.2, 0.14, 0.1, 0.08, 0.08]
            ),
        }
    )


def settings() -> dict[str, Any]:
    """Return the settings of the movies project: plays first, then watch time and ratings."""
    return {
        "name": "movies",
        "simulated": True,
        "view": "rows",
        "data": dict(TABLES),
        "items": {
            "id": "item_id",
            "title": "title",
            "attributes": {
                "genres": "list",
                "mood": "category",
                "studio": "category",
                "minutes": "number",
                "arrived": "time",
            },
        },
        "users": {"id": "user_id", "attributes": {"age_band": "category", "country": "category"}},
        "objectives": {
            "play": {"kind": "probability", "events": ["play"], "window": "1d", "weight": 1.0},
            "seconds": {"kind": "amount", "events": ["play"], "window": "1d", "weight": 0.5},
            "rating": {"kind": "grade", "events": ["rating"], "window": "2d", "weight": 0.2},
        },
        "features": _features(),
        "retrieve": {
            "candidates": 500,
            "weights": {"play": 1.0, "rating": 0.5},
            "sources": [
                {"model": "popular", "half_life": "30d"},
                {"model": "neighbours", "k": 200},
                {"model": "als", "factors": 32},
                {"model": "content"},
            ],
        },
        "rank": {
            "examples": "impressions",
            "unshown": 3,
            "position_bias": "weights",
            "heads": "separate",
        },
        "rerank": {
            "diversity": 0.3,
            "diversity_by": "genres",
            "freshness_by": "arrived",
            "exposure_by": "studio",
            "exposure_cap": 4,
            "new_items": {"share": 0.3, "slot": 6, "budget": 40, "window": "14d"},
        },
        "page": {
            "rows": [
                {"kind": "continue", "of": "minutes", "unit": 60.0, "window": "14d"},
                {"kind": "picks"},
                {"kind": "because", "most": 2},
                {"kind": "trending"},
                {"kind": "attribute", "of": "genres", "most": 3},
                {"kind": "new", "window": "14d"},
            ]
        },
    }


def _features() -> list[dict[str, Any]]:
    return [
        {"name": "item_plays_7d", "kind": "count", "by": "item", "event": "play", "window": "7d"},
        {"name": "item_plays_30d", "kind": "count", "by": "item", "event": "play", "window": "30d"},
        {"name": "item_plays_all", "kind": "count", "by": "item", "event": "play"},
        {
            "name": "item_play_rate",
            "kind": "rate",
            "by": "item",
            "event": "play",
            "per": "impression",
            "window": "60d",
        },
        {"name": "item_seconds", "kind": "mean", "by": "item", "event": "play"},
        {"name": "item_stars", "kind": "mean", "by": "item", "event": "rating"},
        {"name": "item_last_play", "kind": "recency", "by": "item", "event": "play"},
        {"name": "user_plays", "kind": "count", "by": "user", "event": "play"},
        {"name": "user_play_rate", "kind": "rate", "by": "user", "event": "play", "per": "impression"},
        {"name": "user_stars", "kind": "mean", "by": "user", "event": "rating"},
        {
            "name": "genre_play_rate",
            "kind": "rate",
            "by": "item.genres",
            "event": "play",
            "per": "impression",
            "window": "60d",
        },
        {"name": "genre_affinity", "kind": "affinity", "of": "item.genres", "last": 50},
        {"name": "mood_affinity", "kind": "affinity", "of": "item.mood", "last": 50},
        {"name": "studio_affinity", "kind": "affinity", "of": "item.studio", "last": 50},
        {"name": "mood", "kind": "attribute", "of": "item.mood"},
        {"name": "minutes", "kind": "attribute", "of": "item.minutes"},
        {"name": "age", "kind": "age", "of": "item.arrived"},
        {"name": "age_band", "kind": "attribute", "of": "user.age_band"},
        {"name": "hour", "kind": "moment", "of": "hour"},
    ]  # fmt: skip

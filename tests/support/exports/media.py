"""Logs of a video platform, an app store, a film service and a news site."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from support.exports.expected import Export
from support.exports.files import write_csv
from support.exports.taste import Taste

TOPICS = ("music", "sport", "games", "news", "films", "travel")


def video_showings(folder: Path) -> Export:
    """One row for each showing of a video: whether it was clicked and liked, how long it was watched, and at which place."""
    taste = Taste.of(4000, 13, loyal=0.5)
    rng = taste.rng
    session = np.arange(4000) // 5
    user, at = taste.user[session * 5], taste.time[session * 5]
    slot = np.arange(4000) % 5
    item = (taste.item[session * 5] + 6 * slot + slot % 2) % 120  # a session shows a video once
    own = item % 6 == user % 6
    clicked = rng.random(4000) < np.where(own, 0.5, 0.06) / (1 + 0.3 * slot)
    liked = clicked & (rng.random(4000) < np.where(own, 0.4, 0.1))
    watched = np.where(clicked, np.round(rng.exponential(np.where(own, 200.0, 20.0)) + 1, 1), 0.0)
    table = pa.table(
        {
            "session_id": [f"s{k:06}" for k in session],
            "user_id": [f"u{u}" for u in user],
            "video_id": [f"v{k:03}" for k in item],
            "shown_at": pa.array(at.astype("datetime64[ms]")),
            "slot": slot + 1,
            "clicked": clicked.astype(np.int8),
            "liked": liked.astype(np.int8),
            "watch_seconds": watched,
            "device": [("phone", "tv", "web")[u % 3] for u in user + session],
        }
    )
    pq.write_table(table, folder / "showings.parquet")
    videos: dict[str, Sequence[object]] = {
        "id": [f"v{k:03}" for k in range(120)],
        "title": [f"{TOPICS[k % 6].title()} clip {k}" for k in range(120)],
        "topic": [TOPICS[k % 6] for k in range(120)],
        "published_at": [f"2024-{k % 12 + 1:02}-{k % 28 + 1:02}T08:00:00Z" for k in range(120)],
        "duration_s": (60 + 7 * np.arange(120)).tolist(),
    }
    return Export(
        folder / "showings.parquet",
        {"user": "user_id", "item": "video_id", "timestamp": "shown_at"},
        {
            "impression": 4000,
            "click": int(clicked.sum()),
            "like": int(liked.sum()),
            "watch": int((watched > 0).sum()),
        },
        (f"u{user[0]}", f"v{item[0]:03}", "impression", int(at[0])),
        float(watched.sum()),
        items=write_csv(folder / "videos.csv", videos),
        context={"device": "category"},
        title="title",
        attributes={"title": "text", "topic": "category", "published_at": "time", "duration_s": "number"},
        weights={"like": 1, "watch": 1, "click": 1},
    )


def app_installs(folder: Path) -> Export:
    """Events of an app store: devices, packages, and times in microseconds."""
    taste = Taste.of(3600, 17)
    rng = taste.rng
    kind = np.array(["app_view", "install", "uninstall"])[rng.choice(3, size=3600, p=[0.6, 0.34, 0.06])]
    columns = {
        "event_timestamp": (taste.time * 1000).tolist(),
        "event_name": kind.tolist(),
        "device_id": [f"{u:08x}-dead-beef" for u in taste.user],
        "package_name": [f"org.example.app{k}" for k in taste.item],
        "app_version": [f"{k % 9}.{k % 4}.0" for k in taste.item],
        "country_code": [("DE", "US", "BR", "IN")[u % 4] for u in taste.user + np.arange(3600) % 2],
        "os": [("Android 14", "Android 15")[u % 2] for u in taste.user + np.arange(3600) % 3],
    }
    apps = pa.table(
        {
            "app_name": [f"App {k} {TOPICS[k % 6]}" for k in range(120)],
            "package": [f"org.example.app{k}" for k in range(120)],
            "genre": [TOPICS[k % 6] for k in range(120)],
            "avg_rating": [3 + k % 20 / 10 for k in range(120)],
            "released": pa.array(np.datetime64("2023-01-01") + np.arange(120)),
        }
    )
    pq.write_table(apps, folder / "apps.parquet")
    return Export(
        write_csv(folder / "events.csv", columns),
        {"user": "device_id", "item": "package_name", "timestamp": "event_timestamp", "kind": "event_name"},
        {name: int((kind == name).sum()) for name in ("app_view", "install", "uninstall")},
        (
            f"{taste.user[0]:08x}-dead-beef",
            f"org.example.app{taste.item[0]}",
            str(kind[0]),
            int(taste.time[0]),
        ),
        0.0,
        items=folder / "apps.parquet",
        context={"country_code": "category", "os": "category"},
        title="app_name",
        attributes={"app_name": "text", "genre": "category", "avg_rating": "number", "released": "time"},
        weights={"install": 1, "app_view": 1, "uninstall": -1},
    )


def film_service(folder: Path) -> Export:
    """Ratings in half stars by profiles, with the day on which a film was watched."""
    taste = Taste.of(3000, 19, days=300)
    rating = np.clip(
        np.round(2 * (np.where(taste.liked, 4.0, 2.2) + taste.rng.normal(0, 0.7, size=3000))) / 2, 0.5, 5
    )
    columns = {
        "profile": [f"profile-{u}" for u in taste.user],
        "title_id": (80_000_000 + taste.item).tolist(),
        "rating": rating.tolist(),
        "watched_on": taste.stamps("%Y-%m-%d"),
        "device_type": [("tv", "phone")[d] for d in taste.rng.integers(2, size=3000)],
    }
    films: dict[str, Sequence[object]] = {
        "title_id": (80_000_000 + np.arange(120)).tolist(),
        "name": [f"The {TOPICS[k % 6].title()} Story {k}" for k in range(120)],
        "genres": [f"{TOPICS[k % 6]}|drama" for k in range(120)],
        "release_year": (1990 + np.arange(120) % 34).tolist(),
    }
    day = taste.time // 86_400_000 * 86_400_000
    seen = {(u, k, d) for u, k, d in zip(taste.user, taste.item, day, strict=True)}
    return Export(
        write_csv(folder / "viewing.csv", columns),
        {"user": "profile", "item": "title_id", "timestamp": "watched_on", "value": "rating"},
        {"event": len(seen)},
        (f"profile-{taste.user[0]}", 80_000_000 + int(taste.item[0]), "event", int(day[0])),
        _first_ratings(taste, day, rating),
        items=write_csv(folder / "films.csv", films),
        context={"device_type": "category"},
        title="name",
        attributes={"name": "text", "genres": "list", "release_year": "number"},
        set_aside=3000 - len(seen),
        weights={"like": 1},
    )


def _first_ratings(taste: Taste, day: np.ndarray, rating: np.ndarray) -> float:
    """The sum of the ratings without a second one of a film by a person on a day."""
    first: dict[tuple[int, int, int], float] = {}
    for key, stars in zip(zip(taste.user, taste.item, day, strict=True), rating, strict=True):
        first.setdefault(key, stars)
    return float(sum(first.values()))


def news_log(folder: Path) -> Export:
    """Visits of articles: ISO times in UTC, how long each was read, and the section of the article."""
    taste = Taste.of(3600, 23, users=400, days=20)
    dwell = np.round(taste.rng.exponential(np.where(taste.liked, 60_000, 8_000))).astype(int) + 1
    table = {
        "visitorid": (1_000_000 + taste.user * 37).tolist(),
        "article_id": [f"art-{k}" for k in taste.item],
        "section": [TOPICS[k % 6] for k in taste.item],
        "headline": [f"What {TOPICS[k % 6]} means in case {k}" for k in taste.item],
        "ts": taste.stamps("%Y-%m-%dT%H:%M:%SZ"),
        "dwell_ms": dwell.tolist(),
        "referrer": [("search", "social", "direct")[r] for r in taste.rng.integers(3, size=3600)],
        "is_subscriber": (taste.user % 5 == 0).astype(int).tolist(),
    }
    (folder / "README.json").write_text(json.dumps({"made_by": "export"}))
    return Export(
        write_csv(folder / "pageviews.tsv", table, "\t"),
        {"user": "visitorid", "item": "article_id", "timestamp": "ts", "value": "dwell_ms"},
        {"event": 3600},
        (int(1_000_000 + taste.user[0] * 37), f"art-{taste.item[0]}", "event", int(taste.time[0])),
        float(dwell.sum()),
        context={"referrer": "category", "is_subscriber": "number"},
        title="headline",
        attributes={"headline": "text", "section": "category"},
        weights={"event": 1},
    )

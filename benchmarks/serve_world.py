"""The data and the model of the serving benchmark.

100,000 items, 200,000 users with histories, three sources, 30 features, three objectives and diversity; and the same with a million
items of 128 factors. They are generated and trained once, and stored in benchmarks/.serve.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent / ".serve"
DAY = 86_400_000
NOW = 1_790_000_000_000
TASTES = 100


def tables(items: int, users: int, events: int, seed: int = 0) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Generate events, items and users. Each user has two tastes; items are drawn by Zipf's law within a taste or from all."""
    rng = np.random.default_rng(seed)
    taste = rng.integers(0, TASTES, items)
    rank = np.argsort(np.argsort(rng.random(items)))
    weight = 1.0 / (10 + rank) ** 0.8
    order = np.argsort(taste, kind="stable")
    starts = np.searchsorted(taste[order], np.arange(TASTES + 1))
    cdf = np.cumsum(weight[order])
    who = rng.integers(0, users, events)
    own = rng.integers(0, TASTES, (users, 2))
    chosen = own[who, rng.integers(0, 2, events)]
    low = np.where(starts[chosen] > 0, cdf[starts[chosen] - 1], 0.0)
    high = cdf[starts[chosen + 1] - 1]
    anywhere = rng.random(events) < 0.3
    at = np.where(anywhere, rng.random(events) * cdf[-1], low + rng.random(events) * (high - low))
    item = order[np.minimum(np.searchsorted(cdf, at), items - 1)]
    kind = np.array(["view", "like", "purchase"])[
        np.searchsorted([0.75, 0.92], rng.random(events) + 0.1 * (~anywhere - 0.5))
    ]
    price = np.round(np.exp(rng.normal(3, 1, items)), 2)
    time = np.sort(NOW - rng.integers(0, 60 * DAY, events))
    log = pa.table(
        {
            "user_id": who,
            "item_id": item,
            "kind": kind,
            "value": np.where(kind == "purchase", price[item], np.nan),
            "timestamp": time,
            "device": np.array(["phone", "tablet", "desktop"])[rng.integers(0, 3, events)],
        }
    )
    catalogue = pa.table(
        {
            "item_id": np.arange(items),
            "title": [f"Item {i}" for i in range(items)],
            "category": [f"c{t}" for t in taste],
            "brand": [f"b{b}" for b in rng.integers(0, 2000, items)],
            "price": price,
            "rating": np.round(rng.uniform(2, 5, items), 1),
            "stock": rng.integers(1, 50, items),
            "added": NOW - rng.integers(0, 400 * DAY, items),
        }
    )
    people = pa.table(
        {
            "user_id": np.arange(users),
            "country": [f"k{c}" for c in rng.integers(0, 40, users)],
            "age": rng.integers(16, 80, users),
        }
    )
    return log, catalogue, people


PROJECT = """
name = "shop of the benchmark"
[data]
events = "events.parquet"
items = "items.parquet"
users = "users.parquet"
context = { device = "category" }
columns = { user = "user_id", item = "item_id", timestamp = "timestamp", kind = "kind", value = "value" }
[items]
id = "item_id"
title = "title"
attributes = { category = "category", brand = "category", price = "number", rating = "number", stock = "number", added = "time" }
[users]
id = "user_id"
attributes = { country = "category", age = "number" }
[objectives.view]
events = ["view", "like", "purchase"]
window = "7d"
[objectives.like]
events = ["like"]
window = "7d"
[objectives.purchase]
kind = "probability"
events = ["purchase"]
window = "7d"
weight = 3.0
[retrieve]
candidates = 500
sources = [{ model = "als", factors = FACTORS, exact_items = 20000, recall = 0.95 }, { model = "neighbours" }, { model = "popular" }]
[rank]
trees = 100
depth = 5
learning_rate = 0.04
heads = "joint"
max_rows = 300000
[rerank]
diversity = 0.3
diversity_by = "category"
in_stock = "stock"
"""


def features() -> str:
    """Return 30 feature declarations: counts by item, category, brand, user and device, and attributes."""
    sections = []

    def add(name: str, **settings: str) -> None:
        lines = [f'name = "{name}"', *(f'{k} = "{v}"' for k, v in settings.items())]
        sections.append("[[features]]\n" + "\n".join(lines))

    for window in ("1d", "7d", "30d"):
        add(f"item_views_{window}", kind="count", by="item", event="view", window=window)
        add(f"item_purchases_{window}", kind="count", by="item", event="purchase", window=window)
    add("item_likes", kind="count", by="item", event="like", window="30d")
    add("item_conversion", kind="rate", by="item", event="purchase", per="view", window="30d")
    add("item_like_rate", kind="rate", by="item", event="like", per="view", window="30d")
    add("item_last_view", kind="recency", by="item", event="view")
    add("item_trend", kind="trend", by="item", event="view", window="1d", against="7d")
    add("category_views", kind="count", by="item.category", event="view", window="7d")
    add("category_conversion", kind="rate", by="item.category", event="purchase", per="view", window="30d")
    add("brand_purchases", kind="count", by="item.brand", event="purchase", window="30d")
    add("brand_conversion", kind="rate", by="item.brand", event="purchase", per="view", window="30d")
    add("device_category", kind="count", by="context.device*item.category", event="view", window="30d")
    add("user_views", kind="count", by="user", event="view", window="30d")
    add("user_purchases", kind="count", by="user", event="purchase", window="30d")
    add("user_last", kind="recency", by="user", event="view")
    add("user_category_views", kind="count", by="user*item.category", event="view", window="30d")
    add("user_category_purchases", kind="count", by="user*item.category", event="purchase", window="all")
    add("user_category_last", kind="recency", by="user*item.category", event="view")
    add("user_brand_views", kind="count", by="user*item.brand", event="view", window="all")
    add("category_affinity", kind="affinity", of="item.category")
    add("brand_affinity", kind="affinity", of="item.brand")
    add("price", kind="attribute", of="item.price")
    add("rating", kind="attribute", of="item.rating")
    add("age", kind="age", of="item.added")
    add("category", kind="attribute", of="item.category")
    add("hour", kind="moment", of="hour")
    return "\n".join(sections) + "\n"


def bundle(items: int = 100_000, users: int = 200_000, events: int = 5_000_000, factors: int = 64) -> Path:
    """Return the trained bundle; it is trained if it does not exist."""
    folder = HERE / (f"{items}-{users}" + (f"-{factors}" if factors != 64 else ""))
    if not (folder / "bundle" / "manifest.json").exists():
        from shortlist import Dataset, Recommender
        from shortlist.config.project import read_project

        folder.mkdir(parents=True, exist_ok=True)
        names = ("events", "items", "users")
        for name, table in zip(names, tables(items, users, events), strict=True):
            pq.write_table(table, folder / f"{name}.parquet")
        (folder / "shortlist.toml").write_text(PROJECT.replace("FACTORS", str(factors)) + features())
        project = read_project(folder / "shortlist.toml")
        print(
            f"training a model of {items:,} items for the serving benchmark (once; takes minutes)",
            file=sys.stderr,
        )
        Recommender.from_project(project).fit(Dataset.from_project(project)).save(folder / "bundle")
    return folder / "bundle"


LARGE = (1_000_000, 200_000, 5_000_000, 128)
"""The same numbers of users and events, ten times the items, 128 factors."""

if __name__ == "__main__":
    print(bundle(*(int(a) for a in sys.argv[1:])))

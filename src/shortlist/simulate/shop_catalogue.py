"""The shop world's catalogue and people as tables, and the project file a shop with this log would write."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.simulate.world import DAY, START, TABLES, rate

KINDS = [
    "Coffee", "Tea", "Shampoo", "Pet food", "Vitamins", "Charcoal", "Camera", "Tripod", "Memory card", "Laptop",
    "Laptop bag", "Mouse", "Tent", "Sleeping bag", "Boots", "Grill", "Bike", "Helmet", "Bike light", "Coffee maker",
]  # fmt: skip
PRICES = [9, 6, 7, 24, 15, 11, 420, 70, 25, 780, 45, 30, 160, 75, 110, 180, 560, 60, 25, 90]
"""What one of each kind usually costs."""
CONSUMED = {"Coffee", "Tea", "Shampoo", "Pet food", "Vitamins", "Charcoal"}
"""What is used up and bought again."""
COMPLEMENTS = {
    "Camera": ["Tripod", "Memory card"],
    "Laptop": ["Laptop bag", "Mouse"],
    "Tent": ["Sleeping bag", "Boots"],
    "Grill": ["Charcoal"],
    "Bike": ["Helmet", "Bike light"],
    "Coffee maker": ["Coffee"],
}
"""What is needed once one has the other."""
MAKERS = [
    "Alder",
    "Birch",
    "Cedar",
    "Dune",
    "Ember",
    "Fjord",
    "Grove",
    "Heath",
    "Isle",
    "Juniper",
    "Kelp",
    "Loch",
]


def items_table(
    rng: np.random.Generator,
    ids: np.ndarray,
    kind: np.ndarray,
    brand: np.ndarray,
    price: np.ndarray,
    margin: np.ndarray,
    consumed: np.ndarray,
    arrival: np.ndarray,
) -> pa.Table:
    n = len(ids)
    numbers = rng.integers(1, 90, n).tolist()
    return pa.table(
        {
            "item_id": ids,
            "title": [
                f"{MAKERS[b]} {KINDS[k]} {number}" for b, k, number in zip(brand.tolist(), kind.tolist(), numbers, strict=True)
            ],
            "kind": [KINDS[k] for k in kind],
            "brand": [MAKERS[b] for b in brand],
            "price": price,
            "margin": margin,
            "consumed": consumed.astype(np.int64),
            "stock": np.where(rng.random(n) < 0.03, 0, rng.integers(1, 200, n)),
            "listed": pa.array((START + arrival * DAY) * 1000, pa.timestamp("ms")),
        }
    )  # fmt: skip


def users_table(rng: np.random.Generator, ids: np.ndarray) -> pa.Table:
    n = len(ids)
    return pa.table(
        {
            "user_id": ids,
            "region": rng.choice(["north", "east", "south", "west"], n),
            "member": rng.choice(["no", "yes"], n, p=[0.7, 0.3]),
        }
    )


def settings() -> dict[str, Any]:
    """The shop project: margin that stays first, clicks for nothing by themselves."""
    return {
        "name": "shop",
        "simulated": True,
        "view": "shop",
        "data": {**TABLES, "context": {"device": "category"}},
        "items": {
            "id": "item_id",
            "title": "title",
            "attributes": {
                "kind": "category",
                "brand": "category",
                "price": "number",
                "margin": "number",
                "consumed": "number",
                "stock": "number",
                "listed": "time",
            },
        },
        "users": {"id": "user_id", "attributes": {"region": "category", "member": "category"}},
        "objectives": {
            "click": {"events": ["click"], "window": "1h", "weight": 0.1},
            "purchase": {"events": ["purchase"], "window": "3d", "weight": 0.3, "given": "click"},
            "margin": {"kind": "amount", "events": ["purchase"], "window": "3d", "weight": 1.0},
            "return": {"events": ["return"], "window": "16d", "weight": -0.05, "given": "purchase"},
        },
        "features": [
            {"name": "clicks_7d", "kind": "count", "by": "item", "event": "click", "window": "7d"},
            {"name": "sold_7d", "kind": "count", "by": "item", "event": "purchase", "window": "7d"},
            rate("click_rate", "click", "impression", "item"),
            rate("cart_rate", "cart", "click", "item"),
            rate("sale_rate", "purchase", "click", "item", "60d"),
            rate("return_rate", "return", "purchase", "item", "60d"),
            {"name": "earned", "kind": "mean", "by": "item", "event": "purchase"},
            rate("brand_sale_rate", "purchase", "click", "item.brand"),
            rate("kind_sale_rate", "purchase", "click", "item.kind"),
            rate("my_kind_rate", "click", "impression", "user*item.kind", "all"),
            rate("my_kind_7d", "click", "impression", "user*item.kind", "7d"),
            rate("my_brand_rate", "click", "impression", "user*item.brand", "all"),
            {"name": "my_kind_bought", "kind": "count", "by": "user*item.kind", "event": "purchase"},
            {"name": "my_kind_last", "kind": "recency", "by": "user*item.kind", "event": "purchase"},
            {"name": "mine_bought", "kind": "count", "by": "user*item", "event": "purchase"},
            {"name": "mine_last", "kind": "recency", "by": "user*item", "event": "purchase"},
            {"name": "my_sales", "kind": "rate", "by": "user", "event": "purchase", "per": "impression"},
            {"name": "kind_affinity", "kind": "affinity", "of": "item.kind", "last": 50},
            {"name": "brand_affinity", "kind": "affinity", "of": "item.brand", "last": 50},
            {"name": "just_bought", "kind": "affinity", "of": "item.kind", "event": "purchase", "last": 3},
            {"name": "price", "kind": "attribute", "of": "item.price"},
            {"name": "margin", "kind": "attribute", "of": "item.margin"},
            {"name": "consumed", "kind": "attribute", "of": "item.consumed"},
            {"name": "kind", "kind": "attribute", "of": "item.kind"},
            {"name": "age", "kind": "age", "of": "item.listed"},
            {"name": "device", "kind": "attribute", "of": "context.device"},
        ],
        "retrieve": {
            "candidates": 300,
            "weights": {"click": 0.3, "cart": 0.6, "purchase": 1.0, "return": 0.0},
            "sources": [
                {"model": "popular", "half_life": "14d"},
                {"model": "together", "event": "purchase", "basket": "14d", "apart": "kind"},
                {"model": "neighbours"},
                {"model": "als", "factors": 32},
                {"model": "content"},
            ],
        },
        "rank": {"examples": "impressions", "position_bias": "weights", "heads": "separate"},
        "rerank": {
            "diversity_by": "kind",
            "freshness_by": "listed",
            "exposure_by": "brand",
            "exposure_cap": 4,
            "in_stock": "stock",
            "show_again": "consumed",
            "new_items": {"share": 0.2, "slot": 5, "budget": 40, "window": "14d"},
        },
        "page": {
            "rows": [
                {"kind": "again"},
                {"kind": "picks"},
                {"kind": "because", "most": 2},
                {"kind": "trending"},
            ]
        },
        "evaluate": {"relevant": "click", "ranker_window": 0.35},
    }

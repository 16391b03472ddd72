"""The catalogue and the users of the shop world as tables, and the project of a company with this log."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from shortlist.simulate.arrays import BoolArray, FloatArray, IdArray, IntArray
from shortlist.simulate.event_log import DAY, START
from shortlist.simulate.project_parts import TABLES, rate

KINDS = [
    "Coffee", "Tea", "Shampoo", "Pet food", "Vitamins", "Charcoal", "Camera", "Tripod", "Memory card", "Laptop",
    "Laptop bag", "Mouse", "Tent", "Sleeping bag", "Boots", "Grill", "Bike", "Helmet", "Bike light", "Coffee maker",
]  # fmt: skip
PRICES = [9, 6, 7, 24, 15, 11, 420, 70, 25, 780, 45, 30, 160, 75, 110, 180, 560, 60, 25, 90]
"""The usual price of each kind."""
CONSUMED = {"Coffee", "Tea", "Shampoo", "Pet food", "Vitamins", "Charcoal"}
"""Kinds that are consumed and bought again."""
COMPLEMENTS = {
    "Camera": ["Tripod", "Memory card"],
    "Laptop": ["Laptop bag", "Mouse"],
    "Tent": ["Sleeping bag", "Boots"],
    "Grill": ["Charcoal"],
    "Bike": ["Helmet", "Bike light"],
    "Coffee maker": ["Coffee"],
}
"""Kinds that the owner of a kind needs."""
MAKERS = [
    "Alder", "Birch", "Cedar", "Dune", "Ember", "Fjord", "Grove", "Heath", "Isle", "Juniper", "Kelp",
    "Loch",
]  # fmt: skip


class Products(NamedTuple):
    """The products of the shop, by row number.

    Attributes
    ----------
    kind, brand : ndarray of int, shape (n_items,)
    price, margin : ndarray of float, shape (n_items,)
    consumed : ndarray of bool, shape (n_items,)
    arrival : ndarray of int, shape (n_items,)
        The day of listing.
    """

    kind: IntArray
    brand: IntArray
    price: FloatArray
    margin: FloatArray
    consumed: BoolArray
    arrival: IntArray


MONEY = {"price": "price", "currency": "EUR"}
"""The attribute and the currency that the page shows as the price."""


def items_table(rng: np.random.Generator, ids: IdArray, products: Products) -> pa.Table:
    """Return the catalogue: kind, brand, price, margin, stock and the day of listing."""
    n = len(ids)
    numbers = rng.integers(1, 90, n).tolist()
    kinds, brands = [KINDS[k] for k in products.kind], [MAKERS[b] for b in products.brand]
    return pa.table(
        {
            "item_id": ids,
            "title": [
                f"{brand} {kind} {number}" for brand, kind, number in zip(brands, kinds, numbers, strict=True)
            ],
            "kind": kinds,
            "brand": brands,
            "price": products.price,
            "margin": products.margin,
            "consumed": products.consumed.astype(np.int64),
            "stock": np.where(rng.random(n) < 0.03, 0, rng.integers(1, 200, n)),
            "listed": pa.array((START + products.arrival * DAY) * 1000, pa.timestamp("ms")),
        }
    )


def users_table(rng: np.random.Generator, ids: IdArray) -> pa.Table:
    """Return the users: region and membership, which are independent of their tastes."""
    n = len(ids)
    return pa.table(
        {
            "user_id": ids,
            "region": rng.choice(["north", "east", "south", "west"], n),
            "member": rng.choice(["no", "yes"], n, p=[0.7, 0.3]),
        }
    )


def settings() -> dict[str, Any]:
    """Return the settings of the shop project: margin first, little weight on clicks."""
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
        "features": _features(),
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
            **MONEY,
            "rows": [
                {"kind": "again"},
                {"kind": "picks"},
                {"kind": "because", "most": 2},
                {"kind": "trending"},
            ],
        },
        "evaluate": {"relevant": "click", "ranker_window": 0.35},
    }


def _features() -> list[dict[str, Any]]:
    return [
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
    ]  # fmt: skip

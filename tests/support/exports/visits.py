"""Logs in which the word event has two meanings: concerts with tickets, and a shop's funnel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from support.exports.expected import Export
from support.exports.files import write_csv
from support.exports.taste import DAY, Taste

STYLES = ("rock", "jazz", "opera", "folk", "techno", "choir")
HALLS = ("Arena", "Old Hall", "Harbour Stage", "Park", "Cellar")


def concert_tickets(folder: Path) -> Export:
    """Tickets: an event is a concert, with a name, a hall and a day of its own."""
    taste = Taste.of(2600, 29)
    seats = taste.rng.integers(1, 5, size=2600)
    price = 15 + np.arange(120) % 40
    columns = {
        "order_number": [f"T-{100000 + k}" for k in range(2600)],
        "buyer_email": [f"b{u}@example.org" for u in taste.user],
        "event_id": (9000 + taste.item).tolist(),
        "event_name": [f"{STYLES[k % 6].title()} Night {k}" for k in taste.item],
        "event_date": [f"2025-{k % 6 + 6:02}-{k % 28 + 1:02}" for k in taste.item],
        "venue": [HALLS[k % 5] for k in taste.item],
        "genre": [STYLES[k % 6] for k in taste.item],
        "purchased_at": taste.stamps("%m/%d/%Y %I:%M:%S %p"),
        "seats": seats.tolist(),
        "ticket_price": price[taste.item].tolist(),
        "sales_channel": [("web", "box office", "app")[c] for c in taste.rng.integers(3, size=2600)],
    }
    return Export(
        write_csv(folder / "tickets.csv", columns),
        {
            "user": "buyer_email",
            "item": "event_id",
            "timestamp": "purchased_at",
            "value": "ticket_price",
            "quantity": "seats",
        },
        {"purchase": 2600},
        (f"b{taste.user[0]}@example.org", int(9000 + taste.item[0]), "purchase", int(taste.time[0])),
        float((seats * price[taste.item]).sum()),
        settings={"time_format": "%m/%d/%Y %I:%M:%S %p"},
        context={"sales_channel": "category"},
        title="event_name",
        attributes={
            "event_name": "text",
            "event_date": "time",
            "venue": "category",
            "genre": "category",
            "ticket_price": "number",
        },
        weights={"purchase": 1},
    )


def shop_funnel(folder: Path) -> Export:
    """Flat events of web analytics: a funnel with refunds, values in a currency, and products in each row."""
    taste = Taste.of(4500, 31)
    rng = taste.rng
    names = np.array(["view_item", "add_to_cart", "purchase", "refund"])
    kind = names[rng.choice(3, size=4500, p=[0.65, 0.2, 0.15])]
    # some purchases are given back a week later
    back = np.flatnonzero((kind == "purchase") & (rng.random(4500) < 0.2))
    taste = taste.also(back, 7 * DAY)
    kind = np.concatenate([kind, np.full(len(back), "refund")])[taste.order]
    price = np.round(5 + 60 * np.random.default_rng(2).random(120), 2)[taste.item]
    has_value = kind != "view_item"
    table = pa.table(
        {
            "event_date": taste.stamps("%Y%m%d"),
            "event_timestamp": taste.time * 1000 + 250_000,
            "event_name": kind.tolist(),
            "user_pseudo_id": [f"{u * 7919 % 100003}.{1_700_000_000 + u}" for u in taste.user],
            "ga_session_id": taste.time // 1_800_000 + taste.user,
            "item_id": [f"P{k}" for k in taste.item],
            "item_name": [f"{STYLES[k % 6].title()} poster {k}" for k in taste.item],
            "item_category": [STYLES[k % 6] for k in taste.item],
            "value": pa.array(
                [p if v else None for p, v in zip(price, has_value, strict=True)], pa.float64()
            ),
            "currency": ["USD" if v else None for v in has_value],
            "device_category": [("mobile", "desktop")[d] for d in rng.integers(2, size=len(taste))],
        }
    )
    pq.write_table(table, folder / "ga4_events.parquet")
    return Export(
        folder / "ga4_events.parquet",
        {
            "user": "user_pseudo_id",
            "item": "item_id",
            "timestamp": "event_timestamp",
            "kind": "event_name",
            "value": "value",
        },
        {name: int((kind == name).sum()) for name in names.tolist()},
        (
            f"{int(taste.user[0]) * 7919 % 100003}.{1_700_000_000 + int(taste.user[0])}",
            f"P{taste.item[0]}",
            str(kind[0]),
            int(taste.time[0]) + 250,
        ),
        float(price[has_value].sum()),
        context={"device_category": "category"},
        title="item_name",
        attributes={"item_name": "text", "item_category": "category"},
        weights={"purchase": 1, "add_to_cart": 1, "view_item": 1, "refund": -1},
    )

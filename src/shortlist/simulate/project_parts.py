"""Parts that the project settings of all worlds share."""

from __future__ import annotations

from typing import Any

TABLES: dict[str, Any] = {
    "events": "events.parquet",
    "items": "items.parquet",
    "users": "users.parquet",
    "columns": {
        "user": "user_id",
        "item": "item_id",
        "timestamp": "timestamp",
        "kind": "kind",
        "value": "value",
        "slate": "slate",
        "position": "position",
        "propensity": "propensity",
    },
}
"""The `[data]` section."""


def rate(name: str, event: str, per: str, by: str, window: str = "30d") -> dict[str, Any]:
    """Declare a rate feature: how often one kind of event follows another."""
    return {"name": name, "kind": "rate", "by": by, "event": event, "per": per, "window": window}

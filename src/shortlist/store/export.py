"""A server's store as a log: impressions with slate, position and propensity, and what followed them.

This is the table that training from shown items and estimates of other policies need; `shortlist export` writes it.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from shortlist.config.base import IMPRESSION
from shortlist.store.event_store import EventStore


def log_of(store: EventStore) -> pa.Table:
    """Columns user_id, item_id, timestamp (ms), kind, value, slate, position (from 0), propensity, policy, in order of time. Ids are
    text; a visitor has none. An event without a slate of its own has none here either.
    """
    rows: list[
        tuple[str | None, str, int, str, float | None, str | None, int | None, float | None, str | None]
    ] = []
    for s in store.slates():
        for position, (item, chance) in enumerate(zip(s.items, s.propensities, strict=True)):
            rows.append(
                (_id(s.user), str(item), s.time, IMPRESSION, None, s.slate_id, position, chance, s.policy)
            )
    for e in store.all():
        rows.append((_id(e.user), str(e.item), e.time, e.kind, e.value, e.slate, None, None, None))
    rows.sort(key=lambda row: row[2])
    columns: list[Any] = list(zip(*rows, strict=True)) if rows else [[] for _ in range(9)]
    kinds = {
        "user_id": pa.string(),
        "item_id": pa.string(),
        "timestamp": pa.int64(),
        "kind": pa.string(),
        "value": pa.float64(),
        "slate": pa.string(),
        "position": pa.int32(),
        "propensity": pa.float64(),
        "policy": pa.string(),
    }
    return pa.table({n: pa.array(c, t) for (n, t), c in zip(kinds.items(), columns, strict=True)})


def _id(user: Any) -> str | None:
    return None if user is None else str(user)

"""Export a store as an events table."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from shortlist.config.base import IMPRESSION
from shortlist.store.event_store import EventStore

SCHEMA = pa.schema(
    {
        "user_id": pa.string(),
        "item_id": pa.string(),
        "timestamp": pa.int64(),
        "kind": pa.string(),
        "value": pa.float64(),
        "slate": pa.string(),
        "position": pa.int32(),
        "propensity": pa.float64(),
        "policy": pa.string(),
        "placement": pa.string(),
    }
)


def export_log(store: EventStore) -> pa.Table:
    """Return impressions and events as one table, for training and for estimates of other policies.

    Returns
    -------
    pyarrow.Table
        Columns user_id, item_id, timestamp (ms), kind, value, slate, position (from 0), propensity, policy and placement, and one of
        each number that clients gave with the items of a list; in order of time. Ids are text; a visitor's is null. An event that
        names no slate has none.
    """
    rows: list[tuple[Any, ...]] = []
    given: list[dict[str, float | None]] = []
    for s in store.slates():
        for place, (item, propensity) in enumerate(zip(s.items, s.propensities, strict=True)):
            position = s.first_position + place
            about = s.slate_id, position, propensity, s.policy, s.placement or None
            rows.append((_id(s.user), str(item), s.time, IMPRESSION, None, *about))
            given.append({name: numbers[place] for name, numbers in (s.given or {}).items()})
    for e in store.events():
        rows.append((_id(e.user), str(e.item), e.time, e.kind, e.value, e.slate, None, None, None, None))
        given.append({})
    order = sorted(range(len(rows)), key=lambda at: rows[at][2])
    columns = list(zip(*(rows[at] for at in order), strict=True)) if rows else [()] * len(SCHEMA)
    table = pa.table([pa.array(c, f.type) for f, c in zip(SCHEMA, columns, strict=True)], schema=SCHEMA)
    for name in sorted({name for numbers in given for name in numbers} - set(SCHEMA.names)):
        table = table.append_column(name, pa.array([given[at].get(name) for at in order], pa.float64()))
    return table


def _id(user: Any) -> str | None:
    return None if user is None else str(user)

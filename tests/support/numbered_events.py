"""Small tables of events with numbered users and items."""

from __future__ import annotations

import pyarrow as pa


def events(start: int, end: int) -> pa.Table:
    """Return the events start … end of a log: seven users, five items, a second apart."""
    numbers = range(start, end)
    return pa.table(
        {
            "user_id": [f"u{n % 7}" for n in numbers],
            "item_id": [f"i{n % 5}" for n in numbers],
            "kind": ["play"] * len(numbers),
            "timestamp": [1_700_000_000 + n for n in numbers],
        }
    )

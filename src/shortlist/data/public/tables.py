"""The result of reading a public format."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, repr=False)
class PublicTables:
    """The tables of a public data set; None where it has no such table."""

    events: pa.Table
    items: pa.Table | None
    users: pa.Table | None

    def __repr__(self) -> str:
        parts = (("events", self.events), ("items", self.items), ("users", self.users))
        return f"PublicTables({', '.join(f'{t.num_rows:,} {name}' for name, t in parts if t is not None)})"

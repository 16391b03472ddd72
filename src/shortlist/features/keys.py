"""Keys: what an aggregate counts by, as whole numbers.

`by = "item"` counts by item code, `"item.genres"` by each genre of the item, `"user.gender"` by the user's gender,
`"all"` by nothing. Both sides of a count speak this language: an event adds to its keys, a row reads its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from shortlist.data.attributes import Attribute


@dataclass(frozen=True)
class Keys:
    """The coded attributes of all items and users, from which keys are read."""

    n_users: int
    n_items: int
    users: dict[str, Attribute] = field(default_factory=dict)
    items: dict[str, Attribute] = field(default_factory=dict)

    def size(self, by: str) -> int:
        """How many keys there are."""
        if by == "all":
            return 1
        if by in {"item", "user"}:
            return self.n_items if by == "item" else self.n_users
        return max(len(self._attribute(by).vocabulary), 1)

    def of(self, by: str, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(row, key) pairs for rows of a user and an item; a row without a key (an unknown user) has no pair."""
        n = len(items)
        if by == "all":
            return np.arange(n), np.zeros(n, np.int64)
        codes = items if by.startswith("item") else users
        if by in {"item", "user"}:
            rows = np.flatnonzero(codes >= 0)
            return rows, codes[rows].astype(np.int64)
        indptr, values = self._attribute(by).take(codes).ragged()
        return np.repeat(np.arange(n), np.diff(indptr)), values.astype(np.int64)

    def _attribute(self, by: str) -> Attribute:
        side, _, name = by.partition(".")
        return (self.items if side == "item" else self.users)[name]

"""The names that expressions can use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

KINDS = frozenset({"number", "category", "list", "text", "time", "link"})
"""Kinds of attributes that expressions can read; embeddings are not among them."""


@dataclass(frozen=True)
class Schema:
    """The names that expressions can use, with their kinds.

    Parameters
    ----------
    items, users
        Attributes of items and users: name → kind.
    context
        Context columns: name → kind.
    """

    items: Mapping[str, str]
    users: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)

    def names(self, scope: str) -> dict[str, str] | None:
        """Return what a scope has: name → kind; None for a scope that does not exist.

        Items have an `id` and a `title` beside their attributes. `history` has the words and ids only.
        """
        items = {"id": "id", "title": "text"} | {n: k for n, k in self.items.items() if k in KINDS}
        if scope in {"", "viewed"}:
            return items
        if scope == "history":
            return {n: k for n, k in items.items() if k in {"id", "category", "list"}}
        found = {"user": self.users, "context": self.context}.get(scope)
        return None if found is None else {n: k for n, k in found.items() if k in KINDS}

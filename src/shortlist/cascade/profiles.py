"""Attributes of users that changed, or became known, since training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shortlist.cascade.context import Context
from shortlist.data.entities import EntityChange

NO_PROFILE: Mapping[str, Any] = {}


class LiveProfiles:
    """Attributes of users since training, by user id. They replace those of the users table, name by name.

    A user whom the log does not contain is kept by id: the attributes count at once, a code follows with the next
    training. `LiveState` owns the object and is the only one that changes it.

    Cost: one dictionary a changed user.
    """

    def __init__(self) -> None:
        self._of: dict[Any, dict[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._of)

    def change(self, changes: Sequence[EntityChange]) -> None:
        """Take in changes, in order. None makes an attribute unknown; attributes that are not named stay."""
        for one in changes:
            self._of[one.id] = {**self._of.get(one.id, NO_PROFILE), **one.attributes}

    def forget(self, user: Any) -> None:
        """Erase a user."""
        self._of.pop(user, None)

    def of(self, user: Any) -> Mapping[str, Any]:
        """Return the attributes of a user since training: name → value, None for one that was made unknown."""
        return self._of.get(user, NO_PROFILE)

    def under(self, contexts: Sequence[Context | None], users: Sequence[Any]) -> Sequence[Context | None]:
        """Return the context of each request with the attributes of its user, where it does not set them itself."""
        if not self._of:
            return contexts
        return [
            {**own, **(context or {})} if (own := self._of.get(user)) else context
            for context, user in zip(contexts, users, strict=True)
        ]

    def __repr__(self) -> str:
        return f"LiveProfiles({len(self):,} users)"

"""What happens after the training, told to a recommender: events, erasures, and changes of items and users."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from shortlist.cascade.catalogue import ItemChange
from shortlist.cascade.state import LiveState
from shortlist.data.entities import EntityChange
from shortlist.store.records import StoredEvent


class TakesChanges(ABC):
    """Events, erasures and changes of the catalogue, taken in by a live state for the next request."""

    @property
    @abstractmethod
    def state(self) -> LiveState:
        """The live half."""

    def now(self) -> int:
        """Return the recommender's clock, milliseconds since 1970; it stands at its end for a log that ended long ago."""
        return self.state.now()

    def observe(
        self,
        user: Any,
        item: Any,
        kind: str,
        timestamp: int | None = None,
        value: float | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        """Take in one event at a time in ms (default: now), for the next request. Raises `RequestError`.

        A time over five minutes ahead of `now()` is refused, because windows never move back.
        """
        moment = self.now() if timestamp is None else self.state.clock.checked(timestamp)
        event = StoredEvent("", user, item, kind, moment, value, dict(context or {}))
        self.state.check_event(event)
        self.state.observe([event])

    def replay(self, events: Iterable[StoredEvent]) -> int:
        """Take in stored events. Returns how many are of items, kinds or contexts that the model does not know."""
        return self.state.replay(events)

    def forget(self, user: Any) -> None:
        """Erase a user: the history is gone at once, the log's part included."""
        self.state.forget(user)

    def change_item(self, item: Any, change: Mapping[str, Any]) -> None:
        """Add, change or retire one item: `title`, `attributes` (None: unknown), `retired`; many at once: `state.change_items`."""
        self.state.check_changes(changes := [ItemChange.of(item, change)])
        self.state.change_items(changes)

    def change_user(self, user: Any, attributes: Mapping[str, Any]) -> None:
        """Change attributes of a user, known or new, for the next request; None makes one unknown. Raises `RequestError`."""
        self.state.check_user_changes(changes := [EntityChange(user, None, attributes)])
        self.state.change_users(changes)

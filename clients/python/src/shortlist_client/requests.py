"""What clients send: the fields of each request, and the request as HTTP has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict
from urllib.parse import quote, urlencode

from shortlist_client.errors import ApiError

Id = int | str
GivenItem = Id | Mapping[str, Any]
"""An item of a given list: its id, or a mapping with `item` and what is known of it at this moment."""


class EventBody(TypedDict):
    """One event."""

    user: Id
    item: Id
    kind: str
    timestamp: NotRequired[float | str | None]
    """Seconds or milliseconds since 1970, or an ISO 8601 text (default: when the server receives it)."""
    value: NotRequired[float | None]
    context: NotRequired[dict[str, Any] | None]
    event_id: NotRequired[str | None]
    slate_id: NotRequired[str | None]


OnError = Callable[[ApiError, Sequence[EventBody]], None]
"""Called for events that are given up: one that the server refuses, or those that no longer fit."""


class ClientOptions(TypedDict, total=False):
    """Settings of a client."""

    key: str | None
    """API key."""
    user: Id | None
    """Whom requests and events are about, where they do not say so themselves."""
    user_token: str | Callable[[], str] | None
    """What your server signed for the user, or a function that returns it: for a public key that takes signed users only."""
    timeout: float
    """Seconds that a server may be silent in one attempt (default: 10)."""
    retries: int
    """Further attempts after a failure that is temporary (default: 2)."""
    batch_size: int
    """Events that are sent at once as soon as they wait (default: 50, at most 1,000)."""
    flush_interval: float
    """Seconds that an event waits for others at most (default: 2)."""
    on_error: OnError
    """Called for events that are given up; by default, they are counted in the log."""


class PageRequest(TypedDict, total=False):
    """Fields of a request for a page."""

    placement: str | None
    user: Id | None
    user_token: str | None
    history: list[Id] | None
    rows: int
    n: int
    context: dict[str, Any] | None
    weights: dict[str, float] | None
    filters: str | dict[str, Any] | None


class RankRequest(TypedDict, total=False):
    """Fields of a request to rank given items, beside the items."""

    placement: str | None
    user: Id | None
    user_token: str | None
    history: list[Id] | None
    context: dict[str, Any] | None
    weights: dict[str, float] | None
    combine: str | None
    after: Id | None


class RecommendRequest(TypedDict, total=False):
    """Fields of a request for a slate."""

    placement: str | None
    user: Id | None
    user_token: str | None
    history: list[Id] | None
    n: int
    context: dict[str, Any] | None
    weights: dict[str, float] | None
    filters: str | dict[str, Any] | None
    boosts: list[dict[str, Any]] | None
    diversity: float | None
    freshness: float | None
    calibration: float | None
    combine: str | None
    at_least: dict[str, float] | None
    explore: float | None
    seed: int | None
    after: Id | None
    cursor: str | None
    """`Slate.cursor` of the page before: the next page, without the items of the pages so far."""


class AudienceRequest(TypedDict, total=False):
    """Fields of a request for the best users for each of some items, or for what filters permit."""

    items: list[Id] | None
    filters: str | dict[str, Any] | None
    n: int
    cap: int | None
    """Audiences that one user may be in; None: any number."""
    users: list[Id] | None
    """The users to choose among; None: everybody with a history."""
    context: dict[str, Any] | None
    weights: dict[str, float] | None


class ItemChange(TypedDict, total=False):
    """A change of an item. Attributes that are not named stay, and None makes one unknown."""

    title: str | None
    attributes: dict[str, Any]
    retired: bool | None


class NamedItemChange(ItemChange):
    """A change of an item, with its id."""

    item: Id


class NamedUserBody(TypedDict):
    """A change of a user's attributes, with the user's id. None makes one unknown."""

    user: Id
    attributes: dict[str, Any]


class TrackOptions(TypedDict, total=False):
    """What an event has beside its kind and item."""

    user: Id
    value: float | None
    context: dict[str, Any] | None
    timestamp: float | str | None
    event_id: str
    slate_id: str | None
    """The slate that the event comes from (default: the one that showed the item last); None: none."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, without address and key."""

    method: str
    path: str
    body: Any = None


def similar_call(item: Id, n: int | None, by: str | None) -> Call:
    """Return the request for similar items."""
    query = urlencode({name: value for name, value in (("n", n), ("by", by)) if value is not None})
    return Call("GET", f"{path_of('items', item)}/similar" + (f"?{query}" if query else ""))


def similar_users_call(user: Id, n: int | None) -> Call:
    """Return the request for similar users."""
    return Call("GET", f"{path_of('users', user)}/similar" + (f"?n={n}" if n is not None else ""))


def path_of(what: str, one: Id) -> str:
    """Return the address of one item or user; `what` is items or users."""
    return f"/v1/{what}/{quote(str(one), safe='')}"

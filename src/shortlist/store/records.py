"""The records of the event store, and how they are written in its tables."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from shortlist.config.short_repr import ShortRepr
from shortlist.data.json_text import as_json

LAST_MOMENT = 9_000_000_000_000
"""Times of events, ms since 1970, are below this: the year 2255."""
AHEAD = 300_000
"""Milliseconds by which the clock of a client may be ahead."""


@dataclass(frozen=True)
class StoredEvent:
    """An event as it was sent.

    Parameters
    ----------
    event_id
        Identifies the event: a second one with the same id is not stored.
    user, item
        Ids as they were sent, text or whole number.
    kind
        The kind of event, for example "play".
    time
        Milliseconds since 1970.
    value
        Seconds, rating or price.
    context
        Device, time of day, ….
    slate
        The id of the slate that the event followed, where it was given.
    """

    event_id: str
    user: Any
    item: Any
    kind: str
    time: int
    value: float | None = None
    context: dict[str, Any] = field(default_factory=dict)
    slate: str | None = None


@dataclass(frozen=True, repr=False)
class StoredSlate(ShortRepr):
    """A slate as it was shown, with everything that a later estimate from the log needs.

    Parameters
    ----------
    slate_id
        Identifies the slate.
    user
        The user's id; None for a visitor.
    time
        Milliseconds since 1970.
    policy
        The version of everything that chose the slate.
    items
        Item ids by position.
    propensities
        The probability of each item at its position, given the positions above; None where it is unknown.
    arms
        Experiment → arm.
    teams
        With interleaving: which ranking contributed each item.
    context
        The context of the request.
    given
        Where the client gave the list that was ranked: name of a given number → that of each item, in the order of `items`; None
        where it is missing. None for a slate that the server chose itself.
    first_position
        Position of the first item, above 0 on a page after the first.
    placement
        The placement that the request named; empty for none.
    """

    slate_id: str
    user: Any
    time: int
    policy: str
    items: list[Any]
    propensities: list[float | None]
    arms: dict[str, str] = field(default_factory=dict)
    teams: list[int] | None = None
    context: dict[str, Any] = field(default_factory=dict)
    given: dict[str, list[float | None]] | None = None
    first_position: int = 0
    placement: str = ""


@dataclass(frozen=True)
class Operation:
    """Something that an operator changed while serving.

    Parameters
    ----------
    time
        Milliseconds since 1970.
    what
        "item" (added, changed or retired), "user" (attributes), "erase" (a user) or "model".
    about
        The id of the item or user, or the model's name.
    body
        The change.
    by
        The name of the key that was used.
    after
        Row of the last event that was stored before it; set when it is stored.
    """

    time: int
    what: str
    about: Any
    body: dict[str, Any]
    by: str
    after: int = 0


def event_row(event: StoredEvent) -> dict[str, Any]:
    """Return an event as a row of the table `events`."""
    return {
        "event_id": event.event_id,
        "user": json.dumps(event.user),
        "item": json.dumps(event.item),
        "kind": event.kind,
        "time": event.time,
        "value": event.value,
        "context": json.dumps(event.context) if event.context else None,
        "slate": event.slate,
    }


def read_event(row: Any) -> StoredEvent:
    """Return a row of the table `events` as a record."""
    return StoredEvent(
        row.event_id,
        json.loads(row.user),
        json.loads(row.item),
        row.kind,
        row.time,
        row.value,
        json.loads(row.context) if row.context else {},
        row.slate,
    )


def slate_row(slate: StoredSlate) -> dict[str, Any]:
    """Return a slate as a row of the table `slates`."""
    return {
        "slate_id": slate.slate_id,
        "user": json.dumps(slate.user),
        "time": slate.time,
        "policy": slate.policy,
        "items": _text(slate.items),
        "propensities": _text(slate.propensities),
        "arms": _text(slate.arms),
        "teams": None if slate.teams is None else _text(slate.teams),
        "context": _text(slate.context),
        "given": None if slate.given is None else _text(slate.given),
        "first_position": slate.first_position,
        "placement": slate.placement or None,
    }


def read_slate(row: Any) -> StoredSlate:
    """Return a row of the table `slates` as a record."""
    return StoredSlate(
        row.slate_id,
        json.loads(row.user),
        row.time,
        row.policy,
        json.loads(row.items),
        json.loads(row.propensities),
        json.loads(row.arms),
        None if row.teams is None else json.loads(row.teams),
        json.loads(row.context or "{}"),
        None if row.given is None else json.loads(row.given),
        row.first_position or 0,
        row.placement or "",
    )


def operation_row(operation: Operation) -> dict[str, Any]:
    """Return an operation as a row of the table `operations`."""
    return {
        "time": operation.time,
        "what": operation.what,
        "about": json.dumps(operation.about),
        "body": json.dumps(operation.body),
        "by": operation.by,
    }


def read_operation(row: Any) -> Operation:
    """Return a row of the table `operations` as a record."""
    return Operation(row.time, row.what, json.loads(row.about), json.loads(row.body), row.by, row.after or 0)


def user_forms(user: Any) -> list[str]:
    """Return the forms in which a user's id may be stored, as JSON: 7 and "7" are the same user."""
    forms = [user]
    if isinstance(user, int):
        forms.append(str(user))
    elif isinstance(user, str) and user.removeprefix("-").isdecimal() and str(int(user)) == user:
        forms.append(int(user))
    return [json.dumps(form) for form in forms]


def _text(value: Any) -> str:
    """Return a value as JSON, which is read back and never compared as text; ids that are compared are written by `json`."""
    return as_json(value).decode()

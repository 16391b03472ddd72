"""The rules that every record from a source has to follow; those of events are those of `POST /v1/events`."""

from __future__ import annotations

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from typing_extensions import override

from shortlist.cascade.clock import Clock
from shortlist.cascade.event_body import EventBody, check_form, present_or_past, stored_event
from shortlist.errors import RequestError, field_fault, first_fault
from shortlist.store.intake import RejectedRecord
from shortlist.store.records import Operation, StoredEvent

LONGEST_BODY = 65_536
"""Characters of a rejected record that are kept."""
MOST_REJECTED = 1_000
"""Rejected records of one file that are kept, the first ones: a file of another kind does not fill the store."""


class RecordRules(ABC):
    """Reads and checks one kind of records of a source: events, or changes of items or of users.

    Attributes
    ----------
    records
        "events", "items" or "users": what the records are called, in messages and as the field that holds many of them.
    """

    records: str

    @abstractmethod
    def read(
        self, body: Any, identity: str, now: int | None = None, where: str = ""
    ) -> StoredEvent | Operation:
        """Return the record that a decoded JSON value describes.

        Parameters
        ----------
        body
            The JSON value.
        identity
            Identifies the record that the value comes from: the id of an event without one is made of it, so that it is the same
            where the record is read again.
        now
            The time of an event that has none, ms since 1970.
        where
            What the names of fields in errors begin with.

        Raises
        ------
        RequestError
            Names the field that is wrong.
        """

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.records})"


class EventRules(RecordRules):
    """Reads and checks events of a source.

    Parameters
    ----------
    check
        Raises `RequestError` for an event of an item, a kind or a context that a model does not know; None: events of every
        item and kind are taken, as long as their form is right.
    clock
        The recommender's clock (default: the machine's).
    """

    records = "events"

    def __init__(
        self, check: Callable[[StoredEvent, str], None] | None = None, clock: Clock | None = None
    ) -> None:
        self._check = check or check_form
        self._clock = clock or Clock(int(time.time() * 1000))

    @override
    def read(self, body: Any, identity: str, now: int | None = None, where: str = "") -> StoredEvent:
        try:
            given = EventBody.model_validate(body)
        except ValidationError as error:
            first = first_fault([dict(one) for one in error.errors(include_url=False)])
            sentence, field = field_fault(first, EventBody.model_fields, where)
            raise RequestError(sentence, field=field) from None
        event = stored_event(given, self._clock, where, event_id_of(identity), now)
        self._check(event, where)
        return event

    def checked(self, event: StoredEvent) -> StoredEvent:
        """Return an event that was read from a table, its time not after now. Raises `RequestError` naming the field."""
        happened = present_or_past(event.time, self._clock)
        self._check(event, "")
        return event if happened == event.time else replace(event, time=happened)

    def __repr__(self) -> str:
        return f"EventRules({'by form' if self._check is check_form else 'by a model'})"


def event_id_of(identity: str) -> str:
    """Return an id for an event that has none, always the same for the same record: 32 hexadecimal digits."""
    return hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def rejection(part: str, number: int, error: RequestError, body: str, user: Any = None) -> RejectedRecord:
    """Return a record that is kept as rejected; `user` is used where it is an id."""
    user = user if isinstance(user, (int, str)) and not isinstance(user, bool) else None
    cut = body if len(body) <= LONGEST_BODY else f"{body[:LONGEST_BODY]}… ({len(body):,} characters)"
    return RejectedRecord(part, number, error.message, error.field or "", cut, user, int(time.time() * 1000))

"""An event as an application sends it, and as the store takes it: one set of rules for HTTP, streams and files.

The form of an event (ids, texts, numbers, its time) is checked here, without a model. Whether a model knows its item, its kind
and its context is checked by `LiveState.check_event`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from shortlist.cascade.body_values import NUMERIC, BodyId
from shortlist.cascade.clock import Clock
from shortlist.data.ids import random_id
from shortlist.data.no_time import NO_TIME
from shortlist.data.times import moment
from shortlist.data.values import check_values, text_fault
from shortlist.errors import RequestError, abbreviated
from shortlist.requests import check_id
from shortlist.store.records import StoredEvent

LARGEST = 1e12
"""Values of events are below this size."""
NUMBERS = (int, float, np.integer, np.floating)
"""Types of values."""
LONGEST_EVENT_ID = 200
"""Characters of the id of an event at most."""


class EventBody(BaseModel):
    """One event."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    user: BodyId
    item: BodyId
    kind: str
    timestamp: Annotated[float | Annotated[str, Field(max_length=64)] | None, NUMERIC] = None
    """Seconds or milliseconds since 1970, or an ISO 8601 text (default: now)."""
    value: float | None = Field(None, strict=True)  # "3" is a text
    context: dict[str, Any] | None = None
    event_id: str | None = Field(None, min_length=1, max_length=LONGEST_EVENT_ID)
    """An event with an id that was stored before is not stored again."""
    slate_id: str | None = Field(None, max_length=100)
    """Slate it came from: needed to credit interleaved rankings and to learn from exploration."""


def stored_event(
    given: EventBody, clock: Clock, where: str = "", event_id: str = "", now: int | None = None
) -> StoredEvent:
    """Return an event as it is stored; its form is yet to be checked (`check_form`).

    Parameters
    ----------
    given
        The event.
    clock
        Reads its time.
    where
        What the names of fields in errors begin with, for example `events.3.`.
    event_id
        The id of an event that has none (default: a random one).
    now
        The time of an event that has none, ms since 1970 (default: by the clock).

    Raises
    ------
    RequestError
        The time is none, or lies in the future.
    """
    if given.timestamp is not None:
        happened = _moment(given.timestamp, clock, where)
    else:
        happened = clock.now() if now is None else now
    return StoredEvent(
        given.event_id or event_id or random_id(),
        given.user,
        given.item,
        given.kind,
        happened,
        given.value,
        given.context or {},
        given.slate_id,
    )


def check_form(event: StoredEvent, where: str = "") -> None:
    """Raise `RequestError` naming the field whose value no store can take or no model can learn from."""
    value = event.value
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, NUMBERS) or not abs(value) < LARGEST
    ):
        raise RequestError(
            f"{where}value must be a finite number and is {abbreviated(value)}", field=f"{where}value"
        )
    check_id(event.user, f"{where}user")
    check_id(event.item, f"{where}item")
    check_values(event.context, f"{where}context")
    texts = (("event_id", event.event_id), ("kind", event.kind), ("slate_id", event.slate))
    for name, text in texts:
        longest = LONGEST_EVENT_ID if name == "event_id" else 1_000
        fault = (
            None if text is None else text_fault(text, longest) if isinstance(text, str) else "it is no text"
        )
        if fault is not None:
            raise RequestError(f"{where}{name}: {fault}", field=f"{where}{name}")


def _moment(given: float | str, clock: Clock, where: str) -> int:
    read = _milliseconds(given)
    if read is None:
        raise RequestError(f"{where}timestamp is not a time: {abbreviated(given)}", field=f"{where}timestamp")
    return present_or_past(read, clock, where)


def present_or_past(moment_ms: int, clock: Clock, where: str = "") -> int:
    """Return a time, ms since 1970, in the recommender's clock. Raises `RequestError` where it is in the future."""
    happened = clock.reading(moment_ms)
    if happened is None:
        raise RequestError(
            f"{where}timestamp is more than five minutes ahead of now", field=f"{where}timestamp"
        )
    return happened


def _milliseconds(given: float | str) -> int | None:
    """Milliseconds since 1970, read as a log's column is; the usual forms first."""
    if isinstance(given, str):
        try:
            read = datetime.fromisoformat(given)
            return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000)
        except (ValueError, OverflowError):
            pass
    elif 1e8 <= given < 1e11:
        return round(given * 1000)
    elif 1e11 <= given < 1e14:
        return round(given)
    time = moment(given)
    return None if time == NO_TIME else time

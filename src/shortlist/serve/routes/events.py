"""Events: what users do, as applications report it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated

from fastapi import FastAPI, Query
from fastapi.responses import Response

from shortlist.cascade.clock import Clock
from shortlist.data.no_time import NO_TIME
from shortlist.data.times import moment
from shortlist.errors import RequestError, StoreError
from shortlist.recommender import Recommender
from shortlist.serve.answers import ERRORS, Json
from shortlist.serve.schema import EventBody, EventsAnswer, EventsBody
from shortlist.serve.service import Service
from shortlist.serve.writer import BusyError
from shortlist.store.records import StoredEvent

LARGEST = 1e12
"""Values of events are below this size."""


def add(app: FastAPI, service: Service) -> None:
    """Add the route that takes events."""

    @app.post("/v1/events", response_model=EventsAnswer, responses=ERRORS, tags=["events"])
    async def events(body: EventsBody, key: Annotated[str | None, Query(max_length=200)] = None) -> Response:  # noqa: ARG001 - read by the guard
        """Store events. A batch is stored whole or not at all; on return it is on the disk and counts.

        `?key=` takes a public key where no header can be sent (`navigator.sendBeacon`); the body may then be `text/plain`.
        """
        recommender = service.live.serving.recommender
        batch = [stored_event(recommender, given, f"events.{at}.") for at, given in enumerate(body.events)]
        try:
            new = await service.writer.add(batch)
        except BusyError:
            service.metrics.refused.labels("busy").inc(len(batch))
            raise
        except StoreError:
            service.metrics.refused.labels("store").inc(len(batch))
            raise
        return Json({"accepted": new, "repeated": len(batch) - new})


def stored_event(recommender: Recommender, given: EventBody, where: str) -> StoredEvent:
    """An event as it is stored. Raises `RequestError` naming the field where it is not valid."""
    if given.value is not None and not abs(given.value) < LARGEST:
        raise RequestError(
            f"{where}value must be a finite number and is {given.value!r}", field=f"{where}value"
        )
    happened = recommender.now()
    if given.timestamp is not None:
        happened = _moment(given.timestamp, recommender.state.clock, where)
    event = StoredEvent(
        given.event_id or uuid.uuid4().hex,
        given.user,
        given.item,
        given.kind,
        happened,
        given.value,
        given.context or {},
        given.slate_id,
    )
    recommender.state.check_event(event, where)
    return event


def _moment(given: float | str, clock: Clock, where: str) -> int:
    read = _milliseconds(given)
    if read is None:
        raise RequestError(f"{where}timestamp is not a time: {given!r}", field=f"{where}timestamp")
    happened = clock.reading(read)
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

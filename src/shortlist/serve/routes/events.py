"""Events: what users do, as applications report it."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response

from shortlist.cascade.event_body import EventBody, stored_event
from shortlist.errors import StoreError
from shortlist.recommender import Recommender
from shortlist.serve.answers import ERRORS, Json
from shortlist.serve.schema import EventsAnswer, EventsBody
from shortlist.serve.service import Service
from shortlist.serve.user_tokens import check_users
from shortlist.serve.writer import BusyError
from shortlist.store.records import StoredEvent


def add(app: FastAPI, service: Service) -> None:
    """Add the route that takes events."""

    @app.post("/v1/events", response_model=EventsAnswer, responses=ERRORS, tags=["events"])
    async def events(
        body: EventsBody,
        request: Request,
        key: Annotated[str | None, Query(max_length=200)] = None,  # noqa: ARG001 - read by the guard
    ) -> Response:
        """Store events. A batch is stored whole or not at all; on return it is on the disk and counts.

        `?key=` takes a public key where no header can be sent (`navigator.sendBeacon`); the body may then be `text/plain`.
        """
        users = ((f"events.{at}.user", given.user) for at, given in enumerate(body.events))
        check_users(service.metrics, request.scope, users, body.user_token)
        recommender = service.live.serving.recommender
        batch = [_checked(recommender, given, f"events.{at}.") for at, given in enumerate(body.events)]
        try:
            new = await service.writer.add(batch)
        except BusyError:
            service.metrics.refused.labels("busy").inc(len(batch))
            raise
        except StoreError:
            service.metrics.refused.labels("store").inc(len(batch))
            raise
        return Json({"accepted": new, "repeated": len(batch) - new})


def _checked(recommender: Recommender, given: EventBody, where: str) -> StoredEvent:
    """Return an event as it is stored, of an item, a kind and a context that the model knows. Raises `RequestError`."""
    event = stored_event(given, recommender.state.clock, where)
    recommender.state.check_event(event, where)
    return event

"""For operators: health, metrics, the audit log, and why an item is not shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response
from prometheus_client import generate_latest

from shortlist.serve.answers import ERRORS, Json
from shortlist.serve.schema import WhyAnswer, WhyBody
from shortlist.serve.service import Service
from shortlist.store.event_store import EventStore
from shortlist.store.records import Operation

T = TypeVar("T")
TOGETHER = 50
"""Changes that are checked without a pause, about a millisecond."""
PAUSE = 0.002
"""Seconds between two parts: a request takes some five turns of the event loop, and would wait for a part in each of them."""
AUDIT_ROWS = 1000
"""Operations of one answer at most."""


def add(app: FastAPI, service: Service) -> None:
    """Add the routes for health, metrics, audit and explanations."""

    @app.get("/healthz", tags=["operations"])
    async def healthz() -> dict[str, Any]:
        """The process answers."""
        serving = service.live.serving
        return {
            "status": "ok",
            "model_version": serving.version,
            "items": len(serving.recommender.state.catalogue.items),
            **serving.not_taken,
        }

    @app.get("/readyz", tags=["operations"])
    async def readyz() -> dict[str, Any]:
        """Ready, or degraded with the reasons.

        Recommendations are answered in both cases; events are refused while the store cannot be used.
        """
        serving, live = service.live.serving, service.live
        return {
            "status": "degraded" if service.faults else "ready",
            "reasons": service.faults,
            "model_version": serving.version,
            "canary": live.canary and live.canary.version,
            "shadow": live.shadow and live.shadow.version,
            "items": len(serving.recommender.state.catalogue.items),
            "events_waiting": service.writer.size,
            **serving.not_taken,
            "row": serving.row,
        }

    _answer_head(app, {"/healthz": healthz, "/readyz": readyz})

    @app.get("/metrics", tags=["operations"])
    async def prometheus() -> Response:
        """Metrics in the text format of Prometheus."""
        service.metrics.record_writer(service.writer)
        return Response(generate_latest(service.metrics.registry), media_type="text/plain; version=0.0.4")

    @app.get("/v1/admin/audit", responses=ERRORS, tags=["operations"])
    async def audit(after: Annotated[int, Query(ge=0, lt=2**62)] = 0) -> Response:
        """What operators did, oldest first: items, erasures, models; with the name of the key that did it."""
        rows = await service.writer.call(EventStore.operations_since, after)
        return Json(
            [
                {"row": r, "time": o.time, "what": o.what, "about": o.about, "body": o.body, "by": o.by}
                for r, o in rows[:AUDIT_ROWS]
            ]
        )

    @app.post("/v1/why", response_model=WhyAnswer, responses=ERRORS, tags=["operations"])
    async def why(body: WhyBody) -> Response:
        """Why an item is not on a user's slate: followed through the stages, to the one that dropped it."""
        recommender = service.live.of(body.user)
        return Json(recommender.why(body.to_request(service.cursors.open), body.item))


def _answer_head(app: FastAPI, endpoints: Mapping[str, Callable[[], Any]]) -> None:
    """Answer HEAD, which load balancers and uptime checks send, as GET is answered."""
    for path, endpoint in endpoints.items():
        app.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)


async def in_parts(changes: Sequence[T]) -> AsyncIterator[tuple[int, Sequence[T]]]:
    """Yield many changes, some at a time with the number of the first one, so that requests are answered in between."""
    for start in range(0, len(changes), TOGETHER):
        if start:
            await asyncio.sleep(PAUSE)
        yield start, changes[start : start + TOGETHER]


async def record_operations(
    service: Service, request: Request, what: str, changes: Sequence[tuple[Any, Mapping[str, Any]]]
) -> int:
    """Store what an operator did to some subjects, in one transaction, and return the row of the last one."""
    now, by = int(time.time() * 1000), request.scope.get("key", "anybody")
    at = {"at": service.live.serving.recommender.now()} if what == "item" else {}
    done = [Operation(now, what, about, {**body, **at}, by) for about, body in changes]
    return await service.writer.call(EventStore.add_operations, done)


async def wait_until_landed(service: Service, row: int) -> None:
    """Wait until a stored operation counts here too: a fifth of a second, a second at most."""
    for _ in range(50):
        if service.live.serving.operation >= row:
            return
        await asyncio.sleep(0.02)

"""The HTTP server: one bundle, one event store, one worker.

Requests are answered on the event loop itself: a cascade takes a few milliseconds of one core, and a thread pool would
only add switches and locks. So the live state is touched by one thread and needs no lock.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

import shortlist
from shortlist.data.store import EventStore, StoredEvent, path_beside
from shortlist.data.times import NO_TIME, to_milliseconds
from shortlist.errors import RequestError, ShortlistError
from shortlist.features.custom import load_functions
from shortlist.project import IMPRESSION
from shortlist.recommender import MAX_N, Recommender
from shortlist.serve.schema import (
    ErrorAnswer,
    EventBody,
    EventsAnswer,
    EventsBody,
    RecommendAnswer,
    RecommendBody,
    SimilarAnswer,
)
from shortlist.serve.showing import Shower
from shortlist.slate import Recommendation

PAGE = Path(__file__).parent / "page"
MAX_BODY = 1_000_000
ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer},
    404: {"model": ErrorAnswer},
    422: {"model": ErrorAnswer},
}


class Metrics:
    """What Prometheus reads at /metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        buckets = (0.001, 0.002, 0.003, 0.005, 0.008, 0.012, 0.02, 0.04, 0.08, 0.2, 1.0)
        self.seconds = Histogram(
            "shortlist_request_seconds",
            "Time to answer, by path",
            ["path"],
            buckets=buckets,
            registry=self.registry,
        )
        self.answers = Counter(
            "shortlist_answers", "Answers, by path and status", ["path", "status"], registry=self.registry
        )
        self.events = Counter("shortlist_events", "Events stored, by kind", ["kind"], registry=self.registry)
        self.empty = Counter("shortlist_empty_slates", "Slates without any item", registry=self.registry)
        self.model = Gauge(
            "shortlist_model_info", "The model that serves", ["version", "name"], registry=self.registry
        )


class Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


def make_app(bundle: str | Path, store: str | Path) -> FastAPI:
    """The application. Raises `BundleError` where the bundle cannot be loaded. Events stored earlier are replayed."""
    recommender = Recommender.load(bundle)
    events = EventStore(store)
    metrics = Metrics()
    metrics.model.labels(recommender.version, recommender.project.name).set(1)
    lost = recommender.replay(events.all())  # kept in the store, told in /healthz
    recommender.recommend(history=[], n=1)  # compile and warm every stage before the first visitor
    shower = Shower(recommender, events)

    @asynccontextmanager
    async def living(_app: FastAPI) -> AsyncIterator[None]:
        """Slates go to the disk behind the answers, twice a second, and at the end."""

        async def writing() -> None:
            while True:
                await asyncio.sleep(0.5)
                shower.flush()

        task = asyncio.create_task(writing())
        try:
            yield
        finally:
            task.cancel()
            shower.flush()

    app = FastAPI(
        title=f"Shortlist · {recommender.project.name}",
        version=shortlist.__version__,
        summary="Recommendations, live events and item likeness.",
        lifespan=living,
    )
    app.state.recommender, app.state.events = recommender, events
    _guard(app, metrics)
    _recommendations(app, recommender, shower, metrics)
    _events(app, recommender, shower, metrics)
    _catalogue(app, recommender)

    @app.get("/healthz", tags=["operations"])
    async def healthz() -> dict[str, Any]:
        return {
            "status": "ok",
            "model_version": recommender.version,
            "items": len(recommender.dataset.items),
            "events_not_replayed": lost,
        }

    @app.get("/metrics", tags=["operations"])
    async def prometheus() -> Response:
        return Response(generate_latest(metrics.registry), media_type="text/plain; version=0.0.4")

    return app


def app_from_environment() -> FastAPI:
    """For servers that load an application by name: SHORTLIST_BUNDLE, SHORTLIST_STORE and SHORTLIST_FUNCTIONS say which."""
    bundle = os.environ["SHORTLIST_BUNDLE"]
    if os.environ.get("SHORTLIST_FUNCTIONS"):  # a file of custom features that the operator named
        load_functions(Path(os.environ["SHORTLIST_FUNCTIONS"]))
    return make_app(bundle, os.environ.get("SHORTLIST_STORE") or path_beside(bundle))


def _guard(app: FastAPI, metrics: Metrics) -> None:
    """Every error becomes a sentence with a field; a stack trace never leaves the server."""

    @app.middleware("http")
    async def measure(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        started = time.perf_counter()
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            response: Response = JSONResponse(
                {"error": f"the body is larger than {MAX_BODY:,} bytes", "field": None}, 413
            )
        else:
            response = await call(request)
        route = request.scope.get("route")
        path = getattr(route, "path", "other")
        metrics.seconds.labels(path).observe(time.perf_counter() - started)
        metrics.answers.labels(path, str(response.status_code)).inc()
        return response

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in {"body", "query", "path"})
        if first["type"] == "json_invalid":
            return JSONResponse(
                {
                    "error": f"the body is not valid JSON: {first.get('ctx', {}).get('error', '')}",
                    "field": None,
                },
                400,
            )
        if first["type"] == "extra_forbidden":
            return JSONResponse({"error": f"{where}: there is no such field", "field": where}, 422)
        return JSONResponse({"error": f"{where or 'body'}: {first['msg']}", "field": where or None}, 422)

    @app.exception_handler(ShortlistError)
    async def wrong(_request: Request, error: ShortlistError) -> JSONResponse:
        return JSONResponse(
            {"error": error.message, "field": error.field}, 422 if isinstance(error, RequestError) else 400
        )

    @app.exception_handler(Exception)
    async def unexpected(_request: Request, _error: Exception) -> JSONResponse:
        return JSONResponse(
            {"error": "something went wrong on our side; the server's log says what", "field": None}, 500
        )


def _recommendations(app: FastAPI, recommender: Recommender, shower: Shower, metrics: Metrics) -> None:
    @app.post("/v1/recommend", response_model=RecommendAnswer, responses=ERRORS, tags=["recommend"])
    async def recommend(body: RecommendBody) -> Response:
        slate, arms = shower.show(body.model_dump())
        if not slate.items:
            metrics.empty.inc()
        return Json(
            {
                "slate_id": slate.slate_id,
                "model_version": slate.model_version,
                "user_known": slate.user_known,
                "unknown_items": slate.unknown_items,
                "guard_rails": slate.guard_rails,
                "policy": slate.policy,
                "experiments": arms,
                "items": [_shown(r) for r in slate.items],
            }
        )

    @app.get("/v1/items/{item}/similar", response_model=SimilarAnswer, responses=ERRORS, tags=["recommend"])
    async def similar(item: str, n: int = 10) -> Response:
        if recommender.dataset.items.ids.code(item) < 0:
            return JSONResponse({"error": f"the catalogue has no item {item!r}", "field": "item"}, 404)
        return Json({"item": item, "items": [_shown(r) for r in recommender.similar(item, n)]})


def _shown(r: Recommendation) -> dict[str, Any]:
    return {
        "item": r.item,
        "title": r.title,
        "score": r.score,
        "predictions": r.predictions,
        "sources": r.sources,
        "reason": r.reason,
        "propensity": r.propensity,
    }


def _events(app: FastAPI, recommender: Recommender, shower: Shower, metrics: Metrics) -> None:
    @app.post("/v1/events", response_model=EventsAnswer, responses=ERRORS, tags=["events"])
    async def add(body: EventsBody) -> Response:
        # all are checked before any is stored: a batch is taken whole or not at all
        batch = [_checked(recommender, given, f"events.{number}") for number, given in enumerate(body.events)]
        shower.flush()  # a slate is on the disk before the events that name it
        new = shower.store.add(batch)
        for stored in new:
            recommender.observe(
                stored.user, stored.item, stored.kind, stored.time, stored.value, stored.context
            )
            metrics.events.labels(stored.kind).inc()
        return Json({"accepted": len(new), "repeated": len(batch) - len(new)})


def _checked(recommender: Recommender, given: EventBody, where: str) -> StoredEvent:
    if recommender.dataset.items.ids.code(given.item) < 0:
        raise RequestError(f"{where}.item: the catalogue has no item {given.item!r}", field=f"{where}.item")
    kinds = recommender.dataset.log.kinds
    if given.kind not in kinds:
        raise RequestError(
            f"{where}.kind: there is no event kind {given.kind!r}; there are: {', '.join(kinds)}",
            field=f"{where}.kind",
        )
    if given.value is not None and not abs(given.value) < 1e12:
        raise RequestError(
            f"{where}.value must be a finite number and is {given.value!r}", field=f"{where}.value"
        )
    recommender.asker.read_context(given.context, f"{where}.")
    moment = recommender.now()
    if given.timestamp is not None:
        times, reading = to_milliseconds(pa.array([given.timestamp]))
        if reading.unreadable.any() or times[0] == NO_TIME:
            raise RequestError(
                f"{where}.timestamp is not a time: {given.timestamp!r}", field=f"{where}.timestamp"
            )
        if times[0] > max(moment, int(time.time() * 1000)) + 86_400_000:
            raise RequestError(
                f"{where}.timestamp is more than a day ahead of now", field=f"{where}.timestamp"
            )
        moment = int(times[0])
    return StoredEvent(
        given.event_id or uuid.uuid4().hex,
        given.user,
        given.item,
        given.kind,
        moment,
        given.value,
        given.context or {},
        given.slate_id,
    )


def _catalogue(app: FastAPI, recommender: Recommender) -> None:
    """What the page needs to know."""
    dataset, project = recommender.dataset, recommender.project
    attributes = [n for n, a in dataset.items.attributes.items() if a.kind in {"category", "list"}][:2]

    def described(code: int) -> dict[str, Any]:
        tags: list[str] = []
        for name in attributes:
            value = dataset.items.attributes[name].show(code)
            tags += value if isinstance(value, list) else [value] if value else []
        return {"item": dataset.items.ids.id(code), "title": dataset.items.titles[code], "tags": tags[:4]}

    @app.get("/v1/project", tags=["page"])
    async def about() -> dict[str, Any]:
        return {
            "name": project.name,
            "simulated": project.simulated,
            "model_version": recommender.version,
            "items": len(dataset.items),
            "users": len(dataset.users),
            "events": len(dataset.log),
            "max_n": MAX_N,
            "objectives": {n: {"kind": o.kind, "weight": o.weight} for n, o in project.objectives.items()},
            "diversity": project.rerank.diversity,
            "freshness": project.rerank.freshness,
            "kinds": [k for k in dataset.log.kinds if k != IMPRESSION],
            "choose": project.objectives[project.relevant].events[0],
            "choose_value": project.objectives[project.relevant].at_least,
        }

    @app.get("/v1/users", tags=["page"])
    async def users(n: int = 50) -> dict[str, Any]:
        """Some people with a history of middling length, to try the page with."""
        sizes = dataset.histories.indptr[1:] - dataset.histories.indptr[:-1]
        fit = [int(u) for u in (sizes >= 5).nonzero()[0][: 5 * max(1, min(n, 200))]]
        step = max(1, len(fit) // max(1, min(n, 200)))
        return {
            "users": [{"user": dataset.users.ids.id(u), "events": int(sizes[u])} for u in fit[::step][:n]]
        }

    @app.get("/v1/users/{user}/history", tags=["page"])
    async def history(user: str, n: int = 30) -> Response:
        code = dataset.users.ids.code(user)
        h = recommender.people.of(np.array([code]), [dataset.users.ids.own(user)])
        rows = range(len(h.item) - 1, max(len(h.item) - 1 - min(max(n, 0), 200), -1), -1)
        shown = [
            {
                **described(int(h.item[r])),
                "kind": dataset.log.kinds[h.kind[r]],
                "value": None if h.value[r] != h.value[r] else float(h.value[r]),
            }
            for r in rows
        ]
        return Json(
            {
                "user": user,
                "known": code >= 0 or recommender.people.knows(dataset.users.ids.own(user)),
                "events": len(h.item),
                "history": shown,
            }
        )

    @app.post("/v1/items", tags=["page"])
    async def items(ids: list[int | str]) -> Response:
        codes = dataset.items.ids.codes(ids[:200])
        return Json([described(int(c)) for c in codes if c >= 0])

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(
            PAGE / "index.html",
            headers={
                "Content-Security-Policy": "default-src 'self'; img-src 'self' data:",
                "X-Content-Type-Options": "nosniff",
            },
        )

    @app.get("/page/{name}", include_in_schema=False)
    async def part(name: str) -> Response:
        if name not in {"page.js", "page.css"}:
            return JSONResponse({"error": "no such file", "field": None}, 404)
        return FileResponse(PAGE / name)

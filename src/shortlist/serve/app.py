"""The HTTP server: a model, an event store, one process; more processes on one store are replicas.

Requests are answered on the event loop itself: a cascade takes a few milliseconds of one core, and a thread pool would
only add switches and locks. So the live state is touched by one thread and needs no lock; the disk (`writer.py`) and the
loading of models (`follow.py`) have threads of their own and hand over between two requests.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numba
import orjson
import pyarrow as pa
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from threadpoolctl import threadpool_limits

from shortlist.bundle.registry import Models
from shortlist.errors import RequestError, ShortlistError, StoreError
from shortlist.features.custom import load_functions
from shortlist.serve.batching import Gather, Shower
from shortlist.serve.keys import Keyring
from shortlist.serve.live_models import Live
from shortlist.serve.middleware.guard import Guard
from shortlist.serve.model_watcher import Follower, first
from shortlist.serve.schema import ErrorAnswer
from shortlist.serve.telemetry import Metrics, set_up_logs, tracer
from shortlist.serve.writer import BusyError, News, Writer
from shortlist.store.event_store import EventStore, path_beside
from shortlist.version import __version__

ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorAnswer} for code in (400, 401, 403, 404, 413, 415, 422, 429, 503)
}


class Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return as_json(content)


def as_json(content: Any) -> bytes:
    try:
        return orjson.dumps(content)
    except TypeError:  # an id with half a character in it, which UTF-8 cannot say: escaped instead
        return json.dumps(content, default=asdict).encode()


@dataclass
class Service:
    """What the routes share."""

    live: Live
    store: EventStore
    writer: Writer
    shower: Shower
    gather: Gather
    metrics: Metrics
    models: Models
    follower: Follower
    keyring: Keyring
    report: Path
    """Where the page finds the evaluation's report, if there is one."""


def report_of(bundle: str | Path) -> Path:
    """Where the evaluation's report is, unless somebody says otherwise: in a folder of bundles, or beside a bundle."""
    folder = Path(bundle)
    return (folder.parent if (folder / "manifest.json").exists() else folder) / "report.html"


def make_service(bundle: str | Path, store: str | Path) -> Service:
    """Load the model that should serve and bring it to where the store is. Raises `BundleError`, `StoreError`."""
    models, events, metrics = Models(bundle), EventStore(store), Metrics()
    serving = first(models, events)
    live = Live(serving)
    metrics.serves(serving.recommender)

    def land(news: News) -> None:
        live.land(news)
        now = live.serving.recommender.now()
        if news.events:
            metrics.recent.stored(len(news.events))
        for _, e in news.events:
            metrics.events.labels(e.kind).inc()
            metrics.lag.set(max(now - e.time, 0) / 1000)

    writer = Writer(events, land, serving.row, serving.operation)
    keyring = Keyring(events)
    writer.every.append(keyring.look)
    shower = Shower(live, writer, metrics)
    return Service(
        live,
        events,
        writer,
        shower,
        Gather(shower),
        metrics,
        models,
        Follower(models, live, events, metrics),
        keyring,
        Path(os.environ.get("SHORTLIST_REPORT") or report_of(bundle)),
    )


def make_app(bundle: str | Path, store: str | Path) -> FastAPI:
    """The application. Raises `BundleError` where the bundle cannot be loaded. Events stored earlier are replayed."""
    from shortlist.serve.middleware.fast_path import Quick, quick_route
    from shortlist.serve.routes import admin as routes_admin
    from shortlist.serve.routes import page as routes_page
    from shortlist.serve.routes import recommend as routes_ask
    from shortlist.serve.routes import views as routes_views

    set_up_logs()
    service = make_service(bundle, store)

    @asynccontextmanager
    async def living(_app: FastAPI) -> AsyncIterator[None]:
        _one_thread()
        service.writer.start()
        tasks = [asyncio.create_task(service.follower.run()), asyncio.create_task(_orphaned())]
        gc.collect()
        gc.freeze()  # what is loaded stays: the collector need not look through it again and again
        gc.set_threshold(20_000, 50, 100)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            service.writer.stop()

    recommender = service.live.serving.recommender
    app = FastAPI(
        title=f"Shortlist · {recommender.project.name}",
        version=__version__,
        summary="Recommendations, live events and item likeness.",
        lifespan=living,
        redoc_url=None,
    )
    app.state.service = service
    _give_back()
    _errors(app)
    for routes in (routes_ask, routes_admin, routes_page, routes_views):
        routes.add(app, service)
    app.add_middleware(Quick, service=service, route=quick_route(app))
    app.add_middleware(Guard, keyring=service.keyring, metrics=service.metrics, tracer=tracer())
    return app


def _give_back() -> None:
    """What loading needed for a while goes back to the system: the C library would keep it (some 80 MB with a million items)."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _one_thread() -> None:
    """Requests run side by side in workers, one on each core: to split one of them over cores takes more from the others than it
    gains. For kernels this holds on the event loop's thread alone; what loads a model may use all cores.
    """
    numba.set_num_threads(1)
    threadpool_limits(1)
    # a request lets the interpreter go at each of its kernels, and waits this long for it where the store's thread took it (5 ms without)
    sys.setswitchinterval(0.0005)


async def _orphaned() -> None:
    """End with the process that started this one: a worker that outlives it would hold the port and answer with old models."""
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(1)
    os._exit(1)


def app_from_environment() -> FastAPI:
    """For servers that load an application by name: SHORTLIST_BUNDLE, SHORTLIST_STORE and SHORTLIST_FUNCTIONS say which."""
    bundle = os.environ["SHORTLIST_BUNDLE"]
    if os.environ.get("SHORTLIST_FUNCTIONS"):  # a file of custom features that the operator named
        load_functions(Path(os.environ["SHORTLIST_FUNCTIONS"]))
    return make_app(bundle, os.environ.get("SHORTLIST_STORE") or path_beside(bundle))


def _errors(app: FastAPI) -> None:
    """Every error becomes a sentence with a field."""

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, error: RequestValidationError) -> Response:
        first_one = error.errors()[0]
        where = ".".join(str(part) for part in first_one["loc"] if part not in {"body", "query", "path"})
        if first_one["type"] == "json_invalid":
            said = f"the body is not valid JSON: {first_one.get('ctx', {}).get('error', '')}"
            return Json({"error": said, "field": None}, 400)
        if first_one["type"] == "extra_forbidden":
            return Json({"error": f"{where}: there is no such field", "field": where}, 422)
        return Json({"error": f"{where or 'body'}: {first_one['msg']}", "field": where or None}, 422)

    @app.exception_handler(StoreError)
    async def away(_request: Request, _error: StoreError) -> Response:
        said = "the event store cannot be used at the moment; nothing was stored, send it again"
        return Json({"error": said, "field": None}, 503, {"Retry-After": "2"})

    @app.exception_handler(BusyError)
    async def busy(_request: Request, _error: BusyError) -> Response:
        said = "more events come in than the disk takes; nothing was stored, send them again"
        return Json({"error": said, "field": None}, 429, {"Retry-After": "1"})

    @app.exception_handler(ShortlistError)
    async def wrong(_request: Request, error: ShortlistError) -> Response:
        status = 422 if isinstance(error, RequestError) else 400
        return Json({"error": error.message, "field": error.field}, status)

    @app.exception_handler(404)
    async def nowhere(_request: Request, error: Any) -> Response:
        said = (
            error.detail if getattr(error, "detail", "Not Found") != "Not Found" else "there is nothing here"
        )
        return Json({"error": said, "field": None}, 404)

    @app.exception_handler(405)
    async def not_so(_request: Request, error: Any) -> Response:
        allowed = (getattr(error, "headers", None) or {}).get("Allow", "")
        said = (
            f"this method is not for this address; there {'is' if ',' not in allowed else 'are'}: {allowed}"
        )
        return Json({"error": said, "field": None}, 405, {"Allow": allowed})

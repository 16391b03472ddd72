"""The HTTP server: models, an event store, one process; more processes on one store are replicas.

Requests are answered on the event loop itself: a cascade takes a few milliseconds of one core, and a thread pool would
only add switches. The disk (`writer.py`) and the loading of models (`model_watcher.py`) have threads of their own and
hand over between two requests.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numba
from fastapi import FastAPI

from shortlist.cascade.locks import single_threaded_blas
from shortlist.errors import ShortlistError
from shortlist.features.custom import load_functions
from shortlist.serve.answers import add_error_handlers
from shortlist.serve.logs import set_up_logs, tracer
from shortlist.serve.memory import keep_what_is_there, release_memory
from shortlist.serve.middleware.cors import AllowedOrigins
from shortlist.serve.middleware.fast_path import FastPath, fast_routes
from shortlist.serve.middleware.guard import Guard
from shortlist.serve.middleware.layered_app import LayeredApp
from shortlist.serve.middleware.paths import EncodedPaths
from shortlist.serve.middleware.prefix import PathPrefix
from shortlist.serve.openapi import SUMMARY, add_routes
from shortlist.serve.routes import docs
from shortlist.serve.service import make_service
from shortlist.serve.settings import ServerSettings
from shortlist.store.event_store import path_beside
from shortlist.version import __version__

SWITCH_INTERVAL = 0.0001
"""Seconds a thread keeps the interpreter lock at most. A request releases it in each of its kernels, some forty times, and waits
this long for it each time where the store's thread took it (5 ms by default)."""


def make_app(bundle: str | Path, store: str | Path, settings: ServerSettings | None = None) -> FastAPI:
    """Make the application.

    Events that are in the store are replayed. Raises `BundleError` where the bundle cannot be loaded, `StoreError`
    where the store cannot be opened.
    """
    set_up_logs()
    settings = settings or ServerSettings()
    service, made_in = make_service(bundle, store, settings), os.getpid()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if os.getpid() != made_in:  # the thread of the store did not survive the fork
            raise ShortlistError(
                "the application was made in another process (preloaded) and cannot serve in this one; let each worker make "
                "its own, for example with the factory shortlist.serve.app:app_from_environment"
            )
        _one_thread()
        service.writer.start()
        tasks = [asyncio.create_task(service.watcher.run()), asyncio.create_task(end_with_parent())]
        keep_what_is_there()
        gc.set_threshold(20_000, 50, 100)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            service.writer.stop()

    app = LayeredApp(
        title=f"Shortlist · {service.live.serving.recommender.project.name}",
        version=__version__,
        summary=SUMMARY,
        lifespan=lifespan,
        servers=[{"url": settings.root_path}] if settings.root_path else None,
        redirect_slashes=not settings.root_path,  # redirects would lead to addresses without the prefix
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    release_memory()
    add_error_handlers(app, service.without_folder)
    add_routes(app, service)
    docs.add(app)
    app.add_layer(FastPath, service=service, routes=fast_routes(app))
    app.add_layer(Guard, keyring=service.keyring, metrics=service.metrics, settings=settings, tracer=tracer())
    if settings.origins:  # outside the guard, because browsers send no key with a preflight
        app.add_layer(AllowedOrigins, origins=settings.origins)
    if settings.root_path:
        app.add_layer(PathPrefix, prefix=settings.root_path)
    app.add_layer(EncodedPaths)
    return app


def app_from_environment() -> FastAPI:
    """Make the application for a server that loads it by name.

    SHORTLIST_BUNDLE, SHORTLIST_STORE and SHORTLIST_FUNCTIONS name the bundle, the store and a file of custom features;
    SHORTLIST_SERVER holds `ServerSettings` as JSON.
    """
    bundle = os.environ["SHORTLIST_BUNDLE"]
    if os.environ.get("SHORTLIST_FUNCTIONS"):
        load_functions(Path(os.environ["SHORTLIST_FUNCTIONS"]))
    store = os.environ.get("SHORTLIST_STORE") or path_beside(bundle)
    return make_app(bundle, store, ServerSettings.from_environment())


def _one_thread() -> None:
    """Keep requests on one core each.

    Workers run side by side, one a core: splitting one request over cores takes more from the others than it gains.
    For kernels this holds on the event loop's thread alone; loading a model can use all cores.
    """
    numba.set_num_threads(1)
    single_threaded_blas.keep()
    sys.setswitchinterval(SWITCH_INTERVAL)


async def end_with_parent() -> None:
    """End with the process that started this one: an orphaned worker would hold the port and serve old models."""
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(1)
    os._exit(1)

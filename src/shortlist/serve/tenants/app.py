"""The application of a server of tenants: it finds the tenant of a request, and leaves everything else to it.

Each tenant is the application of a server of its own (`make_app`), with models, event store, keys, metrics and page that no
other one has a reference to. Only its path is taken off here. The server itself has addresses of its own: health, the metrics
of all tenants, and which are loaded, for whoever has a key of `operators.sqlite`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, generate_latest

from shortlist.features.custom import load_functions
from shortlist.serve.answers import Json, add_error_handlers, failure
from shortlist.serve.app import end_with_parent
from shortlist.serve.keys import Keyring
from shortlist.serve.logs import set_up_logs, tracer
from shortlist.serve.middleware.asgi import App, Receive, Scope, Send
from shortlist.serve.middleware.guard import TENANTS, Guard
from shortlist.serve.middleware.layered_app import LayeredApp
from shortlist.serve.middleware.prefix import PathPrefix, redirect
from shortlist.serve.settings import ServerSettings
from shortlist.serve.telemetry import Metrics
from shortlist.serve.tenants.folder import TenantFolder
from shortlist.serve.tenants.metrics import TenantMetrics
from shortlist.serve.tenants.pool import TenantPool, TenantUnavailableError, UnknownTenantError
from shortlist.serve.writer import Writer
from shortlist.version import __version__

VARIABLE = "SHORTLIST_TENANTS"
"""The environment variable by which worker processes get the folder."""
OPERATORS = "operators.sqlite"
"""The store in the folder of tenants that holds the keys of whoever runs the server."""
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def make_tenants_app(folder: TenantFolder, settings: ServerSettings | None = None) -> FastAPI:
    """Make the application. Tenants are loaded when they are asked for. Raises `StoreError`."""
    set_up_logs()
    settings = settings or ServerSettings()
    pool, metrics = TenantPool(folder, settings), Metrics()
    keyring, writer = Keyring(settings.workers, settings.keyed), Writer(folder.folder / OPERATORS)
    writer.follow(lambda _news, _prepared: None, 0, 0)
    writer.run(keyring.refresh)
    writer.also.append(keyring.refresh)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        writer.start()
        tasks = [asyncio.create_task(pool.run()), asyncio.create_task(end_with_parent())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await pool.close()
            writer.stop()

    app = LayeredApp(
        title="Shortlist",
        version=__version__,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.pool = pool
    add_error_handlers(app, str)
    _add_routes(app, pool, metrics)
    app.add_layer(Guard, keyring=keyring, metrics=metrics, settings=settings, tracer=tracer())
    app.add_layer(TenantPaths, pool=pool)
    if settings.root_path:
        app.add_layer(RawPathPrefix, prefix=settings.root_path)
    return app


def tenants_from_environment() -> FastAPI:
    """Make the application for a server that loads it by name.

    SHORTLIST_TENANTS names the folder, SHORTLIST_STORE the address of the stores, with `{tenant}` for the name, and
    SHORTLIST_FUNCTIONS a file of custom features, which all tenants share; SHORTLIST_SERVER holds `ServerSettings` as JSON.
    """
    if os.environ.get("SHORTLIST_FUNCTIONS"):
        load_functions(Path(os.environ["SHORTLIST_FUNCTIONS"]))
    os.environ.pop("SHORTLIST_REPORT", None)  # a report is of one tenant
    folder = TenantFolder(os.environ[VARIABLE], os.environ.get("SHORTLIST_STORE") or None)
    return make_tenants_app(folder, ServerSettings.from_environment())


def _add_routes(app: FastAPI, pool: TenantPool, metrics: Metrics) -> None:
    """Add the addresses of the server itself."""
    registry = CollectorRegistry()
    registry.register(TenantMetrics(pool, metrics))

    @app.api_route("/healthz", methods=["GET", "HEAD"])
    async def healthz() -> dict[str, Any]:
        """The process answers."""
        return {"status": "ok"}

    @app.api_route("/readyz", methods=["GET", "HEAD"])
    async def readyz() -> dict[str, Any]:
        """Ready to load tenants."""
        return {"status": "ready"}

    @app.get("/metrics")
    async def prometheus() -> Response:
        """Metrics of all loaded tenants in the text format of Prometheus."""
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")

    @app.get("/v1/admin/tenants")
    async def tenants() -> Response:
        """The loaded tenants, the one that was used longest ago first."""
        loaded = [
            {"tenant": name, "bytes": one.size, "model_version": one.service.live.serving.version}
            for name, one in pool.loaded.items()
        ]
        return Json({"loaded": loaded, "bytes": pool.size, "memory_limit": pool.settings.memory_limit})

    @app.api_route(TENANTS + "/{rest:path}", methods=METHODS, include_in_schema=False)
    async def unknown(rest: str) -> None:  # noqa: ARG001 - which one is no business of the client
        raise HTTPException(404, "there is no such tenant")


class TenantPaths:
    """ASGI layer that hands a request below `/t/NAME/` to the tenant's application, with the path that follows.

    The path is read as it came, before anything is decoded: what is encoded in the name of a tenant is not a name.
    """

    def __init__(self, app: App, pool: TenantPool) -> None:
        self.app, self.pool = app, pool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        raw = _raw_path(scope) if scope["type"] == "http" else b""
        if not raw.startswith(b"/t/"):
            await self.app(scope, receive, send)
            return
        part, slash, rest = raw.removeprefix(b"/t/").partition(b"/")
        name = part.decode("latin-1")
        try:
            async with self.pool.use(name) as tenant:
                if not slash:
                    await redirect(f"{self.pool.settings.root_path}{TENANTS}/{name}/", send)
                    return
                taken = len("/t/") + len(part)
                inner = {**scope, "path": scope["path"][taken:], "raw_path": b"/" + rest, "tenant": name}
                await tenant(inner, receive, send)
        except UnknownTenantError:
            await self.app(scope, receive, send)
        except TenantUnavailableError:
            sentence = "this tenant cannot be served at the moment; the server's log says why"
            await failure(sentence, 503, **{"Retry-After": "5"})(scope, receive, send)


class RawPathPrefix(PathPrefix):
    """`PathPrefix` that removes the prefix from the path as it came, too."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, without the prefix."""
        raw, prefix = _raw_path(scope) if scope["type"] == "http" else b"", self.prefix.encode()
        if raw.startswith(prefix + b"/"):
            scope = {**scope, "raw_path": raw[len(prefix) :]}
        await super().__call__(scope, receive, send)


def _raw_path(scope: Scope) -> bytes:
    """The path of a request as it came, without its query."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
    return raw.split(b"?")[0]

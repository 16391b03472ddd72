"""Models: which one serves, promotion, rollback, canary and shadow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from shortlist.bundle.registry import BundleVersion
from shortlist.errors import BundleError, RequestError
from shortlist.serve.answers import ERRORS, Json
from shortlist.serve.routes.operations import record_operations
from shortlist.serve.schema import CanaryBody, ShadowBody, VersionBody
from shortlist.serve.service import Service


def add(app: FastAPI, service: Service) -> None:
    """Add the routes that choose models."""

    async def decide(
        request: Request, what: str, body: dict[str, Any], decision: Callable[[], BundleVersion | None]
    ) -> Response:
        try:
            chosen = await asyncio.to_thread(decision)
        except BundleError as error:
            raise RequestError(error.message, error.field) from None
        version = chosen.version if chosen is not None else None
        await record_operations(service, request, "model", [(what, {**body, "version": version})])
        return Json({"version": version})

    @app.get("/v1/admin/models", responses=ERRORS, tags=["models"])
    async def models() -> Response:
        """All models of the folder, and what was decided about them."""
        decisions, serving = service.registry.decisions(), service.live.serving.version
        shown = service.without_folder
        found = [
            {
                "version": m.version,
                "made": m.made,
                "rejected": shown(m.rejected),
                "serving": m.version == serving,
            }
            for m in service.registry.list()
        ]
        return Json({"models": found, **{k: decisions[k] for k in ("pinned", "canary", "shadow", "served")}})

    @app.post("/v1/admin/models/promote", responses=ERRORS, tags=["models"])
    async def promote(body: VersionBody, request: Request) -> Response:
        """Pin a model: it takes over within seconds, after its self-check."""
        return await decide(request, "promote", {}, lambda: service.registry.promote(body.version))

    @app.post("/v1/admin/models/rollback", responses=ERRORS, tags=["models"])
    async def rollback(request: Request) -> Response:
        """Back to the model that served before."""
        return await decide(request, "rollback", {}, service.registry.rollback)

    @app.post("/v1/admin/models/canary", responses=ERRORS, tags=["models"])
    async def canary(body: CanaryBody, request: Request) -> Response:
        """Let a model answer a share of the users; 0 ends it."""
        share = {"share": body.share}
        return await decide(
            request, "canary", share, lambda: service.registry.set_canary(body.version, body.share)
        )

    @app.post("/v1/admin/models/shadow", responses=ERRORS, tags=["models"])
    async def shadow(body: ShadowBody, request: Request) -> Response:
        """Ask a model beside the serving one, and compare; null ends it."""
        return await decide(request, "shadow", {}, lambda: service.registry.set_shadow(body.version))

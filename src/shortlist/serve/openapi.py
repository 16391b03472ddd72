"""The routes of the server, and the OpenAPI document that they make.

Clients are written against this document. A copy of it is part of the repository, and a test compares the two, so that a
change of the interface is seen where it is made.
"""

from __future__ import annotations

from typing import Any, cast

from fastapi import FastAPI

from shortlist.serve.routes import (
    catalogue,
    edits,
    events,
    items,
    live,
    models,
    operations,
    page,
    people,
    rank,
    recommend,
    users,
)
from shortlist.serve.service import Service
from shortlist.version import __version__

SUMMARY = "Recommendations, live events and similar items."


def add_routes(app: FastAPI, service: Service) -> None:
    """Add all routes that the OpenAPI document describes."""
    for routes in (
        recommend,
        rank,
        events,
        operations,
        items,
        users,
        people,
        models,
        edits,
        page,
        catalogue,
        live,
    ):
        routes.add(app, service)


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document of a server, whatever its model: no bundle is loaded."""
    app = FastAPI(title="Shortlist", version=__version__, summary=SUMMARY)
    add_routes(app, cast("Service", None))  # routes use the service when they answer, not when they are added
    return app.openapi()

"""Given lists: the client names the items, and all of them come back in order."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from shortlist.errors import RequestError
from shortlist.serve.answers import ERRORS, Json
from shortlist.serve.schema import RankAnswer, RankBody
from shortlist.serve.service import Service
from shortlist.serve.user_tokens import check_users


def add(app: FastAPI, service: Service) -> None:
    """Add the route that orders given lists."""

    @app.post("/v1/rank", response_model=RankAnswer, responses=ERRORS, tags=["recommend"])
    async def rank(body: RankBody, request: Request, debug: str | None = None) -> Response:
        """Order a list of up to 2,000 items for a user: search results, hotels of a town, a playlist. Every item comes back.

        The list and its given numbers are kept with the `slate_id`: send it with impressions and events, and
        `train --from-store` learns from them.
        """
        return Json(await ordered_list(service, body, request.scope, debug))


async def ordered_list(
    service: Service, body: RankBody, scope: MutableMapping[str, Any], debug: str | None = None
) -> dict[str, Any]:
    """The answer to one given list. Raises `RequestError`."""
    started = time.perf_counter()
    if debug not in {None, "timing"}:
        raise RequestError(f"debug must be timing and is {debug!r}", field="debug")
    check_users(service.metrics, scope, (("user", body.user),), body.user_token)
    served = service.slates.rank(body.to_request(), body.items)
    scope["stage_times"], scope["placement"] = served.times, served.slate.placement
    return served.content(service.cursors, started if debug else None)

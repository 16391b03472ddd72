"""Recommendations, pages of rows, and similar items."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from shortlist.errors import RequestError, ShortlistError
from shortlist.requests import RecommendRequest
from shortlist.serve.answers import ERRORS, Json, no_such_item
from shortlist.serve.middleware.paths import PathId
from shortlist.serve.schema import PageAnswer, PageBody, RecommendAnswer, RecommendBody, SimilarAnswer
from shortlist.serve.service import Service
from shortlist.serve.slates import ServedSlate
from shortlist.serve.user_tokens import check_users

SHADOWED = 10
"""Every so many slates, one is compared with what the shadow would answer."""


def add(app: FastAPI, service: Service) -> None:
    """Add the routes that applications ask for recommendations."""

    @app.post("/v1/recommend", response_model=RecommendAnswer, responses=ERRORS, tags=["recommend"])
    async def recommend(body: RecommendBody, request: Request, debug: str | None = None) -> Response:
        """A slate; with the `cursor` of an answer, the next page, without the items of the pages so far.

        `?debug=timing` adds what each stage took, in milliseconds, for this request by itself.
        """
        return Json(await recommendation(service, body, request.scope, debug))

    @app.get(
        "/v1/items/{item:id}/similar", response_model=SimilarAnswer, responses=ERRORS, tags=["recommend"]
    )
    async def similar(item: PathId, n: int = 10, by: str | None = None) -> Response:
        """Items similar to one; `?by=together` gives what is bought with it, where the project has that source."""
        recommender = service.live.serving.recommender
        if recommender.state.catalogue.items.ids.code(item) < 0:
            return no_such_item(item)
        return Json({"item": item, "items": recommender.similar(item, n, by)})

    @app.post("/v1/page", response_model=PageAnswer, responses=ERRORS, tags=["recommend"])
    async def page_of_rows(body: PageBody, request: Request) -> Response:
        """A page of rows: picks, because you watched, genres, trending, continue; no item twice."""
        check_users(service.metrics, request.scope, (("user", body.user),), body.user_token)
        fields = body.model_dump(exclude={"rows", "user_token"})
        page = service.slates.page(RecommendRequest.of(fields), body.rows)
        request.scope["placement"] = body.placement or ""
        return Json(
            {
                "page_id": page.page_id,
                "warnings": page.warnings,
                "model_version": page.model_version,
                "user_known": page.user_known,
                "rows": [
                    {
                        "slate_id": f"{page.page_id}-{number}",
                        "kind": row.kind,
                        "title": row.title,
                        "about": row.about,
                        "items": row.items,
                    }
                    for number, row in enumerate(page.rows)
                ],
            }
        )


async def recommendation(
    service: Service, body: RecommendBody, scope: MutableMapping[str, Any], debug: str | None = None
) -> dict[str, Any]:
    """The answer to one request for a slate. Raises `RequestError`."""
    started = time.perf_counter()
    check_users(service.metrics, scope, (("user", body.user),), body.user_token)
    request = body.to_request(service.cursors.open)
    if debug is None:
        served = await service.batcher.answer(request)
    elif debug == "timing":
        answer = service.slates.answer([request])[0]
        if isinstance(answer, Exception):
            raise answer
        served = answer
    else:
        raise RequestError(f"debug must be timing and is {debug!r}", field="debug")
    scope["stage_times"], scope["placement"] = served.times, served.slate.placement
    content = served.content(service.cursors, started if debug else None)
    _compare_with_shadow(service, request, served)
    return content


def _compare_with_shadow(service: Service, request: RecommendRequest, served: ServedSlate) -> None:
    """Compare every tenth slate with what the shadow would have answered."""
    shadow, slate = service.live.shadow, served.slate
    if shadow is None or int(slate.slate_id[:4], 16) % SHADOWED or not slate.items:
        return
    try:
        other = shadow.recommender.recommend(request)
    except ShortlistError:
        service.metrics.shadow.observe(0.0)
        return
    both = {r.item for r in other.items} & {r.item for r in slate.items}
    service.metrics.shadow.observe(len(both) / len(slate.items))

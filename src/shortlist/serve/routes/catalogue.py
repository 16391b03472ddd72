"""The page's catalogue tab: search, and all that is known of one item."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Query
from fastapi.responses import Response
from numpy.typing import NDArray

from shortlist.cascade.catalogue import Catalogue
from shortlist.cascade.inspect import visitor_features
from shortlist.data.entities import Entities
from shortlist.recommender import Recommender
from shortlist.serve.answers import ERRORS, Json, no_such_item
from shortlist.serve.middleware.paths import PathId
from shortlist.serve.routes.describe import describe, plain
from shortlist.serve.service import Service

SHOWN_NUMBERS = 8
"""Numbers of an embedding that are shown."""


def add(app: FastAPI, service: Service) -> None:
    """Add the routes of the catalogue tab."""
    popularity: dict[str, NDArray[np.int64]] = {}
    """Model version → events of each item in its log; only of the serving model, counted once."""

    def search_items(recommender: Recommender, words: str) -> tuple[Catalogue, list[int]]:
        counts = popularity.get(recommender.version)
        if counts is None:
            log = recommender.dataset.log
            counts = np.bincount(log.item[log.acted], minlength=len(recommender.dataset.items))
            popularity.clear()
            popularity[recommender.version] = counts
        catalogue = recommender.state.catalogue  # one snapshot: items that are added meanwhile are not in it
        return catalogue, _search(catalogue.items, words, counts)

    @app.get("/v1/items", responses=ERRORS, tags=["page"])
    async def search(
        q: Annotated[str, Query(max_length=200)] = "", n: Annotated[int, Query(ge=1, le=200)] = 50
    ) -> Response:
        """Items whose title or id contains all words, the most popular ones first; all items without words."""
        recommender = service.live.serving.recommender
        catalogue, codes = await asyncio.to_thread(search_items, recommender, q)
        return Json({"total": len(codes), "items": [describe(catalogue, code) for code in codes[:n]]})

    @app.post("/v1/items", responses=ERRORS, tags=["page"])
    async def describe_many(ids: list[int | str]) -> Response:
        """Some items as the page shows them; unknown ids are left out."""
        catalogue = service.live.serving.recommender.state.catalogue
        codes = catalogue.items.ids.codes(ids[:200])
        return Json([describe(catalogue, int(code)) for code in codes if code >= 0])

    @app.get("/v1/items/{item:id}", responses=ERRORS, tags=["page"])
    async def one(item: PathId) -> Response:
        """All that is known of an item: attributes, counts, and the features the ranker sees for a new visitor."""
        recommender = service.live.serving.recommender
        catalogue = recommender.state.catalogue
        code = catalogue.items.ids.code(item)
        if code < 0:
            return no_such_item(item)
        attributes = {name: _short(a.show(code)) for name, a in catalogue.items.attributes.items()}
        return Json(
            {
                **describe(catalogue, code),
                "retired": bool(catalogue.retired[code]),
                "attributes": attributes,
                "counts": _counts(recommender, code),
                "features": visitor_features(recommender.model, recommender.state, code),
            }
        )


def _search(items: Entities, query: str, popularity: NDArray[np.int64]) -> list[int]:
    """Codes of the items that contain all words of a query, by popularity; items added since training last."""
    words = query.casefold().split()
    texts = zip(items.titles[: len(items)], items.ids.ids(np.arange(len(items))), strict=True)
    hits = [
        at for at, (title, own) in enumerate(texts) if all(w in f"{title} {own}".casefold() for w in words)
    ]
    return sorted(hits, key=lambda code: -int(popularity[code]) if code < len(popularity) else 0)


def _counts(recommender: Recommender, code: int) -> dict[str, Any]:
    log, cold = recommender.dataset.log, recommender.state.cold_start
    rows = np.flatnonzero(log.item == code)
    counts: dict[str, Any] = {
        f"{kind} (log)": int((log.kind[rows] == at).sum()) for at, kind in enumerate(log.kinds)
    }
    counts["people (log)"] = len(np.unique(log.user[rows]))
    if cold is not None:
        counts["shown of its exposure budget"] = int(cold.impressions(np.array([code]))[0])
    return counts


def _short(value: Any) -> Any:
    """An attribute's value for people: the first numbers of a vector."""
    if isinstance(value, list) and value and isinstance(value[0], float):
        return [round(v, 3) for v in value[:SHOWN_NUMBERS]]
    return plain(value)

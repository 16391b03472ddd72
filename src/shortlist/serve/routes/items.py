"""Items: added, changed and retired while serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from shortlist.cascade.catalogue import ItemChange
from shortlist.cascade.change_body import ItemBody
from shortlist.serve.answers import ERRORS, Json, no_such_item
from shortlist.serve.change_schema import ItemChanged, ItemRetired, ItemsChanged
from shortlist.serve.middleware.paths import PathId
from shortlist.serve.routes.operations import in_parts, record_operations, wait_until_landed
from shortlist.serve.schema import ItemsBody
from shortlist.serve.service import Service


def add(app: FastAPI, service: Service) -> None:
    """Add the routes that change the catalogue."""

    async def change(request: Request, bodies: Sequence[tuple[Any, ItemBody]], where: str) -> int:
        state = service.live.serving.recommender.state
        state.catalogue.check_room([item for item, _ in bodies])
        changes: list[tuple[Any, Mapping[str, Any]]] = []
        async for start, part in in_parts(bodies):  # all are checked before any is stored
            read = [(item, body.model_dump(exclude_unset=True, exclude={"item"})) for item, body in part]
            state.check_changes([ItemChange.of(item, one) for item, one in read], where, start)
            changes += read
        row = await record_operations(service, request, "item", changes)
        await wait_until_landed(service, row)
        return row

    @app.put("/v1/items/{item:id}", response_model=ItemChanged, responses=ERRORS, tags=["items"])
    async def put(item: PathId, body: ItemBody, request: Request) -> Response:
        """Add an item, or change its title and attributes.

        It counts from the next request on, on every replica within a second.
        """
        known = service.live.serving.recommender.state.catalogue.items.ids.code(item) >= 0
        row = await change(request, [(item, body)], "")
        return Json({"item": item, "added": not known, "row": row})

    @app.put("/v1/items", response_model=ItemsChanged, responses=ERRORS, tags=["items"])
    async def put_many(body: ItemsBody, request: Request) -> Response:
        """The same for many items: all are checked, then all are stored."""
        bodies = [(one.item, one) for one in body.items]
        return Json({"items": len(bodies), "row": await change(request, bodies, "items.{}.")})

    @app.delete("/v1/items/{item:id}", response_model=ItemRetired, responses=ERRORS, tags=["items"])
    async def retire(item: PathId, request: Request) -> Response:
        """Retire an item: it is not shown any more; its events stay. `PUT` with `retired: false` brings it back."""
        if service.live.serving.recommender.state.catalogue.items.ids.code(item) < 0:
            return no_such_item(item)
        return Json({"item": item, "row": await change(request, [(item, ItemBody(retired=True))], "")})

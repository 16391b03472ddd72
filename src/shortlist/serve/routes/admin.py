"""What operators call: health, metrics, items, people's data, models, the audit log, and why something is not shown."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response
from prometheus_client import generate_latest

from shortlist.cascade.catalogue import check_change
from shortlist.errors import BundleError, RequestError
from shortlist.serve.app import ERRORS, Json
from shortlist.serve.schema import CanaryBody, ItemBody, ItemsBody, ShadowBody, VersionBody, WhyBody
from shortlist.serve.why import why_not
from shortlist.store.records import Operation

if TYPE_CHECKING:
    from shortlist.serve.app import Service


def add(app: FastAPI, service: Service) -> None:
    _operations(app, service)
    _items(app, service)
    _people(app, service)
    _models(app, service)

    @app.post("/v1/why", responses=ERRORS, tags=["operations"])
    async def why(body: WhyBody) -> Response:
        """Why an item is not on somebody's slate: followed through the stages, to the one that lost it."""
        wanted = body.model_dump(exclude={"item"})
        recommender = service.live.of(body.user)
        return Json(why_not(recommender, body.item, wanted))


def _operations(app: FastAPI, service: Service) -> None:
    def state() -> dict[str, Any]:
        troubles = [t for t in (service.writer.trouble, service.follower.trouble) if t]
        serving = service.live.serving
        return {
            "status": "degraded" if troubles else "ready",
            "reasons": troubles,
            "model_version": serving.version,
            "canary": service.live.canary and service.live.canary.version,
            "shadow": service.live.shadow and service.live.shadow.version,
            "items": len(serving.recommender.dataset.items),
            "events_waiting": service.writer.size,
            "events_not_replayed": serving.lost,
            "row": serving.row,
        }

    @app.get("/healthz", tags=["operations"])
    async def healthz() -> dict[str, Any]:
        """The process answers."""
        serving = service.live.serving
        return {
            "status": "ok",
            "model_version": serving.version,
            "items": len(serving.recommender.dataset.items),
            "events_not_replayed": serving.lost,
        }

    @app.get("/readyz", tags=["operations"])
    async def readyz() -> dict[str, Any]:
        """Ready, or degraded with the reasons: recommendations are answered in both; with the store away, events are refused."""
        return state()

    @app.get("/metrics", tags=["operations"])
    async def prometheus() -> Response:
        m = service.metrics
        m.waiting.set(service.writer.size)
        m.write.set(service.writer.seconds)
        m.store.set(service.writer.trouble is None)
        m.lost.set(service.writer.lost_slates)
        return Response(generate_latest(m.registry), media_type="text/plain; version=0.0.4")

    @app.get("/v1/admin/audit", responses=ERRORS, tags=["operations"])
    async def audit(after: Annotated[int, Query(ge=0, lt=2**62)] = 0) -> Response:
        """What operators did, oldest first: items, erasures, models; with the name of the key that did it."""
        rows = await asyncio.to_thread(service.store.operations_since, after)
        return Json(
            [
                {"row": r, "time": o.time, "what": o.what, "about": o.about, "body": o.body, "by": o.by}
                for r, o in rows[:1000]
            ]
        )


async def _record(service: Service, request: Request, what: str, about: Any, body: dict[str, Any]) -> int:
    done = Operation(int(time.time() * 1000), what, about, body, request.scope.get("key", "anybody"))
    return await asyncio.to_thread(service.store.add_operation, done)


async def _landed(service: Service, row: int) -> None:
    """Until an operation that was stored counts here too: a fifth of a second at most."""
    for _ in range(50):
        if service.live.serving.operation >= row:
            return
        await asyncio.sleep(0.02)


def _items(app: FastAPI, service: Service) -> None:
    async def change(request: Request, changes: list[tuple[Any, dict[str, Any], str]]) -> int:
        recommender, row = service.live.serving.recommender, 0
        for item, body, where in changes:  # all are checked before any is stored
            check_change(recommender, item, body, where)
        for item, body, _ in changes:
            row = await _record(service, request, "item", item, body)
        await _landed(service, row)
        return row

    @app.put("/v1/items/{item}", responses=ERRORS, tags=["items"])
    async def put(item: str, body: ItemBody, request: Request) -> Response:
        """Add an item, or change its title and attributes: from the next request on, on every replica within a second."""
        known = service.live.serving.recommender.dataset.items.ids.code(item) >= 0
        row = await change(request, [(item, body.model_dump(exclude_unset=True), "")])
        return Json({"item": item, "added": not known, "row": row})

    @app.put("/v1/items", responses=ERRORS, tags=["items"])
    async def put_many(body: ItemsBody, request: Request) -> Response:
        """The same for many: all are checked, then all are taken."""
        changes = [
            (one.item, one.model_dump(exclude_unset=True, exclude={"item"}), f"items.{number}.")
            for number, one in enumerate(body.items)
        ]
        return Json({"items": len(changes), "row": await change(request, changes)})

    @app.delete("/v1/items/{item}", responses=ERRORS, tags=["items"])
    async def retire(item: str, request: Request) -> Response:
        """Retire an item: it is not shown any more; its events stay. `PUT` with `retired: false` brings it back."""
        if service.live.serving.recommender.dataset.items.ids.code(item) < 0:
            return Json({"error": f"the catalogue has no item {item!r}", "field": "item"}, 404)
        return Json({"item": item, "row": await change(request, [(item, {"retired": True}, "")])})


def _people(app: FastAPI, service: Service) -> None:
    @app.delete("/v1/users/{user}", responses=ERRORS, tags=["people"])
    async def erase(user: str, request: Request) -> Response:
        """Erase a person: stored events and slates, the live state, and what the model's log holds of them is not read any more.
        The next training from the store leaves them out; a table of slates is cleaned by `shortlist erase --export`.
        """
        own = service.live.serving.recommender.dataset.users.ids.own(user)
        by = request.scope.get("key", "anybody")
        gone = await asyncio.to_thread(service.store.erase, own, int(time.time() * 1000), by)
        rows = await asyncio.to_thread(service.store.operations_since, service.live.serving.operation)
        if rows:
            await _landed(service, rows[-1][0])
        return Json({"user": own, "erased": gone})

    @app.get("/v1/users/{user}/export", responses=ERRORS, tags=["people"])
    async def export(user: str) -> Response:
        """All that is held of a person: stored events and slates, the model's log, attributes."""
        recommender = service.live.serving.recommender
        dataset, own = recommender.dataset, recommender.dataset.users.ids.own(user)
        held = await asyncio.to_thread(service.store.of_user, own)
        code = dataset.users.ids.code(own)
        erased = own in recommender.erased
        log, attributes = [], {}
        if code >= 0 and not erased:
            rows = (dataset.log.user == code).nonzero()[0].tolist()
            log = [
                {
                    "item": dataset.items.ids.id(int(dataset.log.item[r])),
                    "kind": dataset.log.kinds[dataset.log.kind[r]],
                    "time": int(dataset.log.time[r]),
                    "value": None
                    if dataset.log.value[r] != dataset.log.value[r]
                    else float(dataset.log.value[r]),
                }
                for r in rows
            ]
            attributes = {name: a.show(code) for name, a in dataset.users.attributes.items()}
        return Json(
            {
                "user": own,
                "events": [e.__dict__ for e in held["events"]],
                "slates": [s.__dict__ for s in held["slates"]],
                "log": log,
                "attributes": attributes,
            }
        )


def _models(app: FastAPI, service: Service) -> None:
    @app.get("/v1/admin/models", responses=ERRORS, tags=["models"])
    async def models() -> Response:
        state, serving = service.models.state(), service.live.serving.version
        found = [
            {"version": m.version, "made": m.made, "rejected": m.rejected, "serving": m.version == serving}
            for m in service.models.list()
        ]
        return Json({"models": found, **{k: state[k] for k in ("pinned", "canary", "shadow", "served")}})

    async def decide(request: Request, what: str, body: dict[str, Any], do: Any) -> Response:
        try:
            model = await asyncio.to_thread(do)
        except BundleError as error:
            raise RequestError(error.message, error.field) from None
        version = model.version if model is not None else None
        await _record(service, request, "model", what, {**body, "version": version})
        return Json({"version": version})

    @app.post("/v1/admin/models/promote", responses=ERRORS, tags=["models"])
    async def promote(body: VersionBody, request: Request) -> Response:
        """Pin a model: it takes over within seconds, after its self-check."""
        return await decide(request, "promote", {}, lambda: service.models.promote(body.version))

    @app.post("/v1/admin/models/rollback", responses=ERRORS, tags=["models"])
    async def rollback(request: Request) -> Response:
        """Back to the model that served before."""
        return await decide(request, "rollback", {}, service.models.rollback)

    @app.post("/v1/admin/models/canary", responses=ERRORS, tags=["models"])
    async def canary(body: CanaryBody, request: Request) -> Response:
        """Let a model answer a share of the people; 0 ends it."""
        said = {"share": body.share}
        return await decide(request, "canary", said, lambda: service.models.try_on(body.version, body.share))

    @app.post("/v1/admin/models/shadow", responses=ERRORS, tags=["models"])
    async def shadow(body: ShadowBody, request: Request) -> Response:
        """Ask a model beside the one that serves, and compare; null ends it."""
        return await decide(request, "shadow", {}, lambda: service.models.shadow(body.version))

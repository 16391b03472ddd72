"""What applications call: recommendations, likeness, events."""

from __future__ import annotations

import time
import uuid
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from fastapi import FastAPI, Request
from fastapi.responses import Response

from shortlist.data.times import NO_TIME, to_milliseconds
from shortlist.errors import RequestError, ShortlistError, StoreError
from shortlist.recommender import Recommender
from shortlist.serve.app import ERRORS, Json
from shortlist.serve.batching import Shown
from shortlist.serve.schema import (
    EventBody,
    EventsAnswer,
    EventsBody,
    PageAnswer,
    PageBody,
    RecommendAnswer,
    RecommendBody,
    SimilarAnswer,
)
from shortlist.serve.writer import BusyError
from shortlist.store.records import StoredEvent

if TYPE_CHECKING:
    from shortlist.serve.app import Service

AHEAD = 86_400_000
"""An event may not be further ahead of now, ms."""


def add(app: FastAPI, service: Service) -> None:
    @app.post("/v1/recommend", response_model=RecommendAnswer, responses=ERRORS, tags=["recommend"])
    async def recommend(body: RecommendBody, request: Request, debug: str | None = None) -> Response:
        """A slate. `?debug=timing` adds what each stage took, in milliseconds, for this request by itself."""
        return Json(await recommended(service, body, request.scope, debug))

    @app.get("/v1/items/{item}/similar", response_model=SimilarAnswer, responses=ERRORS, tags=["recommend"])
    async def similar(item: str, n: int = 10, by: str | None = None) -> Response:
        """Items like one; `?by=together` gives what is bought with it, where the project has that source."""
        recommender = service.live.serving.recommender
        if recommender.dataset.items.ids.code(item) < 0:
            return Json({"error": f"the catalogue has no item {item!r}", "field": "item"}, 404)
        return Json({"item": item, "items": recommender.similar(item, n, by)})

    @app.post("/v1/page", response_model=PageAnswer, responses=ERRORS, tags=["recommend"])
    async def rows(body: PageBody) -> Response:
        """A page of rows: picks, because you watched, genres, trending, go on; no item twice."""
        page = service.shower.page(body.model_dump())
        return Json(
            {
                "page_id": page.page_id,
                "model_version": page.model_version,
                "user_known": page.user_known,
                "rows": [
                    {
                        "slate_id": f"{page.page_id}-{at}",
                        "kind": row.kind,
                        "title": row.title,
                        "about": row.about,
                        "items": row.items,
                    }
                    for at, row in enumerate(page.rows)
                ],
            }
        )

    @app.post("/v1/events", response_model=EventsAnswer, responses=ERRORS, tags=["events"])
    async def events(body: EventsBody) -> Response:
        # all are checked before any is stored: a batch is taken whole or not at all
        recommender = service.live.serving.recommender
        batch = [_checked(recommender, given, f"events.{number}") for number, given in enumerate(body.events)]
        try:
            new = await service.writer.add(batch)
        except BusyError:
            service.metrics.refused.labels("busy").inc(len(batch))
            raise
        except StoreError:
            service.metrics.refused.labels("store").inc(len(batch))
            raise
        return Json({"accepted": new, "repeated": len(batch) - new})


async def recommended(
    service: Service, body: RecommendBody, scope: MutableMapping[str, Any], debug: str | None = None
) -> dict[str, Any]:
    """The answer to one request for a slate, as it is said. Raises `RequestError`."""
    started = time.perf_counter()
    wanted = {name: getattr(body, name) for name in RecommendBody.model_fields}
    if debug is None:
        shown = await service.gather.ask(wanted)
    elif debug == "timing":
        answer = service.shower.show([wanted])[0]
        if isinstance(answer, ShortlistError):
            raise answer
        shown = answer
    else:
        raise RequestError(f"debug: there is timing, and not {debug!r}", field="debug")
    scope["laps"] = shown.laps
    said = _slate(shown)
    if debug:
        said["timing"] = {stage: round(seconds * 1000, 3) for stage, seconds in shown.laps.items()}
        said["timing"]["total"] = round((time.perf_counter() - started) * 1000, 3)
    _shadowed(service, body, shown)
    return said


def _slate(shown: Shown) -> dict[str, Any]:
    slate = shown.slate
    return {
        "slate_id": slate.slate_id,
        "model_version": slate.model_version,
        "user_known": slate.user_known,
        "unknown_items": slate.unknown_items,
        "guard_rails": slate.guard_rails,
        "policy": slate.policy,
        "experiments": shown.arms,
        "items": slate.items,
    }


def _shadowed(service: Service, body: RecommendBody, shown: Shown) -> None:
    """Every tenth answer is compared with what the shadow would have said."""
    shadow = service.live.shadow
    if shadow is None or int(shown.slate.slate_id[:4], 16) % 10 or not shown.slate.items:
        return
    try:
        other = shadow.recommender.recommend(**body.model_dump())
    except ShortlistError:
        service.metrics.shadow.observe(0.0)
        return
    both = {r.item for r in other.items} & {r.item for r in shown.slate.items}
    service.metrics.shadow.observe(len(both) / len(shown.slate.items))


def _checked(recommender: Recommender, given: EventBody, where: str) -> StoredEvent:
    if recommender.dataset.items.ids.code(given.item) < 0:
        raise RequestError(f"{where}.item: the catalogue has no item {given.item!r}", field=f"{where}.item")
    kinds = recommender.dataset.log.kinds
    if given.kind not in kinds:
        raise RequestError(
            f"{where}.kind: there is no event kind {given.kind!r}; there are: {', '.join(kinds)}",
            field=f"{where}.kind",
        )
    if given.value is not None and not abs(given.value) < 1e12:
        raise RequestError(
            f"{where}.value must be a finite number and is {given.value!r}", field=f"{where}.value"
        )
    if given.context:
        recommender.asker.read_context(given.context, f"{where}.")
    moment = recommender.now()
    if given.timestamp is not None:
        moment = _moment(given.timestamp, moment, where)
    return StoredEvent(
        given.event_id or uuid.uuid4().hex,
        given.user,
        given.item,
        given.kind,
        moment,
        given.value,
        given.context or {},
        given.slate_id,
    )


def _moment(given: float | str, now: int, where: str) -> int:
    read = _read(given)
    if read is None:
        raise RequestError(f"{where}.timestamp is not a time: {given!r}", field=f"{where}.timestamp")
    if read > max(now, int(time.time() * 1000)) + AHEAD:
        raise RequestError(f"{where}.timestamp is more than a day ahead of now", field=f"{where}.timestamp")
    return read


def _read(given: float | str) -> int | None:
    """Milliseconds since 1970, as a log's column would be read; the usual ways without the tools that columns need."""
    if isinstance(given, str):
        try:
            moment = datetime.fromisoformat(given)
            return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        except (ValueError, OverflowError):
            pass
    elif 1e8 <= given < 1e11:
        return round(given * 1000)
    elif 1e11 <= given < 1e14:
        return round(given)
    times, reading = to_milliseconds(pa.array([given]))
    return None if reading.unreadable.any() or times[0] == NO_TIME else int(times[0])

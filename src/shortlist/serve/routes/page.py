"""The page, and what it needs to know."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import FastAPI
from fastapi.responses import FileResponse, Response

from shortlist.config.base import IMPRESSION
from shortlist.data.attributes import CategoryAttribute
from shortlist.data.dataset import Dataset
from shortlist.recommender import MAX_N
from shortlist.serve.app import ERRORS, Json

if TYPE_CHECKING:
    from shortlist.serve.app import Service

PAGE = Path(__file__).parents[1] / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def described(dataset: Dataset, code: int) -> dict[str, Any]:
    """An item as a person would see it."""
    tags: list[str] = []
    for name in [n for n, a in dataset.items.attributes.items() if a.kind in {"category", "list"}][:2]:
        value = dataset.items.attributes[name].show(code)
        tags += value if isinstance(value, list) else [value] if value else []
    facts = {
        name: value
        for name, a in dataset.items.attributes.items()
        if a.kind in {"number", "category"} and (value := a.show(code)) is not None
    }
    return {
        "item": dataset.items.ids.id(code),
        "title": dataset.items.titles[code],
        "tags": tags[:4],
        "facts": facts,
    }


def add(app: FastAPI, service: Service) -> None:
    @app.get("/v1/project", tags=["page"])
    async def about() -> dict[str, Any]:
        recommender = service.live.serving.recommender
        dataset, project = recommender.dataset, recommender.project
        return {
            "name": project.name,
            "simulated": project.simulated,
            "model_version": recommender.version,
            "items": len(dataset.items),
            "users": len(dataset.users),
            "events": len(dataset.log),
            "max_n": MAX_N,
            "objectives": {n: {"kind": o.kind, "weight": o.weight} for n, o in project.objectives.items()},
            "view": project.view,
            "context": {
                n: list(a.vocabulary)
                for n, a in dataset.log.context.items()
                if isinstance(a, CategoryAttribute)
            },
            "sources": list(recommender.retrievers),
            "facts": [n for n, a in dataset.items.attributes.items() if a.kind in {"number", "category"}],
            "diversity": project.rerank.diversity,
            "freshness": project.rerank.freshness,
            "kinds": [k for k in dataset.log.kinds if k != IMPRESSION],
            "choose": project.objectives[project.relevant].events[0],
            "choose_value": project.objectives[project.relevant].at_least,
        }

    @app.get("/v1/users", tags=["page"])
    async def users(n: int = 50) -> dict[str, Any]:
        """Some people with a history of middling length, to try the page with."""
        recommender = service.live.serving.recommender
        dataset, erased = recommender.dataset, recommender.erased
        sizes = np.diff(dataset.histories.indptr)
        fit = [int(u) for u in (sizes >= 5).nonzero()[0][: 5 * max(1, min(n, 200))]]
        step = max(1, len(fit) // max(1, min(n, 200)))
        shown = [(dataset.users.ids.id(u), int(sizes[u])) for u in fit[::step][: max(n, 0)]]
        return {"users": [{"user": user, "events": size} for user, size in shown if user not in erased]}

    @app.get("/v1/users/{user}/history", tags=["page"])
    async def history(user: str, n: int = 30) -> Response:
        recommender = service.live.serving.recommender
        dataset = recommender.dataset
        code, own = dataset.users.ids.code(user), dataset.users.ids.own(user)
        h = recommender.people.of(np.array([code]), [own])
        rows = range(len(h.item) - 1, max(len(h.item) - 1 - min(max(n, 0), 200), -1), -1)
        shown = [
            {
                **described(dataset, int(h.item[r])),
                "kind": dataset.log.kinds[h.kind[r]],
                "value": None if h.value[r] != h.value[r] else float(h.value[r]),
            }
            for r in rows
        ]
        known = (code >= 0 and own not in recommender.erased) or recommender.people.knows(own)
        return Json({"user": user, "known": known, "events": len(h.item), "history": shown})

    @app.post("/v1/items", responses=ERRORS, tags=["page"])
    async def items(ids: list[int | str]) -> Response:
        dataset = service.live.serving.recommender.dataset
        codes = dataset.items.ids.codes(ids[:200])
        return Json([described(dataset, int(c)) for c in codes if c >= 0])

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers={"Content-Security-Policy": POLICY})

    @app.get("/page/{name}", include_in_schema=False)
    async def part(name: str) -> Response:
        if name not in {path.name for path in PAGE.iterdir() if path.suffix in {".js", ".css"}}:
            return Json({"error": "no such file", "field": None}, 404)
        return FileResponse(PAGE / name)

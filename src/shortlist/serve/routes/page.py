"""The page and its files, and what it needs to know of the project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response

from shortlist.config.base import IMPRESSION
from shortlist.data.attributes import CategoryAttribute
from shortlist.requests import MAX_N
from shortlist.serve.answers import failure
from shortlist.serve.service import Service

PAGE = Path(__file__).parents[1] / "page"
FILES = {".js", ".css"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add(app: FastAPI, service: Service) -> None:
    """Add the page."""

    @app.get("/v1/project", tags=["page"])
    async def project_facts() -> dict[str, Any]:
        """What the page shows of the project: objectives, context columns, sources, event kinds."""
        recommender = service.live.serving.recommender
        data, project = recommender.dataset, recommender.project
        items = recommender.state.catalogue.items
        relevant = project.objectives[project.relevant]
        return {
            "name": project.name,
            "simulated": project.simulated,
            "model_version": recommender.version,
            "items": len(items),
            "users": len(data.users),
            "events": len(data.log),
            "max_n": MAX_N,
            "objectives": {n: {"kind": o.kind, "weight": o.weight} for n, o in project.objectives.items()},
            "waiting": list(project.waiting),
            "view": project.view,
            "context": {
                n: list(a.vocabulary) for n, a in data.log.context.items() if isinstance(a, CategoryAttribute)
            },
            "sources": list(recommender.model.retrievers),
            "facts": [n for n, a in items.attributes.items() if a.kind in {"number", "category"}],
            "diversity": project.rerank.diversity,
            "freshness": project.rerank.freshness,
            "kinds": [k for k in data.log.kinds if k != IMPRESSION],
            "choose": relevant.events[0],
            "choose_value": relevant.at_least,
        }

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers={"Content-Security-Policy": POLICY})

    @app.get("/page/{name}", include_in_schema=False)
    async def part(name: str) -> Response:
        if name not in {path.name for path in PAGE.iterdir() if path.suffix in FILES}:
            return failure("no such file", 404)
        return FileResponse(PAGE / name)

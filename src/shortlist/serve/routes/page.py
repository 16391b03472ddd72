"""The page and its files, and what it needs to know of the project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response

from shortlist.config.base import IMPRESSION
from shortlist.config.request_defaults import MAX_N
from shortlist.data.attributes import CategoryAttribute
from shortlist.data.guess.kinds import Stage, meaning_of
from shortlist.serve.answers import failure
from shortlist.serve.service import Service

PAGE = Path(__file__).parents[1] / "page"
FILES = {".js", ".css"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src {images}; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ACTIONS = {
    "click": ("click", Stage.CLICK, Stage.VIEW),
    "cart": ("cart", Stage.CART),
    "buy": ("purchase", Stage.BUY),
    "use": ("play", Stage.USE),
    "watch": ("watch", Stage.USE),
    "install": ("install", Stage.BUY),
    "like": ("like", Stage.LIKE),
}
"""What a user can do on the page → the kind of event that records it: its usual name, or else the stages of the kinds that mean it."""


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
            "placements": {
                name: {"weights": p.weights, "diversity": p.diversity, "freshness": p.freshness}
                for name, p in project.placements.items()
            },
            "context": {
                n: list(a.vocabulary) for n, a in data.log.context.items() if isinstance(a, CategoryAttribute)
            },
            "sources": list(recommender.model.retrievers),
            "facts": [n for n, a in items.attributes.items() if a.kind in {"number", "category"}],
            "diversity": project.rerank.diversity,
            "freshness": project.rerank.freshness,
            "kinds": [k for k in data.log.kinds if k != IMPRESSION],
            "actions": actions_of([k for k in data.log.kinds if k != IMPRESSION], relevant.events[0]),
            "amounts": sorted(
                {e for o in project.objectives.values() if o.kind == "amount" for e in o.events}
            ),
            "image_hosts": project.page.image_hosts,
            "choose": relevant.events[0],
            "choose_value": relevant.at_least,
        }

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        hosts = service.live.serving.recommender.project.page.image_hosts
        policy = POLICY.format(images=" ".join(["'self'", "data:", *hosts]))
        return FileResponse(PAGE / "index.html", headers={"Content-Security-Policy": policy})

    @app.get("/page/{name:path}", include_in_schema=False)
    async def part(name: str) -> Response:
        if name not in {
            path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*") if path.suffix in FILES
        }:
            return failure("no such file", 404)
        return FileResponse(PAGE / name)


def actions_of(kinds: list[str], main: str) -> dict[str, str]:
    """Action → the kind of event that records it. The main kind stands for the last step where the log has no kind of that name."""
    stages = {kind: meaning.stage for kind in kinds if (meaning := meaning_of(kind)).wanted}
    found: dict[str, str] = {}
    for action, (name, *meant) in ACTIONS.items():
        fitting = [kind for stage in meant for kind, own in stages.items() if own is stage]
        kind = name if name in kinds else next(iter(fitting), None)
        if kind is None and action in {"buy", "use", "watch", "install"}:
            kind = main
        if kind is not None:
            found[action] = kind
    if "dismiss" in kinds:
        found["dismiss"] = "dismiss"
    return found

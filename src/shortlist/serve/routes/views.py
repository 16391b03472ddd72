"""What the page's other tabs show: the evaluation's report, what happens now, experiments, and the catalogue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from fastapi import FastAPI, Query
from fastapi.responses import Response
from prometheus_client import Counter, Gauge, Histogram

from shortlist.errors import ShortlistError
from shortlist.experiments.report import experiments_page, report_experiments
from shortlist.features.keys import RequestKeys
from shortlist.features.rows import FeatureRows
from shortlist.recommender import Recommender
from shortlist.serve.app import ERRORS, Json
from shortlist.serve.routes.page import described

if TYPE_CHECKING:
    from shortlist.serve.app import Service

KEEP = 30.0
"""Seconds for which a page of experiments is kept: making one reads the whole store."""
STAGES = {
    "request": "history",
    "retrieve": "retrieve",
    "features": "features",
    "rank": "rank",
    "rerank": "re-rank",
    "slate": "slate",
}


def add(app: FastAPI, service: Service) -> None:
    @app.get("/v1/admin/report", responses=ERRORS, tags=["page"])
    async def report() -> Response:
        """The latest evaluation report, as `shortlist evaluate` or `shortlist demo` wrote it."""
        path = service.report
        if not path.is_file():
            said = f"There is no report yet. `shortlist evaluate --html {path}` writes one; --report names another place."
            return Json({"html": None, "note": said})
        text = await asyncio.to_thread(path.read_text, encoding="utf-8")
        made = time.strftime("%Y-%m-%d %H:%M", time.gmtime(path.stat().st_mtime))
        return Json(
            {
                "html": text,
                "note": f"Written {made} UTC. It judges the project's settings, trained on the past of its log.",
            }
        )

    _experiments(app, service)
    _catalogue(app, service)

    @app.get("/v1/admin/live", responses=ERRORS, tags=["page"])
    async def live() -> Response:
        """What this process did in the last minute, and what it holds."""
        return Json(_now(service))


def _experiments(app: FastAPI, service: Service) -> None:
    kept: dict[str, Any] = {"until": 0.0}

    @app.get("/v1/admin/experiments", responses=ERRORS, tags=["page"])
    async def experiments() -> Response:
        """What the running experiments show, as `shortlist experiment report` would write it now."""
        if time.monotonic() < kept["until"]:
            return Json(kept["answer"])
        project = service.live.serving.recommender.project
        if not project.experiments:
            said = "No experiment is running. Add [experiments.NAME] with arms and a metric to the project file and train again."
            return Json({"html": None, "note": said})
        try:
            outcomes = await asyncio.to_thread(report_experiments, project, service.store)
            answer: dict[str, Any] = {
                "html": experiments_page(project, outcomes),
                "note": f"Read from the store; read again after {KEEP:.0f} seconds.",
            }
        except ShortlistError as error:  # nobody was exposed yet
            answer = {"html": None, "note": error.message}
        kept.update(until=time.monotonic() + KEEP, answer=answer)
        return Json(answer)


def _catalogue(app: FastAPI, service: Service) -> None:
    taken: dict[str, np.ndarray] = {}
    """Model → how often each item of its log was acted upon: of the one that serves, counted once and not at every key that is struck."""

    def found(recommender: Recommender, q: str) -> list[int]:
        counted = taken.get(recommender.version)
        if counted is None:
            log = recommender.dataset.log
            counted = np.bincount(log.item[log.acted], minlength=recommender.trained_items)
            taken.clear()
            taken[recommender.version] = counted
        return _found(recommender, q, counted)

    @app.get("/v1/items", responses=ERRORS, tags=["page"])
    async def search(
        q: Annotated[str, Query(max_length=200)] = "", n: Annotated[int, Query(ge=1, le=200)] = 50
    ) -> Response:
        """Items whose title or id holds some words, those that most people took first; all without words."""
        recommender = service.live.serving.recommender
        codes = await asyncio.to_thread(found, recommender, q)
        return Json({"total": len(codes), "items": [described(recommender.dataset, c) for c in codes[:n]]})

    @app.get("/v1/items/{item}", responses=ERRORS, tags=["page"])
    async def one(item: str) -> Response:
        """All that is known of an item: attributes, what happened to it, and the features that the ranker sees for a new visitor."""
        recommender = service.live.serving.recommender
        dataset = recommender.dataset
        code = dataset.items.ids.code(item)
        if code < 0:
            return Json({"error": f"the catalogue has no item {item!r}", "field": "item"}, 404)
        return Json(
            {
                **described(dataset, code),
                "retired": bool(recommender.retired[code]),
                "attributes": {n: _plain(a.show(code)) for n, a in dataset.items.attributes.items()},
                "counts": _counts(recommender, code),
                "features": _features(recommender, code),
            }
        )


def _found(recommender: Recommender, q: str, taken: np.ndarray) -> list[int]:
    """The items that hold all words of a query, those that most events of the log are about first; items since then last."""
    items = recommender.dataset.items
    size = min(len(items.titles), len(items.ids))  # one may be added meanwhile
    words = q.casefold().split()
    texts = zip(items.titles[:size], items.ids.ids(np.arange(size)), strict=True)
    hits = [
        at for at, (title, own) in enumerate(texts) if all(w in f"{title} {own}".casefold() for w in words)
    ]
    return sorted(hits, key=lambda code: -int(taken[code]) if code < len(taken) else 0)


def _counts(recommender: Recommender, code: int) -> dict[str, Any]:
    log = recommender.dataset.log
    rows = np.flatnonzero(log.item == code)
    found: dict[str, Any] = {
        f"{kind} (log)": int((log.kind[rows] == at).sum()) for at, kind in enumerate(log.kinds)
    }
    found["people (log)"] = len(np.unique(log.user[rows]))
    if recommender.newcomers is not None:
        found["shown of its first audience"] = int(recommender.newcomers.impressions(np.array([code]))[0])
    return found


def _features(recommender: Recommender, code: int) -> dict[str, Any]:
    """The feature values of an item for somebody of whom nothing is known, without what sources say."""
    moment = recommender.now()
    codes, requests, whole, _ = recommender.asker.requests([None], None, None, None, moment)
    names = list(recommender.retrievers)
    gap = np.full((1, len(names)), np.nan, np.float32)
    rows = FeatureRows(
        RequestKeys(codes, {}, requests.attributes),
        requests.moments,
        whole,
        np.zeros(1, np.int64),
        np.array([code], np.int32),
        names,
        gap,
        gap,
    )
    matrix = recommender.features.online_matrix(rows, recommender.counts, recommender.item_features)
    return {
        name: None if value != value else round(float(value), 5)
        for name, value in zip(recommender.ranker.feature_names_, matrix[0].tolist(), strict=True)
        if not name.startswith(tuple(f"{source}." for source in names))
    }


def _plain(value: Any) -> Any:
    return (
        [round(v, 3) for v in value[:8]]
        if isinstance(value, list) and value and isinstance(value[0], float)
        else value
    )


# ---------------------------------------------------------------- now


def _now(service: Service) -> dict[str, Any]:
    m, recent = service.metrics, service.metrics.recent
    requests, events = recent.series(recent.requests), recent.series(recent.events)
    took = recent.percentiles()
    slates, empty = _total(m.slates), _total(m.empty)
    trouble = [t for t in (service.writer.trouble, service.follower.trouble) if t]
    tiles = {
        "requests a second": f"{sum(requests[-10:]) / 10:.1f}",
        "median answer": f"{took[0]:.1f} ms" if took else "–",
        "99th percentile": f"{took[1]:.1f} ms" if took else "–",
        "failed answers": f"{int(recent.errors.sum())}",
        "events a second": f"{sum(events[-10:]) / 10:.1f}",
        "events waiting": f"{service.writer.size:,}",
        "slates": f"{slates:,.0f}",
        "empty slates": f"{empty / slates:.1%}" if slates else "–",
    }
    shown = {labels["source"]: value for labels, value in _values(m.sources)}
    stages = {STAGES.get(name, name): 1e3 * value for name, value in _means(m.stages)}
    drift = sorted(((labels["feature"], value) for labels, value in _values(m.drift)), key=lambda p: -p[1])
    return {
        "note": f"Degraded: {'; '.join(trouble)}"
        if trouble
        else "This process, the last minute. All is well.",
        "tiles": tiles,
        "requests": requests,
        "events": events,
        "stages": stages,
        "sources": {name: value / max(sum(shown.values()), 1) for name, value in shown.items()},
        "models": _models(service),
        "drift": [[name, f"{value:.3f}", _word(value)] for name, value in drift[:8]],
    }


def _models(service: Service) -> list[list[str]]:
    state, live = service.models.state(), service.live
    rows = []
    for model in reversed(service.models.list()[-10:]):
        roles = {
            "serves": model.version == live.serving.version,
            "pinned": model.version == state["pinned"],
            f"canary, {live.share:.0%} of the people": live.canary is not None
            and model.version == live.canary.version,
            "shadow": live.shadow is not None and model.version == live.shadow.version,
        }
        made = time.strftime("%Y-%m-%d %H:%M", time.gmtime(model.made / 1000))
        rows.append(
            [model.version, made, ", ".join(r for r, there in roles.items() if there), model.rejected]
        )
    return rows


def _word(value: float) -> str:
    """What an index of stability says, by the usual marks."""
    return (
        "as in training"
        if value < 0.1
        else "a little different"
        if value < 0.25
        else "different: train again"
    )


def _values(metric: Counter | Gauge) -> Iterable[tuple[dict[str, str], float]]:
    for family in metric.collect():
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                yield sample.labels, sample.value


def _total(metric: Counter) -> float:
    return sum(value for _, value in _values(metric))


def _means(metric: Histogram) -> Iterable[tuple[str, float]]:
    """The mean of each label's observations, seconds."""
    sums: dict[str, dict[str, float]] = {}
    for family in metric.collect():
        for sample in family.samples:
            what = sample.name.rpartition("_")[2]
            if what in {"sum", "count"}:
                sums.setdefault(sample.labels["stage"], {})[what] = sample.value
    return [(stage, s["sum"] / s["count"]) for stage, s in sums.items() if s.get("count")]

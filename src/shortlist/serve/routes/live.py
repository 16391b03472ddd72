"""The page's tabs for operators: the evaluation's report, what happens now, and experiments."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.responses import Response
from prometheus_client import Counter, Gauge, Histogram

from shortlist.config.project import Project
from shortlist.errors import ShortlistError
from shortlist.serve.answers import ERRORS, Json
from shortlist.serve.live_state import Traffic, drift_table, state_of
from shortlist.serve.service import Service
from shortlist.store.event_store import EventStore

KEEP = 30.0
"""Seconds for which an experiments page is kept: making one reads the whole store."""
STAGES = {
    "request": "history",
    "retrieve": "retrieve",
    "features": "features",
    "rank": "rank",
    "rerank": "re-rank",
    "slate": "slate",
}
MODELS = 10
"""Models that are listed."""


def add(app: FastAPI, service: Service) -> None:
    """Add the routes of the tabs."""
    kept: dict[str, Any] = {"until": 0.0}

    @app.get("/v1/admin/report", responses=ERRORS, tags=["page"])
    async def report() -> Response:
        """The latest evaluation report, as `shortlist evaluate` or `shortlist demo` wrote it."""
        path = service.report
        if not path.is_file():
            note = (
                "There is no report yet. This command writes one; the server looks for it beside the bundle, and "
                "`shortlist serve --report` names another place."
            )
            return Json({"html": None, "note": note, "example": f"shortlist evaluate --html {path.name}"})
        text = await asyncio.to_thread(path.read_text, encoding="utf-8")
        made = time.strftime("%Y-%m-%d %H:%M", time.gmtime(path.stat().st_mtime))
        note = f"Written {made} UTC. It judges the project's settings, trained on the past of its log."
        return Json({"html": text, "note": note})

    @app.get("/v1/admin/experiments", responses=ERRORS, tags=["page"])
    async def experiments() -> Response:
        """What the running experiments show, as `shortlist experiment report` would write it now."""
        if time.monotonic() < kept["until"]:
            return Json(kept["answer"])
        project = service.live.serving.recommender.project
        if not project.experiments:
            note = "No experiment is running. Add one to the project file, for example this one, and train again."
            return Json({"html": None, "note": note, "example": _example(project)})
        try:
            html = await asyncio.to_thread(_experiments, project, service.writer.path)
            answer: dict[str, Any] = {
                "html": html,
                "note": f"Read from the store; read again after {KEEP:.0f} seconds.",
            }
        except ShortlistError as error:  # no user was exposed yet
            answer = {"html": None, "note": error.message}
        kept.update(until=time.monotonic() + KEEP, answer=answer)
        return Json(answer)

    @app.get("/v1/admin/live", responses=ERRORS, tags=["page"])
    async def live() -> Response:
        """What this process did in the last minute, and what it holds."""
        return Json(_now(service))


def _example(project: Project) -> str:
    """An experiment that this project can run."""
    return (
        f'[experiments.more-variety]\nmetric = "{project.relevant}"\n\n[experiments.more-variety.arms."as now"]\n\n'
        "[experiments.more-variety.arms.varied]\ndiversity = 0.6\n"
    )


def _experiments(project: Project, path: Any) -> str:
    """The page of experiments. It reads the whole store, by a connection of its own, so that events do not wait for it."""
    # serving starts without the modules of the analysis
    from shortlist.experiments.report import experiments_page, report_experiments

    store = EventStore(path)
    try:
        return experiments_page(project, report_experiments(project, store))
    finally:
        store.close()


def _now(service: Service) -> dict[str, Any]:
    metrics, activity = service.metrics, service.metrics.activity
    requests, events = activity.series(activity.requests), activity.series(activity.events)
    took = activity.percentiles()
    slates, empty = _total(metrics.slates), _total(metrics.empty)
    tiles = {
        "requests a second": f"{sum(requests[-10:]) / 10:.1f}",
        "median answer": f"{took[0]:.1f} ms" if took else "–",
        "99th percentile": f"{took[1]:.1f} ms" if took else "–",
        "failed answers": f"{int(activity.errors.sum())}",
        "events a second": f"{sum(events[-10:]) / 10:.1f}",
        "events waiting": f"{service.writer.size:,}",
        "slates": f"{slates:,.0f}",
        "empty slates": f"{empty / slates:.1%}" if slates else "–",
    }
    shown: dict[str, float] = {}
    for labels, value in _values(metrics.sources):  # of all placements together
        shown[labels["source"]] = shown.get(labels["source"], 0.0) + value
    stages = {STAGES.get(name, name): 1e3 * value for name, value in _means(metrics.stages)}
    traffic = Traffic(sum(requests), int(activity.errors.sum()), slates, empty)
    state, note = state_of(service.faults, traffic, metrics.drifts.found)
    return {
        "state": state,
        "note": note,
        "tiles": tiles,
        "requests": requests,
        "events": events,
        "stages": stages,
        "sources": {name: value / max(sum(shown.values()), 1) for name, value in shown.items()},
        "models": _models(service),
        "drift": drift_table(metrics.drifts.found),
    }


def _models(service: Service) -> list[list[str]]:
    decisions, live = service.registry.decisions(), service.live
    rows = []
    for model in reversed(service.registry.list()[-MODELS:]):
        roles = {
            "serves": model.version == live.serving.version,
            "pinned": model.version == decisions["pinned"],
            f"canary, {live.canary_share:.0%} of the users": live.canary is not None
            and model.version == live.canary.version,
            "shadow": live.shadow is not None and model.version == live.shadow.version,
        }
        made = time.strftime("%Y-%m-%d %H:%M", time.gmtime(model.made / 1000))
        rejected = service.without_folder(model.rejected)
        rows.append([model.version, made, ", ".join(r for r, has in roles.items() if has), rejected])
    return rows


def _values(metric: Counter | Gauge) -> Iterable[tuple[dict[str, str], float]]:
    for family in metric.collect():
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                yield sample.labels, sample.value


def _total(metric: Counter) -> float:
    return sum(value for _, value in _values(metric))


def _means(metric: Histogram) -> Iterable[tuple[str, float]]:
    """The mean of each stage's observations, seconds."""
    sums: dict[str, dict[str, float]] = {}
    for family in metric.collect():
        for sample in family.samples:
            what = sample.name.rpartition("_")[2]
            if what in {"sum", "count"}:
                sums.setdefault(sample.labels["stage"], {})[what] = sample.value
    return [(stage, s["sum"] / s["count"]) for stage, s in sums.items() if s.get("count")]

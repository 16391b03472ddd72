"""Routes about users: histories for the page, and erasure and export of the data of a person."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import Response

from shortlist.recommender import Recommender
from shortlist.serve.answers import ERRORS, Json
from shortlist.serve.change_schema import UserErased, UserExport
from shortlist.serve.middleware.paths import PathId
from shortlist.serve.routes.describe import describe
from shortlist.serve.routes.operations import wait_until_landed
from shortlist.serve.service import Service
from shortlist.store.event_store import EventStore

MIN_EVENTS = 5
"""The page suggests users with at least this many events."""
MAX_ROWS = 200
"""Largest number of users or events in one answer."""


def add(app: FastAPI, service: Service) -> None:
    """Add the routes about users."""

    @app.get("/v1/users", tags=["page"])
    async def users(n: int = 50) -> dict[str, Any]:
        """Some users with enough events to try the page with."""
        return {"users": _example_users(service.live.serving.recommender, n)}

    @app.get("/v1/users/{user:id}/history", tags=["page"])
    async def history(user: PathId, n: int = 30) -> Response:
        """The latest events of a user, newest first."""
        return Json(_history(service.live.serving.recommender, user, n))

    @app.delete("/v1/users/{user:id}", response_model=UserErased, responses=ERRORS, tags=["people"])
    async def erase(user: PathId, request: Request) -> Response:
        """Erase a person: stored events and slates, and the live state; the model's log of them is not read any more.

        `train_again` names the models whose log holds the person: train them again from the store, which leaves the person
        out, and remove their bundles. A table of slates is cleaned by `shortlist erase --export`.
        """
        own = service.live.serving.recommender.dataset.users.ids.own(user)
        by = request.scope.get("key", "anybody")
        removed = await service.writer.erase(own, int(time.time() * 1000), by)
        rows = await service.writer.call(EventStore.operations_since, service.live.serving.operation)
        if rows:
            await wait_until_landed(service, rows[-1][0])
        trained = [m.version for m in service.live.all if m.recommender.dataset.users.ids.code(own) >= 0]
        return Json({"user": own, "erased": removed, "train_again": trained})

    @app.get("/v1/users/{user:id}/export", response_model=UserExport, responses=ERRORS, tags=["people"])
    async def export(user: PathId) -> Response:
        """All that is held of a person: stored events, slates, changes of attributes and rejected records, the model's log, attributes."""
        recommender = service.live.serving.recommender
        own = recommender.dataset.users.ids.own(user)
        held = await service.writer.call(EventStore.of_user, own)
        return Json(
            {
                "user": own,
                "events": [vars(event) for event in held["events"]],
                "slates": [vars(slate) for slate in held["slates"]],
                "changes": [{"time": one.time, **one.body} for one in held["changes"]],
                "rejected": [vars(record) for record in held["rejected"]],
                **_of_model(recommender, own),
            }
        )


def _example_users(recommender: Recommender, n: int) -> list[dict[str, Any]]:
    """Return some users with at least `MIN_EVENTS` events, spread over the users table, without erased ones."""
    dataset, erased = recommender.dataset, recommender.state.erased
    sizes = np.diff(dataset.histories.indptr)
    size = max(1, min(n, MAX_ROWS))
    active = [int(u) for u in (sizes >= MIN_EVENTS).nonzero()[0][: 5 * size]]
    step = max(1, len(active) // size)
    shown = [(dataset.users.ids.id(u), int(sizes[u])) for u in active[::step][: max(n, 0)]]
    return [{"user": user, "events": events} for user, events in shown if user not in erased]


def _history(recommender: Recommender, user: str, n: int) -> dict[str, Any]:
    """Return the latest n events of a user, newest first."""
    state, ids = recommender.state, recommender.dataset.users.ids
    code, own = ids.code(user), ids.own(user)
    h = state.histories.of(np.array([code], np.int32), [own])
    kinds, catalogue = recommender.dataset.log.kinds, state.catalogue
    latest = range(len(h.item) - 1, max(len(h.item) - 1 - min(max(n, 0), MAX_ROWS), -1), -1)
    shown = [
        {
            **describe(catalogue, int(h.item[row])),
            "kind": kinds[h.kind[row]],
            "value": None if np.isnan(h.value[row]) else float(h.value[row]),
        }
        for row in latest
    ]
    return {"user": user, "known": state.knows(own, code), "events": len(h.item), "history": shown}


def _of_model(recommender: Recommender, user: Any) -> dict[str, Any]:
    """Return the events and attributes of a person in the model's log and users table; nothing after an erasure."""
    dataset = recommender.dataset
    code = dataset.users.ids.code(user)
    changed = dict(recommender.state.profiles.of(user))
    if code < 0 or user in recommender.state.erased:
        return {"log": [], "attributes": changed}
    log, ids = dataset.log, dataset.items.ids
    rows = (log.user == code).nonzero()[0].tolist()
    events = [
        {
            "item": ids.id(int(log.item[row])),
            "kind": log.kinds[log.kind[row]],
            "time": int(log.time[row]),
            "value": None if np.isnan(log.value[row]) else float(log.value[row]),
        }
        for row in rows
    ]
    return {
        "log": events,
        "attributes": {**{name: a.show(code) for name, a in dataset.users.attributes.items()}, **changed},
    }

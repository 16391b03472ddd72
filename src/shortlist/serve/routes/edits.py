"""Settings that operators change while serving: preview, propose, approve, undo, history."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from shortlist.config.changes import editable_settings
from shortlist.errors import RequestError
from shortlist.serve.answers import ERRORS, Json
from shortlist.serve.edit_schema import EditBody, EditsAnswer, NoteBody, PreviewAnswer, SettingsBody
from shortlist.serve.service import Service
from shortlist.store.edits import Edit, SettingsHistory, approve, propose, reject, undo

SHOWN = 100
"""Rows of the history that are shown."""


def add(app: FastAPI, service: Service) -> None:
    """Add the routes of operators' settings."""
    one_preview = asyncio.Lock()  # a preview takes a core for a second

    async def previewed(body: SettingsBody) -> dict[str, Any]:
        async with one_preview:
            found = await asyncio.to_thread(service.approved.preview, body.settings.given(), body.placement)
        return {**found.to_json(), "placement": body.placement}

    @app.get("/v1/admin/edits", response_model=EditsAnswer, responses=ERRORS, tags=["operators"])
    async def edits(request: Request) -> Response:
        """The settings that serve, open proposals, and what was decided, latest first."""
        return await _now(service, request)

    @app.post("/v1/admin/edits/preview", response_model=PreviewAnswer, responses=ERRORS, tags=["operators"])
    async def preview(body: SettingsBody) -> Response:
        """What settings would change, without proposing them: each objective, the utility, and the cost of each rule."""
        return Json(await previewed(body))

    @app.post("/v1/admin/edits", response_model=EditsAnswer, responses=ERRORS, tags=["operators"])
    async def propose_edit(body: EditBody, request: Request) -> Response:
        """Propose settings. They are stored with their preview, and serve when a key with the scope `approve` approves them."""
        _check_change(service, body)
        effect = await previewed(body)
        await service.writer.call(propose, body.settings.given(), effect, body.base, body.note, _by(request))
        return await _now(service, request)

    _add_decisions(app, service)


def _add_decisions(app: FastAPI, service: Service) -> None:
    """Add the routes that need the scope `approve`."""

    @app.post(
        "/v1/admin/edits/approve/{row}", response_model=EditsAnswer, responses=ERRORS, tags=["operators"]
    )
    async def approve_edit(row: int, body: NoteBody, request: Request) -> Response:
        """Let a proposal serve: here at once, on every worker and replica within about a second."""
        await service.writer.call(service.approved.refresh, True)
        proposal = service.approved.history.check_open(row)
        service.approved.project_with(
            service.live.serving, proposal.settings
        )  # the model may be another by now
        await service.writer.call(approve, row, body.note, _by(request), service.needs_second_key)
        return await _now(service, request)

    @app.post(
        "/v1/admin/edits/reject/{row}", response_model=EditsAnswer, responses=ERRORS, tags=["operators"]
    )
    async def reject_edit(row: int, body: NoteBody, request: Request) -> Response:
        """Close a proposal without effect."""
        await service.writer.call(reject, row, body.note, _by(request))
        return await _now(service, request)

    @app.post("/v1/admin/edits/undo/{row}", response_model=EditsAnswer, responses=ERRORS, tags=["operators"])
    async def undo_edit(row: int, body: NoteBody, request: Request) -> Response:
        """Go back to the settings before the proposal that serves."""
        await service.writer.call(undo, row, body.note, _by(request))
        return await _now(service, request)


def _check_change(service: Service, body: EditBody) -> None:
    """Raise `RequestError` where a proposal is what serves already, such as no settings at all while those of the bundle serve."""
    approved, serving = service.approved, service.live.serving
    changed = editable_settings(approved.project_with(serving, body.settings.given()))
    serves = body.base == approved.history.serving and approved.fault is None
    if serves and changed == editable_settings(serving.recommender.project):
        raise RequestError("settings: nothing would change: these settings serve already", field="settings")


def _by(request: Request) -> str:
    """The name of the key of a request."""
    return str(request.scope.get("key", "anybody"))


async def _now(service: Service, request: Request) -> Response:
    """What serves after everything that is stored, and the history."""
    await service.writer.call(service.approved.refresh, True)
    history, serving = service.approved.history, service.live.serving
    return Json(
        {
            "serving": history.serving,
            "settings": history.settings,
            "present": editable_settings(serving.recommender.project),
            "bundle": editable_settings(serving.project),
            "fault": service.approved.fault,
            "second_key": service.needs_second_key,
            "key": _by(request),
            "history": [_shown(edit, history) for edit in reversed(history.edits[-SHOWN:])],
        }
    )


def _shown(edit: Edit, history: SettingsHistory) -> dict[str, Any]:
    """A row of the history; a proposal with its settings, its effect and what became of it."""
    shown: dict[str, Any] = {
        "row": edit.row,
        "time": edit.time,
        "action": edit.action,
        "about": edit.about,
        "note": edit.note,
        "by": edit.by,
    }
    if edit.action == "propose":
        shown |= {
            "state": history.states[edit.row],
            "settings": edit.settings,
            "preview": edit.body.get("preview", {}),
        }
    return shown

"""Settings that operators changed while serving: every worker and replica follows what was approved.

Approved settings lie in the event store, not in files, and are laid over the project of whichever bundle serves. The store's thread
looks for news once a second; a model that comes in gets them before it answers.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from shortlist.cascade.rerank_cost import SlatePreview
from shortlist.config.changes import changed_project, check_editable
from shortlist.config.project import Project
from shortlist.errors import ProjectError, RequestError, ShortlistError
from shortlist.serve.live_models import LiveModels, LoadedModel
from shortlist.store.edits import SettingsHistory, last_edit, read_history
from shortlist.store.event_store import EventStore

PEOPLE = 200
"""Users whose slates are compared in a preview: about a second of one core."""
N = 10
"""Items of a slate in a preview."""
log = logging.getLogger("shortlist.operators")


class ApprovedSettings:
    """Lays the settings that operators approved over the project of each model.

    Attributes
    ----------
    history
        What was proposed and decided, as far as it was read.
    fault
        Why the approved settings cannot be used with the model that serves; None where they are.
    """

    LOOK = 1.0
    """Least seconds between two looks at the store."""

    def __init__(self, live: LiveModels) -> None:
        self.live = live
        self.history = SettingsHistory()
        self.fault: str | None = None
        self._last = self._refused = -1
        self._looked = 0.0

    def refresh(self, store: EventStore, at_once: bool = False) -> None:
        """Read what is new, at most once a second, and apply it. Call it on the store's thread. Raises `StoreError`."""
        now = time.monotonic()
        if not at_once and self._looked and now - self._looked < self.LOOK:
            return
        self._looked = now
        last = last_edit(store)
        if last != self._last:
            self.history, self._last = read_history(store), last
        self.fault = None
        for loaded in self.live.all:
            try:
                self.apply(loaded)
            except ShortlistError as error:
                self._report(error.message, loaded)

    def _report(self, message: str, loaded: LoadedModel) -> None:
        if loaded is self.live.serving:
            self.fault = f"the approved settings cannot be used with this model: {message}"
        if self._refused != self.history.serving:
            self._refused = self.history.serving
            log.error("settings %d cannot be used with model %s: %s", self._refused, loaded.version, message)

    def apply(self, loaded: LoadedModel) -> None:
        """Let a model answer with the approved settings. Raises `ShortlistError` where it cannot; it then keeps those it has."""
        serving = self.history.serving
        if loaded.edits == serving:
            return
        settings = self.history.settings
        loaded.change_settings(self.project_with(loaded, settings), digest_of(settings), serving)
        log.info("model %s answers with settings %d", loaded.version, serving)

    @staticmethod
    def project_with(loaded: LoadedModel, settings: Mapping[str, Any]) -> Project:
        """Return a model's project with settings of operators. Raises `RequestError` naming the setting that is wrong."""
        rerank = settings.get("rerank", {})
        try:
            check_editable(rerank)
            changed = changed_project(
                loaded.project, rerank, settings.get("weights"), settings.get("placements")
            )
        except ProjectError as error:
            raise RequestError(
                error.message, field=f"settings.{error.field}" if error.field else "settings"
            ) from None
        return changed

    def preview(self, settings: Mapping[str, Any], placement: str | None = None) -> SlatePreview:
        """Compare slates of some users now, in a placement, with those under other settings. Raises `ShortlistError`.

        It takes about a second.
        """
        loaded = self.live.serving
        changed = self.project_with(loaded, settings)
        recommender = loaded.recommender
        users = recommender.some_users(PEOPLE)
        if not users:
            raise RequestError(
                "settings: the log has no user whose slates could be compared", field="settings"
            )
        return recommender.preview(changed, users, N, placement)

    def __repr__(self) -> str:
        return f"ApprovedSettings({self.history.serving} serves, {len(self.history.edits)} rows)"


def digest_of(settings: Mapping[str, Any]) -> str:
    """Return a short name of settings, empty for those of the bundle: slates of different settings are different policies."""
    if not settings:
        return ""
    return hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=4).hexdigest()

"""Following a folder of bundles: when another model should serve, it is prepared aside, checked, and put in place."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from shortlist.bundle.registry import Model, Models
from shortlist.errors import ShortlistError
from shortlist.serve.live_models import Live, Loaded, load
from shortlist.serve.model_check import faults
from shortlist.serve.telemetry import Metrics
from shortlist.store.event_store import EventStore

LOOK = 1.0
"""Seconds between looks at the folder."""
MEASURE = 60.0
"""Seconds between measurements of drift."""
REBUILD = 30.0
"""Seconds between two reloads because people were erased, at least."""
log = logging.getLogger("shortlist.bundle.registry")
T = TypeVar("T")


def first(models: Models, store: EventStore) -> Loaded:
    """The model to begin with: the one that should serve, or, where it is damaged, the newest before it that is not."""
    tried: list[str] = []
    while True:
        model = models.current()
        try:
            return load(model.path, store)
        except ShortlistError as error:
            tried.append(f"{model.version}: {error.message}")
            log.error("model %s cannot be loaded: %s", model.version, error.message)
            if models.single or models.state()["pinned"] == model.version or len(tried) > 20:
                raise
            models.reject(model.version, error.message)


class Follower:
    """Keeps `live` at what the folder says, from a task of the event loop; the heavy part is done on a thread."""

    def __init__(self, models: Models, live: Live, store: EventStore, metrics: Metrics) -> None:
        self.models, self.live, self.store, self.metrics = models, live, store, metrics
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="models")
        self.trouble: str | None = None
        """Why the folder cannot be followed, or its newest model cannot serve."""
        self._rebuilt = self._measured = time.monotonic()
        self._turned_down: set[str] = set()
        models.serves(live.serving.version)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self.look()
            except ShortlistError as error:
                self._complain(error.message)
            except Exception as error:  # following must go on, whatever one look met
                self._complain(type(error).__name__)
                log.exception("following the models failed")

    def _complain(self, message: str) -> None:
        if message != self.trouble:
            log.error("the models cannot be followed: %s", message)
        self.trouble = message

    async def look(self) -> None:
        """One look at the folder and at what is to be done beside it."""
        wanted = self.models.current()
        if wanted.version != self.live.serving.version and wanted.version not in self._turned_down:
            await self._swap(wanted)
        elif self.live.erased and time.monotonic() - self._rebuilt > REBUILD:
            self._rebuilt = time.monotonic()
            # counters without the events of those who were erased
            self._place(await self._on_thread(load, self.live.serving.path, self.store))
        await self._beside()
        self.trouble = None
        if time.monotonic() - self._measured > MEASURE:
            self._measured = time.monotonic()
            self.metrics.look(self.live.serving.recommender)

    async def _on_thread(self, do: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.thread, do, *arguments)

    async def _prepared(self, wanted: Model) -> Loaded | None:
        """A model that is loaded and checked; None where it was turned down, which is said, and not tried again."""
        log.info("model %s is being prepared", wanted.version)
        try:
            fresh = await self._on_thread(load, wanted.path, self.store)
            found = await self._on_thread(faults, fresh.recommender, self.live.serving.recommender)
        except ShortlistError as error:
            found = [error.message]
        if not found:
            return fresh
        why = "; ".join(found)
        log.error(
            "model %s does not take over, %s goes on: %s", wanted.version, self.live.serving.version, why
        )
        self._turned_down.add(wanted.version)
        self.metrics.swaps.labels("turned down").inc()
        if not self.models.single and self.models.state()["pinned"] != wanted.version:
            self.models.reject(wanted.version, f"self-check: {why}")
        return None

    async def _swap(self, wanted: Model) -> None:
        fresh = await self._prepared(wanted)
        if fresh is None:
            return
        self._place(fresh)
        self.models.serves(fresh.version)
        self.metrics.swaps.labels("took over").inc()
        log.info("model %s serves", fresh.version)

    def _place(self, fresh: Loaded) -> None:
        """Between two requests: what has come in since it was loaded, and it serves."""
        fresh.catch_up(self.store)
        self.live.serving, self.live.erased = fresh, 0
        self.metrics.serves(fresh.recommender)
        gc.collect()
        gc.freeze()

    async def _beside(self) -> None:
        """The canary and the shadow, as the folder says."""
        if self.models.single:
            return
        state = self.models.state()
        for role, version in (("canary", state["canary"].get("version")), ("shadow", state["shadow"])):
            now: Loaded | None = getattr(self.live, role)
            if version is None or version == self.live.serving.version:
                setattr(self.live, role, None)
            elif (now is None or now.version != version) and version not in self._turned_down:
                fresh = await self._prepared(self.models.find(version))
                if fresh is not None:
                    fresh.catch_up(self.store)
                    setattr(self.live, role, fresh)
        self.live.share = float(state["canary"].get("share", 0.0))

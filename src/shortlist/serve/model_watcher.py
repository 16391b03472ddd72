"""Follows a folder of bundles: when another model should serve, it is loaded aside, checked, and put in place."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from shortlist.bundle.registry import BundleRegistry, BundleVersion
from shortlist.errors import ShortlistError, StoreError
from shortlist.serve.live_models import LiveModels, LoadedModel, load_model
from shortlist.serve.memory import keep_what_is_there, release_memory
from shortlist.serve.model_check import faults_of
from shortlist.serve.operators import ApprovedSettings
from shortlist.serve.telemetry import Metrics
from shortlist.serve.writer import Writer

LOOK = 1.0
"""Seconds between looks at the folder."""
MEASURE = 60.0
"""Seconds between measurements of drift."""
REBUILD = 30.0
"""Least seconds between two reloads because users were erased."""
ATTEMPTS = 20
"""Damaged bundles that are rejected at a start before the server gives up."""
log = logging.getLogger("shortlist.models")
T = TypeVar("T")


def first_model(registry: BundleRegistry, writer: Writer) -> LoadedModel:
    """The model to begin with: the one that should serve or, where it is damaged, the newest before it that is not."""
    failures = 0
    while True:
        bundle = registry.current()
        try:
            return load_model(bundle.path, writer)
        except StoreError:  # no fault of the bundle
            raise
        except ShortlistError as error:
            failures += 1
            log.error("model %s cannot be loaded: %s", bundle.version, error.message)  # noqa: TRY400
            pinned = registry.single or registry.decisions()["pinned"] == bundle.version
            if pinned or failures > ATTEMPTS:
                raise
            registry.reject(bundle.version, error.message)


class ModelWatcher:
    """Keeps `live` at what the folder says, from a task of the event loop; the heavy part runs on a thread.

    Attributes
    ----------
    fault
        Why the folder cannot be followed, or why its newest model cannot serve; None where all is well.
    """

    def __init__(
        self,
        registry: BundleRegistry,
        live: LiveModels,
        writer: Writer,
        metrics: Metrics,
        approved: ApprovedSettings,
    ) -> None:
        self.registry, self.live, self.writer, self.metrics = registry, live, writer, metrics
        self.approved = approved
        self.fault: str | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="models")
        self._rebuilt = self._measured = time.monotonic()
        self._rejected: set[str] = set()
        registry.record_serving(live.serving.version)

    async def run(self) -> None:
        """Look at the folder once a second, until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self.look()
            except ShortlistError as error:
                self._report(error.message)
            except Exception as error:
                self._report(type(error).__name__)
                log.exception("following the models failed")

    def _report(self, message: str) -> None:
        if message != self.fault:
            log.error("the models cannot be followed: %s", message)
        self.fault = message

    async def look(self) -> None:
        """Compare the folder with what serves, and act on the difference."""
        wanted = self.registry.current()
        if wanted.version != self.live.serving.version and wanted.version not in self._rejected:
            await self._swap(wanted)
        elif self.live.erased and time.monotonic() - self._rebuilt > REBUILD:
            self._rebuilt = time.monotonic()
            # counters without the events of users who were erased
            await self._place(await self._on_thread(self._loaded, self.live.serving.path))
        await self._canary_and_shadow()
        self.fault = None
        if time.monotonic() - self._measured > MEASURE:
            self._measured = time.monotonic()
            recommender = self.live.serving.recommender
            drift = await self._on_thread(self.metrics.drifts.measure, recommender)
            self.metrics.record_drift(recommender, drift)

    async def _on_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def _loaded(self, path: Path) -> LoadedModel:
        """Load a model with the settings that operators approved. Raises `ShortlistError` where they cannot be used with it."""
        fresh = load_model(path, self.writer)
        self.approved.apply(fresh)
        return fresh

    async def _prepared(self, wanted: BundleVersion) -> LoadedModel | None:
        """A model that is loaded and checked; None where it was rejected, which is logged and not tried again."""
        log.info("model %s is being prepared", wanted.version)
        try:
            fresh = await self._on_thread(self._loaded, wanted.path)
            found = await self._on_thread(faults_of, fresh.recommender, self.live.serving.recommender)
        except StoreError:  # no fault of the bundle: it is tried again
            raise
        except ShortlistError as error:
            found = [error.message]
        if not found:
            return fresh
        why, serving = "; ".join(found), self.live.serving.version
        log.error("model %s does not take over, %s goes on: %s", wanted.version, serving, why)
        self._rejected.add(wanted.version)
        self.metrics.swaps.labels("turned down").inc()
        if not self.registry.single and self.registry.decisions()["pinned"] != wanted.version:
            self.registry.reject(wanted.version, f"self-check: {why}")
        return None

    async def _swap(self, wanted: BundleVersion) -> None:
        fresh = await self._prepared(wanted)
        if fresh is None:
            return
        await self._place(fresh)
        self.registry.record_serving(fresh.version)
        self.metrics.swaps.labels("took over").inc()
        log.info("model %s serves", fresh.version)

    async def _place(self, fresh: LoadedModel) -> None:
        """Between two requests: take the rows that came in since it was loaded, and serve."""
        await self.live.catch_up(fresh, self.writer)
        self.live.serve(fresh)
        self.metrics.start_serving(fresh.recommender)
        keep_what_is_there()
        await self._on_thread(release_memory)  # of the model that served before

    async def _canary_and_shadow(self) -> None:
        if self.registry.single:
            return
        decisions = self.registry.decisions()
        canary = await self._beside(decisions["canary"].get("version"), self.live.canary)
        self.live.set_canary(canary)
        self.live.set_shadow(await self._beside(decisions["shadow"], self.live.shadow))
        self.live.set_canary_share(float(decisions["canary"].get("share", 0.0)))

    async def _beside(self, version: str | None, now: LoadedModel | None) -> LoadedModel | None:
        """The model of a role beside the serving one, as the folder says: the present one, a new one, or none."""
        if version is None or version == self.live.serving.version:
            return None
        if (now is not None and now.version == version) or version in self._rejected:
            return now
        fresh = await self._prepared(self.registry.find(version))
        if fresh is None:
            return now
        await self.live.catch_up(fresh, self.writer)
        return fresh

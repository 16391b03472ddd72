"""The tenants that a worker has loaded: on demand, and within a memory limit.

A tenant is loaded by its first request, on a thread, while requests of other tenants are answered. Before it comes in, the
tenants that were used longest ago go, as far as the limit needs it; one that answers a request stays. A tenant that goes
writes to its store what waits, and comes back as a server that is started again: the store is replayed.

A tenant counts with the memory that it takes, which is measured (`TenantMemory`). Before it is loaded, the size of its bundle stands
for it, or what it took the last time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from shortlist.errors import ShortlistError
from shortlist.serve.app import make_app
from shortlist.serve.memory import collect_what_was_kept, release_memory
from shortlist.serve.middleware.guard import TENANTS
from shortlist.serve.service import Service
from shortlist.serve.settings import ServerSettings
from shortlist.serve.tenants.folder import Tenant, TenantFolder
from shortlist.serve.tenants.memory import TenantMemory

LOOK = 2.0
"""Seconds between looks at the folder and at the memory."""
COLLECT = 60.0
"""Least seconds between two collections of what unloaded tenants left behind. A collection holds up requests for some tenths of a
second; the models themselves are freed at once, without it."""
AGAIN = 5.0
"""Seconds until a tenant that could not be loaded is tried again."""
log = logging.getLogger("shortlist.tenants")


class UnknownTenantError(Exception):
    """There is no tenant of that name, or it has no bundle."""


class TenantUnavailableError(Exception):
    """The tenant cannot be loaded at the moment; the log says why."""


@dataclass(frozen=True, eq=False)
class LoadedTenant:
    """A tenant in memory. `lifespan` ends its application."""

    tenant: Tenant
    app: FastAPI
    lifespan: AbstractAsyncContextManager[Any]
    memory: TenantMemory

    @property
    def size(self) -> int:
        """Bytes of memory that it takes."""
        return self.memory.size

    @property
    def service(self) -> Service:
        """Its models, store, metrics and keys."""
        service: Service = self.app.state.service
        return service


class TenantPool:
    """The loaded tenants of a folder. It is used on the event loop only.

    Parameters
    ----------
    folder
        The tenants.
    settings
        Of the server; each tenant gets them with a path of its own.

    Attributes
    ----------
    loaded
        The loaded tenants by name, the one that was used longest ago first.
    counts
        How often tenants were loaded, unloaded, and could not be loaded.
    """

    def __init__(self, folder: TenantFolder, settings: ServerSettings) -> None:
        self.folder, self.settings = folder, settings
        self.loaded: OrderedDict[str, LoadedTenant] = OrderedDict()
        self.counts: Counter[str] = Counter()
        self._uses: Counter[str] = Counter()
        self._loading: dict[str, asyncio.Task[LoadedTenant]] = {}
        self._failed: dict[str, float] = {}
        self._taken: dict[str, int] = {}
        self._changing = asyncio.Lock()
        self._closed = False

    @property
    def size(self) -> int:
        """Bytes of memory that the loaded tenants take."""
        return sum(one.size for one in self.loaded.values())

    @asynccontextmanager
    async def use(self, name: str) -> AsyncIterator[FastAPI]:
        """Yield the application of a tenant, which stays in memory until the block ends.

        Raises
        ------
        UnknownTenantError
            There is no such tenant.
        TenantUnavailableError
            It cannot be loaded.
        """
        self._uses[name] += 1
        try:
            one = self.loaded.get(name)
            if one is None:  # a client that leaves does not stop the loading
                one = await asyncio.shield(self._loading.get(name) or self._start(name))
            self.loaded.move_to_end(name)
            yield one.app
        finally:
            self._uses[name] -= 1
            if not self._uses[name]:
                del self._uses[name]

    def _start(self, name: str) -> asyncio.Task[LoadedTenant]:
        tenant, now = self.folder.find(name), time.monotonic()
        if tenant is None:
            raise UnknownTenantError
        waits = self._failed.get(name, 0.0) > now
        if not tenant.trained:
            if not waits:
                self._failed[name] = now + AGAIN
                log.warning(
                    "tenant %s has no bundle: `shortlist train --out %s` makes one", name, tenant.bundle
                )
            raise UnknownTenantError
        if waits or self._closed:
            raise TenantUnavailableError
        task = self._loading[name] = asyncio.create_task(self._load(tenant))
        task.add_done_callback(lambda done: self._ended(name, done))
        return task

    def _ended(self, name: str, done: asyncio.Task[LoadedTenant]) -> None:
        """Forget a task that has ended. Its error was logged, also where no client waits for it any more."""
        del self._loading[name]
        if not done.cancelled():
            done.exception()

    async def _load(self, tenant: Tenant) -> LoadedTenant:
        """Load a tenant, after others have gone."""
        async with self._changing:
            path = f"{self.settings.root_path}{TENANTS}/{tenant.name}"
            settings = self.settings.model_copy(update={"root_path": path})
            if self._closed:
                raise TenantUnavailableError
            try:
                size = self._taken.get(tenant.name, 0) or await asyncio.to_thread(tenant.size)
                await self._make_room(size)
                memory = await asyncio.to_thread(TenantMemory, tenant, not self.counts["loaded"])
                app = await asyncio.to_thread(make_app, tenant.bundle, tenant.store, settings)
            except Exception as error:
                self._failed[tenant.name] = time.monotonic() + AGAIN
                self.counts["failed"] += 1
                if isinstance(error, ShortlistError):
                    log.error("tenant %s cannot be loaded: %s", tenant.name, error.message)  # noqa: TRY400
                else:
                    log.exception("tenant %s cannot be loaded", tenant.name)
                raise TenantUnavailableError from None
            lifespan = app.router.lifespan_context(app)
            await lifespan.__aenter__()  # it also frees what loading left behind
            await asyncio.to_thread(memory.loaded)
            one = LoadedTenant(tenant, app, lifespan, memory)
            self.loaded[tenant.name] = one
            self.counts["loaded"] += 1
            log.info("tenant %s is loaded: %d MB", tenant.name, one.size // 10**6)
            return one

    async def _make_room(self, needed: int) -> None:
        """Unload tenants that no request uses, the longest unused first, until there is room. The lock is held."""
        limit = self.settings.memory_limit
        while limit is not None and self.size + needed > limit:
            if not needed and len(self.loaded) == 1:
                return  # it is larger than the limit, and is loaded by itself
            idle = next((one for name, one in self.loaded.items() if not self._uses[name]), None)
            if idle is None:
                return  # those that are used stay; `run` looks again
            await self._unload(idle)

    async def _unload(self, one: LoadedTenant) -> None:
        """End the application of a tenant: what waits is written to its store. The lock is held."""
        del self.loaded[one.tenant.name]
        self._taken[one.tenant.name] = one.size
        await asyncio.to_thread(one.service.writer.stop)  # the event loop does not wait for the disk
        await one.lifespan.__aexit__(None, None, None)
        one.service.live.release()  # FastAPI keeps route functions in caches of its own, and they hold the service
        await asyncio.to_thread(release_memory)
        self.counts["unloaded"] += 1
        log.info("tenant %s is unloaded", one.tenant.name)

    async def run(self) -> None:
        """Unload tenants whose folders are gone, or for which there is no memory any more, until cancelled."""
        unloaded, collected = 0, time.monotonic()
        while True:
            await asyncio.sleep(LOOK)
            async with self._changing:
                for one in list(self.loaded.values()):
                    if self.folder.find(one.tenant.name) is None and not self._uses[one.tenant.name]:
                        await self._unload(one)
                for one in self.loaded.values():
                    await asyncio.to_thread(one.memory.measure)
                await self._make_room(0)
            if self.counts["unloaded"] != unloaded and time.monotonic() - collected > COLLECT:
                unloaded, collected = self.counts["unloaded"], time.monotonic()
                collect_what_was_kept()

    async def close(self) -> None:
        """Unload all tenants; none is loaded any more."""
        self._closed = True
        async with self._changing:
            for one in list(self.loaded.values()):
                await self._unload(one)

    def __repr__(self) -> str:
        return f"TenantPool({self.folder!r}, loaded: {', '.join(self.loaded) or 'none'})"

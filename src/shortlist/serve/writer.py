"""The one thread that touches the event store.

Requests never wait for the disk. Events do: they are answered when they are on it. What has come in while the disk was busy goes
into one transaction together (group commit), slates before the events that may name them. After each transaction, and five times a
second without one, the thread reads the rows that are new since the last time, its own and those of other replicas alike, and hands
them to the event loop in their order: the live state is nothing but the fold of those rows.

Nothing here grows without bound. More than `MOST` waiting events are refused (`BusyError`, an HTTP 429); when the store fails, events are
refused with its reason (503) and recommendations go on from memory; slates wait, and beyond `MOST_SLATES` the oldest are given up and
counted.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from shortlist.errors import StoreError
from shortlist.store.event_store import EventStore
from shortlist.store.records import Operation, StoredEvent, StoredSlate

MOST = 20_000
"""Events that wait for the disk at most."""
MOST_SLATES = 50_000
TOGETHER = 5_000
"""Events of one transaction at most."""
POLL = 0.2
"""Seconds between looks at what other replicas have written."""
SLATES_WAIT = 0.5
"""Seconds that a slate waits for company at most, and `SLATES_FULL` of them do not wait."""
SLATES_FULL = 500
log = logging.getLogger("shortlist.store")


class BusyError(Exception):
    """Too many events wait for the disk; try again in a second."""


@dataclass
class Waiting:
    events: list[StoredEvent]
    done: asyncio.Future[int]


@dataclass(frozen=True)
class News:
    """What is new in the store: rows in order, with the last one's number."""

    events: list[tuple[int, StoredEvent]]
    operations: list[tuple[int, Operation]]


class Writer:
    """land: called on the event loop with what is new, in order; each row once."""

    def __init__(
        self, store: EventStore, land: Callable[[News], None], row: int = 0, operation: int = 0
    ) -> None:
        self.store, self.land = store, land
        self.row, self.operation = row, operation
        """The last rows that were read."""
        self.waiting: list[Waiting] = []
        self.slates: list[StoredSlate] = []
        self.size, self.lost_slates = 0, 0
        self.trouble: str | None = None
        """Why the store cannot be used at the moment."""
        self.seconds = 0.0
        """How long the latest transaction took."""
        self.every: list[Callable[[], None]] = []
        """Also done by this thread, some times a second: reading keys."""
        self._since = self._looked = 0.0
        self._bell = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    # ---------------------------------------------------------------- on the event loop

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end."""
        with self._bell:
            self._stopped = True
            self._bell.notify()
        if self._thread is not None:
            self._thread.join(20)

    async def add(self, events: list[StoredEvent]) -> int:
        """Store a batch, all or none; how many of them were new. On return they are on the disk and in the live state.

        Raises `BusyError`, or `StoreError` where the store cannot be written.
        """
        if self.trouble is not None:
            raise StoreError(self.trouble, field="store")
        if self.size + len(events) > MOST:
            raise BusyError
        one = Waiting(events, self._loop.create_future())
        with self._bell:
            self.waiting.append(one)
            self.size += len(events)
            self._bell.notify()
        return await one.done

    def show(self, slate: StoredSlate) -> None:
        """Keep a slate that was shown; written within half a second, and before any event that comes after it."""
        with self._bell:
            if not self.slates:
                self._since = time.monotonic()
            self.slates.append(slate)
            if len(self.slates) > MOST_SLATES:
                self.lost_slates += 1
                del self.slates[0]
            elif len(self.slates) == SLATES_FULL:
                self._bell.notify()

    # ---------------------------------------------------------------- on the thread

    def _run(self) -> None:
        while True:
            with self._bell:
                if not (self.waiting or self._stopped or len(self.slates) >= SLATES_FULL):
                    self._bell.wait(POLL)
                stopped, n = self._stopped, 0
                batch: list[Waiting] = []
                while self.waiting and (not batch or n + len(self.waiting[0].events) <= TOGETHER):
                    batch.append(self.waiting.pop(0))
                    n += len(batch[-1].events)
                ripe = batch or stopped or len(self.slates) >= SLATES_FULL
                slates: list[StoredSlate] = []
                if ripe or (self.slates and time.monotonic() - self._since >= SLATES_WAIT):
                    slates, self.slates = self.slates, []
            self._turn(batch, slates)
            if stopped and not self.waiting:
                return

    def _turn(self, batch: list[Waiting], slates: list[StoredSlate]) -> None:
        """One transaction, then the news."""
        started = time.monotonic()
        try:
            stored, last = self.store.write([e for w in batch for e in w.events], slates)
            new = {e.event_id for e in stored}
            if batch or slates:
                self.seconds = time.monotonic() - started
            slates = []
            if (
                stored and last - len(stored) == self.row
            ):  # nobody else has written since: no need to read them again
                fresh = list(zip(range(self.row + 1, last + 1), stored, strict=True))
            else:
                fresh = self.store.events_since(self.row)
            news = News(fresh, self.store.operations_since(self.operation) if self._due() else [])
            for look in self.every:
                look()
        except StoreError as error:
            self._fail(batch, slates, error)
            return
        except Exception as error:  # whatever it was, those who wait are told, and the thread goes on
            log.exception("the event store failed in an unforeseen way")
            self._fail(batch, slates, StoreError(f"the event store failed: {type(error).__name__}", "store"))
            return
        if self.trouble is not None:
            log.warning("the event store works again")
            self.trouble = None
        if news.events:
            self.row = news.events[-1][0]
        if news.operations:
            self.operation = news.operations[-1][0]
        if batch or news.events or news.operations:
            self._call(self._landed, batch, new, news)

    def _due(self) -> bool:
        """Whether to look for what operators did: some times a second is enough."""
        now = time.monotonic()
        if now - self._looked < POLL:
            return False
        self._looked = now
        return True

    def _fail(self, batch: list[Waiting], slates: list[StoredSlate], error: StoreError) -> None:
        if self.trouble is None:
            log.error("%s; events are refused, recommendations go on from memory", error.message)
        self.trouble = error.message
        with self._bell:
            self.slates = slates + self.slates
        if batch:
            self._call(self._refuse, batch, error)
        if not self._stopped:
            time.sleep(0.5)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop has ended; what is in the store is there at the next start
            log.warning("the server stopped while the store was still writing")

    # ---------------------------------------------------------------- on the event loop again

    def _landed(self, batch: list[Waiting], new: set[str], news: News) -> None:
        self.land(news)
        for one in batch:
            fresh = {e.event_id for e in one.events} & new
            new -= fresh  # an event that two batches brought counts for the first
            self.size -= len(one.events)
            if not one.done.done():
                one.done.set_result(len(fresh))

    def _refuse(self, batch: list[Waiting], error: StoreError) -> None:
        for one in batch:
            self.size -= len(one.events)
            if not one.done.done():
                one.done.set_exception(error)

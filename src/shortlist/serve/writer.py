"""The one thread that uses the event store.

Requests never wait for the disk. Events do: they are answered when they are on it. Events that have come in while the
disk was busy go into one transaction together (group commit), slates before the events that can name them. After each
transaction, and five times a second without one, the thread reads the rows that are new since the last time, its own
and those of other replicas alike, and hands them to the event loop in their order: the live state is the fold of those
rows. Everything else that needs the store (keys, erasures, loading a model) is done by this thread too, by `run` and
`call`.

Nothing here grows without bound. More than `MAX_EVENTS` waiting events are refused (`BusyError`, HTTP 429); when the
store fails, events are refused with its reason (503) and recommendations go on from memory; slates wait, and beyond
`MAX_SLATES` the oldest are dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from shortlist.config.short_repr import ShortRepr
from shortlist.errors import RequestError, ShortlistError, StoreError
from shortlist.store.connection import RowError
from shortlist.store.event_store import EventStore
from shortlist.store.records import Operation, StoredEvent, StoredSlate, user_forms

P = ParamSpec("P")
T = TypeVar("T")
MAX_EVENTS = 20_000
"""Events that wait for the disk at most."""
MAX_SLATES = 50_000
"""Slates that wait for the disk at most."""
TRANSACTION = 5_000
"""Events of one transaction at most."""
POLL = 0.2
"""Seconds between reads of what other replicas have written."""
SLATE_WAIT = 0.5
"""Seconds that a slate waits for others at most; `SLATE_BATCH` of them do not wait."""
SLATE_BATCH = 500
RETRY = 0.5
"""Seconds until the store is tried again after a failure."""
log = logging.getLogger("shortlist.store")


class BusyError(Exception):
    """Too many events wait for the disk; try again in a second."""


@dataclass
class _Waiting:
    """A batch of events that waits for the disk."""

    events: list[StoredEvent]
    done: asyncio.Future[int]


@dataclass(frozen=True, repr=False)
class StoreNews(ShortRepr):
    """New rows of the store with their numbers, in order."""

    events: list[tuple[int, StoredEvent]]
    operations: list[tuple[int, Operation]]


class Writer:
    """Owns the event store and the thread that uses it.

    Parameters
    ----------
    path
        Where the store is. It is opened, and brought up to date, by the thread.
    open_store
        Opens it.

    Attributes
    ----------
    row, operation
        Numbers of the last rows that were read.
    size
        Events that wait for the disk.
    dropped_slates
        Slates that could not be kept.
    fault
        Why the store cannot be used at the moment; None where it can.
    seconds
        How long the latest transaction took.
    also
        Functions of the store that the thread calls some times a second as well.

    Raises
    ------
    StoreError
        Where the store cannot be opened.
    """

    def __init__(self, path: str | Path, open_store: Callable[[str | Path], EventStore] = EventStore) -> None:
        self.path = path
        self._open = open_store
        self.row = self.operation = self.size = self.dropped_slates = 0
        self.fault: str | None = None
        self.seconds = 0.0
        self.also: list[Callable[[EventStore], None]] = []
        self._prepare: Callable[[StoreNews], Any] | None = None
        self._land: Callable[[StoreNews, Any], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[_Waiting] = []
        self._slates: list[StoredSlate] = []
        self._calls: list[Callable[[EventStore], None]] = []
        self._since = 0.0
        self._wake = threading.Condition()
        self._stopped = False
        opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._main, args=(opened,), name="store", daemon=True)
        self._thread.start()
        opened.result()

    # ---------------------------------------------------------------- from any thread

    def run(
        self, function: Callable[Concatenate[EventStore, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Call a function of the store on the store's thread, and wait for its result. Not from the event loop."""
        return self._submit(lambda store: function(store, *arguments, **named)).result()

    async def call(
        self, function: Callable[Concatenate[EventStore, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Call a function of the store on the store's thread, from the event loop."""
        return await asyncio.wrap_future(self._submit(lambda store: function(store, *arguments, **named)))

    def _submit(self, function: Callable[[EventStore], T]) -> Future[T]:
        done: Future[T] = Future()

        def call(store: EventStore) -> None:
            try:
                done.set_result(function(store))
            except BaseException as error:  # noqa: BLE001 - it belongs to the caller
                done.set_exception(error)

        with self._wake:
            if self._stopped:
                raise StoreError("the server is stopping; the event store is closed", field="store")
            self._calls.append(call)
            self._wake.notify()
        return done

    # ---------------------------------------------------------------- on the event loop

    def follow(
        self,
        land: Callable[[StoreNews, T | None], None],
        row: int,
        operation: int,
        prepare: Callable[[StoreNews], T] | None = None,
    ) -> None:
        """Hand news beyond these rows to `land`, on the event loop, in order and each row once; from `start` on.

        `prepare` is called before, on the store's thread, for work that would hold up requests; `land` gets its result.
        """
        self._prepare, self._land, self.row, self.operation = prepare, land, row, operation

    def start(self) -> None:
        """Begin to write and to read, for the event loop that runs."""
        with self._wake:
            self._loop = asyncio.get_running_loop()
            self._wake.notify()

    def stop(self) -> None:
        """Write what waits, close the store, and end the thread."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        self._thread.join(20)

    async def add(self, events: list[StoredEvent]) -> int:
        """Store a batch, all or none, and return how many of its events were new.

        On return they are on the disk and in the live state. Raises `BusyError`, or `StoreError` where the store
        cannot be written.
        """
        if self.fault is not None:
            raise StoreError(self.fault, field="store")
        if self.size + len(events) > MAX_EVENTS:
            raise BusyError
        one = _Waiting(events, asyncio.get_running_loop().create_future())
        with self._wake:
            self._waiting.append(one)
            self.size += len(events)
            self._wake.notify()
        return await one.done

    def keep(self, slate: StoredSlate) -> None:
        """Keep a slate that was shown; it is written within half a second, and before any later event."""
        with self._wake:
            if not self._slates:
                self._since = time.monotonic()
            self._slates.append(slate)
            if len(self._slates) > MAX_SLATES:
                self.dropped_slates += 1
                del self._slates[0]
            elif len(self._slates) == SLATE_BATCH:
                self._wake.notify()

    async def erase(self, user: Any, time: int, by: str) -> dict[str, int]:
        """Erase a user from the store, and the user's slates that wait to be written; see `EventStore.erase`."""

        def erased(store: EventStore) -> dict[str, int]:
            forms = set(user_forms(user))
            with self._wake:
                kept = [slate for slate in self._slates if forms.isdisjoint(user_forms(slate.user))]
                waiting, self._slates = len(self._slates) - len(kept), kept
            found = store.erase(user, time, by)
            return {**found, "slates": found["slates"] + waiting}

        return await self.call(erased)

    # ---------------------------------------------------------------- on the thread

    def _main(self, opened: Future[None]) -> None:
        try:
            store = self._open(self.path)
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever opens the store
            opened.set_exception(error)
            return
        opened.set_result(None)
        try:
            while self._turn(store):
                pass
        finally:
            store.close()

    def _turn(self, store: EventStore) -> bool:
        """Wait for something to do, and do it. False when the thread has to end."""
        with self._wake:
            ready = self._waiting or self._calls or self._stopped or len(self._slates) >= SLATE_BATCH
            if not ready:
                self._wake.wait(POLL)
            stopped, calls, self._calls = self._stopped, self._calls, []
            batch, slates = ([], []) if self._loop is None else self._due_rows(stopped)
        if self._loop is not None:
            self._transaction(store, batch, slates)
        for (
            call
        ) in calls:  # after what was taken above: an erasure must not be followed by rows from before it
            call(store)
        return not stopped or bool(self._waiting)

    def _due_rows(self, stopped: bool) -> tuple[list[_Waiting], list[StoredSlate]]:
        """The batches of one transaction, and the slates that are due. The lock is held."""
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and (not batch or size + len(self._waiting[0].events) <= TRANSACTION):
            batch.append(self._waiting.pop(0))
            size += len(batch[-1].events)
        waited = self._slates and time.monotonic() - self._since >= SLATE_WAIT
        slates: list[StoredSlate] = []
        if batch or stopped or waited or len(self._slates) >= SLATE_BATCH:
            slates, self._slates = self._slates, []
        return batch, slates

    def _transaction(self, store: EventStore, batch: list[_Waiting], slates: list[StoredSlate]) -> None:
        """Write once, then read the news."""
        started = time.monotonic()
        try:
            try:
                stored, last = store.write([e for waiting in batch for e in waiting.events], slates)
            except RowError:
                stored, last, batch = self._one_by_one(store, batch, slates)
            new = {e.event_id for e in stored}
            if batch or slates:
                self.seconds = time.monotonic() - started
            slates = []
            news = self._news(store, stored, last)
            for function in self.also:
                function(store)
        except StoreError as error:
            self._fail(batch, slates, error)
            return
        except Exception as error:
            log.exception("the event store failed in an unforeseen way")
            self._fail(batch, slates, StoreError(f"the event store failed: {type(error).__name__}", "store"))
            return
        if self.fault is not None:
            log.warning("the event store works again")
            self.fault = None
        if news.events:
            self.row = news.events[-1][0]
        if news.operations:
            self.operation = news.operations[-1][0]
        if batch or news.events or news.operations:
            self._on_loop(self._landed, batch, new, news, self._prepared(news))

    def _one_by_one(
        self, store: EventStore, batch: list[_Waiting], slates: list[StoredSlate]
    ) -> tuple[list[StoredEvent], int, list[_Waiting]]:
        """Write the batches and slates of a transaction, each alone, because the database refuses a value of one of them.

        Nobody waits for a row that can never be written: its batch is refused, a slate is dropped and counted.

        Returns
        -------
        tuple
            The new events, the row of the last one, and the batches that were written.
        """
        for slate in slates:
            try:
                store.write((), [slate])
            except RowError as error:
                self.dropped_slates += 1
                log.warning("a slate is dropped: %s", error.message)
        stored: list[StoredEvent] = []
        written: list[_Waiting] = []
        last = 0
        for waiting in batch:
            try:
                new, row = store.write(waiting.events)
            except RowError as error:
                log.warning("a batch of events is refused: %s", error.message)
                self._on_loop(
                    self._refuse, [waiting], RequestError(f"events: {error.message}", field="events")
                )
            else:
                stored += new
                last = row or last
                written.append(waiting)
        return stored, last, written

    def _news(self, store: EventStore, stored: list[StoredEvent], last: int) -> StoreNews:
        """The new rows, after a transaction that stored some events, the last of them in row `last`."""
        if stored and last - len(stored) == self.row:  # no other replica has written since the last read
            # an operation that stands before one of the events has been stored by now, and is read too
            operations = store.operations_since(self.operation)
            if all(operation.after <= last for _, operation in operations):
                return StoreNews(list(zip(range(self.row + 1, last + 1), stored, strict=True)), operations)
        return StoreNews(*store.rows_since(self.row, self.operation))

    def _prepared(self, news: StoreNews) -> Any:
        try:
            return None if self._prepare is None else self._prepare(news)
        except Exception:
            log.exception("news of the store could not be prepared; the event loop does all of the work")
            return None

    def _fail(self, batch: list[_Waiting], slates: list[StoredSlate], error: StoreError) -> None:
        if self.fault is None:
            log.error("%s; events are refused, recommendations go on from memory", error.message)
        self.fault = error.message
        with self._wake:
            self._slates = slates + self._slates
        if batch:
            self._on_loop(self._refuse, batch, error)
        if not self._stopped:
            time.sleep(RETRY)

    def _on_loop(self, function: Callable[..., None], *arguments: Any) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop has ended; what is in the store is read at the next start
            log.warning("the server stopped while the store was still writing")

    # ---------------------------------------------------------------- on the event loop again

    def _landed(self, batch: list[_Waiting], new: set[str], news: StoreNews, prepared: Any) -> None:
        assert self._land is not None
        try:
            self._land(news, prepared)
        except Exception:
            log.exception("rows %d and before could not be folded into the live state", self.row)
        for waiting in batch:
            fresh = {e.event_id for e in waiting.events} & new
            new -= fresh  # an event that two batches hold counts for the first
            self.size -= len(waiting.events)
            if not waiting.done.done():
                waiting.done.set_result(len(fresh))

    def _refuse(self, batch: list[_Waiting], error: ShortlistError) -> None:
        for waiting in batch:
            self.size -= len(waiting.events)
            if not waiting.done.done():
                waiting.done.set_exception(error)

    def __repr__(self) -> str:
        return f"Writer({str(self.path)!r}, row {self.row:,}{', ' + self.fault if self.fault else ''})"

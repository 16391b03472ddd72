"""Requests whose body has not arrived: how many there are, and how long each is waited for.

A body may take some seconds on a slow line, and a few hundred such requests cost nothing. Thousands are an attack, or a
fault of a client, and would take the connections of all others. Beyond the number that is waited for in full, a body
has one second.
"""

from __future__ import annotations

import asyncio
import time

MOST = 256
"""Unfinished requests of a worker that are waited for in full."""
CROWDED_SECONDS = 1.0
"""Seconds that a body has while there are more."""
LOOK = 0.1
"""Seconds from one look for waits that are over to the next."""


class BodyWait:
    """The wait of one task for a body.

    Parameters
    ----------
    until
        When it is over (`time.perf_counter`).
    task
        The task that waits.
    """

    __slots__ = ("ended", "task", "until")

    def __init__(self, until: float, task: asyncio.Task[object] | None) -> None:
        self.until, self.task, self.ended = until, task, False

    def end(self) -> None:
        """Cancel the wait."""
        self.ended = True
        if self.task is not None:
            self.task.cancel()

    def __repr__(self) -> str:
        return f"BodyWait({'ended' if self.ended else 'open'})"


class Unfinished:
    """The unfinished requests of a worker. It is used on the event loop only.

    One timer looks after all waits, because a timer of its own for each request costs more than the rest of its wait.
    A wait may therefore take up to `LOOK` longer than it should.

    Parameters
    ----------
    seconds
        Longest time in which a body must arrive, while there is no crowd.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._waits: set[BodyWait] = set()
        self._loop: asyncio.AbstractEventLoop | None = None  # on which the timer runs

    @property
    def count(self) -> int:
        """Number of requests that are waited for."""
        return len(self._waits)

    def enter(self, until: float) -> BodyWait:
        """Begin to wait in this task; at `until` (`time.perf_counter`) the task is cancelled, and the wait has `ended`."""
        wait = BodyWait(until, asyncio.current_task())
        self._waits.add(wait)
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(LOOK, self._end_late)
        return wait

    def leave(self, wait: BodyWait) -> None:
        """Stop waiting."""
        self._waits.discard(wait)
        if wait.ended and wait.task is not None:
            wait.task.uncancel()

    def limit(self) -> float:
        """Seconds that a body has which is waited for from now on."""
        return self.seconds if len(self._waits) < MOST else min(self.seconds, CROWDED_SECONDS)

    def _end_late(self) -> None:
        """End the waits that are over; look again while there are others."""
        now = time.perf_counter()
        for wait in [wait for wait in self._waits if wait.until <= now]:
            wait.end()
        if self._waits:
            asyncio.get_running_loop().call_later(LOOK, self._end_late)
        else:
            self._loop = None

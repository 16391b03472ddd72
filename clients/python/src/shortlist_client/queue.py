"""Events wait here until they are sent in batches; what fails for a time is sent again. Without any I/O."""

from __future__ import annotations

import json
import logging
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shortlist_client.errors import ApiError
from shortlist_client.requests import EventBody, OnError
from shortlist_client.retry import delay_before

MOST_BYTES = 60_000
"""Servers take 64 KiB with a public key."""
MOST_EVENTS = 1_000
MOST_WAITING = 10_000
MOST_FAULTS = 5
"""Answers 500 for a batch, one after another, before it is given up."""
LONGEST_DELAY = 60.0
LATE = 5.0
"""Seconds; an event that is sent sooner takes the time of the server."""
WRONG = re.compile(r"events\.(\d+)\.(\w+)")
log = logging.getLogger("shortlist_client")


@dataclass(slots=True, eq=False)
class _Waiting:
    event: EventBody
    at: float  # when it was tracked, seconds since 1970
    size: int  # bytes of its JSON at most


def warn(error: ApiError, events: Sequence[EventBody]) -> None:
    """Write a line about events that are given up into the log."""
    log.warning("%d events were not sent: %s", len(events), error.message)


class EventQueue:
    """Waiting events, and the batch that is on its way.

    A sender calls `take`, sends the bodies, and reports `accepted` or `failed`.
    """

    def __init__(
        self, batch_size: int = 50, on_error: OnError = warn, clock: Callable[[], float] = time.time
    ) -> None:
        self.batch_size = max(1, min(batch_size, MOST_EVENTS))
        self._on_error, self._clock = on_error, clock
        self._waiting: deque[_Waiting] = deque()
        self._sending: list[_Waiting] = []
        self.failures = 0
        self._clock_is_wrong = False

    def __len__(self) -> int:
        return len(self._waiting) + len(self._sending)

    @property
    def full(self) -> bool:
        """Whether a batch need not wait any longer."""
        return len(self._waiting) >= self.batch_size and not self.failures

    def add(self, event: EventBody) -> None:
        """Add an event; above the limit, the oldest is given up. Raises `TypeError`, `ValueError` for what JSON cannot hold."""
        size = len(json.dumps(event, allow_nan=False)) + 40  # ASCII; 40 for a timestamp
        self._waiting.append(_Waiting(event, self._clock(), size))
        if len(self._waiting) > MOST_WAITING:
            text = f"More than {MOST_WAITING} events wait for the server; the oldest are given up."
            self._on_error(ApiError(text, 0), [self._waiting.popleft().event])

    def take(self) -> list[EventBody]:
        """Return the next batch: as many events as one request may have; empty where none waits."""
        size = sum(one.size for one in self._sending)
        while self._waiting and len(self._sending) < self.batch_size:
            size += self._waiting[0].size
            if self._sending and size > MOST_BYTES:
                break
            self._sending.append(self._waiting.popleft())
        return [self._body(one) for one in self._sending]

    def accepted(self) -> None:
        """Forget the batch: it is stored."""
        self._sending, self.failures = [], 0

    def failed(self, error: ApiError) -> float | None:
        """Keep or give up what failed.

        Returns
        -------
        Seconds until the server should be asked again, or None where the next batch can be sent at once.
        """
        passes = error.temporary or (error.status >= 500 and self.failures < MOST_FAULTS)
        kept = self._sending if passes else self._without_wrong(error)
        self._waiting.extendleft(reversed(kept))
        self._sending = []
        if not passes:
            return None
        self.failures += 1
        return delay_before(self.failures + 3, error.retry_after, LONGEST_DELAY)

    def _without_wrong(self, error: ApiError) -> list[_Waiting]:
        """Return the events of a refused batch that are sent again: the others, where the server names one."""
        named = WRONG.match(error.field or "")
        wrong = self._sending[int(named[1])] if named and int(named[1]) < len(self._sending) else None
        if named is None or wrong is None:
            self._on_error(error, [one.event for one in self._sending])
            return []
        if named[2] == "timestamp" and "timestamp" not in wrong.event and not self._clock_is_wrong:
            self._clock_is_wrong = True  # it is ahead of the server's: from now on, the server's counts
            return self._sending
        self._on_error(error, [wrong.event])
        return [one for one in self._sending if one is not wrong]

    def _body(self, one: _Waiting) -> EventBody:
        late = self._clock() - one.at > LATE and "timestamp" not in one.event and not self._clock_is_wrong
        return {**one.event, "timestamp": round(one.at * 1000)} if late else one.event

"""Requests and events of the last minute, second by second, for the page's Live tab."""

from __future__ import annotations

import time
from collections import deque

import numpy as np
from numpy.typing import NDArray

SPAN = 60


class Activity:
    """Requests, events and failed answers of each of the last 60 seconds, and how long the latest requests took."""

    def __init__(self) -> None:
        self.requests, self.events, self.errors = (np.zeros(SPAN, np.int64) for _ in range(3))
        self.took: deque[tuple[float, float]] = deque(maxlen=20_000)
        self._second = int(time.monotonic())

    def _place(self) -> int:
        """The present second's place in the rings; the seconds that have passed since the last call are emptied."""
        now = int(time.monotonic())
        for second in range(max(self._second + 1, now - SPAN + 1), now + 1):
            for ring in (self.requests, self.events, self.errors):
                ring[second % SPAN] = 0
        self._second = now
        return now % SPAN

    def answered(self, seconds: float, status: int) -> None:
        """Count one answer."""
        at = self._place()
        self.requests[at] += 1
        self.errors[at] += status >= 500
        self.took.append((time.monotonic(), seconds))

    def stored(self, events: int) -> None:
        """Count stored events."""
        self.events[self._place()] += events

    def series(self, ring: NDArray[np.int64]) -> list[int]:
        """A ring in the order of time, without the present second, which is not complete."""
        at = self._place()
        return [int(v) for v in np.roll(ring, -at)[1:]]

    def percentiles(self) -> tuple[float, float] | None:
        """Median and 99th percentile of the last minute, milliseconds; None without requests."""
        since = time.monotonic() - SPAN
        took = [seconds for at, seconds in self.took if at >= since]
        return (float(np.median(took)) * 1e3, float(np.quantile(took, 0.99)) * 1e3) if took else None

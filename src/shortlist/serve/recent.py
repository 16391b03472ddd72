"""The last minute, second by second: what the page's Live tab shows of this process."""

from __future__ import annotations

import time
from collections import deque

import numpy as np

SPAN = 60


class Recent:
    """Requests and events of each of the last seconds, and how long the latest requests took."""

    def __init__(self) -> None:
        self.requests, self.events, self.errors = (np.zeros(SPAN, np.int64) for _ in range(3))
        self.took: deque[tuple[float, float]] = deque(maxlen=20_000)
        self._second = int(time.monotonic())

    def _place(self) -> int:
        """The present second's place in the rings; those that have passed since are emptied."""
        now = int(time.monotonic())
        for second in range(max(self._second + 1, now - SPAN + 1), now + 1):
            for ring in (self.requests, self.events, self.errors):
                ring[second % SPAN] = 0
        self._second = now
        return now % SPAN

    def answered(self, seconds: float, status: int) -> None:
        at = self._place()
        self.requests[at] += 1
        self.errors[at] += status >= 500
        self.took.append((time.monotonic(), seconds))

    def stored(self, events: int) -> None:
        self.events[self._place()] += events

    def series(self, ring: np.ndarray) -> list[int]:
        """A ring in order of time; the second that is not over yet is left out."""
        at = self._place()
        return [int(v) for v in np.roll(ring, -at)[1:]]

    def percentiles(self) -> tuple[float, float] | None:
        """Median and 99th percentile of the last minute, in milliseconds."""
        since = time.monotonic() - SPAN
        took = [seconds for at, seconds in self.took if at >= since]
        return (float(np.median(took)) * 1e3, float(np.quantile(took, 0.99)) * 1e3) if took else None

"""How long each stage of a batch of requests takes."""

from __future__ import annotations

import time


class StageTimes(dict[str, float]):
    """Stage → seconds.

    Calling it with a stage's name adds the time since the previous call to that stage; one call costs some 100 ns.

    Examples
    --------
    >>> times = StageTimes()
    >>> times("rank")
    >>> list(times)
    ['rank']
    """

    def __init__(self) -> None:
        super().__init__()
        self._previous = time.perf_counter()

    def __call__(self, stage: str) -> None:
        """Add the time since the previous call to a stage."""
        now = time.perf_counter()
        self[stage] = self.get(stage, 0.0) + now - self._previous
        self._previous = now

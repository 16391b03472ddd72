"""How long each stage of a request takes."""

from __future__ import annotations

import time


class Laps(dict[str, float]):
    """Stage → seconds. `lap("rank")` adds the time since the lap before to that stage; some 100 ns each."""

    def __init__(self) -> None:
        super().__init__()
        self._at = time.perf_counter()

    def __call__(self, stage: str) -> None:
        now = time.perf_counter()
        self[stage] = self.get(stage, 0.0) + now - self._at
        self._at = now

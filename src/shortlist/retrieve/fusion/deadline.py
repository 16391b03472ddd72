"""How long a choice may take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class Deadline:
    """Seconds that may pass, from the moment it is made.

    Parameters
    ----------
    seconds
        None: there is no limit.
    clock
        Seconds.
    """

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = math.inf if seconds is None else clock() + seconds

    def __repr__(self) -> str:
        return f"Deadline({self.left():.1f} s left)"

    def left(self) -> float:
        """Return the seconds that are left: infinity without a limit, below 0 when they have passed."""
        return self._end - self._clock()

    def allows(self, seconds: float) -> bool:
        """Return whether this many seconds are left."""
        return self.left() >= seconds

"""Requests whose body has not arrived: how many there are, and how long each is waited for.

A body may take some seconds on a slow line, and a few hundred such requests cost nothing. Thousands are an attack, or a
fault of a client, and would take the connections of all others. Beyond the number that is waited for in full, a body
has one second.
"""

from __future__ import annotations

MOST = 256
"""Unfinished requests of a worker that are waited for in full."""
CROWDED_SECONDS = 1.0
"""Seconds that a body has while there are more."""


class Unfinished:
    """The unfinished requests of a worker. It is used on the event loop only.

    Parameters
    ----------
    seconds
        Longest time in which a body must arrive, while there is no crowd.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.count = seconds, 0

    def enter(self) -> None:
        """Count a request that is waited for."""
        self.count += 1

    def leave(self) -> None:
        """Stop counting a request."""
        self.count -= 1

    def limit(self) -> float:
        """Seconds that a body has which is waited for from now on."""
        return self.seconds if self.count <= MOST else min(self.seconds, CROWDED_SECONDS)

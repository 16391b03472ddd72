"""The recommender's time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from shortlist.data.forks import fork_guard
from shortlist.errors import RequestError, abbreviated
from shortlist.store.records import AHEAD, LAST_MOMENT

DAY = 86_400_000
JUMP = 300_000
"""Milliseconds by which the machine's clock may move against the time that has passed."""
BELIEVED = 3_600_000
"""Milliseconds after which a clock that jumped, and stayed there, is believed."""


class Clock:
    """The recommender's time, in milliseconds since 1970; it never goes back.

    A log that ended over a day ago (a public data set, a simulated world) keeps its own clock: its "last 7 days" end
    when the log ends, and time goes on from there.

    Windows of counters never move back, so a clock that is wrong for a moment would empty them for ever. The time that
    has passed since the start is therefore measured with a clock that nobody can set. While the machine's clock differs
    from it by more than five minutes, the time that has passed counts; after an hour the machine's clock is believed.

    Parameters
    ----------
    end_of_log
        Time of the last event of the log, ms.
    """

    def __init__(self, end_of_log: int) -> None:
        wall, self._steady = _wall(), _steady()
        self._wall, self._jumped = wall, 0
        self.keeps_own_time = wall - end_of_log > DAY
        """Whether the log keeps its own clock."""
        self._behind = wall - end_of_log if self.keeps_own_time else 0
        self._latest = 0
        self._lock = fork_guard.leaf_lock()

    def now(self) -> int:
        """Return the present moment; it stands still while the machine's clock is behind an earlier answer."""
        with self._lock:
            self._latest = max(self._latest, self._moment() - self._behind)
            return self._latest

    def _moment(self) -> int:
        """The machine's time, or what it must be by the time that has passed."""
        wall, steady = _wall(), _steady()
        expected = self._wall + steady - self._steady
        if abs(wall - expected) <= JUMP:
            self._jumped = 0
        else:
            self._jumped = self._jumped or steady
            if steady - self._jumped < BELIEVED:
                return expected
        self._wall, self._steady = wall, steady  # small corrections are followed
        return wall

    def reading(self, moment: int) -> int | None:
        """Return a time that a client gave, ms, in this clock; None where it lies in the future.

        A client's clock may be five minutes ahead; the event then happened now. Where the log keeps its own clock, a
        time after it is one of the machine's clock.
        """
        now = self.now()
        if moment > now + AHEAD and self.keeps_own_time:
            moment -= self._behind
        return min(moment, now) if moment <= now + AHEAD else None

    def checked(self, moment: Any) -> int:
        """Return a time that a caller gave, ms, in this clock. Raises `RequestError` where it is none, or in the future."""
        if (
            isinstance(moment, bool)
            or not isinstance(moment, (int, np.integer))
            or not 0 <= moment < LAST_MOMENT
        ):
            raise RequestError(
                f"timestamp must be a whole number of milliseconds since 1970 and is {abbreviated(moment)}",
                field="timestamp",
            )
        if moment <= self.now() + AHEAD:
            return int(moment)
        read = self.reading(int(moment))
        if read is None:
            raise RequestError("timestamp is more than five minutes ahead of now", field="timestamp")
        return read

    def accepts(self, moment: int) -> bool:
        """Return whether a stored time, ms, can be counted now.

        A log's own clock begins again at its end when the log is loaded, so it first catches up with what was stored.
        """
        if self.now() < moment <= _wall() and self.keeps_own_time:
            with self._lock:
                self._behind -= max(0, moment - self._latest)
        return moment <= min(self.now(), _wall()) + AHEAD

    def __getstate__(self) -> dict[str, int]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, int]) -> None:
        vars(self).update(state)
        self._lock = fork_guard.leaf_lock()


def _wall() -> int:
    """The machine's clock, ms since 1970."""
    return int(time.time() * 1000)


def _steady() -> int:
    """Milliseconds since some moment, by a clock that is never set and goes on while the machine sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000)
    return int(time.monotonic() * 1000)

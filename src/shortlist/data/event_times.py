"""The times of events: how they were read, and whether that can be what their writer meant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.data.no_time import NO_TIME
from shortlist.data.times import UNITS, to_milliseconds

DAY_MS = 86_400_000
LIKELY_SINCE = 788_918_400_000
"""The year 1995. Numbers that mean an earlier time are probably not counted from 1970, or not in the unit that they are read in."""
COUNTER = 10**7
"""Numbers below this one count the steps of a synthetic log, or its seconds."""
SPREADSHEET = (36_526, 55_153)
"""The days 2000-01-01 and 2050-12-31 as spreadsheets number them."""


@dataclass(frozen=True, repr=False)
class EventTimes:
    """The times of events.

    Attributes
    ----------
    times : ndarray of shape (n,), int64
        Milliseconds; `NO_TIME` where there is none.
    unit
        How they were read.
    unreadable, other_unit : ndarray of shape (n,), bool
        The rows whose time is none, or in another unit than most.
    fault
        Why rows are unreadable.
    """

    times: NDArray[np.int64]
    unit: str
    unreadable: NDArray[np.bool_]
    other_unit: NDArray[np.bool_]
    fault: str

    @classmethod
    def of(cls, column: pa.Array) -> EventTimes:
        """Read a column."""
        times, reading = to_milliseconds(column)
        fault = "not a time" if not reading.fault else f"not a time: {reading.fault}"
        return cls(times, reading.unit, reading.unreadable, reading.other_unit, fault)

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Rows without a time, bool (n,)."""
        missing: NDArray[np.bool_] = (self.times == NO_TIME) & ~self.unreadable & ~self.other_unit
        return missing

    @property
    def fix(self) -> str:
        """What to do about times that cannot be read."""
        return "Write epoch numbers, dates or ISO texts"

    def note(self, keep: NDArray[np.bool_]) -> str:
        """Say how the times were read, and from when to when the events that are kept are."""
        times = self.times[keep]
        zone = ", without a zone as UTC" if self.unit.startswith("dates") else ""
        if not len(times):
            return f"times read as {self.unit}{zone}"
        return f"times read as {self.unit}{zone}: {_day(times.min())} to {_day(times.max())}"

    def doubts(self, keep: NDArray[np.bool_]) -> list[str]:
        """Say what makes it unlikely that the times of the events that are kept are what their writer meant."""
        times = self.times[keep]
        if not len(times) or self.unit not in UNITS:
            return []
        middle, first, last = np.median(times), _day(times.min()), _day(times.max())
        numbers = times / UNITS[self.unit]
        if SPREADSHEET[0] <= numbers.min() and numbers.max() <= SPREADSHEET[1]:
            return [
                f"the times are read as {self.unit}, from {first} to {last}, and look like the day numbers of a spreadsheet"
            ]
        if middle < LIKELY_SINCE and numbers.max() >= COUNTER:
            return [f"the times are read as {self.unit} since 1970, and then lie between {first} and {last}"]
        return []


def _day(moment: np.int64) -> str:
    return str(np.datetime64(int(moment), "ms"))[:10]

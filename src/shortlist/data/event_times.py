"""The times of events: how they were read, and whether that can be what their writer meant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.data.no_time import NO_TIME
from shortlist.data.numbers import float_bits
from shortlist.data.times import UNITS, to_milliseconds

DAY_MS = 86_400_000
LIKELY_SINCE = 788_918_400_000
"""The year 1995. Numbers that mean an earlier time are probably not counted from 1970, or not in the unit that they are read in."""
COUNTER, STEPS = 10**7, 10**4
"""The times of a synthetic log are below the first number and begin below the second one: they count its steps, or its seconds."""
LAST_SENTINEL = 2 * DAY_MS
"""Dates that exports write where there is none are not after 2 January 1970: 1970-01-01, 1900-01-01, 0001-01-01."""
RESOLUTION = 1_000
"""Times that are farther apart than so many ms are too coarse for the order of events."""
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
    step
        The least distance in ms between two such times, where numbers of 16 or 32 bits do not hold them exactly.
    """

    times: NDArray[np.int64]
    unit: str
    unreadable: NDArray[np.bool_]
    other_unit: NDArray[np.bool_]
    fault: str
    step: float = 0.0

    @classmethod
    def of(cls, column: pa.Array, form: str | None = None) -> EventTimes:
        """Read a column; `form`: how texts are written (default: found out)."""
        times, reading = to_milliseconds(column, form)
        fault = "not a time" if not reading.fault else f"not a time: {reading.fault}"
        step = _step(column, reading.unit)
        return cls(times, reading.unit, reading.unreadable, reading.other_unit, fault, step)

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Rows without a time, bool (n,)."""
        missing: NDArray[np.bool_] = (self.times == NO_TIME) & ~self.unreadable & ~self.other_unit
        return missing

    @property
    def long_before(self) -> NDArray[np.bool_]:
        """Rows whose time is of 1970 or earlier where most are not before 1995, bool (n,)."""
        known = self.times[self.times != NO_TIME]
        if not len(known) or np.median(known) < LIKELY_SINCE:
            return np.zeros(len(self.times), bool)
        early: NDArray[np.bool_] = (self.times != NO_TIME) & (self.times <= LAST_SENTINEL)
        return early

    @property
    def fix(self) -> str:
        """The way out where times cannot be read."""
        return 'Write epoch numbers, dates or ISO texts, or say how they are written: time_format = "%d/%m/%Y" in [data]'

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
        if middle < LIKELY_SINCE and (numbers.max() >= COUNTER or np.abs(numbers).min() >= STEPS):
            return [f"the times are read as {self.unit} since 1970, and then lie between {first} and {last}"]
        if self.step > RESOLUTION:
            seconds = f"{self.step / 1000:,.0f} seconds"
            return [
                f"the times are floating-point numbers of too few bits, {seconds} apart, and events have lost their order"
            ]
        return []


def _step(column: pa.Array, unit: str) -> float:
    """The distance in ms between a typical time and the next one that its type can hold; 0 for exact types."""
    if not pa.types.is_float32(column.type) or unit not in UNITS or column.null_count == len(column):
        return 0.0
    middle = np.nanmedian(np.abs(column.drop_null().to_numpy().astype(np.float64)))
    rounded = np.float16(middle) if float_bits(column) == 16 else np.float32(middle)
    return float(np.spacing(rounded)) * UNITS[unit]


def _day(moment: np.int64) -> str:
    return str(np.datetime64(int(moment), "ms"))[:10]

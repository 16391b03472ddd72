"""Times as int64 milliseconds since 1970, read from numbers, dates and texts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.data.compact_dates import DIGITS as COMPACT
from shortlist.data.compact_dates import read_compact
from shortlist.data.date_texts import missing_texts, read_dates, read_format
from shortlist.data.no_time import NO_TIME
from shortlist.data.numbers import is_text
from shortlist.engines.plain_types import plain_array

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

DAY = 86_400_000
LAST = 253_402_300_800_000
"""Milliseconds at the end of the year 9999, the last one that calendars of Python know."""
YEARS = (1500, 2200)
FIRST_NANOSECONDS = 788_918_400_000
"""The year 1995: smaller numbers of nanoseconds are ticks of another clock."""
UNITS = {"seconds": 1e3, "milliseconds": 1.0, "microseconds": 1e-3, "nanoseconds": 1e-6}
"""Unit → its length in milliseconds."""


@dataclass(frozen=True, repr=False)
class TimeReading:
    """How a time column was read.

    Attributes
    ----------
    unit : str
        "seconds", "milliseconds", "microseconds", "nanoseconds", "years", "dates", "dates written as numbers", "dates with the
        day first", "dates with the month first", or "unknown".
    unreadable : ndarray of shape (n,), bool
        Values that are not a time; nulls are not counted.
    other_unit : ndarray of shape (n,), bool
        Numbers so much larger or smaller than most that they are in another unit.
    fault : str
        Why values are not read, where more than the single value is at fault.
    """

    unit: str
    unreadable: NDArray[np.bool_]
    other_unit: NDArray[np.bool_]
    fault: str = ""

    def __repr__(self) -> str:
        return (
            f"TimeReading({self.unit}, {int(self.unreadable.sum())} unreadable, "
            f"{int(self.other_unit.sum())} in another unit)"
        )


_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,19}(\.\d{1,30})?", re.ASCII)


def moment(value: Any) -> int:
    """Return one number, date or text as milliseconds, `NO_TIME` where it is not a time.

    It is read as a column of one value is by `to_milliseconds`, in microseconds: a thousand of them in one request must not
    hold up the others. Of the texts that a column may hold, it reads numbers, ISO 8601, `01-Jan-1995`, and `12/31/1999` or
    `31/12/1999` where the day and the month cannot be mistaken.
    """
    if isinstance(value, bool) or value is None:
        return NO_TIME
    if isinstance(value, int):
        return _moment_of_integer(value)
    if isinstance(value, float):
        return _moment_of_float(float(value))
    if isinstance(value, str):
        return _moment_of_text(value)
    try:
        return int(to_milliseconds(pa.array([value]))[0][0])
    except (pa.ArrowException, OverflowError):
        return NO_TIME


def _moment_of_text(text: str) -> int:
    if _ISO.fullmatch(text):
        formats: tuple[str, ...] = ("",)
    elif _NUMBER.fullmatch(text):
        return _moment_of_float(float(text)) if "." in text else _moment_of_integer(int(text))
    else:
        formats = ("%d-%b-%Y", "%m/%d/%Y", "%d/%m/%Y")
    found = set()
    for form in formats:
        try:
            stamp = datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007 - below
        except ValueError:
            continue
        stamp = stamp.replace(tzinfo=UTC) if stamp.tzinfo is None else stamp
        found.add((stamp - EPOCH) // timedelta(milliseconds=1))
    return found.pop() if len(found) == 1 else NO_TIME  # 04/05/2025 is two dates


def _moment_of_float(value: float) -> int:
    size = abs(value)
    if not size < 2**63:
        return NO_TIME
    if 1500 <= value <= 2200 and value == int(value):
        return _moment_of_integer(int(value))
    unit = (
        "seconds"
        if size < 1e11
        else "milliseconds"
        if size < 1e14
        else "microseconds"
        if size < 1e17
        else "nanoseconds"
    )
    scaled = round(value * UNITS[unit])
    return NO_TIME if unit == "nanoseconds" and scaled < FIRST_NANOSECONDS else scaled


def _moment_of_integer(value: int) -> int:
    if YEARS[0] <= value <= YEARS[1]:
        return (datetime(value, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
    size = abs(value)
    if len(str(size)) in COMPACT:
        written = read_compact(np.array([float(value)]))
        if written is not None:
            return int(written[0])
    if size < 1e11:
        return value * 1000
    if size < 1e14:
        return value
    if size < 1e17:
        return value // 1000
    return value // 1_000_000 if size < 2**63 and value // 1_000_000 >= FIRST_NANOSECONDS else NO_TIME


def to_milliseconds(array: pa.Array, form: str | None = None) -> tuple[NDArray[np.int64], TimeReading]:
    """Read a column of times.

    Integers are seconds, milliseconds, microseconds or nanoseconds by their size: 1e9 seconds is the year 2001, and no
    two units overlap between 1973 and 2286. Small integers (under 1e8, as in synthetic logs) are seconds. A column of
    whole numbers between 1500 and 2200 holds years, and one of 8, 12 or 14 digits that are dates of the calendar,
    such as 20250401, holds those dates. Times without a zone are UTC.

    Parameters
    ----------
    array
        Numbers, dates, timestamps or texts; for texts, see `read_dates`.
    form
        How texts and whole numbers are written (default: found out); dates and timestamps need none.

    Returns
    -------
    tuple of ndarray of shape (n,), int64, and TimeReading
        Milliseconds, `NO_TIME` where there is no time; and how they were read.
    """
    array = plain_array(array)
    n, kind = len(array), array.type
    none = np.zeros(n, bool)
    if pa.types.is_null(kind):
        return np.full(n, NO_TIME), TimeReading("dates", none, none)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _from_stamps(array)
    if form is not None and (is_text(kind) or pa.types.is_integer(kind)):
        return _from_format(array.cast(pa.string()), form)
    if is_text(kind):
        return _from_text(array)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _from_numbers(array)
    fault = f"values of type {kind} are no moments"
    return np.full(n, NO_TIME), TimeReading("unknown", ~np.asarray(array.is_null()), none, fault)


def _from_stamps(array: pa.Array) -> tuple[NDArray[np.int64], TimeReading]:
    kind = array.type
    if pa.types.is_date32(kind):
        whole, unit = array.cast(pa.int32()).cast(pa.int64()), "D"
    else:
        whole, unit = array.cast(pa.int64()), getattr(kind, "unit", "ms")
    missing = np.asarray(whole.is_null())
    values = pc.fill_null(whole, 0).to_numpy(zero_copy_only=False)
    length = {"D": DAY, "s": 1_000, "ms": 1}.get(unit)
    if length is None:
        times, beyond = values // {"us": 1_000, "ns": 1_000_000}[unit], np.zeros(len(values), bool)
    else:
        beyond = np.abs(values) > LAST // length
        times = np.where(beyond, 0, values) * length
    # an infinite timestamp of a database is the largest number
    beyond |= np.abs(times) > LAST
    return np.where(missing | beyond, NO_TIME, times), TimeReading(
        "dates", beyond & ~missing, np.zeros(len(values), bool)
    )


def _from_numbers(array: pa.Array) -> tuple[NDArray[np.int64], TimeReading]:
    none = np.zeros(len(array), bool)
    exact = pc.fill_null(array, 0).to_numpy(zero_copy_only=False)
    numbers = exact.astype(np.float64)
    missing = np.asarray(array.is_null()) | np.isnan(numbers)
    infinite = ~missing & ~np.isfinite(numbers)
    present = ~(missing | infinite)
    if not present.any():
        return np.full(len(array), NO_TIME), TimeReading("seconds", infinite, none)
    known = numbers[present]
    if ((known >= YEARS[0]) & (known <= YEARS[1]) & (known == np.floor(known))).all():
        years = np.where(present, numbers, 1970).astype(np.int64) - 1970
        starts = years.astype("datetime64[Y]").astype("datetime64[ms]").astype(np.int64)
        return np.where(present, starts, NO_TIME), TimeReading("years", infinite, none)
    written = read_compact(np.where(present, numbers, 0))
    if written is not None:
        times = np.where(present, written, NO_TIME)
        return times, TimeReading("dates written as numbers", ~missing & (times == NO_TIME), none)
    size = np.abs(np.where(present, numbers, 0))
    if pa.types.is_integer(array.type) and (size[present] < 1e8).mean() > 0.5:
        unit_of = np.where(size < 1e11, 0, np.where(size < 1e14, 1, np.where(size < 1e17, 2, 3)))
    else:
        unit_of = np.select([size < 1e8, size < 1e11, size < 1e14, size < 1e17], [4, 0, 1, 2], 3)
    main = int(np.bincount(unit_of[present], minlength=5).argmax())
    unit = list(UNITS)[main if main < 4 else 0]
    other = present & (unit_of != main)
    if np.issubdtype(exact.dtype, np.integer):
        whole = np.where(present & ~other, exact, 0).astype(np.int64)
        times = whole * 1000 if unit == "seconds" else whole // int(1 / UNITS[unit])
    else:
        scaled = np.round(np.where(present & ~other, numbers, 0) * UNITS[unit])
        infinite |= np.abs(scaled) > LAST
        present &= ~infinite
        times = np.where(infinite, 0, scaled).astype(np.int64)
    ticks = (present & ~other & (times < FIRST_NANOSECONDS)) if unit == "nanoseconds" else none
    fault = (
        "numbers of this size are ticks of another clock (.NET, Windows), and no nanoseconds since 1970"
        if ticks.any()
        else ""
    )
    times = np.where(present & ~other & ~ticks, times, NO_TIME)
    return times, TimeReading(unit, infinite | ticks, other, fault)


def _from_format(array: pa.Array, form: str) -> tuple[NDArray[np.int64], TimeReading]:
    missing = missing_texts(array)
    times = read_format(pc.if_else(pa.array(missing), None, pc.utf8_trim_whitespace(array)), form)
    unreadable = ~missing & (times == NO_TIME)
    none = np.zeros(len(array), bool)
    return times, TimeReading(f"dates written as {form}", unreadable, none, f"its format is not {form}")


def _from_text(array: pa.Array) -> tuple[NDArray[np.int64], TimeReading]:
    missing = missing_texts(array)
    given = pc.if_else(pa.array(missing), None, pc.utf8_trim_whitespace(array))
    numeric = pc.fill_null(pc.match_substring_regex(given, r"^-?\d+(\.\d+)?$"), False)
    count = pc.sum(numeric).as_py() or 0
    if count and 2 * count >= int((~missing).sum()):
        whole = pc.if_else(numeric, given, None)
        exact = not pc.any(pc.match_substring_regex(whole, r"\.|\d{19}")).as_py()
        times, reading = _from_numbers(whole.cast(pa.int64() if exact else pa.float64()))
        texts = ~missing & ~np.asarray(numeric)
        return times, replace(reading, unreadable=reading.unreadable | texts)
    found = read_dates(given)
    unreadable = ~missing & (found.times == NO_TIME)
    return found.times, TimeReading(
        found.how, unreadable, np.zeros(len(array), bool), found.fault if unreadable.any() else ""
    )

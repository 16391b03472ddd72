"""Times as int64 milliseconds since 1970, read from numbers, dates and texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.engines.duckdb import connect

NO_TIME: int = int(np.iinfo(np.int64).min)
"""The value of a missing time."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

UNITS = {"seconds": 1e3, "milliseconds": 1.0, "microseconds": 1e-3, "nanoseconds": 1e-6}
"""Unit → its length in milliseconds."""


@dataclass(frozen=True, repr=False)
class TimeReading:
    """How a time column was read.

    Attributes
    ----------
    unit : str
        "seconds", "milliseconds", "microseconds", "nanoseconds", "years", "dates" or "unknown".
    unreadable : ndarray of shape (n,), bool
        Values that are not a time; nulls are not counted.
    other_unit : ndarray of shape (n,), bool
        Numbers so much larger or smaller than most that they are in another unit.
    """

    unit: str
    unreadable: NDArray[np.bool_]
    other_unit: NDArray[np.bool_]

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
    hold up the others. Of the texts that a column may hold, it reads numbers, ISO 8601, `01-Jan-1995` and `12/31/1999`.
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
        formats = ("%d-%b-%Y", "%m/%d/%Y")
    for form in formats:
        try:
            stamp = datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007 - below
        except ValueError:
            continue
        stamp = stamp.replace(tzinfo=UTC) if stamp.tzinfo is None else stamp
        return (stamp - EPOCH) // timedelta(milliseconds=1)
    return NO_TIME


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
    return round(value * UNITS[unit])


def _moment_of_integer(value: int) -> int:
    if 1500 <= value <= 2200:
        return (datetime(value, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
    size = abs(value)
    if size < 1e11:
        return value * 1000
    if size < 1e14:
        return value
    if size < 1e17:
        return value // 1000
    return value // 1_000_000 if size < 2**63 else NO_TIME


def to_milliseconds(array: pa.Array) -> tuple[NDArray[np.int64], TimeReading]:
    """Read a column of times.

    Integers are seconds, milliseconds, microseconds or nanoseconds by their size: 1e9 seconds is the year 2001, and no
    two units overlap between 1973 and 2286. Small integers (under 1e8, as in synthetic logs) are seconds. A column of
    whole numbers between 1500 and 2200 holds years.

    Parameters
    ----------
    array
        Numbers, dates, timestamps or texts.

    Returns
    -------
    tuple of ndarray of shape (n,), int64, and TimeReading
        Milliseconds, `NO_TIME` where there is no time; and how they were read.
    """
    n = len(array)
    none = np.zeros(n, bool)
    kind = array.type
    if pa.types.is_dictionary(kind):
        return to_milliseconds(array.dictionary_decode())
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        stamps = array.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False)
        micros = pc.fill_null(stamps.cast(pa.int64()), NO_TIME).to_numpy(zero_copy_only=False)
        return np.where(micros == NO_TIME, NO_TIME, micros // 1000), TimeReading("dates", none, none)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _from_text(array.cast(pa.string()))
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return np.full(n, NO_TIME), TimeReading("unknown", ~np.asarray(array.is_null()), none)
    return _from_numbers(array)


def _from_numbers(array: pa.Array) -> tuple[NDArray[np.int64], TimeReading]:
    none = np.zeros(len(array), bool)
    exact = pc.fill_null(array, 0).to_numpy(zero_copy_only=False)
    missing = np.asarray(array.is_null())
    numbers = exact.astype(np.float64)
    infinite = ~missing & ~np.isfinite(numbers)
    present = ~(missing | infinite)
    if not present.any():
        return np.full(len(array), NO_TIME), TimeReading("seconds", infinite, none)
    if ((numbers >= 1500) & (numbers <= 2200) & (numbers == np.floor(numbers)))[present].all():
        years = np.where(present, numbers, 1970).astype(np.int64) - 1970
        starts = years.astype("datetime64[Y]").astype("datetime64[ms]").astype(np.int64)
        return np.where(present, starts, NO_TIME), TimeReading("years", infinite, none)
    size = np.abs(np.where(present, numbers, 0))
    if pa.types.is_integer(array.type) and (size[present] < 1e8).mean() > 0.5:
        unit_of = np.where(size < 1e11, 0, np.where(size < 1e14, 1, np.where(size < 1e17, 2, 3)))
    else:
        unit_of = np.select([size < 1e8, size < 1e11, size < 1e14, size < 1e17], [4, 0, 1, 2], 3)
    main = int(np.bincount(unit_of[present], minlength=5).argmax())
    unit = list(UNITS)[main if main < 4 else 0]
    if np.issubdtype(exact.dtype, np.integer):
        whole = exact.astype(np.int64)
        times = whole * 1000 if unit == "seconds" else whole // int(1 / UNITS[unit])
    else:
        times = np.round(np.where(present, numbers, 0) * UNITS[unit]).astype(np.int64)
    other = present & (unit_of != main)
    return np.where(present, times, NO_TIME), TimeReading(unit, infinite, other)


def _from_text(array: pa.Array) -> tuple[NDArray[np.int64], TimeReading]:
    n = len(array)
    none = np.zeros(n, bool)
    missing = np.asarray(pc.or_kleene(array.is_null(), pc.equal(pc.fill_null(array, ""), "")))
    as_number = pc.if_else(pc.match_substring_regex(pc.fill_null(array, ""), r"^-?\d+(\.\d+)?$"), array, None)
    if as_number.null_count < n and as_number.null_count <= missing.sum():
        whole = not pc.any(pc.match_substring(pc.fill_null(as_number, ""), ".")).as_py()
        return to_milliseconds(as_number.cast(pa.int64() if whole else pa.float64()))
    # DuckDB reads ISO dates and times, with or without a zone; then MovieLens' format and month/day/year
    table = pa.table({"t": array})
    with connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("given", table)
        rows = connection.sql(
            "SELECT epoch_ms(coalesce(CAST(TRY_CAST(t AS TIMESTAMPTZ) AS TIMESTAMP), "
            "try_strptime(t, '%d-%b-%Y'), try_strptime(t, '%m/%d/%Y'))) AS ms FROM given"
        ).to_arrow_table()
    column = rows.column("ms").combine_chunks()
    times = pc.fill_null(column, NO_TIME).to_numpy(zero_copy_only=False)
    return times, TimeReading("dates", ~missing & (times == NO_TIME), none)

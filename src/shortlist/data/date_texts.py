"""Texts as times: ISO dates, and dates whose order of day, month and year the whole column decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.data.no_time import NO_TIME
from shortlist.engines.duckdb import connect
from shortlist.engines.missing import MISSING
from shortlist.errors import DataError

ISO = r"^\d{4}[-/]\d{1,2}[-/]\d{1,2}(?:[ T].*)?$"
YEAR_FIRST = r"^\d{4}[-/](?P<b>\d{1,2})[-/](?P<c>\d{1,2})"
DAYS_SECOND = (
    "in some dates the second number is a day, and no date says that it is a month; write them as 2025-04-13"
)
NUMERIC = (
    r"^(?P<a>\d{1,2})(?P<s>[/.\-])(?P<b>\d{1,2})[/.\-](?P<c>\d{2}|\d{4})"
    r"(?:[ T,]+(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<x>\d{2})(?:[.,](?P<f>\d{1,6})\d*)?)?\s*(?P<p>[AaPp]\.?[Mm]\.?)?)?"
    r"\s*(?P<z>Z|UTC|GMT)?$"
)
"""Two numbers and a year, and perhaps a time of day."""
NAMED = r"^\d{1,2}-[A-Za-z]{3}-\d{4}$"
MOST_DAYS, MONTHS = 31, 12
BY_FORMAT = "epoch_ms(CAST(CAST(try_strptime(text, ?) AS TIMESTAMPTZ) AS TIMESTAMP))"
"""SQL: a text as milliseconds since 1970, by the format that is the parameter; null where it is not written so."""
WITHOUT_CENTURY = 69
"""Years of two digits from this one on are of the 20th century, as in POSIX."""


@dataclass(frozen=True, repr=False)
class TextTimes(ShortRepr):
    """Texts as times.

    Attributes
    ----------
    times : ndarray of shape (n,), int64
        Milliseconds since 1970; `NO_TIME` where there is none.
    how
        How they were read.
    fault
        Why dates of two numbers and a year are not read; empty where they are.
    """

    times: NDArray[np.int64]
    how: str
    fault: str = ""


def missing_texts(array: pa.Array) -> NDArray[np.bool_]:
    """Return which texts say that there is no value, bool (n,); nulls count."""
    lower = pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(array, "")))
    found: NDArray[np.bool_] = pc.is_in(lower, value_set=pa.array(sorted(MISSING))).to_numpy(
        zero_copy_only=False
    )
    return found.astype(bool)


def read_dates(array: pa.Array) -> TextTimes:
    """Read texts as times; those that are none get `NO_TIME`.

    Dates that begin with a year are read as ISO 8601, without a zone as UTC; `01-Jan-1995` is read, too. Of dates such as
    `13/04/2025`, every one of a column has the same order: one with a number above 12 in the first place says that days come
    first, one in the second place that months do. With points, days come first. Where no date decides it, or two contradict each
    other, none of them is read.
    """
    array = pc.utf8_trim_whitespace(array)
    iso = pc.if_else(pc.match_substring_regex(pc.fill_null(array, ""), ISO), array, None)
    other = pc.if_else(pc.is_null(iso), pc.fill_null(array, ""), None)
    parts = pc.extract_regex(
        pc.if_else(pc.match_substring_regex(pc.fill_null(other, ""), NUMERIC), other, None), NUMERIC
    )
    named = pc.if_else(pc.match_substring_regex(pc.fill_null(other, ""), NAMED), other, None)
    times = _cast(iso, named)
    if _days_before_months(iso, times):
        times = np.where(np.asarray(iso.is_valid()), NO_TIME, times)
        return TextTimes(times, "dates", DAYS_SECOND)
    if parts.null_count == len(parts):
        return TextTimes(times, "dates")
    order, how, fault = _order(parts)
    if order:
        read = _numeric(parts, order)
        times = np.where(read == NO_TIME, times, read)
    return TextTimes(times, how, fault)


def read_format(array: pa.Array, form: str) -> NDArray[np.int64]:
    """Read texts that are written in one format of strptime, without a zone as UTC; `NO_TIME` for the others.

    Raises
    ------
    DataError
        The format is none.
    """
    with connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("given", pa.table({"text": array}))
        try:
            rows = connection.sql(f"SELECT {BY_FORMAT} AS ms FROM given", params=[form]).to_arrow_table()  # noqa: S608 - a constant
        except duckdb.Error as error:
            raise DataError(
                f"{form!r} is no format of dates: {' '.join(str(error).split())}", field="data.time_format"
            ) from None
    column = rows.column("ms").combine_chunks()
    times: NDArray[np.int64] = pc.fill_null(column, NO_TIME).to_numpy(zero_copy_only=False)
    return times


def formats_of(text: str, forms: Sequence[str]) -> list[str]:
    """Return those formats of strptime in which a text can be read, in one query."""
    answers = ", ".join([f"{BY_FORMAT} IS NOT NULL"] * len(forms))
    with connect() as connection:
        row = connection.execute(f"SELECT {answers} FROM (SELECT ? AS text)", [*forms, text]).fetchone()  # noqa: S608 - constants
    return [form for form, is_read in zip(forms, row or (), strict=True) if is_read]


def _days_before_months(iso: pa.Array, times: NDArray[np.int64]) -> bool:
    """Return whether dates that begin with a year go on with the day: some have a second number above 12, and none a third one."""
    if not (np.asarray(iso.is_valid()) & (times == NO_TIME)).any():
        return False
    numbers = pc.extract_regex(iso, YEAR_FIRST).drop_null()
    second, third = (pc.struct_field(numbers, name).cast(pa.int64()).to_numpy() for name in "bc")
    days = (second > MONTHS) & (second <= MOST_DAYS) & (third >= 1)
    return bool(days.any()) and not bool((third > MONTHS).any())


def _cast(iso: pa.Array, named: pa.Array) -> NDArray[np.int64]:
    """ISO dates, with or without a zone, and MovieLens' dates, by DuckDB."""
    with connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("given", pa.table({"iso": iso, "named": named}))
        rows = connection.sql(
            r"SELECT epoch_ms(coalesce(CAST(TRY_CAST(regexp_replace(iso, ' ?([-+]\d\d):?(\d\d)$', '\1:\2') AS TIMESTAMPTZ) AS TIMESTAMP), "
            "try_strptime(named, '%d-%b-%Y'))) AS ms FROM given"
        ).to_arrow_table()
    column = rows.column("ms").combine_chunks()
    times: NDArray[np.int64] = pc.fill_null(column, NO_TIME).to_numpy(zero_copy_only=False)
    return times


def _numbers(parts: pa.Array, name: str) -> NDArray[np.int64]:
    """A part of each date as numbers, 0 where it is absent."""
    text = pc.struct_field(parts, name)
    text = pc.if_else(pc.equal(pc.fill_null(text, ""), ""), "0", text)
    numbers: NDArray[np.int64] = text.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return numbers


def _order(parts: pa.Array) -> tuple[str, str, str]:
    """Return the order of a column's dates (empty: it is not known), how to call it, and why it is not known."""
    first, second, year = (_numbers(parts, name) for name in "abc")
    digits = pc.fill_null(pc.utf8_length(pc.struct_field(parts, "c")), 0).to_numpy(zero_copy_only=False)
    points = (
        pc.fill_null(pc.equal(pc.struct_field(parts, "s"), "."), False)
        .to_numpy(zero_copy_only=False)
        .astype(bool)
    )
    days_first = bool((first > MONTHS).any()) or bool(points.any())
    months_first = bool((second > MONTHS).any())
    if days_first and months_first:
        return "", "dates", "some dates have the day first, others the month; write all of them as 2025-04-13"
    if not days_first and not months_first and bool(((first == second) & (digits != 2)).all()):
        return "dm", "dates", ""  # 04/04/2025 is one day in either order
    if not days_first and not months_first:
        return "", "dates", "no date says whether the day or the month comes first; write them as 2025-04-13"
    years_first = (digits == 2) & (year <= MOST_DAYS)
    if days_first and years_first[digits > 0].all() and not points.any():
        return "", "dates", "the year can be the first or the last number; write dates as 2025-04-13"
    if days_first:
        return "dm", "dates with the day first", ""
    return "md", "dates with the month first", ""


def _numeric(parts: pa.Array, order: str) -> NDArray[np.int64]:
    """Dates of two numbers and a year as ms; `NO_TIME` where the calendar has no such day."""
    first, second, year = (_numbers(parts, name) for name in "abc")
    hour, minute, second_of, half = (*(_numbers(parts, name) for name in "hmx"), _half(parts))
    fraction = pc.utf8_rpad(pc.fill_null(pc.struct_field(parts, "f"), ""), 3, "0")
    milli = pc.utf8_slice_codeunits(fraction, 0, 3).cast(pa.int64()).to_numpy(zero_copy_only=False)
    short = pc.fill_null(pc.utf8_length(pc.struct_field(parts, "c")), 0).to_numpy(zero_copy_only=False) == 2
    year = np.where(short, np.where(year >= WITHOUT_CENTURY, 1900, 2000) + year, year)
    day, month = (first, second) if order == "dm" else (second, first)
    good = (month >= 1) & (month <= MONTHS) & (day >= 1) & (year >= 1) & (minute < 60) & (second_of < 60)
    good &= np.where(half > 0, (hour >= 1) & (hour <= MONTHS), hour < 24)
    months = np.where(good, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    good &= days.astype("datetime64[M]") == months
    hour = np.where(half > 0, hour % 12 + np.where(half == 2, 12, 0), hour)
    time = (
        days.astype("datetime64[ms]").astype(np.int64)
        + ((hour * 60 + minute) * 60 + second_of) * 1000
        + milli
    )
    return np.where(good, time, NO_TIME)


def _half(parts: pa.Array) -> NDArray[np.int64]:
    """0 where the hours run to 24; 1: a.m., 2: p.m."""
    half = pc.utf8_lower(pc.fill_null(pc.struct_field(parts, "p"), ""))
    found = pc.if_else(pc.equal(half, ""), 0, pc.if_else(pc.starts_with(half, "p"), 2, 1))
    numbers: NDArray[np.int64] = found.to_numpy(zero_copy_only=False)
    return numbers

"""Times from numbers, dates and texts."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.data import date_texts
from shortlist.data.no_time import NO_TIME
from shortlist.data.times import moment, to_milliseconds


@pytest.mark.parametrize(
    ("values", "unit", "expected"),
    [
        ([1_700_000_000], "seconds", 1_700_000_000_000),
        ([1_700_000_000_123], "milliseconds", 1_700_000_000_123),
        ([1_700_000_000_123_456], "microseconds", 1_700_000_000_123),
        ([1_700_000_000_123_456_789], "nanoseconds", 1_700_000_000_123),
        ([1_700_000_000.5], "seconds", 1_700_000_000_500),
        ([1994], "years", 757_382_400_000),
        (["2023-11-14T22:13:20Z"], "dates", 1_700_000_000_000),
        (["01-Jan-1995"], "dates", 788_918_400_000),
        (["1700000000"], "seconds", 1_700_000_000_000),
        ([7], "seconds", 7_000),
    ],
)
def test_times(values: list[object], unit: str, expected: int) -> None:
    read, reading = to_milliseconds(pa.array(values))
    assert (read.tolist(), reading.unit) == ([expected], unit)


def days(form: str) -> list[str]:
    """The days from 10 April to 13 May 2025 in a form of `strftime`."""
    return [(date(2025, 4, 10) + timedelta(k)).strftime(form) for k in range(34)]


@pytest.mark.parametrize(
    ("form", "unit"),
    [
        ("%d/%m/%Y", "dates with the day first"),
        ("%m/%d/%Y", "dates with the month first"),
        ("%d.%m.%Y", "dates with the day first"),
        ("%m-%d-%Y", "dates with the month first"),
        ("%d/%m/%Y 00:00", "dates with the day first"),
        ("%m/%d/%Y 12:00:00 AM", "dates with the month first"),
        ("%Y%m%d", "dates written as numbers"),
        ("%Y%m%d0000", "dates written as numbers"),
        ("%Y%m%d000000", "dates written as numbers"),
        ("%Y/%m/%d", "dates"),
        ("%Y-%m-%dT00:00:00Z", "dates"),
    ],
)
def test_every_date_of_a_column_is_read_in_the_same_order(form: str, unit: str) -> None:
    wanted = [(date(2025, 4, 10) + timedelta(k) - date(1970, 1, 1)).days * 86_400_000 for k in range(34)]
    times, reading = to_milliseconds(pa.array(days(form)))
    assert (times.tolist(), reading.unit) == (wanted, unit)
    if unit == "dates written as numbers":
        for kind in (pa.int64(), pa.float64()):
            assert (
                to_milliseconds(pa.array([int(day) for day in days(form)]).cast(kind))[0].tolist() == wanted
            )


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (["04/05/2025", "06/07/2025"], "no date says whether the day or the month comes first"),
        (["13/04/2025", "04/13/2025"], "some dates have the day first, others the month"),
        (["13/04/25", "04/05/25"], "the year can be the first or the last number"),
    ],
)
def test_dates_that_can_be_read_in_two_ways_are_not_read(values: list[str], fault: str) -> None:
    times, reading = to_milliseconds(pa.array(values))
    assert times.tolist() == [NO_TIME] * 2
    assert reading.unreadable.all()
    assert fault in reading.fault


@pytest.mark.parametrize(
    "array",
    [
        pa.array([timedelta(1)]),
        pa.array([time(10, 15)]),
        pa.array([True]),
        pa.array([[1]]),
        pa.array(["2025-02-30"]),
        pa.array(["0000-00-00 00:00:00"]),
        pa.array([638_791_074_150_000_000]),  # .NET
        pa.array([float("inf")]),
    ],
    ids=lambda array: str(array.type),
)
def test_what_is_no_moment_is_unreadable(array: pa.Array) -> None:
    times, reading = to_milliseconds(array)
    assert times.tolist() == [NO_TIME]
    assert reading.unreadable.tolist() == [True]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_of_every_unit_and_zone(unit: str) -> None:
    moments = pa.array([datetime(2025, 4, 1, 12, tzinfo=UTC), None])
    for zone in (None, "UTC", "Asia/Tokyo"):
        times, reading = to_milliseconds(moments.cast(pa.timestamp(unit, zone)))
        assert times.tolist() == [1_743_508_800_000, NO_TIME]
        assert not reading.unreadable.any()


def test_unreadable_times_are_reported() -> None:
    read, reading = to_milliseconds(pa.array(["2023-11-14", "yesterday", None]))
    assert reading.unreadable.tolist() == [False, True, False]
    assert read[1] == read[2] == NO_TIME


@given(
    st.one_of(
        st.integers(-(2**62), 2**62),
        st.integers(1400, 2300),
        st.datetimes().map(lambda t: t.isoformat(timespec="milliseconds")),
        st.dates().map(str),
        st.dates(date(1900, 1, 1), date(2100, 1, 1)).map(lambda day: day.strftime("%m/%d/%Y")),
        st.dates(date(1900, 1, 1), date(2100, 1, 1)).map(lambda day: day.strftime("%d/%m/%Y")),
        st.floats(0, 1e18, allow_nan=False),
        st.sampled_from(
            [
                "",
                "soon",
                "01-Jan-1995",
                "12/31/1999",
                "1700000000",
                "2026-01-10T10:00:00+02:00",
                "2026-13-01",
                "-7",
                "1994",
                "7.25",
                "9999999999999999",
            ]
        ),
    )
)
@settings(deadline=None, max_examples=100)
def test_one_time_is_read_as_a_column_of_one(value: float | str) -> None:
    assert moment(value) == to_milliseconds(pa.array([value]))[0][0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("01-Jan-1995", 788_918_400_000),
        ("12/31/1999", 946_598_400_000),
        ("31/12/1999", 946_598_400_000),
        ("04/05/2025", NO_TIME),
        ("04/04/2025", 1_743_724_800_000),
        ("soon", NO_TIME),
        ("9" * 64, NO_TIME),
    ],
)
def test_one_time_costs_microseconds(monkeypatch: pytest.MonkeyPatch, text: str, expected: int) -> None:
    """A thousand odd times in one request hold up nobody: none of them starts DuckDB, which takes 30 ms."""
    monkeypatch.setattr(date_texts, "connect", None)
    assert moment(text) == expected
    assert moment(float("nan")) == moment(float("inf")) == NO_TIME


def test_years_followed_by_days_are_refused() -> None:
    times, reading = to_milliseconds(pa.array(["2025/04/05", "2025/13/04", "soon"]))
    assert (times == NO_TIME).all()
    assert "the second number is a day" in reading.fault
    times, reading = to_milliseconds(pa.array(["2025-04-15", "2025-13-04"]))  # 15 says that months are second
    assert ((times == NO_TIME).tolist(), reading.fault) == ([False, True], "")

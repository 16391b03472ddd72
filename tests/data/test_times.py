"""Times from numbers, dates and texts."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.data import times
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
@settings(deadline=None, max_examples=60)
def test_one_time_is_read_as_a_column_of_one(value: float | str) -> None:
    assert moment(value) == to_milliseconds(pa.array([value]))[0][0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("01-Jan-1995", 788_918_400_000),
        ("12/31/1999", 946_598_400_000),
        ("soon", NO_TIME),
        ("9" * 64, NO_TIME),
    ],
)
def test_one_time_costs_microseconds(monkeypatch: pytest.MonkeyPatch, text: str, expected: int) -> None:
    """A thousand odd times in one request hold up nobody: none of them starts DuckDB, which takes 30 ms."""
    monkeypatch.setattr(times, "connect", None)
    assert moment(text) == expected
    assert moment(float("nan")) == moment(float("inf")) == NO_TIME

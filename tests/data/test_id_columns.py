"""Columns of ids: every id survives as it was written, or the column is refused with rows and the way out."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.data.id_columns import id_array, read_ids
from shortlist.errors import DataError


@pytest.mark.parametrize(
    ("array", "ids"),
    [
        (pa.array([1, None], pa.uint64()), [1, None]),
        (pa.array([1, 2], pa.int8()), [1, 2]),
        (pa.array([1.0, None, float("nan")]), [1, None, None]),
        (pa.array([Decimal(5)], pa.decimal128(20, 0)), [5]),
        (pa.array([b"a"], pa.binary(1)), ["a"]),
        (pa.array(["1e2", "100", "007"]), ["1e2", "100", "007"]),
        (pa.array(["a", "b"], pa.string_view()).dictionary_encode(), ["a", "b"]),
        (pa.nulls(2), [None, None]),
    ],
    ids=lambda value: str(getattr(value, "type", ""))[:30],
)
def test_ids_are_whole_numbers_or_texts(array: pa.Array, ids: list[Any]) -> None:
    assert id_array(array, "t: user_id").to_pylist() == ids


@given(st.lists(st.integers(-(2**53) + 1, 2**53 - 1), max_size=20))
@settings(deadline=None, max_examples=50)
def test_whole_numbers_survive_as_floats_as_long_as_they_are_exact(numbers: list[int]) -> None:
    assert id_array(pa.array([float(n) for n in numbers], pa.float64()), "t").to_pylist() == numbers


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (pa.array([1.0, 1.42e18]), r"has lost digits.*1 rows; for example row 2: 1\.42e\+18.*Int64"),
        (pa.array([2.0**24], pa.float32()), "has lost digits: a floating-point number of 32 bits"),
        (pa.array([1.0, 2.5]), r"is a fraction \(1 rows; for example row 2: 2\.5\)"),
        (pa.array([float("inf")]), "is infinite"),
        (pa.array([2**63], pa.uint64()), r"is above 2\^63 − 1 \(1 rows; for example row 1: 9223372036854775808"),
        (pa.array([Decimal(2**63)], pa.decimal128(30, 0)), "has more than 64 bits"),
        (pa.array([b"\xff"]), "the bytes are no text in UTF-8"),
        (pa.array([True]), "a column of type bool cannot hold ids"),
        (pa.array([date(2025, 4, 1)]), "a column of type date32.* cannot hold ids"),
        (pa.array([["a"]]), "cannot hold ids .*'a'"),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)  # fmt: skip
def test_what_cannot_identify_is_refused(array: pa.Array, message: str) -> None:
    with pytest.raises(DataError, match=f"t: user_id: .*{message}"):
        read_ids(array, "t: user_id")


def test_blanks_and_words_for_missing_are_reported() -> None:
    reading = read_ids(pa.array([" a ", "a", "NULL", "\\N", "N/A", "None", "NA", "unknown"]), "t: user_id")
    assert reading.ids.to_pylist() == ["a", "a", None, None, None, None, "NA", "unknown"]
    assert reading.no_id.tolist() == [False, False, True, True, True, True, False, False]
    assert reading.notes == [
        "t: user_id: blanks around 1 ids are left out, for example ' a '; 1 of them are then equal to others"
    ]
    assert reading.warnings == ["1 rows have the id 'NA'", "1 rows have the id 'unknown'"]


def test_numbers_that_other_programs_rewrote_are_warned_of() -> None:
    assert "such as 1.0, as pandas writes" in read_ids(pa.array(["1.0", "2.0"]), "t").warnings[0]
    assert "such as 1.42E+18, as spreadsheets" in read_ids(pa.array(["1.42E+18"]), "t").warnings[0]
    assert read_ids(pa.array([3, -1, -1]), "t").warnings == ["2 rows have the id -1"]
    assert read_ids(pa.array([3, -1, -2]), "t").warnings == []


def test_impossible_texts_are_marked() -> None:
    assert read_ids(pa.array(["a", "x" * 513, "b\0"]), "t").faulty.tolist() == [False, True, True]


def test_whole_numbers_can_be_read_as_texts() -> None:
    assert read_ids(pa.array([7, None]), "t", as_text=True).ids.to_pylist() == ["7", None]


def test_ids_that_were_rounded_to_16_bits_are_refused() -> None:
    exact = pa.array([float(n) for n in range(3000, 3100)], pa.float32())
    assert id_array(exact, "t").to_pylist() == list(range(3000, 3100))
    with pytest.raises(DataError, match=r"lost digits: a floating-point number of 16 bits .* from 2,048 on"):
        id_array(exact.cast(pa.float16()), "t")

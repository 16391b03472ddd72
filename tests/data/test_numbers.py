"""Values of events as numbers: decimal commas, truth values, and what is no number."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.data.numbers import read_numbers

NAN = math.nan
MONEY = ", without signs of currencies and thousands"


@pytest.mark.parametrize(
    ("texts", "numbers", "how"),
    [
        (["4,5", "3,0", None], [4.5, 3.0, NAN], "decimal commas"),
        (["1,250", "2,5"], [1.25, 2.5], "decimal commas"),
        (["True", "False", "true"], [1, 0, 1], "true as 1, false as 0"),
        (["Yes", "no", ""], [1, 0, NAN], "yes as 1, no as 0"),
        (["ja", "Nee", ""], [1, 0, NAN], "ja as 1, nee as 0"),
        (["5 stars", "1 star"], [5, 1], "numbers written as text"),
        ([" 4 ", "-3.5", "+1", "1e3", ".5"], [4, -3.5, 1, 1000, 0.5], "numbers written as text"),
        (["$3.37", "$1,250.00", "-$2,000"], [3.37, 1250, -2000], "numbers written as text" + MONEY),
        (["1.250,00 €", "12,50 €", "2.000 €"], [1250, 12.5, 2000], "decimal commas" + MONEY),
        (["CHF 1'250.50"], [1250.5], "numbers written as text" + MONEY),
        (["4", "N/A", "NULL", r"\N"], [4, NAN, NAN, NAN], "numbers written as text"),
    ],
)
@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_texts_are_read(texts: list[str | None], numbers: list[float], how: str, kind: pa.DataType) -> None:
    array = pa.array(texts, pa.string())
    array = array.dictionary_encode() if pa.types.is_dictionary(kind) else array.cast(kind)
    reading = read_numbers(pa.chunked_array([array]))
    assert reading is not None
    assert reading.numbers.tolist() == pytest.approx(numbers, nan_ok=True)
    assert not reading.unreadable.any()
    assert reading.how == how


@pytest.mark.parametrize(
    ("texts", "unreadable"),
    [
        (["good", "4"], [True, False]),
        (["1,250", "2,000"], [True, True]),  # thousands, or three decimals: nobody can tell
        (["4/5", "4"], [True, False]),
        (["80%", "true"], [True, True]),
    ],
)
def test_what_is_no_number_is_said(texts: list[str], unreadable: list[bool]) -> None:
    reading = read_numbers(pa.array(texts))
    assert reading is not None
    assert reading.unreadable.tolist() == unreadable


def test_numbers_truth_values_and_other_types() -> None:
    whole = read_numbers(pa.array([1, None, 3], pa.int8()))
    truth = read_numbers(pa.array([True, None, False]))
    assert whole is not None
    assert truth is not None
    assert whole.numbers.tolist() == pytest.approx([1, NAN, 3], nan_ok=True)
    assert truth.numbers.tolist() == pytest.approx([1, NAN, 0], nan_ok=True)
    assert (whole.how, truth.how) == ("", "true as 1, false as 0")
    assert read_numbers(pa.array([[1]])) is None
    assert read_numbers(pa.array([], pa.string())) is not None


@given(st.lists(st.decimals(-10_000, 10_000, places=1), min_size=1))
def test_decimal_commas_and_points_are_the_same(values: list[float]) -> None:
    with_points = read_numbers(pa.array([str(v) for v in values]))
    with_commas = read_numbers(pa.array([str(v).replace(".", ",") for v in values]))
    assert with_points is not None
    assert with_commas is not None
    assert with_points.numbers.tolist() == with_commas.numbers.tolist() == [float(v) for v in values]


@pytest.mark.parametrize("texts", [["EUR 5", "USD 5"], ["€1,250"], ["€1.250,00", "€1,250.00"]])
def test_amounts_that_can_mean_two_things_are_no_numbers(texts: list[str]) -> None:
    reading = read_numbers(pa.array(texts))
    assert reading is not None
    assert reading.unreadable.all()

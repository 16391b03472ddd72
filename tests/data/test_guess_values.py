"""What the values of events are taken for, and from where on an item was wanted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.data.guess.columns import value_meaning
from shortlist.data.guess.value import Meaning, Shape, read_values

RATING, GENERIC, TIME, COUNT, MONEY = (
    Meaning.RATING,
    Meaning.GENERIC,
    Meaning.TIME,
    Meaning.COUNT,
    Meaning.MONEY,
)


@pytest.mark.parametrize(
    ("values", "meaning", "shape", "at_least"),
    [
        ([1, -1], RATING, Shape.SIGNS, 1),
        ([1, 0, -1], GENERIC, Shape.SIGNS, 1),
        ([0, 1], RATING, Shape.TRUTH, 1),
        ([0, 1], GENERIC, Shape.TRUTH, 1),
        ([1, 2, 3, 4, 5], RATING, Shape.SCALE, 4),
        ([1, 5], GENERIC, Shape.SCALE, 4),
        ([0.5, 2.5, 5], RATING, Shape.SCALE, 4),
        ([1, 10], RATING, Shape.SCALE, 8),
        ([0, 5, 10], GENERIC, Shape.SCALE, 8),
        ([5, 100], RATING, Shape.SCALE, 75),
        ([0, 100], GENERIC, Shape.SCALE, 75),
        ([1, 2, 3], RATING, Shape.SCALE, 3),
        ([1, 2], RATING, Shape.SCALE, 2),
        ([0, 0.25, 0.5, 0.75, 1], RATING, Shape.SCALE, 0.75),
        ([4, 5], RATING, Shape.SCALE, 4),
        ([-1, 7, 10], RATING, Shape.SCALE, 8),  # -1: seen, and not graded
        ([-2, -1, 0, 1, 2], RATING, Shape.SIGNS, 1),
        ([-10, -5, 5, 10], RATING, Shape.SIGNS, 5),
        ([-3, 1, 20], COUNT, Shape.SIGNS, 1),
        ([-9.5, 0.07, 20], MONEY, Shape.SIGNS, 0.07),
        ([1, 2, 3, 4, 5], COUNT, Shape.AMOUNT, None),
        ([1, 889], COUNT, Shape.AMOUNT, None),
        ([1] * 9 + [10], GENERIC, Shape.AMOUNT, None),
        ([0, 612.5], GENERIC, Shape.AMOUNT, None),
        ([0, 5, 60, 120], TIME, Shape.AMOUNT, 5),
        ([0, 0, 60, 120], TIME, Shape.AMOUNT, None),  # 0: not measured
        ([1, 1], GENERIC, Shape.CONSTANT, None),
    ],
)
def test_shapes(values: list[float], meaning: Meaning, shape: Shape, at_least: float | None) -> None:
    reading = read_values(np.array([*values, np.nan], np.float32).astype(np.float64), meaning)
    assert reading is not None
    assert (reading.shape, reading.at_least) == (shape, at_least)


def test_no_values() -> None:
    assert read_values(np.array([np.nan]), RATING) is None


@given(
    st.lists(st.floats(-1000, 1000, width=32), min_size=1),
    st.sampled_from([RATING, GENERIC, TIME, COUNT, MONEY]),
)
def test_a_limit_is_reached_and_keeps_the_worst_out(values: list[float], meaning: Meaning) -> None:
    array = np.array(values, np.float64)
    reading = read_values(array, meaning)
    assert reading is not None
    if reading.at_least is not None:
        counted = array.astype(np.float32) >= np.float32(reading.at_least)
        assert counted.any()
        assert not counted[array < 0].any()
        assert len(np.unique(array)) == 1 or array.min() >= reading.low or not counted.all()


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("rating", RATING),
        ("Book-Rating", RATING),
        ("stars", RATING),
        ("overall", RATING),
        ("EVENT_VALUE", GENERIC),
        ("value", GENERIC),
        ("ms_played", TIME),
        ("watch_time", TIME),
        ("plays", COUNT),
        ("playCount", COUNT),
        ("Lineitem quantity", COUNT),
        ("UnitPrice", MONEY),
        ("device", None),
        ("item_price", None),
        ("rating_date", None),
        ("avg_rating", None),
    ],
)
def test_names_of_value_columns(name: str, meaning: Meaning | None) -> None:
    assert value_meaning(name) is meaning

"""The meaning of the value of an event: a scale, a plus or minus, yes or no, or an amount; and from where on the item was wanted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray


class Meaning(Enum):
    """The meaning of the values that the name of a column suggests."""

    RATING = "rating"
    GENERIC = "value"
    OUTCOME = "outcome"
    TIME = "time"
    COUNT = "count"
    MONEY = "money"


class Shape(Enum):
    """The kind of the values."""

    CONSTANT = "constant"
    TRUTH = "truth"
    """0 and 1."""
    SIGNS = "signs"
    """Numbers above and below 0, where below 0 stands for something unwanted or undone."""
    SCALE = "scale"
    """Grades between a lowest and a highest one."""
    AMOUNT = "amount"


@dataclass(frozen=True)
class ValueReading:
    """The guess about the values of some events.

    Attributes
    ----------
    shape
        What they are.
    at_least
        From this value on, the item was wanted; None where the value does not say it.
    sentence
        What they were taken for and why.
    low, high
        The ends of a scale.
    """

    shape: Shape
    at_least: float | None
    sentence: str
    low: float = 0.0
    high: float = 0.0


TOPS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 50, 100)
"""Highest grades of common scales."""
USUAL_TOPS = {5: 11, 10: 21, 100: 101}
"""Highest grades that also mark a scale where the name of the column does not, and how many grades there are at most."""
WANTED_FROM = 0.75
"""Grades from this part of a scale on count as wanted: 4 of 1 to 5, 8 of 1 to 10, 75 of 0 to 100."""
ZEROS = (0.01, 0.3)
"""Of the times and counts, such a share of zeros says that nothing came of an event; more of them stand for no value."""
GRADES = 101
"""A scale has at most this many distinct grades."""


def read_values(values: NDArray[np.float64], meaning: Meaning) -> ValueReading | None:
    """Say what values are; None where there are none.

    Parameters
    ----------
    values : ndarray of shape (n,), float64
        The values of the events; NaN where there is none.
    meaning
        What the name of their column says.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    distinct = np.unique(values)
    low, high = float(distinct[0]), float(distinct[-1])
    if len(distinct) == 1:
        return ValueReading(Shape.CONSTANT, None, f"it is always {low:g}")
    if low == 0 and high == 1 and len(distinct) == 2:
        return ValueReading(Shape.TRUTH, 1.0, "0 and 1: 1 counts as wanted")
    if low < 0:
        return _with_negatives(distinct, meaning)
    if _is_scale(values, distinct, meaning):
        return _scale(distinct)
    return _amount(values, meaning)


def _with_negatives(distinct: NDArray[np.float64], meaning: Meaning) -> ValueReading:
    low, high = float(distinct[0]), float(distinct[-1])
    above = distinct[distinct > 0]
    if not len(above):
        return ValueReading(
            Shape.SIGNS, None, f"{low:g} to {high:g}: no value is above 0, and below 0 is unwanted"
        )
    if meaning is Meaning.RATING and low == -1 and distinct[1] >= 0 and high >= 3:
        found = _scale(distinct[1:])
        return ValueReading(
            found.shape, found.at_least, f"{found.sentence}; −1 stands for no grade", found.low, found.high
        )
    graded = meaning is Meaning.RATING and high > 1
    least = _threshold(-high, high, distinct) if graded else _plain(float(above[0]))
    why = (
        "a scale around 0"
        if meaning in {Meaning.RATING, Meaning.GENERIC}
        else "below 0 stands for what was undone or returned"
    )
    return ValueReading(Shape.SIGNS, least, f"{low:g} to {high:g}, {why}: {least:g} or more counts as wanted")


def _plain(value: float) -> float:
    """Return a short decimal number for a value; as a number of 24 bits, which values are stored as, it is not above the value."""
    short = (float(f"{value:.{digits}g}") for digits in range(6, 10))
    return next((number for number in short if np.float32(number) <= np.float32(value)), value)


def _is_scale(values: NDArray[np.float64], distinct: NDArray[np.float64], meaning: Meaning) -> bool:
    high = float(distinct[-1])
    if meaning is Meaning.RATING:
        return len(distinct) <= GRADES or high <= TOPS[-1]
    if meaning is not Meaning.GENERIC or bool((distinct * 2 % 1).any()):
        return False
    top = 5 if 4 < high <= 5 else int(high) if high in USUAL_TOPS else None
    # amounts fall off: most are small
    return top is not None and len(distinct) <= USUAL_TOPS[top] and float((values > top / 2).mean()) >= 0.25


def _scale(distinct: NDArray[np.float64]) -> ValueReading:
    high = float(distinct[-1])
    top = float(next((top for top in TOPS if top >= high), high))
    low = min(float(distinct[0]), 0.0 if top > 10 or top == 1 else 1.0)
    least = _threshold(low, top, distinct)
    sentence = f"a scale from {low:g} to {top:g}: {least:g} or more counts as wanted"
    return ValueReading(Shape.SCALE, least, sentence, low, top)


def _threshold(low: float, top: float, distinct: NDArray[np.float64]) -> float:
    """Return the grade nearest to the last quarter of a scale; one that some event reaches."""
    exact = low + WANTED_FROM * (top - low)
    for step in (1.0, 0.5):
        if top - low > 2 and not (distinct / step % 1).any():
            exact = float(np.floor(exact / step + 0.5) * step)
            break
    else:
        if len(distinct) <= GRADES and (distinct >= exact - 1e-9).any():
            exact = float(distinct[distinct >= exact - 1e-9][0])  # the next grade that occurs
        exact = float(f"{exact:.3g}")
    return _plain(min(exact, distinct[-1]))


def _amount(values: NDArray[np.float64], meaning: Meaning) -> ValueReading:
    low, high = float(values.min()), float(values.max())
    words = {Meaning.TIME: "a time", Meaning.COUNT: "a count", Meaning.MONEY: "an amount of money"}
    sentence = f"{words.get(meaning, 'an amount')} from {low:g} to {high:g}"
    if meaning in {Meaning.TIME, Meaning.COUNT} and ZEROS[0] <= float((values == 0).mean()) <= ZEROS[1]:
        least = _plain(float(values[values > 0].min()))
        return ValueReading(Shape.AMOUNT, least, f"{sentence}: above 0 counts as wanted")
    return ValueReading(
        Shape.AMOUNT, None, f"{sentence}: every event counts as wanted, however small its value"
    )

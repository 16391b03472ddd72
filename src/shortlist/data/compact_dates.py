"""Dates that are written as one number: 20250401, 202504011530, 20250401153000."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.data.no_time import NO_TIME

DIGITS = {8: 1, 12: 10**4, 14: 10**6}
"""Digits of the number → what its date is multiplied by."""
MOST = 0.9
"""The share of numbers that must be dates of the calendar for all to be read as dates."""
FIRST, LAST = 1900, 2200


def read_compact(numbers: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Return numbers as ms since 1970, `NO_TIME` for those that are no dates; None unless nine in ten of them are dates.

    Epoch seconds, milliseconds and microseconds of our time do not have these numbers of digits, apart from those of the
    years 1970 to 1976 and after 2500. 0 stands for a missing number.

    Examples
    --------
    >>> read_compact(np.array([20250401.0]))
    array([1743465600000])
    >>> read_compact(np.array([1700000000.0])) is None
    True
    """
    present = numbers != 0
    count = int(present.sum())
    for digits, rest in DIGITS.items():
        times = _dates(numbers, digits, rest)
        if count and (times[present] != NO_TIME).sum() >= MOST * count:
            return times
    return None


def _dates(numbers: NDArray[np.float64], digits: int, rest: int) -> NDArray[np.int64]:
    low = 10 ** (digits - 1)
    good = (numbers >= low) & (numbers < 10 * low) & (numbers == np.floor(numbers))
    if not good.any():
        return np.full(len(numbers), NO_TIME)
    whole = np.where(good, numbers, 10**7 * rest).astype(np.int64)
    date, clock = whole // rest, whole % rest
    year, month, day = date // 10_000, date // 100 % 100, date % 100
    good &= (year >= FIRST) & (year <= LAST) & (month >= 1) & (month <= 12) & (day >= 1)
    months = np.where(good, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (np.where(good, day, 1) - 1)
    good &= days.astype("datetime64[M]") == months
    clock = clock * 100 if digits == 12 else clock  # hours and minutes, without seconds
    hour, minute, second = clock // 10_000, clock // 100 % 100, clock % 100
    good &= (hour < 24) & (minute < 60) & (second < 60)
    times = days.astype("datetime64[ms]").astype(np.int64) + ((hour * 60 + minute) * 60 + second) * 1000
    return np.where(good, times, NO_TIME)

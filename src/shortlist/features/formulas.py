"""From integers to the value of a feature: one formula for training and for serving.

SQL delivers the integers as of moments of the past, counters as of now. Both go through `formula`, so the two values can
differ only if an integer differs. Training calls it on arrays (`apply_formula`). Serving calls it on the arrays of the
counters and writes into the matrix (`fill_columns`), without arrays in between.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

COUNT, RECENCY, MEAN, LATEST, TREND, RATE = range(6)
SECOND_INTEGER = {MEAN: "total", RECENCY: "last", LATEST: "value"}
"""The integer that a formula reads beside `n`."""
DAY_MS = 86_400_000.0
THOUSANDTHS = 1000.0
"""Values are summed as whole thousandths: the order of summation cannot change a sum of integers."""


def thousandths(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return values as whole thousandths; 0 where there is no value."""
    return np.round(np.nan_to_num(values.astype(np.float64)) * THOUSANDTHS).astype(np.int64)


@numba.njit(cache=True, nogil=True, inline="always")
def formula(op: int, n: float, second: float, other: float, moment: float, x: float, y: float) -> float:
    """Compute one value.

    | op | formula |
    | --- | --- |
    | count | n |
    | recency | (moment − last) in days |
    | mean | (total + x·y) / (n + x): x events of mean y are added |
    | latest | the latest value |
    | trend | (n + x) / (other·y + x): other is the count of a longer window, y the ratio of the windows' lengths |
    | rate | (n + x·y) / (other + x): other is the number of trials; x trials of rate y are added |
    """
    if op == COUNT:
        return n
    if op == RECENCY:
        return (moment - second) / DAY_MS if n > 0 else np.nan
    if op == MEAN:
        return (second / THOUSANDTHS + x * y) / (n + x) if n + x > 0 else np.nan
    if op == LATEST:
        return second / THOUSANDTHS if n > 0 else np.nan
    if op == TREND:
        return (n + x) / (other * y + x)
    return (n + x * y) / (other + x) if other + x > 0 else np.nan


@numba.njit(cache=True, nogil=True)
def apply_formula(
    op: int,
    integers: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    moments: NDArray[np.float64],
    x: float,
    y: float,
) -> NDArray[np.float64]:
    """Return float64 (rows,). integers: n, second, other, float64 (rows,); those that the formula does not read are empty."""
    n, second, other = integers
    values = np.empty(len(n))
    for row in range(len(n)):
        values[row] = formula(
            op,
            n[row],
            second[row] if len(second) else 0.0,
            other[row] if len(other) else 0.0,
            moments[row],
            x,
            y,
        )
    return values


COLUMNS_TOGETHER = 8
"""Features that one call of `fill_columns` writes: a call costs as much as several features of 500 rows."""
Int32Arrays = tuple[NDArray[np.int32], ...]
Int64Arrays = tuple[NDArray[np.int64], ...]


@numba.njit(cache=True, nogil=True, inline="always")
def _value_at(
    op: int,
    s: int,
    integers: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]],
    moment: int,
    x: float,
    y: float,
) -> float:
    """Compute the value of a slot. An array that the formula does not read is not accessed: each access is a cache miss."""
    n, second, other = integers
    return formula(
        op,
        float(n[s]),
        float(second[s]) if op in (RECENCY, MEAN, LATEST) else 0.0,
        float(other[s]) if op in (TREND, RATE) else 0.0,
        float(moment),
        x,
        y,
    )


@numba.njit(cache=True, nogil=True, inline="always")
def _fill_by_row(
    op: int,
    rows: tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    integers: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]],
    x: float,
    y: float,
) -> None:
    """Write a feature whose key differs from row to row. The formula is a constant where this is called."""
    line, slots, moments, request = rows
    for row in range(len(request)):
        line[row] = _value_at(op, slots[row], integers, moments[request[row]], x, y)


@numba.njit(cache=True, nogil=True)
def _fill_by_request(
    op: int,
    rows: tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    integers: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]],
    x: float,
    y: float,
) -> None:
    """Write a feature whose key is that of the request: computed once for its rows, which are side by side."""
    line, slots, moments, request = rows
    for row in range(len(request)):
        of = request[row]
        if row and of == request[row - 1]:
            line[row] = line[row - 1]
        else:
            line[row] = _value_at(op, slots[of], integers, moments[of], x, y)


@numba.njit(cache=True, nogil=True)
def fill_columns(
    matrix: NDArray[np.float32],
    plan: NDArray[np.int64],
    parameters: NDArray[np.float64],
    slots: Int64Arrays,
    integers: tuple[Int32Arrays, Int64Arrays, Int32Arrays],
    moments: NDArray[np.int64],
    request: NDArray[np.int64],
) -> None:
    """Write features into their columns of the matrix, float32 (rows, columns), from the arrays of counters.

    plan: int64 (features, 3), the column and the formula of each, and whether its key is that of the request. parameters:
    float64 (features, 2), x and y. slots: for each feature the slot of each row's key, int64 (rows,), or of each request's,
    int64 (B,); a request's value is computed once for its rows, which are side by side. integers: n, second and other, for
    each feature an array by slot. moments: int64 (B,), of requests. request: int64 (rows,), the request of each row. The tuples have `COLUMNS_TOGETHER` entries, of which the first len(plan) are used, so that one compiled version
    serves every project.
    """
    for feature in range(len(plan)):
        column, op = plan[feature, 0], plan[feature, 1]
        x, y = parameters[feature, 0], parameters[feature, 1]
        n, second, other = integers[0][feature], integers[1][feature], integers[2][feature]
        line = matrix[:, column]
        rows = line, slots[feature], moments, request
        if plan[feature, 2]:
            _fill_by_request(op, rows, (n, second, other), x, y)
        # a loop for each formula: in one loop for all, choosing it takes longer than computing it
        elif op == COUNT:
            _fill_by_row(COUNT, rows, (n, second, other), x, y)
        elif op == RECENCY:
            _fill_by_row(RECENCY, rows, (n, second, other), x, y)
        elif op == MEAN:
            _fill_by_row(MEAN, rows, (n, second, other), x, y)
        elif op == LATEST:
            _fill_by_row(LATEST, rows, (n, second, other), x, y)
        elif op == TREND:
            _fill_by_row(TREND, rows, (n, second, other), x, y)
        else:
            _fill_by_row(RATE, rows, (n, second, other), x, y)

"""From integers to the number that the ranker sees: one formula for training and for serving.

How many events, their sum in thousandths, the last time, the latest value: SQL delivers them as of the past, counters as of
now. Both go through `formula`, so that the two can only differ if an integer differs. Training calls it on arrays (`finished`);
serving calls it where the counters lie and writes straight into the matrix (`fill`), without an array in between.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import carray  # type: ignore[attr-defined]
from numba.core import cgutils, types
from numba.extending import intrinsic

COUNT, RECENCY, MEAN, LATEST, TREND, RATE = range(6)
READS = (-1, 1, 0, 2, -1, -1)
"""Which of total, last and value each formula reads beside n, −1 for none."""
DAY = 86_400_000.0
THOUSANDTHS = 1000.0
"""Values are summed as whole thousandths, so that the order of summation cannot matter."""


@numba.njit(cache=True, nogil=True, inline="always")
def formula(op, n, total, last, value, other, moment, x, y):  # type: ignore[no-untyped-def]
    """x, y: the feature's own parameters: how strong its prior is, and the prior (for a trend: the windows' share).

    count: n. recency: days since the last. mean: drawn to y by x imagined events. latest: its value. trend: the pace now
    against that of `other`, the longer window. rate: events per `other`, drawn to y by x imagined ones.
    """
    if op == COUNT:
        return n
    if op == RECENCY:
        return (moment - last) / DAY if n > 0 else np.nan
    if op == MEAN:
        return (total / THOUSANDTHS + x * y) / (n + x) if n + x > 0 else np.nan
    if op == LATEST:
        return value / THOUSANDTHS if n > 0 else np.nan
    if op == TREND:
        return (n + x) / (other * y + x)
    return (n + x * y) / (other + x) if other + x > 0 else np.nan


@numba.njit(cache=True, nogil=True)
def finished(op, n, total, last, value, other, moments, x, y):  # type: ignore[no-untyped-def]
    """float64 (rows,), of arrays float64 (rows,); those that a formula does not read may be empty."""
    answer = np.empty(len(n))
    for i in range(len(n)):
        answer[i] = formula(
            op,
            n[i],
            total[i] if len(total) else 0.0,
            last[i] if len(last) else 0.0,
            value[i] if len(value) else 0.0,
            other[i] if len(other) else 0.0,
            moments[i] if len(moments) else 0.0,
            x,
            y,
        )
    return answer


@numba.njit(cache=True, nogil=True, inline="always")
def alike(cosine, dot, events, square, own):  # type: ignore[no-untyped-def]
    """How like an item is to a history, from whole numbers: the cosine of both, or the share of events with the item's values.

    dot: of the item and the profile; events: how many made the profile; square, own: the profile's and the item's squared length.
    """
    if cosine:
        both = np.sqrt(float(square) * float(own))
        return dot / max(both, 1.0) if both > 0 else np.nan
    return dot / max(events * max(own, 1), 1) if events > 0 else np.nan


@numba.njit(cache=True, nogil=True)
def fill_alike(column, cosine, dot, events, square, own):  # type: ignore[no-untyped-def]
    """Into column float32 (rows,), of arrays int64 (rows,)."""
    for row in range(len(dot)):
        column[row] = alike(cosine, dot[row], events[row], square[row], own[row])


@intrinsic
def _pointer(context, address):  # type: ignore[no-untyped-def]
    """A number as the address that it is."""

    def make(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), make


@numba.njit(cache=True, nogil=True)
def fill(matrix, at, plan, parameters, addresses, sizes, moments):  # type: ignore[no-untyped-def]
    """Into `matrix`, float32 (rows, columns), all features that are read straight from counters, in one call: what a call costs is
    more than what a feature does.

    at: int64 (groups, rows), the slot of each row's key, for each thing that is counted by. A feature is a row of plan (column,
    formula, group) and of parameters (x, y). Its counts n (int32), total, last, value (int64), and the other's n, are arrays, one a slot, of
    `sizes` slots, given by their addresses: there are hundreds of them, and to pass each would cost as much as to read it.
    """
    for feature in range(len(plan)):
        column, op, group = plan[feature, 0], plan[feature, 1], plan[feature, 2]
        x, y, slots = parameters[feature, 0], parameters[feature, 1], sizes[feature]
        n = carray(_pointer(addresses[feature, 0]), slots, np.int32)  # type: ignore[call-arg]
        other = carray(_pointer(addresses[feature, 4]), slots, np.int32)
        # what a formula does not read is not looked up: each is a miss of the cache
        reads = np.int64(addresses[feature, 1 + READS[op]]) if READS[op] >= 0 else np.int64(0)
        wide = carray(_pointer(reads), slots if reads else 0, np.int64)
        two = op in (TREND, RATE)
        for row in range(at.shape[1]):
            s = at[group, row]
            if s >= slots:
                s = 0
            one = float(wide[s]) if reads else 0.0
            matrix[row, column] = formula(
                op, float(n[s]), one, one, one, float(other[s]) if two else 0.0, float(moments[row]), x, y
            )

"""The similarity of items and histories from sparse integer vectors, as compiled loops."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

Integer = int | np.int64


class SparseTable(NamedTuple):
    """Vectors in compressed rows: row i is `values[starts[i]:stops[i]]` with the weights at the same places."""

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    values: NDArray[np.int32]
    weights: NDArray[np.int16]


@numba.njit(cache=True, nogil=True)
def squared_lengths(table: SparseTable) -> NDArray[np.int64]:
    """Return the squared length of each vector, int64 (n,); for lists, the number of values."""
    starts, stops, _, weights = table
    lengths = np.zeros(len(starts), np.int64)
    for row in range(len(starts)):
        for at in range(starts[row], stops[row]):
            lengths[row] += np.int64(weights[at]) * weights[at]
    return lengths


@numba.njit(cache=True, nogil=True, inline="always")
def similarity_value(cosine: bool, dot: Integer, events: Integer, square: Integer, own: Integer) -> float:
    """Compute the similarity of an item and a history from integers.

    cosine: dot / √(square · own). Else: dot / (events · own), the share of events with the item's values.
    dot: dot product of item and history; events: length of the history; square, own: squared lengths of both vectors.
    """
    if cosine:
        both = np.sqrt(float(square) * float(own))
        return dot / max(both, 1.0) if both > 0 else np.nan
    return dot / max(events * max(own, 1), 1) if events > 0 else np.nan


@numba.njit(cache=True, nogil=True)
def fill_from_integers(
    column: NDArray[np.float32],
    cosine: bool,
    dot: NDArray[np.int64],
    events: NDArray[np.int64],
    square: NDArray[np.int64],
    own: NDArray[np.int64],
) -> None:
    """Write `similarity_value` of arrays int64 (rows,) into a column, float32 (rows,)."""
    for row in range(len(dot)):
        column[row] = similarity_value(cosine, dot[row], events[row], square[row], own[row])


@numba.njit(cache=True, nogil=True)
def fill_by_category(
    column: NDArray[np.float32],
    histories: tuple[NDArray[np.int64], NDArray[np.int32]],
    request: NDArray[np.int64],
    item: NDArray[np.int32],
    codes_of: tuple[NDArray[np.int32], NDArray[np.int32]],
    profile: NDArray[np.int64],
    cosine: bool,
) -> None:
    """codes_of: of the items of histories, and of the items that are compared with them.

    profile: int64 (values,), zeros; it holds one history at a time, and is zeros again at the end.
    """
    indptr, past = histories
    codes, compared = codes_of
    row = 0
    while row < len(item):
        current = request[row]
        begin, end = indptr[current], indptr[current + 1]
        square = np.int64(0)
        for event in range(begin, end):
            code = codes[past[event]]
            if code >= 0:
                square += 2 * profile[code] + 1
                profile[code] += 1
        while row < len(item) and request[row] == current:
            code = compared[item[row]]
            dot = profile[code] if code >= 0 else np.int64(0)
            own = np.int64(1 if code >= 0 else 0)
            column[row] = similarity_value(cosine, dot, end - begin, square, own)
            row += 1
        for event in range(begin, end):
            code = codes[past[event]]
            if code >= 0:
                profile[code] = 0


@numba.njit(cache=True, nogil=True)
def fill_by_table(
    column: NDArray[np.float32],
    histories: tuple[NDArray[np.int64], NDArray[np.int32]],
    request: NDArray[np.int64],
    item: NDArray[np.int32],
    tables: tuple[SparseTable, SparseTable],
    profile: NDArray[np.int64],
    cosine: bool,
) -> None:
    """tables: of the items of histories, and of the items that are compared with them.

    profile: int64 (dimensions,), zeros; it holds one history at a time, and is zeros again at the end.
    """
    indptr, past = histories
    starts, stops, values, weights = tables[0]
    own_starts, own_stops, own_values, own_weights = tables[1]
    row = 0
    while row < len(item):
        current = request[row]
        begin, end = indptr[current], indptr[current + 1]
        square = np.int64(0)
        for event in range(begin, end):
            for at in range(starts[past[event]], stops[past[event]]):
                old, weight = profile[values[at]], np.int64(weights[at])
                profile[values[at]] = old + weight
                square += weight * (2 * old + weight)
        while row < len(item) and request[row] == current:
            dot, own = np.int64(0), np.int64(0)
            for at in range(own_starts[item[row]], own_stops[item[row]]):
                weight = np.int64(own_weights[at])
                dot += profile[own_values[at]] * weight
                own += weight * weight
            column[row] = similarity_value(cosine, dot, end - begin, square, own)
            row += 1
        for event in range(begin, end):
            for at in range(starts[past[event]], stops[past[event]]):
                profile[values[at]] = 0

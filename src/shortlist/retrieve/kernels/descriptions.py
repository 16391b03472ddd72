"""Kernels of content: the cosine of profiles and descriptions, and the sum of two similarities in units of their spread."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.retrieve.kernels.cooccurrence import CsrArrays

MIN_SPREAD = 1e-9
"""Similarities that are all equal are divided by this."""


@numba.njit(cache=True, nogil=True)
def dense_product(
    low: int, high: int, left: CsrArrays, right: CsrArrays, first: int, out: NDArray[np.float32]
) -> None:
    """Write the rows low ≤ row < high of a product of sparse matrices into the columns of `out` from `first` on, float32.

    Terms are added in the order in which SciPy adds them, so the sums are equal to the bit. SciPy's product is sparse: where most
    entries are not zero, as with categories that a tenth of the catalogue has, writing and sorting them takes ten times as long.
    """
    begin, column, value = left
    row_begin, right_column, right_value = right
    for row in range(low, high):
        line = out[row]
        for at in range(begin[row], begin[row + 1]):
            weight, other = value[at], column[at]
            for to in range(row_begin[other], row_begin[other + 1]):
                line[first + right_column[to]] += weight * right_value[to]


@numba.njit(cache=True, nogil=True)
def add_standardised(
    low: int,
    high: int,
    scores: NDArray[np.float32],
    others: NDArray[np.float32],
    weight: float,
    known: NDArray[np.bool_],
    described: NDArray[np.bool_],
) -> None:
    """Replace each row of scores by itself plus `weight` times the row of the others, each in units of its own spread.

    Parameters
    ----------
    low, high
        Rows.
    scores, others : ndarray of shape (requests, items), float32
        Two similarities.
    weight
        Of the others.
    known : ndarray of shape (requests,), bool
        Whether anything is known of a request; its scores are −∞ otherwise.
    described : ndarray of shape (items,), bool
        Whether an item has a description; its scores are −∞ otherwise.
    """
    for row in range(low, high):
        if not known[row]:
            scores[row] = -np.inf
            continue
        mean, unit = _standard(scores[row])
        other_mean, other_unit = _standard(others[row])
        for item in range(scores.shape[1]):
            if described[item]:
                one = (scores[row, item] - mean) / unit
                scores[row, item] = one + weight * (others[row, item] - other_mean) / other_unit
            else:
                scores[row, item] = -np.inf


@numba.njit(cache=True, nogil=True)
def _standard(values: NDArray[np.float32]) -> tuple[float, float]:
    """Return mean and standard deviation, float64."""
    total = 0.0
    for value in values:
        total += value
    mean = total / max(len(values), 1)
    square = 0.0
    for value in values:
        square += (value - mean) * (value - mean)
    return mean, max(np.sqrt(square / max(len(values), 1)), MIN_SPREAD)

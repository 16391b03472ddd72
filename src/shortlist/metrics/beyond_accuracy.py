"""Metrics beyond accuracy, per user: novelty, diversity within a slate, and surprise.

- `slates`, int, shape (users, n): item codes, −1 where a slate is shorter;
- `vectors`, dense or sparse, shape (items, d): what each item is like (genres as 0/1, factors, or its users);
- `k`: the number of places that count.

Similarity is the cosine of two vectors.
"""

from __future__ import annotations

import numba
import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from shortlist.metrics.gains import chunk_bounds

Slates = NDArray[np.integer]
PerUser = NDArray[np.float64]
SparseRows = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64], int]
"""indptr, column, value and number of columns of a CSR matrix."""

LEAST_POPULARITY = 1e-6
"""Lower bound of popularity, so that the novelty of an item without users is finite."""


def novelty(slates: Slates, popularity: NDArray[np.floating], k: int) -> PerUser:
    """Mean self-information of a slate's items, −log₂(popularity), in bits.

    High for obscure items, whether they are relevant or not.

    Parameters
    ----------
    slates
    popularity : ndarray of float, shape (items,)
        The fraction of users who took each item.
    k

    References
    ----------
    Vargas & Castells 2011, "Rank and relevance in novelty and diversity metrics for recommender systems".
    """
    bits = -np.log2(np.maximum(popularity, LEAST_POPULARITY))
    return slate_mean(slates, bits, k)


def slate_mean(slates: Slates, values: NDArray[np.floating], k: int) -> PerUser:
    """Mean over each slate of a number per item, NaN for an empty slate, or if no item has the number.

    values : ndarray of float, shape (items,), NaN where an item lacks the number.
    """
    top = slates[:, :k]
    number = np.append(values, np.nan)[np.where((top >= 0) & (top < len(values)), top, len(values))]
    known = ~np.isnan(number)
    return _ratio(np.where(known, number, 0.0).sum(1), known.sum(1))


def intra_list_diversity(slates: Slates, vectors: ArrayLike | sp.csr_matrix, k: int) -> PerUser:
    """Mean of 1 − cosine over the pairs of a slate; NaN below two items.

    Does not show whether the user wants variety: a random slate is the most diverse. Costs O(non-zeros of the slate's vectors), since
    Σ of all pairs' cosines is the squared length of the sum of the unit vectors, less the sum of their squared lengths.

    References
    ----------
    Ziegler et al. 2005, "Improving recommendation lists through topic diversification".
    """
    top = np.ascontiguousarray(slates[:, :k], np.int64)
    squared = np.zeros((len(top), 2))
    _squared_sums(chunk_bounds(len(top)), top, unit_rows(vectors), squared)
    n = (top >= 0).sum(1)
    return 1.0 - _ratio(squared[:, 0] - squared[:, 1], n * (n - 1))


def surprise(
    slates: Slates,
    indptr: NDArray[np.integer],
    taken: NDArray[np.integer],
    vectors: ArrayLike | sp.csr_matrix,
    k: int,
) -> PerUser:
    """Mean distance, 1 − cosine, between a slate's items and those of the user's history; NaN without a history.

    High for whatever is unrelated to the user.

    Parameters
    ----------
    slates
    indptr : ndarray of int, shape (users + 1,)
        The history of user b is `taken[indptr[b]:indptr[b + 1]]`.
    taken : ndarray of int
        Item codes.
    vectors
    k

    References
    ----------
    Kaminskas & Bridge 2016, "Diversity, serendipity, novelty, and coverage", section 4.2 (surprise).
    """
    top = np.ascontiguousarray(slates[:, :k], np.int64)
    similarity = np.full(len(top), np.nan)
    histories = indptr.astype(np.int64), taken.astype(np.int64)
    _mean_similarities(chunk_bounds(len(top)), top, histories, unit_rows(vectors), similarity)
    return 1.0 - similarity


def unit_rows(vectors: ArrayLike | sp.csr_matrix) -> SparseRows:
    """Return the rows, scaled to length 1, as the parts of a CSR matrix."""
    matrix = sp.csr_matrix(vectors, dtype=np.float64)
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(1)).ravel())
    value = matrix.data / np.maximum(np.repeat(length, np.diff(matrix.indptr)), 1e-12)
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), value, matrix.shape[1]


def _ratio(above: NDArray[np.floating], below: NDArray[np.integer]) -> PerUser:
    return np.asarray(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0))


@numba.njit(cache=True, nogil=True, parallel=True)
def _squared_sums(
    bounds: NDArray[np.int64], items: NDArray[np.int64], rows: SparseRows, out: NDArray[np.float64]
) -> None:
    """Per slate: the squared length of the sum of its items' vectors, and the sum of their squared lengths."""
    indptr, column, value, width = rows
    for chunk in numba.prange(len(bounds) - 1):
        total = np.zeros(width)
        for row in range(bounds[chunk], bounds[chunk + 1]):
            own = 0.0
            for place in range(items.shape[1]):
                item = items[row, place]
                if item >= 0:
                    for entry in range(indptr[item], indptr[item + 1]):
                        total[column[entry]] += value[entry]
                        own += value[entry] * value[entry]
            whole = 0.0
            for place in range(items.shape[1]):  # each column is squared once, and cleared as it is read
                item = items[row, place]
                if item >= 0:
                    for entry in range(indptr[item], indptr[item + 1]):
                        whole += total[column[entry]] * total[column[entry]]
                        total[column[entry]] = 0.0
            out[row, 0] = whole
            out[row, 1] = own


@numba.njit(cache=True, nogil=True, parallel=True)
def _mean_similarities(
    bounds: NDArray[np.int64],
    items: NDArray[np.int64],
    histories: tuple[NDArray[np.int64], NDArray[np.int64]],
    rows: SparseRows,
    out: NDArray[np.float64],
) -> None:
    """Per slate: the mean cosine of its items and those of the history; untouched where either is empty."""
    indptr, taken = histories
    start, column, value, width = rows
    for chunk in numba.prange(len(bounds) - 1):
        total = np.zeros(width)
        for row in range(bounds[chunk], bounds[chunk + 1]):
            n = indptr[row + 1] - indptr[row]
            shown = 0
            for place in range(items.shape[1]):
                shown += items[row, place] >= 0
            if n == 0 or shown == 0:
                continue
            for event in range(indptr[row], indptr[row + 1]):
                for entry in range(start[taken[event]], start[taken[event] + 1]):
                    total[column[entry]] += value[entry]
            dot = 0.0
            for place in range(items.shape[1]):
                item = items[row, place]
                if item >= 0:
                    for entry in range(start[item], start[item + 1]):
                        dot += total[column[entry]] * value[entry]
            out[row] = dot / (n * shown)
            for event in range(indptr[row], indptr[row + 1]):
                for entry in range(start[taken[event]], start[taken[event] + 1]):
                    total[column[entry]] = 0.0

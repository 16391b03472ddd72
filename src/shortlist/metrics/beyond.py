"""What accuracy does not see, person by person: how obvious a slate's items are, and how alike.

`slates` int (users, n): item codes, −1 where a slate is shorter. `vectors`: what items are like, a row an item, dense or
sparse (items, d): genres as 0/1, factors, or who took the item. Likeness is the cosine.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import scipy.sparse as sp

from shortlist.metrics.lists import parts_of


def novelty(slates: np.ndarray, popularity: np.ndarray, k: int) -> np.ndarray:
    """Mean over a slate of −log₂ (share of people who already took the item), bits, float64 (users,) (Vargas &
    Castells 2011). High for obscure items, whether they are wanted or not. popularity: those shares (items,).
    """
    bits = -np.log2(np.maximum(popularity, 1e-6))
    return mean_of(slates, bits, k)


def mean_of(slates: np.ndarray, values: np.ndarray, k: int) -> np.ndarray:
    """The mean over each slate of a number every item has, float64 (users,); NaN for an empty slate or where no item of it
    has the number (NaN). values float (items,).
    """
    top = slates[:, :k]
    number = np.append(values, np.nan)[np.where((top >= 0) & (top < len(values)), top, len(values))]
    known = ~np.isnan(number)
    return _mean(np.where(known, number, 0.0).sum(1), known.sum(1))


def intra_list_diversity(slates: np.ndarray, vectors: Any, k: int) -> np.ndarray:
    """Mean over the pairs of a slate of 1 − cosine, float64 (users,) (Ziegler et al. 2005); NaN below two items. Hides
    whether the person wants variety: a random slate is the most varied.

    Costs O(entries of the slate's vectors): the pairs' cosines are summed by squaring the sum of their directions.
    """
    top = np.ascontiguousarray(slates[:, :k], np.int64)
    indptr, column, value, width = directions(vectors)
    squared = np.zeros((len(top), 2))
    _sums(parts_of(len(top)), top, indptr, column, value, width, squared)
    n = (top >= 0).sum(1)
    return 1.0 - _mean(squared[:, 0] - squared[:, 1], n * (n - 1))


def surprise(slates: np.ndarray, indptr: np.ndarray, taken: np.ndarray, vectors: Any, k: int) -> np.ndarray:
    """Mean distance, 1 − cosine, between the items of a slate and those the person took before, float64 (users,)
    (Kaminskas & Bridge 2016). NaN without a history. High for whatever has nothing to do with the person.

    indptr int64 (users + 1,), taken int: the histories, ragged.
    """
    top = np.ascontiguousarray(slates[:, :k], np.int64)
    vptr, column, value, width = directions(vectors)
    likeness = np.full(len(top), np.nan)
    _likeness(
        parts_of(len(top)),
        top,
        indptr.astype(np.int64),
        taken.astype(np.int64),
        vptr,
        column,
        value,
        width,
        likeness,
    )
    return 1.0 - likeness


def directions(vectors: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Rows of length 1 as sparse parts: indptr int64, column int32, value float64, width."""
    matrix = sp.csr_matrix(vectors, dtype=np.float64)
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(1)).ravel())
    value = matrix.data / np.maximum(np.repeat(length, np.diff(matrix.indptr)), 1e-12)
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), value, matrix.shape[1]


def _mean(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)


@numba.njit(cache=True, nogil=True, parallel=True)
def _sums(cuts, items, indptr, column, value, width, out):  # type: ignore[no-untyped-def]
    """For each row: the squared length of the sum of its items' vectors, and the sum of their squared lengths."""
    for part in numba.prange(len(cuts) - 1):
        total = np.zeros(width)
        for row in range(cuts[part], cuts[part + 1]):
            own = 0.0
            for place in range(items.shape[1]):
                item = items[row, place]
                if item >= 0:
                    for at in range(indptr[item], indptr[item + 1]):
                        total[column[at]] += value[at]
                        own += value[at] * value[at]
            whole = 0.0
            for place in range(items.shape[1]):  # each column is squared once, and wiped as it is read
                item = items[row, place]
                if item >= 0:
                    for at in range(indptr[item], indptr[item + 1]):
                        whole += total[column[at]] * total[column[at]]
                        total[column[at]] = 0.0
            out[row, 0] = whole
            out[row, 1] = own


@numba.njit(cache=True, nogil=True, parallel=True)
def _likeness(cuts, items, indptr, taken, vptr, column, value, width, out):  # type: ignore[no-untyped-def]
    for part in numba.prange(len(cuts) - 1):
        total = np.zeros(width)
        for row in range(cuts[part], cuts[part + 1]):
            n = indptr[row + 1] - indptr[row]
            shown = 0
            for place in range(items.shape[1]):
                shown += items[row, place] >= 0
            if n == 0 or shown == 0:
                continue
            for at in range(indptr[row], indptr[row + 1]):
                for v in range(vptr[taken[at]], vptr[taken[at] + 1]):
                    total[column[v]] += value[v]
            dot = 0.0
            for place in range(items.shape[1]):
                item = items[row, place]
                if item >= 0:
                    for v in range(vptr[item], vptr[item + 1]):
                        dot += total[column[v]] * value[v]
            out[row] = dot / (n * shown)
            for at in range(indptr[row], indptr[row + 1]):
                for v in range(vptr[taken[at]], vptr[taken[at] + 1]):
                    total[column[v]] = 0.0

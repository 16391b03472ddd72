"""Which items were taken together, without ever holding the whole items × items matrix.

Row i of C = XᵀX is gathered by walking from the item to its people and from them to their items, into one line of
scratch per core; what is wanted of the row (its strongest entries) is kept and the line is cleared. So the cost is
Σ_people (size of their history)², in parallel, and the memory is items × k instead of the non-zeros of C, which for
100,000 items are some hundred million.
"""

from __future__ import annotations

import numba
import numpy as np
import scipy.sparse as sp

from shortlist.retrieve.kernels.select import in_parts, no_candidates, offer, ranked


@numba.njit(cache=True, nogil=True)
def walk(item, T, X, line, seen, touched):  # type: ignore[no-untyped-def]
    """Gather row `item` of XᵀX into `line`; `touched[:n]` are its non-zeros, and n is returned. T is Xᵀ; both are
    (indptr, indices, data).
    """
    n = 0
    for at in range(T[0][item], T[0][item + 1]):
        person, weight = T[1][at], T[2][at]
        for to in range(X[0][person], X[0][person + 1]):
            other = X[1][to]
            if not seen[other]:
                seen[other] = True
                touched[n] = other
                n += 1
            line[other] += weight * X[2][to]
    return n


@numba.njit(cache=True, nogil=True)
def _nearest_rows(low, high, T, X, own, others, shrink, items, values):  # type: ignore[no-untyped-def]
    n_items = len(own)
    line, seen = np.zeros(n_items, np.float32), np.zeros(n_items, np.bool_)
    touched = np.empty(n_items, np.int32)
    for item in range(low, high):
        n = walk(item, T, X, line, seen, touched)
        for at in range(n):
            other = touched[at]
            if other != item and line[other] > 0:
                offer(
                    line[other] / (own[item] * others[other] + shrink),
                    other,
                    values[item],
                    items[item],
                )
            line[other] = 0
            seen[other] = False
        ranked(values[item], items[item])


@numba.njit(cache=True, nogil=True, parallel=True)
def _nearest_parallel(cuts, T, X, own, others, shrink, items, values):  # type: ignore[no-untyped-def]
    for part in numba.prange(len(cuts) - 1):
        _nearest_rows(cuts[part], cuts[part + 1], T, X, own, others, shrink, items, values)


def nearest(
    X: sp.csr_matrix, own: np.ndarray, others: np.ndarray, shrink: float, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Each item's k strongest c_ij / (own_i · others_j + shrink), itself left out, strongest first.

    X float32 (users, items). Gives items int32 (items, k), −1 where there are fewer, and values float32 (items, k).
    """
    n = X.shape[1]
    items, values = no_candidates(n, k)
    T = X.T.tocsr()
    in_parts(
        n,
        _nearest_rows,
        _nearest_parallel,
        parts_of(T),
        parts_of(X),
        own.astype(np.float32),
        others.astype(np.float32),
        np.float32(shrink),
        items,
        values,
    )
    return items, values


def parts_of(matrix: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A sparse matrix as the three arrays that kernels take, always of the same types."""
    return (
        matrix.indptr.astype(np.int64, copy=False),
        matrix.indices.astype(np.int32, copy=False),
        matrix.data.astype(np.float32, copy=False),
    )


def as_matrix(items: np.ndarray, values: np.ndarray, n: int) -> sp.csr_matrix:
    """Lists of (item, value) per row, −1 for none, as a sparse (rows, n) matrix with sorted columns."""
    there = items >= 0
    indptr = np.concatenate([[0], np.cumsum(there.sum(1))])
    matrix = sp.csr_matrix((values[there], items[there], indptr), shape=(len(items), n), dtype=np.float32)
    matrix.sort_indices()
    return matrix

"""Co-occurrence of items, without holding the whole items × items matrix.

Row i of C = XᵀX is gathered by walking from the item to its users and from them to their items, into one line of work
space per part; the strongest entries of the row are kept and the line is cleared. The cost is Σ_users (size of
history)², on all cores, and the memory is items · k instead of the non-zeros of C, which for 100,000 items are some
hundred million.
"""

from __future__ import annotations

import numba
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.retrieve.kernels.parallel import run_rows
from shortlist.retrieve.kernels.select import empty_lists, heap_replace, heap_sort

CsrArrays = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]
"""A sparse matrix as indptr, indices, data."""


@numba.njit(cache=True, nogil=True)
def walk(
    item: int,
    T: CsrArrays,
    X: CsrArrays,
    line: NDArray[np.float32],
    seen: NDArray[np.bool_],
    touched: NDArray[np.int32],
) -> int:
    """Gather row `item` of XᵀX into `line`, and return the number n of its non-zeros, `touched[:n]`. T is Xᵀ."""
    n = 0
    for at in range(T[0][item], T[0][item + 1]):
        user, weight = T[1][at], T[2][at]
        for to in range(X[0][user], X[0][user + 1]):
            other = X[1][to]
            if not seen[other]:
                seen[other] = True
                touched[n] = other
                n += 1
            line[other] += weight * X[2][to]
    return n


@numba.njit(cache=True, nogil=True)
def _nearest_rows(  # noqa: PLR0913, PLR0917 - a compiled loop takes its arrays one by one
    low: int,
    high: int,
    T: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    X: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    own: NDArray[np.float32],
    others: NDArray[np.float32],
    shrink: float,
    items: NDArray[np.int32],
    values: NDArray[np.float32],
) -> None:
    n_items = len(own)
    line, seen = np.zeros(n_items, np.float32), np.zeros(n_items, np.bool_)
    touched = np.empty(n_items, np.int32)
    for item in range(low, high):
        n = walk(item, T, X, line, seen, touched)
        for at in range(n):
            other = touched[at]
            if other != item and line[other] > 0:
                heap_replace(
                    line[other] / (own[item] * others[other] + shrink),
                    other,
                    values[item],
                    items[item],
                )
            line[other] = 0
            seen[other] = False
        heap_sort(values[item], items[item])


def nearest(
    X: sp.csr_matrix,
    own: NDArray[np.floating],
    others: NDArray[np.floating],
    shrink: float,
    k: int,
    targets: sp.csr_matrix | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the k largest c_ij / (own_i · others_j + shrink) of each item i, without the item itself, largest first.

    Parameters
    ----------
    X
        float32 (users, items).
    targets
        float32 (users, items): C is targetsᵀX (default: XᵀX).

    Returns
    -------
    items
        int32 (items, k), −1 where there are fewer.
    values
        float32 (items, k).
    """
    n = X.shape[1]
    items, values = empty_lists(n, k)
    T = (X if targets is None else targets).T.tocsr()
    run_rows(
        n,
        _nearest_rows,
        csr_arrays(T),
        csr_arrays(X),
        own.astype(np.float32),
        others.astype(np.float32),
        np.float32(shrink),
        items,
        values,
    )
    return items, values


def csr_arrays(matrix: sp.csr_matrix) -> CsrArrays:
    """Return a sparse matrix as the three arrays that kernels take, always of the same types."""
    return (
        matrix.indptr.astype(np.int64, copy=False),
        matrix.indices.astype(np.int32, copy=False),
        matrix.data.astype(np.float32, copy=False),
    )


def sparse_rows(items: NDArray[np.int32], values: NDArray[np.float32], n: int) -> sp.csr_matrix:
    """Return lists of (item, value), −1 for none, as a sparse (rows, n) matrix with sorted columns."""
    there = items >= 0
    indptr = np.concatenate([[0], np.cumsum(there.sum(1))])
    matrix = sp.csr_matrix((values[there], items[there], indptr), shape=(len(items), n), dtype=np.float32)
    matrix.sort_indices()
    return matrix

"""Kernels of ALS: the equations of each row, the rotation between half-steps, and the candidates of its index under filters."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.retrieve.kernels.select import radix_top_k


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def solve_rows(  # noqa: C901, PLR0913, PLR0917 - a compiled loop takes its arrays one by one
    low: int,
    high: int,
    rows: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    other: NDArray[np.float32],
    diagonal: NDArray[np.float32],
    ridge: NDArray[np.float32],
    out: NDArray[np.float32],
    steps: int,
) -> None:
    """Improve each row x of `out` by preconditioned conjugate gradients on (diag + ridge·I + Σ c y yᵀ) x = Σ c y."""
    d = other.shape[1]
    # long: one loop over rows; functions of its steps would pass the same ten arrays
    r, p = np.empty(d, np.float32), np.empty(d, np.float32)
    q, inverse = np.empty(d, np.float32), np.empty(d, np.float32)
    for row in range(low, high):
        start, end = rows[0][row], rows[0][row + 1]
        x = out[row]
        if start == end:
            x[:] = 0
            continue
        for c in range(d):
            inverse[c] = np.float32(1) / (diagonal[c] + ridge[row])
            r[c] = -x[c] / inverse[c]
        for at in range(start, end):
            y = other[rows[1][at]]
            w = np.float32(0)
            for c in range(d):
                w += y[c] * x[c]
            w = rows[2][at] * (np.float32(1) - w)
            for c in range(d):
                r[c] += w * y[c]
        rz = np.float32(0)
        for c in range(d):
            p[c] = r[c] * inverse[c]
            rz += r[c] * p[c]
        tolerance = rz * np.float32(1e-11)
        for _ in range(steps):
            if rz <= tolerance:
                break
            for c in range(d):
                q[c] = p[c] / inverse[c]
            for at in range(start, end):
                y = other[rows[1][at]]
                w = np.float32(0)
                for c in range(d):
                    w += y[c] * p[c]
                w *= rows[2][at]
                for c in range(d):
                    q[c] += w * y[c]
            pq = np.float32(0)
            for c in range(d):
                pq += p[c] * q[c]
            step = rz / pq
            previous = rz
            rz = np.float32(0)
            for c in range(d):
                x[c] += step * p[c]
                r[c] -= step * q[c]
                rz += r[c] * r[c] * inverse[c]
            momentum = rz / previous
            for c in range(d):
                p[c] = r[c] * inverse[c] + momentum * p[c]


@numba.njit(cache=True, nogil=True)
def filter_found(
    found: NDArray[np.int32],
    scores: NDArray[np.float32],
    filters: tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]],
    items: NDArray[np.int32],
    best: NDArray[np.float32],
    short: NDArray[np.bool_],
) -> None:
    """Write the best items of those that an index found and the filters permit.

    `short` tells the requests whose filters removed so many that the list is not full.
    """
    allowed, indptr, excluded = filters
    fit, values = np.empty(found.shape[1], np.int32), np.empty(found.shape[1], np.float32)
    for row in range(len(found)):
        removed = np.sort(excluded[indptr[row] : indptr[row + 1]]) if len(indptr) else excluded
        n = 0
        for at in range(found.shape[1]):
            item, score = found[row, at], scores[row, at]
            permitted = item >= 0 and score > -np.inf
            if permitted and len(allowed):
                permitted = allowed[item]
            if permitted and len(removed):
                place = np.searchsorted(removed, item)
                permitted = not (place < len(removed) and removed[place] == item)
            if permitted:
                fit[n], values[n] = item, score
                n += 1
        radix_top_k(values, fit, n, best[row], items[row])
        lost = n < found.shape[1]
        short[row] = lost and n < items.shape[1]


def rotated(
    Y: NDArray[np.float32], X: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the eigenvalues of YᵀY, and Y and X in its eigenvectors. No score X·Yᵀ changes."""
    values, vectors = np.linalg.eigh((Y.T @ Y).astype(np.float64))
    turn = vectors.astype(np.float32)
    return np.maximum(values, 0).astype(np.float32), Y @ turn, X @ turn

"""Kernels of SLIM: one regression an item over its support."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.retrieve.kernels.cooccurrence import CsrArrays

Known = tuple[CsrArrays, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""A model W₀ = P + L·Rᵀ whose residual the regressions learn: Pᵀ, the Gram matrix times L (items, t), R (items, t), and 1 plus the
diagonal of W₀ (items,)."""


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def solve_support_rows(  # noqa: C901, PLR0913, PLR0917 - a compiled loop takes its arrays one by one
    low: int,
    high: int,
    T: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    targets: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    n_users: int,
    support: NDArray[np.int32],
    ridge: float,
    known: Known,
    values: NDArray[np.float32],
) -> None:
    """Build and solve the normal equations of each item over its support, from the users who took any of it.

    Row i of `T` holds the users and values of item i as an input, row i of `targets` those of item i as what is predicted; they
    are the same where a history predicts itself. The entries of a user are a chain: `head[user]` is the latest entry, `link` the one before. As an item of the support is
    added, it meets all entries of its users so far, and no entry of XᵀX is looked up.

    With a model that is `known`, the target is what it leaves of the item.
    """
    width = support.shape[1]
    head = np.full(n_users, -1, np.int32)
    explained = np.zeros(n_users, np.float32)
    G, b = np.empty((width, width), np.float32), np.empty(width, np.float32)
    link, holder, weight = _chain(1024)
    for item in range(low, high):
        m = 0
        while m < width and support[item, m] >= 0:
            m += 1
        G[:m, :m] = 0
        b[:m] = 0
        total = 0
        for a in range(m):
            total += T[0][support[item, a] + 1] - T[0][support[item, a]]
        if total > len(link):
            link, holder, weight = _chain(2 * total)
        entry = 0
        for a in range(m):
            for at in range(T[0][support[item, a]], T[0][support[item, a] + 1]):
                user, w = T[1][at], T[2][at]
                previous = head[user]
                while previous >= 0:
                    G[a, holder[previous]] += w * weight[previous]
                    previous = link[previous]
                G[a, a] += w * w
                link[entry], holder[entry], weight[entry] = head[user], a, w
                head[user] = entry
                entry += 1
        for at in range(targets[0][item], targets[0][item + 1]):
            previous = head[targets[1][at]]
            while previous >= 0:
                b[holder[previous]] += targets[2][at] * weight[previous]
                previous = link[previous]
        for a in range(m):
            for at in range(T[0][support[item, a]], T[0][support[item, a] + 1]):
                head[T[1][at]] = -1
            G[a, a] += ridge
            for c in range(a):
                G[c, a] = G[a, c]
        _subtract_known(item, T, support[item, :m], known, explained, b)
        _conjugate_gradients(G, b, m, values[item])


@numba.njit(cache=True, nogil=True)
def _chain(size: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Return room for the entries of a support: the one before, its place in the support, and its value."""
    return np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.float32)


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _subtract_known(
    item: int,
    T: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    support: NDArray[np.int32],
    known: Known,
    explained: NDArray[np.float32],
    b: NDArray[np.float32],
) -> None:
    """Turn b = Xᵀx into Xᵀ((1 + w₀)x − X·W₀) over the support, without the diagonal of W₀. `explained` is zero, and is left so."""
    P, gram_left, right, scale = known
    for at in range(P[0][item], P[0][item + 1]):
        source, weight = P[1][at], P[2][at]
        for to in range(T[0][source], T[0][source + 1]):
            explained[T[1][to]] += weight * T[2][to]
    for a in range(len(support)):
        total = np.float32(0)
        for to in range(T[0][support[a]], T[0][support[a] + 1]):
            total += T[2][to] * explained[T[1][to]]
        for c in range(right.shape[1]):
            total += gram_left[support[a], c] * right[item, c]
        b[a] = b[a] * scale[item] - total
    for at in range(P[0][item], P[0][item + 1]):
        for to in range(T[0][P[1][at]], T[0][P[1][at] + 1]):
            explained[T[1][to]] = 0


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _conjugate_gradients(
    G: NDArray[np.float32], b: NDArray[np.float32], m: int, x: NDArray[np.float32]
) -> None:
    """G[:m, :m] x = b[:m], preconditioned by the diagonal, to a residual of a ten-thousandth, which changes no list of items."""
    r, p, q = b[:m].copy(), np.empty(m, np.float32), np.empty(m, np.float32)
    rz = 0.0
    for i in range(m):
        x[i] = 0
        p[i] = r[i] / G[i, i]
        rz += r[i] * p[i]
    tolerance = rz * 1e-9
    for _ in range(100):
        if rz <= tolerance:
            break
        pq = 0.0
        for i in range(m):
            total = np.float32(0)
            for j in range(m):
                total += G[i, j] * p[j]
            q[i] = total
            pq += total * p[i]
        step = np.float32(rz / pq)
        previous, rz = rz, 0.0
        for i in range(m):
            x[i] += step * p[i]
            r[i] -= step * q[i]
            rz += r[i] * r[i] / G[i, i]
        momentum = np.float32(rz / previous)
        for i in range(m):
            p[i] = r[i] / G[i, i] + momentum * p[i]


@numba.njit(cache=True, nogil=True)
def mirror_rows(low: int, high: int, P: NDArray[np.float32]) -> None:
    """Copy the lower triangle of P over the upper one, which LAPACK leaves unset."""
    n = len(P)
    for i in range(low, high):
        for j in range(i + 1, n):
            P[i, j] = P[j, i]

"""The share of each event of a history in the score of a factor model: y_iᵀ A⁻¹ c_j y_j (Hu et al. 2008, section 5)."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def shares_of(
    own: NDArray[np.float32],
    taken: NDArray[np.int32],
    held: NDArray[np.float32],
    diagonal: NDArray[np.float64],
    factors: NDArray[np.float32],
    items: NDArray[np.int32],
    shares: NDArray[np.float64],
) -> None:
    """Write the contribution of each event to each item, float64 (items, events); events of no weight keep 0.

    taken, items: rows of the factors `own` and `factors`. A is a diagonal D plus one direction for each event, and
    A⁻¹Yᵀ C = D⁻¹Yᵀ (C⁻¹ + Y D⁻¹ Yᵀ)⁻¹; so the system that is solved is as small as the smaller of the history and d.
    Where there are more items than d, C Y A⁻¹ is made once and multiplied with all of them.
    """
    some = np.flatnonzero(held > 0)
    if len(some) == 0:
        return
    found = _shares(own, taken[some], held[some], diagonal, factors, items)
    for at in range(len(items)):
        for e in range(len(some)):
            shares[at, some[e]] = found[at, e]


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _shares(
    own: NDArray[np.float32],
    taken: NDArray[np.int32],
    held: NDArray[np.float32],
    diagonal: NDArray[np.float64],
    factors: NDArray[np.float32],
    items: NDArray[np.int32],
) -> NDArray[np.float64]:
    """Return the contribution of each event to each item, float64 (items, events), of events with a weight above 0."""
    Y, wanted = _rows_of(own, taken), _rows_of(factors, items)
    if len(taken) <= len(diagonal):
        return _shares_by_events(Y, held, diagonal, wanted)
    return _shares_by_factors(Y, held, diagonal, wanted)


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _rows_of(factors: NDArray[np.float32], places: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return some rows of factors, float64 (places, d)."""
    rows = np.empty((len(places), factors.shape[1]))
    for at in range(len(places)):
        for c in range(factors.shape[1]):
            rows[at, c] = factors[places[at], c]
    return rows


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _shares_by_events(
    Y: NDArray[np.float64],
    weight: NDArray[np.float32],
    diagonal: NDArray[np.float64],
    wanted: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the shares, float64 (items, events), by the system of the events.

    Y: their factors, float64 (events, d); weight: their weights; wanted: factors of the items, float64 (items, d).
    """
    if len(wanted) > len(diagonal):
        return wanted @ _shares_of_factors(Y, weight, diagonal).T
    over = Y / diagonal
    solved = wanted @ over.T
    inner = _system_of_events(Y, over, weight)
    for at in range(len(solved)):
        _solve_in_place(inner, solved[at])
    return solved


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _system_of_events(
    Y: NDArray[np.float64], over: NDArray[np.float64], weight: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return L of C⁻¹ + Y D⁻¹ Yᵀ = L Lᵀ, in the lower half of float64 (events, events); over: Y D⁻¹."""
    inner = over @ Y.T
    for e in range(len(Y)):
        inner[e, e] += 1 / weight[e]
    _cholesky(inner)
    return inner


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _shares_of_factors(
    Y: NDArray[np.float64], weight: NDArray[np.float32], diagonal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return C Y A⁻¹, float64 (events, d): its products with the factors of an item are the shares of the events."""
    over = Y / diagonal
    _solve_columns_in_place(_system_of_events(Y, over, weight), over)
    return over


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _shares_by_factors(
    Y: NDArray[np.float64],
    weight: NDArray[np.float32],
    diagonal: NDArray[np.float64],
    wanted: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the shares by the system of the factors; the arrays are those of `_shares_by_events`."""
    A = _lower_half(Y, weight, diagonal)
    _cholesky(A)
    if len(wanted) > len(diagonal):
        turned = np.eye(len(diagonal))
        for c in range(len(turned)):
            _solve_in_place(A, turned[c])
        return (wanted @ (Y @ turned).T) * weight
    solved = wanted.copy()
    for at in range(len(solved)):
        _solve_in_place(A, solved[at])
    return (solved @ Y.T) * weight


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _lower_half(
    Y: NDArray[np.float64], weight: NDArray[np.float32], diagonal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the lower half of A = D + Yᵀ C Y, float64 (d, d)."""
    n, d = Y.shape
    A = np.zeros((d, d))
    for e in range(n):
        for r in range(d):
            for c in range(r + 1):
                A[r, c] += weight[e] * Y[e, r] * Y[e, c]
    for c in range(d):
        A[c, c] += diagonal[c]
    return A


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _cholesky(A: NDArray[np.float64]) -> None:
    """Write L of A = L Lᵀ over the lower half of A."""
    for r in range(len(A)):
        for c in range(r + 1):
            total = A[r, c]
            for k in range(c):
                total -= A[r, k] * A[c, k]
            A[r, c] = np.sqrt(total) if r == c else total / A[c, c]


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _solve_in_place(L: NDArray[np.float64], x: NDArray[np.float64]) -> None:
    """Solve L Lᵀ y = x for y, in place of x."""
    n = len(x)
    for r in range(n):
        total = x[r]
        for c in range(r):
            total -= L[r, c] * x[c]
        x[r] = total / L[r, r]
    for r in range(n - 1, -1, -1):
        total = x[r]
        for c in range(r + 1, n):
            total -= L[c, r] * x[c]
        x[r] = total / L[r, r]


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _solve_columns_in_place(L: NDArray[np.float64], X: NDArray[np.float64]) -> None:
    """Solve L Lᵀ Y = X for the columns of Y together, in place of X: each step is a loop over adjacent numbers."""
    n, columns = X.shape
    for r in range(n):
        for k in range(r):
            for c in range(columns):
                X[r, c] -= L[r, k] * X[k, c]
        for c in range(columns):
            X[r, c] /= L[r, r]
    for r in range(n - 1, -1, -1):
        for k in range(r + 1, n):
            for c in range(columns):
                X[r, c] -= L[k, r] * X[k, c]
        for c in range(columns):
            X[r, c] /= L[r, r]


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def strongest_of(
    events: tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]],
    bounds: NDArray[np.int64],
    diagonals: NDArray[np.float64],
    factors: NDArray[np.float32],
    items: NDArray[np.int32],
    found: NDArray[np.int64],
) -> None:
    """Write the event that contributes most to each item into `found`, int64 (items,); −1 stays where none does.

    events: factors, rows of them, weights, and the ragged bounds of each request's events. Request r has the items
    bounds[r] … bounds[r + 1].
    """
    own, taken, held, begin = events
    for row in range(len(bounds) - 1):
        some = begin[row] + np.flatnonzero(held[begin[row] : begin[row + 1]] > 0)
        if len(some) == 0 or bounds[row] == bounds[row + 1]:
            continue
        of_row = slice(bounds[row], bounds[row + 1])
        wanted, diagonal = items[of_row], diagonals[row]
        if len(wanted) > len(diagonal) >= len(some):
            # single precision does: the largest is looked for, and is half the work for the many items of a list
            over = _shares_of_factors(_rows_of(own, taken[some]), held[some], diagonal).astype(np.float32)
            _choose(_gathered(factors, wanted) @ over.T, some, 1e-6, found[of_row])
        else:
            _choose(
                _shares(own, taken[some], held[some], diagonal, factors, wanted), some, 1e-9, found[of_row]
            )


@numba.njit(cache=True, nogil=True)
def _gathered(factors: NDArray[np.float32], places: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return some rows of factors, float32 (places, d)."""
    rows = np.empty((len(places), factors.shape[1]), np.float32)
    for at in range(len(places)):
        rows[at] = factors[places[at]]
    return rows


@numba.njit(cache=True, nogil=True)
def _choose(
    shares: NDArray[np.float32 | np.float64], events: NDArray[np.int64], same: float, found: NDArray[np.int64]
) -> None:
    """Write the event of the largest share above 0 for each item; of two events of one item, whose shares differ by `same` at most, the later."""
    for at in range(len(shares)):
        best, most = 0, shares[at, 0]
        for e in range(1, len(events)):
            if shares[at, e] >= most * (1 - same):
                best, most = e, shares[at, e]
        if most > 0:
            found[at] = events[best]

"""Scores of sparse histories under an items × items matrix.

A kernel gathers the scores of one history into a line as long as the catalogue, of which it touches only the items that
have a score, and clears what it touched. The line comes from a pool of work space.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.retrieve.kernels.select import radix_top_k

History = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]
"""Histories as sparse rows: indptr, items, weights."""
Weights = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]
"""W as indptr, indices, data; and R float32 (items, t)."""
Scratch = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int32]]
"""Scores float32 (items,), NaN for none; bool (items,): blocked items, false; int32 (items,): the items that have a score."""


Gathered = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]
"""The items that have a score for each row, side by side: where a row begins, int64 (B+1,), how many there are, int64 (B,), the
items and their scores. Empty arrays where they are not kept."""
NO_HISTORY: History = np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)
NOT_GATHERED: Gathered = (
    np.empty(0, np.int64),
    np.empty(0, np.int64),
    np.empty(0, np.int32),
    np.empty(0, np.float32),
)


def make_scratch(n_items: int) -> Scratch:
    """Make clean work space for one thread."""
    return np.full(n_items, np.nan, np.float32), np.zeros(n_items, np.bool_), np.empty(n_items, np.int32)


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _gather(
    row: int,
    history: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    broad: NDArray[np.float32],
    W: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]],
    line: NDArray[np.float32],
    touched: NDArray[np.int32],
) -> int:
    """Add the scores of one history into `line`, which is NaN; return the number of items that have one.

    These items are `touched[:n]`.
    """
    n = 0
    for at in range(history[0][row], history[0][row + 1]):
        item, weight = history[1][at], history[2][at]
        if weight != 0:
            for to in range(W[0][item], W[0][item + 1]):
                other = W[1][to]
                if np.isnan(line[other]):
                    touched[n] = other
                    n += 1
                    line[other] = weight * W[2][to]
                else:
                    line[other] += weight * W[2][to]
    t = broad.shape[1]
    if t and history[0][row + 1] > history[0][row]:
        for other in range(len(line)):
            total = np.float32(0)
            for c in range(t):
                total += broad[row, c] * W[3][other, c]
            if total != 0:
                if np.isnan(line[other]):
                    touched[n] = other
                    n += 1
                    line[other] = total
                else:
                    line[other] += total
    return n


@numba.njit(cache=True, nogil=True)
def top_k_scored_rows(  # noqa: PLR0913, PLR0917 - a compiled loop takes its arrays one by one
    low: int,
    high: int,
    scratch: tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int32]],
    history: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    broad: NDArray[np.float32],
    W: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]],
    filters: tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]],
    items: NDArray[np.int32],
    scores: NDArray[np.float32],
    gathered: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
) -> None:
    """Write the best items of each history among those that the filters permit; keep all that have a score in `gathered`."""
    n_items = len(W[0]) - 1
    allowed, indptr, excluded = filters
    line, blocked, touched = scratch
    for row in range(low, high):
        n = _gather(row, history, broad, W, line, touched)
        if len(indptr):
            for at in range(indptr[row], indptr[row + 1]):
                if excluded[at] < n_items:
                    blocked[excluded[at]] = True
        permitted, m = np.empty(n, np.float32), 0
        keeps, begin = len(gathered[1]) > 0, np.int64(0)
        if keeps:
            gathered[1][row], begin = n, gathered[0][row]
        for at in range(n):  # once through the line: each look at it is a miss of the nearest cache
            other = touched[at]
            score = line[other]
            line[other] = np.nan
            if keeps:
                gathered[2][begin + at], gathered[3][begin + at] = other, score
            if score > -np.inf and not blocked[other] and (len(allowed) == 0 or allowed[other]):
                permitted[m], touched[m] = score, other
                m += 1
        radix_top_k(permitted, touched, m, scores[row], items[row])
        if len(indptr):
            for at in range(indptr[row], indptr[row + 1]):
                if excluded[at] < n_items:
                    blocked[excluded[at]] = False


@numba.njit(cache=True, nogil=True)
def dense_rows(
    low: int,
    high: int,
    history: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    broad: NDArray[np.float32],
    W: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]],
    scores: NDArray[np.float32],
) -> None:
    """Write the scores of all items; −inf where there is none."""
    n_items = len(W[0]) - 1
    touched = np.empty(n_items, np.int32)
    for row in range(low, high):
        scores[row, :] = np.nan
        _gather(row, history, broad, W, scores[row], touched)
        for item in range(n_items):
            if np.isnan(scores[row, item]):
                scores[row, item] = -np.inf


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def given_items_rows(  # noqa: PLR0913, PLR0917 - a compiled loop takes its arrays one by one
    low: int,
    high: int,
    scratch: tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int32]],
    history: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    broad: NDArray[np.float32],
    W: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]],
    items: NDArray[np.int32],
    scores: NDArray[np.float32],
    gathered: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
) -> None:
    """Write the scores of given items; those without one keep what `scores` holds. What was `gathered` before is not added up again."""
    n_items = len(W[0]) - 1
    line, _, touched = scratch
    none = np.empty((len(broad), 0), np.float32)
    for row in range(low, high):
        if len(gathered[1]):
            n = gathered[1][row]
            for at in range(n):
                touched[at] = gathered[2][gathered[0][row] + at]
                line[touched[at]] = gathered[3][gathered[0][row] + at]
        else:
            n = _gather(row, history, none, W, line, touched)
        known = len(gathered[1]) > 0 or history[0][row + 1] > history[0][row]
        for at in range(items.shape[1]):
            item = items[row, at]
            if item < 0 or item >= n_items or not known:
                continue
            total = np.float32(0)
            for c in range(broad.shape[1]):
                total += broad[row, c] * W[3][item, c]
            if not np.isnan(line[item]):
                scores[row, at] = line[item] + total
            elif total != 0:
                scores[row, at] = total
        for at in range(n):
            line[touched[at]] = np.nan


@numba.njit(cache=True, nogil=True)
def row_starts(
    history: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    W: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]],
) -> NDArray[np.int64]:
    """Return where each row begins if all have the most scores they can have: as many as their rows of W have non-zeros, int64 (B+1,)."""
    indptr, items, _ = history
    starts = np.zeros(len(indptr), np.int64)
    for row in range(len(indptr) - 1):
        n = 0
        for at in range(indptr[row], indptr[row + 1]):
            n += W[0][items[at] + 1] - W[0][items[at]]
        starts[row + 1] = starts[row] + n
    return starts


@numba.njit(cache=True, nogil=True)
def event_shares(
    W: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]],
    taken: NDArray[np.int32],
    order: NDArray[np.int64],
    ordered: NDArray[np.int32],
    shares: NDArray[np.float32],
) -> None:
    """Write what each item of a history says about some other items; reads each row of W once.

    The other items are given in order, each with its column of `shares`. The caller sorts them: Numba names the code of
    `argsort` as that of `sort`, and of two kernels from the cache, one would run with the other's.
    """
    for event in range(len(taken)):
        for to in range(W[0][taken[event]], W[0][taken[event] + 1]):
            at = np.searchsorted(ordered, W[1][to])
            while at < len(ordered) and ordered[at] == W[1][to]:
                shares[order[at], event] = W[2][to]
                at += 1

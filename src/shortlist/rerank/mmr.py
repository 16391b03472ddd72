"""Diversity by maximal marginal relevance."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.rerank.greedy import append_rest, scale_utility, unit_rows
from shortlist.rerank.slot_limits import SlotLimits, choose, no_limits

NO_VECTORS = np.empty((0, 0), np.float32)
NO_GROUPS = np.empty(0, np.int64)


def mmr(
    utility: NDArray[np.float64],
    features: NDArray[Any],
    strength: float,
    n: int,
    shown: int = 0,
    limits: SlotLimits | None = None,
) -> NDArray[np.int64]:
    """Order candidates by maximal marginal relevance (MMR).

    The slate is built greedily. Each slot takes the candidate with the largest

        (1 − λ) · utility − λ · max similarity to the items already selected

    with utilities scaled to 0…1 over the pool. MMR penalises an item by its *nearest* selected item only; `dpp`
    considers all selected items together. Cost: O(pool × n × d) for vectors, O(pool × n) for groups.

    Parameters
    ----------
    utility : ndarray of shape (pool,), float64
        Utility of each candidate.
    features : ndarray of shape (pool, d), float32, or of shape (pool,), int
        Vectors, compared by cosine; or group codes, where items of one group have similarity 1, others 0, and −1
        belongs to no group.
    strength
        λ, from 0 (utility only) to 1 (dissimilarity only).
    n
        Number of slots.
    shown
        Number of rows, the last ones, that earlier pages show, in order: they count as selected first and are not returned.
    limits
        What each slot may choose from (default: all rows).

    Returns
    -------
    ndarray of shape (pool − shown,), int64
        A permutation of the rows that are not shown. The first n rows are selected by MMR, the rest is ordered by utility.

    References
    ----------
    Carbonell & Goldstein (1998). The use of MMR, diversity-based reranking for reordering documents and producing
    summaries. SIGIR.

    Examples
    --------
    The second candidate belongs to the same group as the first, so the third comes before it:

    >>> mmr(np.array([1.0, 0.9, 0.8]), np.array([0, 0, 1]), 0.5, 2).tolist()
    [0, 2, 1]
    """
    pool = len(utility) - shown
    by_utility = np.argsort(-utility[:pool], kind="stable")
    if strength <= 0 or pool < 2:
        return by_utility
    limits = limits or no_limits(len(utility))
    relevance = scale_utility(utility, limits.opens == 0) * (1 - strength)
    vectors, groups = (NO_VECTORS, features) if features.ndim == 1 else (unit_rows(features), NO_GROUPS)
    selected = _select(relevance, vectors, groups, float(strength), min(n, pool), shown, limits)
    return append_rest(selected, by_utility)


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _select(
    relevance: NDArray[np.float64],
    vectors: NDArray[np.float32],
    groups: NDArray[np.int64],
    strength: float,
    n: int,
    shown: int,
    limits: SlotLimits,
) -> NDArray[np.int64]:
    """Select n rows one by one after the last `shown` ones, fewer where the limits leave fewer. Similarity is by groups if there are any, else by vectors."""
    pool = len(relevance) - shown
    similarity, taken = np.zeros(pool), np.zeros(pool + shown, np.bool_)
    order, score, held = np.empty(shown + n, np.int64), np.empty(pool), limits.held.copy()
    for slot in range(shown + n):
        best = pool + slot
        if slot >= shown:
            for row in range(pool):
                score[row] = relevance[row] - strength * similarity[row]
            best = choose(score, taken, limits, held, slot)
            if best < 0:
                return order[shown:slot]
        order[slot], taken[best] = best, True
        _approach(similarity, taken, best, vectors, groups)
    return order[shown:]


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _approach(
    similarity: NDArray[np.float64],
    taken: NDArray[np.bool_],
    best: int,
    vectors: NDArray[np.float32],
    groups: NDArray[np.int64],
) -> None:
    """Raise the greatest similarity of each row to the selected ones by a row that was selected."""
    if len(groups) > 0:
        for row in range(len(similarity)):
            if groups[best] >= 0 and groups[row] == groups[best]:
                similarity[row] = 1.0
        return
    for row in range(len(similarity)):
        if not taken[row]:
            cosine = np.float32(0)
            for c in range(vectors.shape[1]):
                cosine += vectors[row, c] * vectors[best, c]
            similarity[row] = max(similarity[row], cosine)

"""Diversity by maximal marginal relevance."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.rerank.greedy import append_rest, scale_utility, unit_rows

NO_VECTORS = np.empty((0, 0), np.float32)
NO_GROUPS = np.empty(0, np.int64)


def mmr(utility: NDArray[np.float64], features: NDArray[Any], strength: float, n: int) -> NDArray[np.int64]:
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

    Returns
    -------
    ndarray of shape (pool,), int64
        A permutation of the pool. The first n rows are selected by MMR, the rest is ordered by utility.

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
    by_utility = np.argsort(-utility, kind="stable")
    if strength <= 0 or len(utility) < 2:
        return by_utility
    relevance = scale_utility(utility) * (1 - strength)
    vectors, groups = (NO_VECTORS, features) if features.ndim == 1 else (unit_rows(features), NO_GROUPS)
    selected = _select(relevance, vectors, groups, float(strength), min(n, len(utility)))
    return append_rest(selected, by_utility)


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _select(
    relevance: NDArray[np.float64],
    vectors: NDArray[np.float32],
    groups: NDArray[np.int64],
    strength: float,
    n: int,
) -> NDArray[np.int64]:
    """Select n rows one by one; ties go to the earlier row. Similarity is by groups if there are any, else by vectors."""
    pool = len(relevance)
    similarity, taken = np.zeros(pool), np.zeros(pool, np.bool_)
    order = np.empty(n, np.int64)
    for slot in range(n):
        best, best_score = -1, 0.0
        for row in range(pool):
            if not taken[row]:
                score = relevance[row] - strength * similarity[row]
                if best < 0 or score > best_score:
                    best, best_score = row, score
        order[slot], taken[best] = best, True
        if len(groups) > 0:
            if groups[best] >= 0:
                for row in range(pool):
                    if groups[row] == groups[best]:
                        similarity[row] = 1.0
            continue
        for row in range(pool):
            if not taken[row]:
                cosine = np.float32(0)
                for c in range(vectors.shape[1]):
                    cosine += vectors[row, c] * vectors[best, c]
                similarity[row] = max(similarity[row], cosine)
    return order

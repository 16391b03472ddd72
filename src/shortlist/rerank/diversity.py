"""Diversity: maximal marginal relevance.

Greedily take the item with the largest (1 − λ) · utility − λ · (likeness to what is already taken) (Carbonell &
Goldstein 1998, "The use of MMR, diversity-based reranking"). Utilities are scaled to 0…1 over the pool. Likeness is
the cosine of the rows of `vectors`: genres as 0/1 rows, or factors. O(pool × n × d).
"""

from __future__ import annotations

import numpy as np


def mmr(utility: np.ndarray, vectors: np.ndarray, strength: float, n: int) -> np.ndarray:
    """The order in which to show: int64 (pool,), a permutation; its first n are chosen by MMR, the rest by utility.

    utility float64 (pool,); vectors float32 (pool, d); strength λ from 0 (by utility alone) to 1.
    """
    by_utility = np.argsort(-utility, kind="stable")
    if strength <= 0 or len(utility) < 2:
        return by_utility
    spread = max(float(utility.max() - utility.min()), 1e-12)
    worth = (utility - utility.min()) / spread * (1 - strength)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    likeness = np.zeros(len(utility))
    left = np.ones(len(utility), bool)
    order = []
    for _ in range(min(n, len(utility))):
        gain = np.where(left, worth - strength * likeness, -np.inf)
        taken = int(gain.argmax())
        order.append(taken)
        left[taken] = False
        likeness = np.maximum(likeness, unit @ unit[taken])
    return np.concatenate([np.array(order, np.int64), by_utility[left[by_utility]]])

"""Exploration: slates drawn around the best one, with chances that are known.

The arranged candidates are drawn without replacement, the one at rank r with weight (r + 1)^(−1/strength) (Plackett–Luce, drawn
by adding Gumbel noise: Kool et al. 2019). At strength 0 the slate is the arranged one and its chances are 1; at 0.3 the first is
moved now and then; at 1 the tenth still has a tenth of the first one's chance in every slot. What is logged is the chance of each
item in its slot given the slots above, which is what off-policy estimates need. A seed makes a slate again.
"""

from __future__ import annotations

import numpy as np

POOL = 5
"""So many candidates a slot are drawn from."""


def explored(ranked: int, n: int, strength: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of `ranked` candidates, best first, go to the n slots: rows int64 (≤ n,) and their chances float64 (≤ n,)."""
    size = min(ranked, n)
    if strength <= 0 or ranked <= 1:
        return np.arange(size), np.ones(size)
    score = -np.log(np.arange(1, ranked + 1)) / strength
    noise = np.random.default_rng(seed).gumbel(size=ranked)
    chosen = np.argsort(-(score + noise), kind="stable")[:size]
    return chosen, chances(score, chosen)


def chances(score: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The chance of each choice given those before it, float64 (n,), for weights e^score."""
    weight = np.exp(score - score.max())
    left = weight.sum() - np.concatenate([[0.0], np.cumsum(weight[chosen])[:-1]])
    return np.minimum(weight[chosen] / np.maximum(left, 1e-300), 1.0)

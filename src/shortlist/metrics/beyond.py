"""What accuracy does not see: how much of the catalogue is shown, how obvious it is, how alike a slate's items are.

`slates` int (users, n): item codes, −1 where a slate is shorter.
"""

from __future__ import annotations

import numpy as np


def coverage(slates: np.ndarray, n_items: int, k: int) -> float:
    """Share of the catalogue that is on at least one slate. Hides that one showing counts as much as a thousand."""
    top = slates[:, :k]
    return len(np.unique(top[top >= 0])) / max(n_items, 1)


def novelty(slates: np.ndarray, popularity: np.ndarray, k: int) -> np.ndarray:
    """Mean over a slate of −log₂ (share of people who already took the item), bits, float64 (users,) (Vargas &
    Castells 2011). High for obscure items, whether they are wanted or not. popularity: those shares (items,)."""
    top = slates[:, :k]
    bits = -np.log2(np.maximum(popularity, 1e-6))
    shown = top >= 0
    return _mean(np.where(shown, bits[np.maximum(top, 0)], 0.0).sum(1), shown.sum(1))


def intra_list_diversity(slates: np.ndarray, vectors: np.ndarray, k: int) -> np.ndarray:
    """Mean over the pairs of a slate of 1 − cosine, float64 (users,) (Ziegler et al. 2005). vectors (items, d)."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    top = slates[:, :k]
    shown = top >= 0
    rows = unit[np.maximum(top, 0)] * shown[:, :, None]
    alike = (rows.sum(1) ** 2).sum(1) - (rows**2).sum((1, 2))
    n = shown.sum(1)
    pairs = n * (n - 1)
    return 1.0 - _mean(alike, pairs)


def _mean(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)

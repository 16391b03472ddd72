"""Diversity: maximal marginal relevance.

Greedily take the item with the largest (1 − λ) · utility − λ · (likeness to what is already taken) (Carbonell &
Goldstein 1998, "The use of MMR, diversity-based reranking"). Utilities are scaled to 0…1 over the pool. Likeness is
the cosine of the rows of `vectors`: genres as 0/1 rows, or factors. O(pool × n × d).
"""

from __future__ import annotations

import numba
import numpy as np


def mmr(utility: np.ndarray, about: np.ndarray, strength: float, n: int) -> np.ndarray:
    """The order in which to show: int64 (pool,), a permutation; its first n are chosen by MMR, the rest by utility.

    utility float64 (pool,); about: vectors float32 (pool, d), or where items are alike or not, kinds int (pool,), of which equal ones
    are alike and −1 is like nothing; strength λ from 0 (by utility alone) to 1.
    """
    by_utility = np.argsort(-utility, kind="stable")
    if strength <= 0 or len(utility) < 2:
        return by_utility
    worth, n = scaled(utility) * (1 - strength), min(n, len(utility))
    if about.ndim == 1:
        chosen = _greedy_of_kinds(worth, about, float(strength), n)
    else:
        chosen = _greedy(worth, unit_rows(about), float(strength), n)
    return then_the_rest(chosen, by_utility)


def scaled(utility: np.ndarray) -> np.ndarray:
    """Utilities on a scale from 0 to 1 over the pool."""
    return np.asarray((utility - utility.min()) / max(float(utility.max() - utility.min()), 1e-12))


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1, float32, whose products are cosines; a row of nothing stays one."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return np.ascontiguousarray(unit, np.float32)


def then_the_rest(chosen: np.ndarray, by_utility: np.ndarray) -> np.ndarray:
    """A permutation: what was chosen, then what is left in its order."""
    left = np.ones(len(by_utility), bool)
    left[chosen] = False
    return np.concatenate([chosen, by_utility[left[by_utility]]])


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _greedy(worth, unit, strength, n):  # type: ignore[no-untyped-def]
    """The n rows taken one by one; ties go to the earlier row."""
    likeness, taken = np.zeros(len(worth)), np.zeros(len(worth), np.bool_)
    order = np.empty(n, np.int64)
    for place in range(n):
        best, gain = -1, 0.0
        for row in range(len(worth)):
            if not taken[row]:
                now = worth[row] - strength * likeness[row]
                if best < 0 or now > gain:
                    best, gain = row, now
        order[place], taken[best] = best, True
        for row in range(len(worth)):
            if not taken[row]:
                dot = np.float32(0)
                for c in range(unit.shape[1]):
                    dot += unit[row, c] * unit[best, c]
                likeness[row] = max(likeness[row], dot)
    return order


@numba.njit(cache=True, nogil=True)
def _greedy_of_kinds(worth, kinds, strength, n):  # type: ignore[no-untyped-def]
    left = worth.copy()
    there = np.ones(len(worth), np.bool_)
    order = np.empty(n, np.int64)
    for place in range(n):
        best, gain = -1, 0.0
        for row in range(len(worth)):
            if there[row] and (best < 0 or left[row] > gain):
                best, gain = row, left[row]
        order[place], there[best] = best, False
        if kinds[best] >= 0:
            for row in range(len(worth)):
                if kinds[row] == kinds[best]:
                    left[row] = worth[row] - strength
    return order

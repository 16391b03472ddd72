"""Diversity as a determinantal point process: a slate is good where its items are, and far apart from each other.

A set's weight is det(L) with L_ij = q_i S_ij q_j: the squared volume that its items span, each as long as it is good. Two alike items span
next to nothing together, and an item that is a mixture of several others counts as no news, which pairs alone (`diversity.py`) do not see
(Kulesza & Taskar 2012). The most probable set is found greedily, with one Cholesky row a step (Chen, Zhang & Zhou 2018, "Fast greedy MAP
inference for determinantal point process to improve recommendation diversity"). Taken next is the item with the largest

    (1 − λ) · utility + λ · log d²,   d²: what of the item is not spanned by those already taken

with utilities scaled to 0…1 over the pool. O(pool × n × (d + n)).
"""

from __future__ import annotations

import numba
import numpy as np

from shortlist.rerank.mmr import scaled, then_the_rest, unit_rows

LEAST = 1e-3
"""Everything is a little bit itself: what is spanned whole by others still has so much of its own, so that utility decides among such."""


def dpp(utility: np.ndarray, vectors: np.ndarray, strength: float, n: int) -> np.ndarray:
    """The order in which to show: int64 (pool,), a permutation; its first n are chosen by the process, the rest by utility.

    utility float64 (pool,); vectors float32 (pool, d); strength λ from 0 (by utility alone) to 1.
    """
    by_utility = np.argsort(-utility, kind="stable")
    if strength <= 0 or len(utility) < 2:
        return by_utility
    worth = scaled(utility) * (1 - strength)
    return then_the_rest(
        _greedy(worth, unit_rows(vectors), float(strength), min(n, len(utility))), by_utility
    )


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _greedy(worth, unit, strength, n):  # type: ignore[no-untyped-def]
    """The n rows taken one by one; ties go to the earlier row."""
    pool = len(worth)
    left, taken = np.ones(pool), np.zeros(pool, np.bool_)
    rows, order = np.zeros((n, pool)), np.empty(n, np.int64)
    for place in range(n):
        best, gain = -1, 0.0
        for row in range(pool):
            if not taken[row]:
                now = worth[row] + strength * np.log(max(left[row], LEAST))
                if best < 0 or now > gain:
                    best, gain = row, now
        order[place], taken[best] = best, True
        root = np.sqrt(max(left[best], LEAST))
        for row in range(pool):
            if not taken[row]:
                dot = np.float32(0)
                for c in range(unit.shape[1]):
                    dot += unit[row, c] * unit[best, c]
                part = float(dot)
                for before in range(place):
                    part -= rows[before, best] * rows[before, row]
                rows[place, row] = part / root
                left[row] -= rows[place, row] ** 2
    return order

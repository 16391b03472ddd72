"""Calibration to tastes: who watches seven dramas and three comedies is shown both, in about these shares.

A ranking by utility gives most people nothing but their main taste: what is a little likelier wins every slot. A calibrated slate I is the
greedy maximum of

    (1 − λ) · Σ utility − λ · KL(p ‖ q̃),   q̃ = (1 − α) q + α p

where p is the share of each genre in a person's history, the latest events counting more, and q its share on the slate (Steck 2018,
"Calibrated recommendations"). An item of several genres counts for each in equal parts. Utilities are scaled to 0…1 over the pool, and count
as their mean over the slate, as the divergence does. Without a history there is nothing to keep to, and utility orders.

Taking an item moves all shares by one known factor and its own genres by more, so a step looks at the genres of each item alone:
O(pool × n × genres of an item).
"""

from __future__ import annotations

import numba
import numpy as np

from shortlist.rerank.mmr import scaled, then_the_rest

ALPHA = 0.01
"""Keeps the divergence finite where a taste is not on the slate at all."""
FADES = 0.98
"""What an event counts, for each that came after it."""


def tastes(values: np.ndarray, indptr: np.ndarray, size: int) -> np.ndarray:
    """float64 (size,), summing to 1: the shares of values in a history, or zeros. values int (V,): those of each event, oldest event first,
    ragged by indptr int64 (events + 1,).
    """
    counts = np.diff(indptr)
    age = np.repeat(np.arange(len(counts))[::-1], counts)
    weight = FADES**age / np.repeat(np.maximum(counts, 1), counts)
    total = np.bincount(values, weight, size) if len(values) else np.zeros(size)
    return np.asarray(total / total.sum() if total.sum() > 0 else total)


def calibrated(
    utility: np.ndarray, indptr: np.ndarray, values: np.ndarray, taste: np.ndarray, strength: float, n: int
) -> np.ndarray:
    """The order in which to show: int64 (pool,), a permutation; its first n keep to the tastes, the rest go by utility.

    utility float64 (pool,); values int32 (V,): the genres of each item, ragged by indptr int64 (pool + 1,); taste float64 (genres,).
    """
    by_utility = np.argsort(-utility, kind="stable")
    if strength <= 0 or len(utility) < 2 or not taste.any():
        return by_utility
    worth = scaled(utility) * (1 - strength)
    return then_the_rest(
        _greedy(worth, indptr, values, np.asarray(taste, np.float64), float(strength), min(n, len(utility))),
        by_utility,
    )


def divergence(taste: np.ndarray, shares: np.ndarray) -> float:
    """KL(p ‖ q̃) of a slate's shares, at least 0."""
    known = taste > 0
    mixed = (1 - ALPHA) * shares[known] + ALPHA * taste[known]
    return float((taste[known] * np.log(taste[known] / mixed)).sum())


@numba.njit(cache=True, nogil=True)
def _greedy(worth, indptr, values, taste, strength, n):  # type: ignore[no-untyped-def]
    """The n rows taken one by one; ties go to the earlier row."""
    pool, total = len(worth), 0.0
    held, taken = np.zeros(len(taste)), np.zeros(pool, np.bool_)
    order = np.empty(n, np.int64)
    for place in range(n):
        # Σ p log q̃ with one more item that is of none of its genres; what an item's own genres add is looked at one by one
        size = place + 1.0
        plain, base = np.zeros(len(taste)), 0.0
        for genre in range(len(taste)):
            if taste[genre] > 0:
                plain[genre] = np.log((1 - ALPHA) * held[genre] / size + ALPHA * taste[genre])
                base += taste[genre] * plain[genre]
        best, gain = -1, 0.0
        for row in range(pool):
            if taken[row]:
                continue
            low, high = indptr[row], indptr[row + 1]
            kept = base
            for at in range(low, high):
                genre = values[at]
                if taste[genre] > 0:
                    own = held[genre] + 1.0 / (high - low)
                    kept += taste[genre] * (
                        np.log((1 - ALPHA) * own / size + ALPHA * taste[genre]) - plain[genre]
                    )
            now = (total + worth[row]) / size + strength * kept
            if best < 0 or now > gain:
                best, gain = row, now
        order[place], taken[best] = best, True
        total += worth[best]
        low, high = indptr[best], indptr[best + 1]
        for at in range(low, high):
            held[values[at]] += 1.0 / (high - low)
    return order

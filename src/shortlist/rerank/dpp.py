"""Diversity by a determinantal point process."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.rerank.greedy import append_rest, scale_utility, unit_rows
from shortlist.rerank.slot_limits import SlotLimits, choose, no_limits

MIN_RESIDUAL = 1e-3
"""Lower bound of an item's residual. Items that others span completely are then ordered by utility."""


def dpp(
    utility: NDArray[np.float64],
    vectors: NDArray[np.float32],
    strength: float,
    n: int,
    shown: int = 0,
    limits: SlotLimits | None = None,
) -> NDArray[np.int64]:
    """Order candidates by greedy maximum a posteriori inference of a determinantal point process (DPP).

    A DPP gives a set of items the weight det(L) with L_ij = q_i S_ij q_j: the squared volume that their vectors span,
    with quality q as length. Similar items span little volume together. Unlike MMR, which compares pairs, a DPP also
    recognises an item that is a mixture of several selected ones. Each slot takes the candidate with the largest

        (1 − λ) · utility + λ · log d²

    where d² is the squared part of the item's unit vector that the selected items do not span, and utilities are scaled
    to 0…1 over the pool. One row of a Cholesky factor is computed per slot. Cost: O(pool × n × (d + n)). Without
    meaningful vectors use `mmr` with groups, which is cheaper.

    Parameters
    ----------
    utility : ndarray of shape (pool,), float64
        Utility of each candidate.
    vectors : ndarray of shape (pool, d), float32
        Vectors whose cosine is the similarity of items.
    strength
        λ, from 0 (utility only) to 1 (diversity only).
    n
        Number of slots.
    shown
        Number of rows, the last ones, that earlier pages show, in order: they count as selected first and are not returned.
    limits
        What each slot may choose from (default: all rows).

    Returns
    -------
    ndarray of shape (pool − shown,), int64
        A permutation of the rows that are not shown. The first n rows are selected by the process, the rest is ordered by utility.

    References
    ----------
    Kulesza & Taskar (2012). Determinantal point processes for machine learning.

    Chen, Zhang & Zhou (2018). Fast greedy MAP inference for determinantal point process to improve recommendation
    diversity. NeurIPS.
    """
    pool = len(utility) - shown
    by_utility = np.argsort(-utility[:pool], kind="stable")
    if strength <= 0 or pool < 2:
        return by_utility
    limits = limits or no_limits(len(utility))
    relevance = scale_utility(utility, limits.opens == 0) * (1 - strength)
    selected = _select(relevance, unit_rows(vectors), float(strength), min(n, pool), shown, limits)
    return append_rest(selected, by_utility)


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _select(
    relevance: NDArray[np.float64],
    unit: NDArray[np.float32],
    strength: float,
    n: int,
    shown: int,
    limits: SlotLimits,
) -> NDArray[np.int64]:
    """Select n rows one by one after the last `shown` ones, fewer where the limits leave fewer."""
    rows = len(relevance)
    pool, slots = rows - shown, shown + n
    residual, taken = np.ones(rows), np.zeros(rows, np.bool_)
    factor, order = np.zeros((slots, rows)), np.empty(slots, np.int64)
    score, held = np.empty(pool), limits.held.copy()
    for slot in range(slots):
        best = pool + slot
        if slot >= shown:
            for row in range(pool):
                score[row] = relevance[row] + strength * np.log(max(residual[row], MIN_RESIDUAL))
            best = choose(score, taken, limits, held, slot)
            if best < 0:
                return order[shown:slot]
        order[slot], taken[best] = best, True
        root = np.sqrt(max(residual[best], MIN_RESIDUAL))
        for row in range(rows):
            if not taken[row]:
                cosine = np.float32(0)
                for c in range(unit.shape[1]):
                    cosine += unit[row, c] * unit[best, c]
                part = float(cosine)
                for before in range(slot):
                    part -= factor[before, best] * factor[before, row]
                factor[slot, row] = part / root
                residual[row] -= factor[slot, row] ** 2
    return order[shown:]

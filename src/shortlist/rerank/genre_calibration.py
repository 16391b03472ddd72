"""Genre calibration: a slate that follows the shares of a user's tastes."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.rerank.greedy import append_rest, scale_utility
from shortlist.rerank.slot_limits import SlotLimits, choose, no_limits

ALPHA = 0.01
"""Share of the taste that is mixed into the slate's distribution, so that the divergence is finite for missing genres."""
DECAY = 0.98
"""Weight of an event relative to the event after it."""


def taste_distribution(
    values: NDArray[np.integer], indptr: NDArray[np.int64], size: int
) -> NDArray[np.float64]:
    """Compute the shares of genres in a history. Later events count more, by a factor of 1 / `DECAY` per event.

    Parameters
    ----------
    values : ndarray of shape (V,), int
        Genres of all events, the oldest event first.
    indptr : ndarray of shape (events + 1,), int64
        Event i has the genres `values[indptr[i]:indptr[i + 1]]`; each counts in equal parts.
    size
        Number of genres.

    Returns
    -------
    ndarray of shape (size,), float64
        Shares that sum to 1, or zeros if no event has a genre.
    """
    counts = np.diff(indptr)
    age = np.repeat(np.arange(len(counts))[::-1], counts)
    weight = DECAY**age / np.repeat(np.maximum(counts, 1), counts)
    total = np.bincount(values, weight, size) if len(values) else np.zeros(size)
    return np.asarray(total / total.sum() if total.sum() > 0 else total)


def calibrate_genres(
    utility: NDArray[np.float64],
    genres: tuple[NDArray[np.int64], NDArray[np.int32]],
    taste: NDArray[np.float64],
    strength: float,
    n: int,
    shown: int = 0,
    limits: SlotLimits | None = None,
) -> NDArray[np.int64]:
    """Order candidates so that the shares of genres on the slate follow the user's tastes.

    Ranking by utility fills most slates with the user's main taste, because whatever is slightly more probable wins
    every slot. A calibrated slate I is the greedy maximum of

        (1 − λ) · mean utility − λ · KL(p ‖ q̃),   q̃ = (1 − α) q + α p

    where p is the user's taste distribution and q the distribution of genres on the slate; an item of several genres
    counts for each in equal parts. Utilities are scaled to 0…1 over the pool. Without a taste the order is by utility.
    Cost: O(pool × n × genres of an item), because selecting an item changes the other genres' terms by a common factor.

    Parameters
    ----------
    utility : ndarray of shape (pool,), float64
        Utility of each candidate.
    genres : (indptr, values)
        Candidate i has the genres `values[indptr[i]:indptr[i + 1]]`; indptr int64 (pool + 1,), values int32 (V,).
    taste : ndarray of shape (genres,), float64
        The user's distribution, as `taste_distribution` returns it.
    strength
        λ, from 0 (utility only) to 1 (calibration only).
    n
        Number of slots.
    shown
        Number of rows, the last ones, that earlier pages show, in order: they count as selected first and are not returned.
    limits
        What each slot may choose from (default: all rows).

    Returns
    -------
    ndarray of shape (pool − shown,), int64
        A permutation of the rows that are not shown. The first n rows are calibrated, the rest is ordered by utility.

    References
    ----------
    Steck (2018). Calibrated recommendations. RecSys.
    """
    pool = len(utility) - shown
    by_utility = np.argsort(-utility[:pool], kind="stable")
    if strength <= 0 or pool < 2 or not taste.any():
        return by_utility
    limits = limits or no_limits(len(utility))
    relevance = scale_utility(utility, limits.opens == 0) * (1 - strength)
    share = np.asarray(taste, np.float64)
    selected = _select(relevance, genres, share, float(strength), min(n, pool), shown, limits)
    return append_rest(selected, by_utility)


@numba.njit(cache=True, nogil=True)
def _select(
    relevance: NDArray[np.float64],
    genres: tuple[NDArray[np.int64], NDArray[np.int32]],
    taste: NDArray[np.float64],
    strength: float,
    n: int,
    shown: int,
    limits: SlotLimits,
) -> NDArray[np.int64]:
    """Select n rows one by one after the last `shown` ones, fewer where the limits leave fewer."""
    indptr, values = genres
    pool, total = len(relevance) - shown, 0.0
    held, taken = np.zeros(len(taste)), np.zeros(pool, np.bool_)
    order, score, of_providers = np.empty(n, np.int64), np.empty(pool), limits.held.copy()
    for row in range(pool, pool + shown):
        total += relevance[row]
        low, high = indptr[row], indptr[row + 1]
        for at in range(low, high):
            held[values[at]] += 1.0 / (high - low)
    for slot in range(n):
        # `base`: Σ p log q̃ with one more item that has none of the genres. A candidate differs from it in its own genres only.
        size = shown + slot + 1.0
        term, base = np.zeros(len(taste)), 0.0
        for genre in range(len(taste)):
            if taste[genre] > 0:
                term[genre] = np.log((1 - ALPHA) * held[genre] / size + ALPHA * taste[genre])
                base += taste[genre] * term[genre]
        for row in range(pool):
            if taken[row]:
                continue
            low, high = indptr[row], indptr[row + 1]
            fit = base
            for at in range(low, high):
                genre = values[at]
                if taste[genre] > 0:
                    own = held[genre] + 1.0 / (high - low)
                    fit += taste[genre] * (
                        np.log((1 - ALPHA) * own / size + ALPHA * taste[genre]) - term[genre]
                    )
            score[row] = (total + relevance[row]) / size + strength * fit
        best = choose(score, taken, limits, of_providers, shown + slot)
        if best < 0:
            return order[:slot]
        order[slot], taken[best] = best, True
        total += relevance[best]
        low, high = indptr[best], indptr[best + 1]
        for at in range(low, high):
            held[values[at]] += 1.0 / (high - low)
    return order

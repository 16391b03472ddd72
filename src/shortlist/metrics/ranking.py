"""Ranking metrics per user, from which places of a list are hits.

All functions take

- `hits`, bool, shape (users, n): whether each place is a hit, best place first; False where a list is shorter;
- `relevant`, int, shape (users,): the number of relevant items of each user;
- `k`: the number of places that count;

and return float64, shape (users,). A user without relevant items has no value (NaN) rather than 0, since there was
nothing to find. The definitions are those of ranx (https://github.com/AmenRa/ranx, `ranx/metrics`) and TREC
(`trec_eval`); a test compares them to 1e-9.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shortlist.metrics.gains import gains, ragged

Hits = NDArray[np.bool_]
Counts = NDArray[np.integer]
PerUser = NDArray[np.float64]


def hit_matrix(items: NDArray[np.integer], truth: Sequence[NDArray[np.integer]]) -> Hits:
    """Return which places are hits, bool (B, K). items: int (B, K); truth: the relevant items of each of the B users."""
    indptr, relevant = ragged(truth)
    return gains(items, indptr, relevant) > 0


def recall(hits: Hits, relevant: Counts, k: int) -> PerUser:
    """Fraction of the relevant items that are among the first k places.

    Does not show at which of the k places they are. Formula: hits@k ÷ relevant (ranx `recall`).
    """
    return _ratio(hits[:, :k].sum(1), relevant)


def precision(hits: Hits, relevant: Counts, k: int) -> PerUser:
    """Fraction of the first k places that are hits.

    A user with fewer than k relevant items cannot reach 1. Formula: hits@k ÷ k (ranx `precision`).
    """
    return _defined(hits[:, :k].sum(1) / k, relevant)


def hit_rate(hits: Hits, relevant: Counts, k: int) -> PerUser:
    """1 if any relevant item is among the first k places, else 0 (ranx `hit_rate`)."""
    return _defined(hits[:, :k].any(1).astype(np.float64), relevant)


def mrr(hits: Hits, relevant: Counts, k: int) -> PerUser:
    """Reciprocal rank: 1 ÷ place of the first hit among the first k, 0 without a hit.

    Ignores every hit after the first. Its mean over users is MRR@k (ranx `reciprocal_rank`; Voorhees 1999, TREC-8).
    """
    top = hits[:, :k]
    return _defined(np.where(top.any(1), 1.0 / (top.argmax(1) + 1), 0.0), relevant)


def average_precision(hits: Hits, relevant: Counts, k: int) -> PerUser:
    """Sum of the precision at each hit among the first k, divided by the number of relevant items.

    Its mean over users is MAP@k (ranx `average_precision`; Buckley & Voorhees 2000).
    """
    row, place = np.nonzero(hits[:, :k])
    starts = np.searchsorted(row, np.arange(len(hits)))
    nth = np.arange(len(row)) - starts[row] + 1  # hits are ordered by place: this is its user's nth hit
    return _ratio(np.bincount(row, nth / (place + 1), len(hits)), relevant)


def ndcg(hits: Hits, relevant: Counts, k: int) -> PerUser:
    """Normalised discounted cumulative gain: Σ hit ÷ log₂(place + 1), divided by the same sum of the ideal list.

    ranx `ndcg` with binary relevance; Järvelin & Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques".
    """
    top = hits[:, :k]
    ideal = np.concatenate([[0.0], np.cumsum(discount(k))])[np.minimum(relevant, k)]
    return _ratio(top @ discount(top.shape[1]), ideal)


def graded_ndcg(
    gain: NDArray[np.floating],
    indptr: NDArray[np.int64],
    relevant_gain: NDArray[np.floating],
    k: int,
    exponential: bool = False,
) -> PerUser:
    """NDCG with graded relevance: Σ gain ÷ log₂(place + 1), divided by the same sum of the ideal list.

    Like all of these metrics, it cannot show whether a high grade is due to the ranking or to the user.

    Parameters
    ----------
    gain : ndarray of float, shape (users, n)
        The gain of each place; see `shortlist.metrics.gains.gains`.
    indptr : ndarray of int64, shape (users + 1,)
        The gains of user b's relevant items, on the list or not, are `relevant_gain[indptr[b]:indptr[b + 1]]`.
    relevant_gain : ndarray of float
    k
        The number of places that count.
    exponential
        Use 2^gain − 1, which raises the weight of the highest grades (ranx `ndcg_burges`; Burges et al. 2005).
    """
    if exponential:
        gain, relevant_gain = np.exp2(gain) - 1, np.exp2(relevant_gain) - 1
    owner = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    order = np.lexsort([-relevant_gain, owner])
    place = np.arange(len(owner)) - indptr[owner[order]]
    best = np.where(place < k, relevant_gain[order] / np.log2(place + 2), 0.0)
    ideal = np.bincount(owner[order], best, len(indptr) - 1)
    top = gain[:, :k].astype(np.float64)
    return _ratio(top @ discount(top.shape[1]), ideal)


def discount(k: int) -> PerUser:
    """Return the discount of DCG, 1 ÷ log₂(place + 1) for places 1 … k, float64 (k,)."""
    return np.asarray(1.0 / np.log2(np.arange(2, k + 2)))


def _ratio(numerator: ArrayLike, denominator: ArrayLike) -> PerUser:
    above, below = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    return np.asarray(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0))


def _defined(values: ArrayLike, relevant: Counts) -> PerUser:
    return np.where(np.asarray(relevant) > 0, values, np.nan)

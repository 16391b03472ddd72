"""Random slates whose propensities are known: the Plackett–Luce distribution."""

from __future__ import annotations

import numpy as np

from shortlist.simulate.arrays import FloatArray, IntArray


def plackett_luce(
    rng: np.random.Generator, weights: FloatArray, groups: IntArray, slots: int
) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """Draw one slate for each session by Plackett–Luce.

    Items are drawn one after the other without replacement, each with a probability proportional to its weight among
    the items that are left. The implementation draws with replacement and keeps the first occurrences, which is the
    same distribution. It makes three draws a slot, so a slate may be shorter if items repeat often.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    weights : ndarray of float, shape (n_groups, n_items)
        The weights of each user group; rows sum to 1.
    groups : ndarray of int, shape (n_sessions,)
        The group of each session.
    slots : int
        Length of the slates.

    Returns
    -------
    session, item, position : ndarray of int, shape (n_impressions,)
        One row for each impression, ordered by session and position.
    propensity : ndarray of float, shape (n_impressions,)
        The probability of this item in this slot, given the slots above.

    References
    ----------
    .. [1] Plackett, R. L. (1975). The analysis of permutations.
    """
    draws = slots * 3
    drawn = np.empty((len(groups), draws), np.int64)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        uniform = rng.random((len(rows), draws)) * (1 - 1e-12)
        drawn[rows] = np.searchsorted(np.cumsum(weights[group]), uniform)
    drawn = np.minimum(drawn, weights.shape[1] - 1)
    first = ~(np.tril(drawn[:, :, None] == drawn[:, None, :], -1).any(2))
    place = np.cumsum(first, 1) - 1
    session, column = np.nonzero(first & (place < slots))
    item, position = drawn[session, column], place[session, column]
    probability = weights[groups[session], item]
    used = np.cumsum(probability) - probability
    starts = np.flatnonzero(position == 0)
    used -= np.repeat(used[starts], np.diff(np.append(starts, len(item))))
    return session, item, position, np.minimum(probability / np.maximum(1 - used, 1e-9), 1.0)

"""How fast the popularity of items goes by: the half-life of the counts that predict later events best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DAY = 86_400_000
HALF_LIVES = (180, 90, 30, 14, 7, 3, 1)
"""Half-lives that are tried, in days, beside none."""
CUTS, HORIZON = (0.7, 0.8, 0.9), 0.1
"""Parts of the events before each moment, and the part after it that is predicted."""
TOP = 50
"""Ranks that gain something."""
BETTER = 1.02
"""A half-life is taken where it is better than none by this factor, so that chance does not decide."""
MOST_EVENTS = 2_000_000
"""The latest events that are looked at."""
LEAST_EVENTS = 500
"""With fewer events, age does not matter."""


def best_half_life(
    user: NDArray[np.integer], item: NDArray[np.integer], time: NDArray[np.int64]
) -> float | None:
    """Return the half-life of item counts that ranks the items of later events highest.

    At three moments of the log, items are ranked by the counts before it, decayed by each half-life, and the events of the next tenth of the log
    are looked up: each gains 1 / log2(rank + 1) if its rank is among the first 50, as in DCG. Every user counts the same. In a log of films
    that come out, what was popular last week says more than what was popular in a year; of groceries, all events say something.

    Cost: O(events + items · log items) for each of 8 half-lives and 3 moments.

    Parameters
    ----------
    user, item
        int (events,): codes.
    time
        int64 (events,): times, ms, rising.

    Returns
    -------
    float or None
        In ms; None: age does not matter, or there are too few events to tell.
    """
    user, item, time = user[-MOST_EVENTS:], item[-MOST_EVENTS:], time[-MOST_EVENTS:]
    if len(item) < LEAST_EVENTS:
        return None
    span = int(time[-1] - time[0])
    without = _gain(user, item, time, None)
    lives = [float(days * DAY) for days in HALF_LIVES if days * DAY < span]
    tried = {half_life: _gain(user, item, time, half_life) for half_life in lives}
    best = max(tried, key=lambda half_life: tried[half_life], default=None)
    return best if best is not None and tried[best] > BETTER * without else None


def _gain(
    user: NDArray[np.integer], item: NDArray[np.integer], time: NDArray[np.int64], half_life: float | None
) -> float:
    """Return the mean gain of the users after each cut."""
    n, n_items, total = len(item), int(item.max()) + 1, 0.0
    for share in CUTS:
        cut, end = int(n * share), int(n * (share + HORIZON))
        weight = None
        if half_life is not None:
            weight = np.exp2(-np.minimum((time[cut] - time[:cut]) / half_life, 1_000.0))
        rank = np.empty(n_items)
        counts = np.bincount(item[:cut], weight, n_items)
        rank[np.argsort(-counts, kind="stable")] = np.arange(n_items)
        ranks = rank[item[cut:end]]
        gain = np.where(ranks < TOP, 1 / np.log2(ranks + 2), 0.0)
        _, owner, events = np.unique(user[cut:end], return_inverse=True, return_counts=True)
        total += float(np.sum(gain / events[owner]) / len(events))
    return total / len(CUTS)

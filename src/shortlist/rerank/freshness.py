"""Freshness: a boost of new items that halves with age."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.config.rerank import RerankSettings
from shortlist.data.attributes import TimeAttribute
from shortlist.data.dataset import Dataset
from shortlist.data.no_time import NO_TIME


def boost_fresh(
    utility: NDArray[np.float64],
    first_seen: NDArray[np.int64],
    now: int,
    strength: float,
    half_life_ms: int,
) -> NDArray[np.float64]:
    """Boost the utility of new items: utility + |utility| × strength × 2^(−age / half-life).

    At strength 1 a brand-new item counts double, and an item of one half-life's age counts half as much more. Items of
    unknown age get no boost.

    Parameters
    ----------
    utility : ndarray of shape (rows,), float64
        Utility of each candidate.
    first_seen : ndarray of shape (rows,), int64
        Time from which each item's age counts, ms since 1970, or `NO_TIME`. Items of the future have age 0.
    now
        Time of the request, ms.
    strength
        Boost at age 0, as a fraction of the utility.
    half_life_ms
        Age at which the boost is halved.

    Returns
    -------
    ndarray of shape (rows,), float64
    """
    if strength <= 0:
        return utility
    unknown = first_seen == NO_TIME
    age = np.where(unknown, np.inf, np.maximum(now - np.where(unknown, now, first_seen), 0))
    return utility + np.abs(utility) * strength * np.exp2(-age / half_life_ms)


def first_seen_times(dataset: Dataset, settings: RerankSettings) -> NDArray[np.int64]:
    """Return the time from which each item's age counts, int64 (items,), ms since 1970 or `NO_TIME`.

    It is the attribute `rerank.freshness_by` where the project names one, otherwise the first event of the item.
    """
    by = settings.freshness_by
    return dataset.items.attribute(by, TimeAttribute).times if by else dataset.first

"""Exposure: a limit on the items of one provider per slate, over all of its pages."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray


def cap_exposure(
    order: NDArray[np.int64],
    provider: NDArray[np.int32],
    cap: int | None,
    n: int,
    shown: NDArray[np.int32] | None = None,
) -> NDArray[np.int64]:
    """Return the first n candidates of an order that respect the limit per provider.

    A candidate above the limit is left out even if fewer than n remain (`RerankPipeline.rerank` fills them
    up). Items of an unknown provider are not limited. Cost: O(pool).

    Parameters
    ----------
    order : ndarray of shape (pool,), int64
        Candidates, best first.
    provider : ndarray of shape (pool,), int32
        Provider code of each candidate, by the rows that `order` names; −1 if unknown.
    cap
        Maximum number of items of one provider, or None for no limit.
    n
        Number of slots.
    shown : ndarray of shape (items,), int32, optional
        Provider codes of the items of earlier pages: the limit is of all pages together.

    Returns
    -------
    ndarray of shape (at most n,), int64
    """
    if cap is None:
        return order[:n]
    counts = Counter([] if shown is None else shown.tolist())
    selected = []
    for row in order.tolist():
        own = int(provider[row])
        if own >= 0 and counts[own] >= cap:
            continue
        counts[own] += 1
        selected.append(row)
        if len(selected) == n:
            break
    return np.array(selected, np.int64)

"""Exposure: no provider fills a slate.

Walks the order and passes over an item once its provider has `cap` items. What is passed over is not shown, however
short the slate gets: a cap is a promise. Items of unknown provider are not counted.
"""

from __future__ import annotations

import numpy as np


def capped(order: np.ndarray, provider: np.ndarray, cap: int | None, n: int) -> np.ndarray:
    """The first n of `order` that keep the cap, int64. provider int32 (pool,), −1 unknown."""
    if cap is None:
        return order[:n]
    taken: dict[int, int] = {}
    chosen = []
    for row in order.tolist():
        maker = int(provider[row])
        if maker >= 0 and taken.get(maker, 0) >= cap:
            continue
        taken[maker] = taken.get(maker, 0) + 1
        chosen.append(row)
        if len(chosen) == n:
            break
    return np.array(chosen, np.int64)

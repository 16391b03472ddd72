"""Freshness: newer items gain, by a half-life.

utility × (1 + strength × 2^(−age / half-life)) for utilities above zero: at strength 1 a brand-new item counts double
and one of a half-life's age half as much more. Items of unknown age gain nothing.
"""

from __future__ import annotations

import numpy as np

from shortlist.data.times import NO_TIME


def boost(
    utility: np.ndarray, born: np.ndarray, moment: int, strength: float, half_life_ms: int
) -> np.ndarray:
    """Utility float64 (rows,), born int64 ms (rows,) or `NO_TIME` → float64 (rows,). Items not yet born count as new."""
    if strength <= 0:
        return utility
    age = np.where(born == NO_TIME, np.inf, np.maximum(moment - np.where(born == NO_TIME, moment, born), 0))
    return utility + np.abs(utility) * strength * np.exp2(-age / half_life_ms)

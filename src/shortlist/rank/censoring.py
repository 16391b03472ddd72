"""What was seen is not what is true: outcomes that come late, and items that nobody looked at.

An example is a positive only if its outcome was *observed*. A purchase that follows after three days is not there yet
when the log ends after one; an item in slot 8 may never have been looked at. In both cases a true positive is observed
with a known probability `seen`: the share of delays that are over by then, or the chance that the slot is examined.

Then an observed positive stands for 1 / seen positives, and an observed negative is a true one with probability
(1 − p) / (1 − p · seen), p being the chance of a positive. Weighted so, examples count for what they are on average
(inverse propensity weighting as in Joachims et al. 2017, "Unbiased learning-to-rank with biased feedback"; the negatives'
weight as in Wang et al. 2018, "Position bias estimation for unbiased learning to rank in personal search"; for delays
compare Ktena et al. 2019, "Addressing delayed feedback for continuous training").

Delays are known only for outcomes that have come, which are the short ones. Lynden-Bell's estimator for data truncated
on the right (1971; Woodroofe 1985) allows for that: going back from the longest delay, the share of those that could have
been observed with this delay or less and have exactly this one.
"""

from __future__ import annotations

import numpy as np

LEAST = 0.1
"""No positive stands for more than 1 / LEAST others: a few rows must not carry the whole model."""
ENOUGH = 50
"""Below this many positives there is no distribution to speak of, and nothing is weighted."""


def share_arrived(delays: np.ndarray, elapsed: np.ndarray, at: np.ndarray) -> np.ndarray:
    """float64: which share of outcomes has come after `at` ms, among those that come within the longest time observed.

    delays, elapsed: ms (P,), of outcomes that came: how long each took, and how long it could have been waited for.
    """
    if len(delays) < ENOUGH:
        return np.ones(len(at))
    order = np.argsort(delays, kind="stable")
    values, counts = np.unique(delays, return_counts=True)
    # at risk at delay d: came by d, and would have been seen had it taken d
    came = np.searchsorted(delays[order], values, side="right")
    waited = np.sort(elapsed)
    too_short = np.searchsorted(waited, values, side="left")  # waited for less than d, so came before d
    risk = np.maximum(came - too_short, counts)
    stay = 1.0 - counts / risk
    # F(d) = Π over longer delays of (1 − share at exactly that delay)
    share = np.concatenate([np.cumprod(stay[::-1])[::-1][1:], [1.0]])
    place = np.searchsorted(values, at, side="right") - 1
    return np.where(place >= 0, share[np.maximum(place, 0)], 0.0)


def observation_weights(label: np.ndarray, seen: np.ndarray, chance: np.ndarray | float) -> np.ndarray:
    """float64 (rows,): what each example counts for. chance: of a true positive, one for all or one a row."""
    seen = np.clip(seen, LEAST, 1.0)
    p = np.clip(chance, 0.0, 0.99)
    return np.where(label > 0, 1.0 / seen, (1.0 - p) / (1.0 - p * seen))


def base_chance(label: np.ndarray, seen: np.ndarray, weight: np.ndarray) -> float:
    """The share of true positives: observed ones, each standing for 1 / seen."""
    total = float(weight.sum())
    positives = float((weight * (label > 0) / np.clip(seen, LEAST, 1.0)).sum())
    return min(positives / total, 0.99) if total > 0 else 0.0

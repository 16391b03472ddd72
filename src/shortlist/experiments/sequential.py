"""Intervals that hold whenever one looks.

An ordinary 95 % interval is right once. Who looks every day and stops when it excludes zero is wrong far more often: one in four
after two weeks. A confidence sequence holds at all times together, so that peeking is safe (asymptotic confidence sequences:
Waudby-Smith et al. 2021; Howard et al. 2021). The price is an interval about half as wide again.
"""

from __future__ import annotations

import numpy as np

from shortlist.metrics.significance import Estimate

ALPHA = 0.05


def always_valid(difference: float, variance: float, n: int, tight_at: int = 5_000) -> Estimate:
    """A difference of means with an interval that holds at every look together.

    variance: of the difference; n: people so far in both arms; tight_at: how many people there are where the interval should be
    tightest (fix it before the experiment begins).
    """
    if n < 2 or not np.isfinite(variance):
        return Estimate(difference, float("-inf"), float("inf"))
    rho = np.sqrt((-2 * np.log(ALPHA) + np.log(-2 * np.log(ALPHA) + 1)) / tight_at)
    spread = np.sqrt(n * variance)  # of one person, as if the difference were a mean over n
    inner = n * rho**2 + 1
    radius = spread * np.sqrt(2 * inner / (n**2 * rho**2) * np.log(np.sqrt(inner) / ALPHA))
    return Estimate(difference, float(difference - radius), float(difference + radius))


def cuped(outcome: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, float]:
    """The outcome with what was known beforehand taken out, float (n,), and the share of variance that is gone (Deng et al. 2013).

    before: something of the same people from before they were exposed, which the arm cannot have changed. The mean stays.
    """
    if len(outcome) < 3 or np.ptp(before) == 0:
        return outcome, 0.0
    slope = float(np.cov(outcome, before)[0, 1]) / float(np.var(before, ddof=1))
    adjusted = outcome - slope * (before - before.mean())
    total = float(np.var(outcome))
    return adjusted, 1 - float(np.var(adjusted)) / total if total > 0 else 0.0


def difference(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Mean of b minus mean of a, and its variance."""
    if len(a) < 2 or len(b) < 2:
        return float("nan"), float("inf")
    variance = np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b)
    return float(b.mean() - a.mean()), float(variance)

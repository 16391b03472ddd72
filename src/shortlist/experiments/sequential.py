"""Intervals that hold at every look.

An ordinary 95 % interval is right for one look. An experimenter who looks every day and stops when the interval
excludes zero is wrong far more often: in one of four experiments after two weeks. A confidence sequence holds at all
times together, so that repeated looks are safe (asymptotic confidence sequences: Waudby-Smith et al. 2021; Howard et
al. 2021). Its intervals are about half as wide again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.metrics.significance import Estimate

FloatArray = NDArray[np.float64]
ALPHA = 0.05


def always_valid(difference: float, variance: float, n: int, tight_at: int = 5_000) -> Estimate:
    """Return a difference of means with an interval that holds at all looks together.

    Parameters
    ----------
    difference : float
        The difference of the means.
    variance : float
        The variance of the difference.
    n : int
        The number of people so far, in both arms.
    tight_at : int
        The number of people at which the interval is tightest. Fix it before the experiment begins.
    """
    if n < 2 or not np.isfinite(variance):
        return Estimate(difference, float("-inf"), float("inf"))
    rho = np.sqrt((-2 * np.log(ALPHA) + np.log(-2 * np.log(ALPHA) + 1)) / tight_at)
    spread = np.sqrt(n * variance)  # per person, as if the difference were a mean over n
    inner = n * rho**2 + 1
    radius = spread * np.sqrt(2 * inner / (n**2 * rho**2) * np.log(np.sqrt(inner) / ALPHA))
    return Estimate(difference, float(difference - radius), float(difference + radius))


def cuped(outcome: FloatArray, before: FloatArray) -> tuple[FloatArray, float]:
    """Reduce the variance of an outcome by behaviour before the experiment (CUPED: Deng et al. 2013).

    Parameters
    ----------
    outcome : ndarray of float64, shape (n,)
        The outcome of each person.
    before : ndarray of float64, shape (n,)
        Behaviour of the same people before the exposure, which the arm cannot have changed.

    Returns
    -------
    adjusted : ndarray of float64, shape (n,)
        The outcome without the part that `before` explains; its mean is unchanged.
    explained : float
        The share of the variance that was removed.
    """
    if len(outcome) < 3 or np.ptp(before) == 0:
        return outcome, 0.0
    slope = float(np.cov(outcome, before)[0, 1]) / float(np.var(before, ddof=1))
    adjusted = outcome - slope * (before - before.mean())
    total = float(np.var(outcome))
    return adjusted, 1 - float(np.var(adjusted)) / total if total > 0 else 0.0


def difference(a: FloatArray, b: FloatArray) -> tuple[float, float]:
    """Return the mean of b minus the mean of a, and the variance of this difference."""
    if len(a) < 2 or len(b) < 2:
        return float("nan"), float("inf")
    variance = np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b)
    return float(b.mean() - a.mean()), float(variance)

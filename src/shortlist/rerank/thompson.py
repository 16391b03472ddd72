"""Propensities of Thompson sampling with normal posteriors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

MIN_GRID, MAX_GRID = 129, 4_001
"""Bounds of the number of grid points."""
TAIL = 6.0
"""Standard deviations around each mean that the grid covers."""


def probability_of_maximum(mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the probability that each of some independent normal variables is the largest.

    P(i is largest) = ∫ φᵢ(x) Πⱼ≠ᵢ Φⱼ(x) dx, by a sum over an even grid that covers all variables with about four points per
    standard deviation of the narrowest one. Cost: O(variables × grid).

    Parameters
    ----------
    mean, deviation : ndarray of shape (variables,), float64
        Mean and standard deviation of each variable.

    Returns
    -------
    ndarray of shape (variables,), float64
        Probabilities that sum to 1.

    Examples
    --------
    >>> probability_of_maximum(np.array([0.5, 0.5]), np.array([0.1, 0.1])).round(3).tolist()
    [0.5, 0.5]
    """
    if len(mean) == 1:
        return np.ones(1)
    low, high = (mean - TAIL * deviation).min(), (mean + TAIL * deviation).max()
    points = min(max(MIN_GRID, int(4 * (high - low) / deviation.min()) | 1), MAX_GRID)
    x = np.linspace(low, high, points)
    z = (x - mean[:, None]) / deviation[:, None]
    log_cdf = log_ndtr(z)
    log_density = -0.5 * z**2 - np.log(deviation)[:, None]
    integrand = np.exp(log_density + log_cdf.sum(0) - log_cdf)
    mass = integrand.sum(1)
    return np.asarray(mass / mass.sum())

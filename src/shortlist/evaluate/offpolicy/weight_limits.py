"""Ways to limit importance weights, and the choice of the limit from the log alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shortlist.evaluate.offpolicy.estimate import owners_of

Weights = NDArray[np.float64]
Limiter = Callable[[Weights, float], Weights]
LIMITS = 12
"""Number of limits that are tried."""


def clip_weights(weight: Weights, limit: float) -> Weights:
    """Return min(w, λ) (Ionides 2008)."""
    return np.minimum(weight, limit)


def shrink_weights(weight: Weights, limit: float) -> Weights:
    """Return λw / (w² + λ), the optimistic shrinkage of Su et al. (2020)."""
    return np.asarray(weight if np.isinf(limit) else limit * weight / (weight**2 + limit))


def switch_weights(weight: Weights, limit: float) -> Weights:
    """Return w where w ≤ λ, otherwise 0 (Wang et al. 2017)."""
    return np.where(weight <= limit, weight, 0.0)


def choose_limit(
    weight: Weights,
    cluster: NDArray[np.generic],
    row_estimates: Callable[[Weights], Weights],
    limiter: Limiter,
) -> float:
    """Choose λ by the least estimated variance + bias².

    The bias is the distance between the limited and the unlimited estimate, minus the part that the variance of their
    difference explains, as in MAGIC (Thomas & Brunskill 2016).

    Parameters
    ----------
    weight : ndarray of float, shape (n_rows,)
        The importance weights.
    cluster : ndarray, shape (n_rows,)
        The user of each row.
    row_estimates : callable
        Weights → the estimate of each row.
    limiter : callable
        One of `clip_weights`, `shrink_weights` and `switch_weights`.
    """
    largest = float(weight.max(initial=1.0))
    scale = largest**2 if limiter is shrink_weights else largest
    limits = [np.inf, *np.geomspace(scale, max(float(np.quantile(weight, 0.5)), 1e-3), LIMITS)]
    owners = owners_of(cluster)
    unlimited = row_estimates(weight)
    errors = []
    for limit in limits:
        rows = row_estimates(limiter(weight, limit))
        gap = rows - unlimited
        bias = max(float(gap.mean()) ** 2 - _variance_of_mean(gap, owners), 0.0)
        errors.append(_variance_of_mean(rows, owners) + bias)
    return float(limits[int(np.argmin(errors))])


def cluster_deviations(rows: Weights, owners: NDArray[np.int64]) -> Weights:
    """Return each user's sum of the deviations of their rows from the mean, float (n_users,)."""
    return np.bincount(owners, rows - rows.mean()).astype(np.float64)


def _variance_of_mean(rows: Weights, owners: NDArray[np.int64]) -> float:
    return float((cluster_deviations(rows, owners) ** 2).sum()) / len(rows) ** 2

"""Ratios of sums over a log, with intervals that resample users."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.metrics.significance import Estimate, Resamples


def owners_of(cluster: NDArray[Any]) -> NDArray[np.int64]:
    """Return the user of each row as numbers 0 … n_users − 1."""
    return np.asarray(np.unique(cluster, return_inverse=True)[1], np.int64)


def cluster_bootstrap(
    numerator: NDArray[np.float64],
    denominator: NDArray[np.float64],
    owners: NDArray[np.int64],
    resamples: int,
    seed: int,
) -> tuple[Estimate, float]:
    """Return Σ numerator / Σ denominator with its 95 % interval, and its standard error.

    The bootstrap resamples users with all their rows, because the rows of one user are not independent.

    Parameters
    ----------
    numerator, denominator : ndarray of float, shape (n_rows,)
        The terms of both sums.
    owners : ndarray of int, shape (n_rows,)
        The user of each row, 0 … n_users − 1.
    resamples : int
        Number of bootstrap resamples.
    seed : int
        Seed of the resamples.
    """
    n = int(owners.max(initial=-1)) + 1
    sums = np.stack([np.bincount(owners, numerator, n), np.bincount(owners, denominator, n)], axis=1)
    drawn = Resamples(n, resamples, seed).means(sums)
    ratio = np.divide(drawn[:, 0], drawn[:, 1], out=np.full(resamples, np.nan), where=drawn[:, 1] != 0)
    ratio = ratio[~np.isnan(ratio)]
    if not len(ratio) or sums[:, 1].sum() == 0:
        return Estimate(float("nan"), float("nan"), float("nan")), float("inf")
    low, high = np.quantile(ratio, [0.025, 0.975])
    value = float(sums[:, 0].sum() / sums[:, 1].sum())
    return Estimate(value, float(low), float(high)), float(np.std(ratio, ddof=1))

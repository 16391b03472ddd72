"""Metrics of predicted numbers, before anything is ranked by them.

`predicted` and `happened`: float, shape (n,), predictions and outcomes; `weight`: float, shape (n,), the weight of each
row (default: 1). AUC, log loss and RMSE agree with scikit-learn to 1e-9 (tested).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

EDGE = 1e-15
"""Probabilities are clipped to [EDGE, 1 − EDGE], so that a wrong certainty costs much, but not infinitely much."""


def auc(predicted: ArrayLike, happened: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Area under the ROC curve: the probability that a positive is predicted higher than a negative; ties count half.

    NaN if all or none are positive. It ignores the scale of predictions, and the top of the ranking counts no more than the rest: a
    mistake among the last thousand costs as much as one among the first ten. (Mann & Whitney 1947; `sklearn.metrics.roc_auc_score`.)
    """
    value = np.asarray(predicted)
    order = np.argsort(value, kind="stable")
    value, positive, weight = value[order], _floats(happened)[order] > 0, _weights(value, weight)[order]
    if not weight[positive].sum() or not weight[~positive].sum():
        return float("nan")
    tie = np.concatenate([[0], np.cumsum(np.diff(value) > 0)]).astype(np.int64)
    negatives = np.bincount(tie, weight * ~positive)
    below = np.cumsum(negatives) - negatives / 2
    return float((weight[positive] * below[tie[positive]]).sum() / weight[positive].sum() / negatives.sum())


def log_loss(predicted: ArrayLike, happened: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean of −ln(probability of the outcome), in nats.

    A proper score: lowest for true probabilities. It does not show whether a gain comes from ordering or from calibration, and a few
    confident mistakes dominate it. (`sklearn.metrics.log_loss`.)
    """
    p = np.clip(_floats(predicted), EDGE, 1 - EDGE)
    loss = -np.where(_floats(happened) > 0, np.log(p), np.log1p(-p))
    return float(np.average(loss, weights=None if weight is None else np.asarray(weight)))


def rmse(predicted: ArrayLike, happened: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Root mean squared error, in the unit of the prediction.

    It says little about rankings: it is measured on what users chose to rate, where errors at the top are a small part.

    References
    ----------
    Cremonesi et al. 2010, "Performance of recommender algorithms on top-n recommendation tasks".
    """
    error = (_floats(predicted) - _floats(happened)) ** 2
    return float(np.sqrt(np.average(error, weights=None if weight is None else np.asarray(weight))))


def expected_calibration_error(
    predicted: ArrayLike, happened: ArrayLike, weight: ArrayLike | None = None, bins: int = 15
) -> float:
    """Mean distance between predicted and observed values, over bins of equal weight by prediction.

    Errors that cancel within a bin are invisible, and a model that predicts the mean for everyone has none.

    References
    ----------
    Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning".
    """
    return calibration_error(reliability(predicted, happened, _weights(np.asarray(predicted), weight), bins))


def calibration_error(bins: list[tuple[float, float, float]]) -> float:
    """Return the mean distance of the bins of `reliability`."""
    return float(sum(share * abs(predicted - happened) for predicted, happened, share in bins))


def reliability(
    predicted: ArrayLike, happened: ArrayLike, weight: ArrayLike, bins: int = 15
) -> list[tuple[float, float, float]]:
    """Return the reliability curve: (mean prediction, mean outcome, share of weight) of bins of equal weight by prediction."""
    p, h, weight = np.asarray(predicted), np.asarray(happened), np.asarray(weight)
    order = np.argsort(p, kind="stable")
    line = np.cumsum(weight[order])
    place = np.minimum((bins * (line - weight[order] / 2) / line[-1]).astype(int), bins - 1)
    total = np.bincount(place, weight[order], bins)
    mean_p = np.bincount(place, (weight * p)[order], bins)
    mean_h = np.bincount(place, (weight * h)[order], bins)
    return [
        (float(mean_p[b] / total[b]), float(mean_h[b] / total[b]), float(total[b] / line[-1]))
        for b in range(bins)
        if total[b] > 0
    ]


def _floats(values: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(values, np.float64)


def _weights(rows: NDArray[np.generic], weight: ArrayLike | None) -> NDArray[np.float64]:
    return np.ones(len(rows)) if weight is None else np.asarray(weight)

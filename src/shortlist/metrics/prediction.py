"""How good predicted numbers are, before anything is ranked by them.

`predicted` and `happened` are float (n,), side by side; `weight` float (n,) counts a row more or less, all alike without.
"""

from __future__ import annotations

import numpy as np

EDGE = 1e-15


def auc(predicted: np.ndarray, happened: np.ndarray, weight: np.ndarray | None = None) -> float:
    """The chance that something that happened was given a higher number than something that did not, ties counting half
    (Mann & Whitney 1947). NaN where all or nothing happened. Hides the scale of predictions entirely, and the top of a
    ranking, which is all that anybody sees: a mistake among the last thousand counts like one among the first ten.
    """
    weight = np.ones(len(predicted)) if weight is None else weight
    yes = np.asarray(happened) > 0
    order = np.argsort(predicted, kind="stable")
    value, yes, weight = np.asarray(predicted)[order], yes[order], weight[order]
    if not weight[yes].sum() or not weight[~yes].sum():
        return float("nan")
    tie = np.concatenate([[0], np.cumsum(np.diff(value) > 0)]).astype(np.int64)
    no = np.bincount(tie, weight * ~yes)
    below = np.cumsum(no) - no / 2
    return float((weight[yes] * below[tie[yes]]).sum() / weight[yes].sum() / no.sum())


def log_loss(predicted: np.ndarray, happened: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Mean of −log(the probability given to what happened), in nats. Rewards honest probabilities; hides whether a gain
    comes from ordering or from calibration, and is ruled by a few confident mistakes.
    """
    p = np.clip(np.asarray(predicted, np.float64), EDGE, 1 - EDGE)
    loss = -np.where(np.asarray(happened) > 0, np.log(p), np.log1p(-p))
    return float(np.average(loss, weights=weight))


def rmse(predicted: np.ndarray, happened: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Square root of the mean squared error, in the unit of what is predicted. Says little about rankings: it is measured
    on what people chose to rate, and the errors that matter, at the top, are a small share of it (Cremonesi et al. 2010).
    """
    error = (np.asarray(predicted, np.float64) - happened) ** 2
    return float(np.sqrt(np.average(error, weights=weight)))


def expected_calibration_error(
    predicted: np.ndarray, happened: np.ndarray, weight: np.ndarray | None = None, bins: int = 15
) -> float:
    """Mean distance between what was predicted and what happened, over bins of equal weight by prediction (Naeini et al.
    2015). Hides errors that cancel within a bin, and is zero for a model that gives everybody the mean.
    """
    weight = np.ones(len(predicted)) if weight is None else weight
    return calibration_error(reliability(predicted, happened, weight, bins))


def calibration_error(bins: list[tuple[float, float, float]]) -> float:
    """The mean distance of the bins of `reliability`."""
    return float(sum(share * abs(p - h) for p, h, share in bins))


def reliability(
    predicted: np.ndarray, happened: np.ndarray, weight: np.ndarray, bins: int = 15
) -> list[tuple[float, float, float]]:
    """(mean prediction, mean outcome, share of weight) in bins of equal weight by prediction."""
    order = np.argsort(predicted, kind="stable")
    line = np.cumsum(weight[order])
    place = np.minimum((bins * (line - weight[order] / 2) / line[-1]).astype(int), bins - 1)
    total = np.bincount(place, weight[order], bins)
    mean_p = np.bincount(place, (weight * predicted)[order], bins)
    mean_h = np.bincount(place, (weight * happened)[order], bins)
    return [
        (float(mean_p[b] / total[b]), float(mean_h[b] / total[b]), float(total[b] / line[-1]))
        for b in range(bins)
        if total[b] > 0
    ]

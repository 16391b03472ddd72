"""Losses of rankers: each has a start margin, a gradient and a loss on margins.

Margins, labels and weights are float arrays (rows,). Amounts are in units of their mean where not zero (`unit_of`), so
that boosting steps of different objectives are comparable.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

TWEEDIE_POWER = 1.5
MIN_HESSIAN = 1e-7
MAX_LOG_AMOUNT = 30

Floats = NDArray[np.floating]


class Loss(Protocol):
    """The interface of losses.

    `parent` is the probability of the objective that must happen first, (rows,); 1 without a chain. Only `Chain` reads it.
    """

    def start(self, label: Floats, weight: Floats) -> float:
        """Return the margin that boosting starts from."""

    def gradient(self, margin: Floats, label: Floats, parent: Floats) -> tuple[Floats, Floats]:
        """Return first and second derivative by the margin, unweighted."""

    def loss(self, margin: Floats, label: Floats, parent: Floats) -> Floats:
        """Return the loss of each row, unweighted."""

    def value(self, margin: Floats, parent: Floats) -> Floats:
        """Return the predictions, in units of the label."""


class Logistic:
    """The probability of an outcome: σ(margin), with log loss."""

    def start(self, label: Floats, weight: Floats) -> float:
        """Return the logit of the mean."""
        mean = float(np.clip(np.average(label, weights=weight), 1e-6, 1 - 1e-6))
        return float(np.log(mean / (1 - mean)))

    def gradient(self, margin: Floats, label: Floats, parent: Floats) -> tuple[Floats, Floats]:
        """Return the derivatives of the log loss."""
        del parent
        p = _sigmoid(margin)
        return p - label, np.maximum(p * (1 - p), MIN_HESSIAN)

    def loss(self, margin: Floats, label: Floats, parent: Floats) -> Floats:
        """Return the log loss."""
        del parent
        return np.asarray(np.logaddexp(0, margin) - label * margin)

    def value(self, margin: Floats, parent: Floats) -> Floats:
        """Return the probability."""
        del parent
        return _sigmoid(margin)


class Chain:
    """The probability of an outcome that requires another first: impression → click → purchase.

    The model is the conditional probability σ(margin), but it is fitted to the product parent · σ(margin) over all
    examples. Fitted on clicked items only, it would be right for those and wrong for all others, which are
    scored at request time too (sample selection bias).

    References
    ----------
    Ma et al. (2018). Entire space multi-task model: an effective approach for estimating post-click conversion rate. SIGIR.
    """

    def start(self, label: Floats, weight: Floats) -> float:
        """Return −1: a conditional probability of 0.27."""
        del label, weight
        return -1.0

    def gradient(self, margin: Floats, label: Floats, parent: Floats) -> tuple[Floats, Floats]:
        """Return the derivatives of the log loss of the product."""
        q = _sigmoid(margin)
        both = np.clip(parent * q, 1e-7, 1 - 1e-7)
        inner = parent * q * (1 - q)
        slope = (both - label) / (both * (1 - both))
        return slope * inner, np.maximum(inner * inner / (both * (1 - both)), MIN_HESSIAN)

    def loss(self, margin: Floats, label: Floats, parent: Floats) -> Floats:
        """Return the log loss of the product."""
        both = np.clip(parent * _sigmoid(margin), 1e-7, 1 - 1e-7)
        return np.asarray(-(label * np.log(both) + (1 - label) * np.log(1 - both)))

    def value(self, margin: Floats, parent: Floats) -> Floats:
        """Return the product: the probability of both."""
        return parent * _sigmoid(margin)


class _LogAmount:
    """The margin is the logarithm of the expected amount."""

    def start(self, label: Floats, weight: Floats) -> float:
        """Return the logarithm of the mean."""
        return float(np.log(max(float(np.average(label, weights=weight)), 1e-6)))

    def value(self, margin: Floats, parent: Floats) -> Floats:
        """Return the expected amount."""
        del parent
        return np.asarray(np.exp(np.minimum(margin, MAX_LOG_AMOUNT)))


class Tweedie(_LogAmount):
    """An amount that is mostly 0 and has a long tail: compound Poisson–gamma with power 1.5 and log link.

    References
    ----------
    Jørgensen (1987). Exponential dispersion models. Journal of the Royal Statistical Society B.
    """

    def gradient(self, margin: Floats, label: Floats, parent: Floats) -> tuple[Floats, Floats]:
        """Return the derivatives of the negative log likelihood."""
        del parent
        a = label * np.exp((1 - TWEEDIE_POWER) * margin)
        b = np.exp((2 - TWEEDIE_POWER) * margin)
        return b - a, np.maximum((2 - TWEEDIE_POWER) * b - (1 - TWEEDIE_POWER) * a, MIN_HESSIAN)

    def loss(self, margin: Floats, label: Floats, parent: Floats) -> Floats:
        """Return the negative log likelihood, without terms that do not depend on the margin."""
        del parent
        first = -label * np.exp((1 - TWEEDIE_POWER) * margin) / (1 - TWEEDIE_POWER)
        return np.asarray(first + np.exp((2 - TWEEDIE_POWER) * margin) / (2 - TWEEDIE_POWER))


class WeightedLogistic(_LogAmount):
    """An amount as odds: the odds learnt by a weighted logistic regression are the expected amount.

    Each example counts once as a negative and, where something followed, as a positive of that weight. In the paper,
    clicked impressions are positives only; counted as negatives too, the odds are exact.

    References
    ----------
    Covington, Adams & Sargin (2016). Deep neural networks for YouTube recommendations. RecSys.
    """

    def gradient(self, margin: Floats, label: Floats, parent: Floats) -> tuple[Floats, Floats]:
        """Return the derivatives of the weighted log loss."""
        del parent
        p = _sigmoid(margin)
        return (1 + label) * p - label, np.maximum((1 + label) * p * (1 - p), MIN_HESSIAN)

    def loss(self, margin: Floats, label: Floats, parent: Floats) -> Floats:
        """Return the weighted log loss."""
        del parent
        return np.asarray((1 + label) * np.logaddexp(0, margin) - label * margin)


class Squared:
    """A grade: squared error."""

    def start(self, label: Floats, weight: Floats) -> float:
        """Return the mean."""
        return float(np.average(label, weights=weight))

    def gradient(self, margin: Floats, label: Floats, parent: Floats) -> tuple[Floats, Floats]:
        """Return the derivatives of half the squared error."""
        del parent
        return margin - label, np.ones(len(margin))

    def loss(self, margin: Floats, label: Floats, parent: Floats) -> Floats:
        """Return half the squared error."""
        del parent
        return np.asarray(0.5 * (margin - label) ** 2)

    def value(self, margin: Floats, parent: Floats) -> Floats:
        """Return the margin."""
        del parent
        return margin


LOSSES: dict[str, Loss] = {
    "logistic": Logistic(),
    "listwise": Logistic(),
    "chain": Chain(),
    "tweedie": Tweedie(),
    "weighted_logistic": WeightedLogistic(),
    "squared": Squared(),
}
"""Loss by the name that `objectives.*.loss` gives it; `listwise` is trained by `RequestSoftmax`."""


def _sigmoid(margin: Floats) -> Floats:
    return np.asarray(expit(margin))

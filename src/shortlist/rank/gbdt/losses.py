"""What each kind of objective is fitted to: a start, a gradient and a loss on margins, for boosting.

- **logistic**: the chance of an outcome.
- **chain**: the chance of an outcome that needs another first (impression → click → purchase). Modelled is the chance
  *given* the first, but fitted to the product of both over all that was shown. Learning it from clicked items only would
  be right for those and wrong for the rest, which is what it is asked about (ESMM: Ma et al. 2018, "Entire space multi-task
  model").
- **tweedie**: an amount that is zero mostly and has a long tail: compound Poisson, power 1.5, log link (Jørgensen 1987).
- **weighted_logistic**: an amount as odds: each shown item counts once as a negative and, where something followed, as a
  positive of that weight; the learnt odds are then the expected amount (Covington et al. 2016, "Deep neural networks for
  YouTube recommendations", where clicked impressions are positives only; counted as negatives too, the odds are exact).
- **squared**: a grade.

Margins, labels, weights: float (rows,). Amounts are in units of their mean where not zero, so that steps are alike.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.special import expit

POWER = 1.5


class Loss(Protocol):
    def start(self, label: np.ndarray, weight: np.ndarray) -> float:
        """The margin of the mean."""

    def gradient(
        self, margin: np.ndarray, label: np.ndarray, first: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivative, unweighted; first: the chance of what must happen before (1 without a chain)."""

    def loss(self, margin: np.ndarray, label: np.ndarray, first: np.ndarray) -> np.ndarray:
        """Of each row, unweighted."""

    def value(self, margin: np.ndarray, first: np.ndarray) -> np.ndarray:
        """The prediction, in units of the label."""


class Logistic:
    def start(self, label: np.ndarray, weight: np.ndarray) -> float:
        mean = float(np.clip(np.average(label, weights=weight), 1e-6, 1 - 1e-6))
        return float(np.log(mean / (1 - mean)))

    def gradient(
        self, margin: np.ndarray, label: np.ndarray, first: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        p = expit(margin)
        return p - label, np.maximum(p * (1 - p), 1e-7)

    def loss(self, margin: np.ndarray, label: np.ndarray, first: np.ndarray) -> np.ndarray:
        return np.logaddexp(0, margin) - label * margin

    def value(self, margin: np.ndarray, first: np.ndarray) -> np.ndarray:
        return expit(margin)


class Chain:
    def start(self, label: np.ndarray, weight: np.ndarray) -> float:
        return -1.0

    def gradient(
        self, margin: np.ndarray, label: np.ndarray, first: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        q = expit(margin)
        both = np.clip(first * q, 1e-7, 1 - 1e-7)
        inner = first * q * (1 - q)
        slope = (both - label) / (both * (1 - both))
        return slope * inner, np.maximum(inner * inner / (both * (1 - both)), 1e-7)

    def loss(self, margin: np.ndarray, label: np.ndarray, first: np.ndarray) -> np.ndarray:
        both = np.clip(first * expit(margin), 1e-7, 1 - 1e-7)
        return -(label * np.log(both) + (1 - label) * np.log(1 - both))

    def value(self, margin: np.ndarray, first: np.ndarray) -> np.ndarray:
        return first * expit(margin)


class Amount:
    """Margins are logarithms of the expected amount."""

    def start(self, label: np.ndarray, weight: np.ndarray) -> float:
        return float(np.log(max(np.average(label, weights=weight), 1e-6)))

    def value(self, margin: np.ndarray, first: np.ndarray) -> np.ndarray:
        return np.exp(np.minimum(margin, 30))


class Tweedie(Amount):
    def gradient(
        self, margin: np.ndarray, label: np.ndarray, first: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        a = label * np.exp((1 - POWER) * margin)
        b = np.exp((2 - POWER) * margin)
        return b - a, np.maximum((2 - POWER) * b - (1 - POWER) * a, 1e-7)

    def loss(self, margin: np.ndarray, label: np.ndarray, first: np.ndarray) -> np.ndarray:
        return -label * np.exp((1 - POWER) * margin) / (1 - POWER) + np.exp((2 - POWER) * margin) / (
            2 - POWER
        )


class WeightedLogistic(Amount):
    def gradient(
        self, margin: np.ndarray, label: np.ndarray, first: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        p = expit(margin)
        return (1 + label) * p - label, np.maximum((1 + label) * p * (1 - p), 1e-7)

    def loss(self, margin: np.ndarray, label: np.ndarray, first: np.ndarray) -> np.ndarray:
        return (1 + label) * np.logaddexp(0, margin) - label * margin


class Squared:
    def start(self, label: np.ndarray, weight: np.ndarray) -> float:
        return float(np.average(label, weights=weight))

    def gradient(
        self, margin: np.ndarray, label: np.ndarray, first: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        return margin - label, np.ones(len(margin))

    def loss(self, margin: np.ndarray, label: np.ndarray, first: np.ndarray) -> np.ndarray:
        return 0.5 * (margin - label) ** 2

    def value(self, margin: np.ndarray, first: np.ndarray) -> np.ndarray:
        return margin


LOSSES: dict[str, Loss] = {
    "logistic": Logistic(),
    "listwise": Logistic(),
    "chain": Chain(),
    "tweedie": Tweedie(),
    "weighted_logistic": WeightedLogistic(),
    "squared": Squared(),
}

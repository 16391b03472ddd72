"""The estimated value of a target policy, or the refusal to estimate it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.evaluate.offpolicy.estimate import cluster_bootstrap, owners_of
from shortlist.evaluate.offpolicy.overlap import Overlap, measure_overlap
from shortlist.metrics.significance import Estimate


@dataclass(frozen=True, repr=False)
class OffPolicyEstimate(ShortRepr):
    """The value of a target policy by one estimator.

    Attributes
    ----------
    estimator : str
        The name of the estimator.
    value : Estimate, optional
        The estimate with its 95 % interval; None if it is refused.
    refused : str, optional
        Why no estimate is given.
    overlap : Overlap
        How much of the policy the log covers.
    standard_error : float
        The standard error, also of a refused estimate.
    point : float
        The point estimate, also of a refused estimate; for studies of the estimators only.
    facts : dict
        What the estimator chose, for example the limit of its weights.
    """

    estimator: str
    value: Estimate | None
    refused: str | None
    overlap: Overlap
    standard_error: float
    point: float
    facts: dict[str, Any] = field(default_factory=dict)

    def sentence(self) -> str:
        """Return the estimate with its interval, or the refusal, as a sentence."""
        if self.value is None:
            return f"{self.estimator}: no estimate, because {self.refused}"
        return f"{self.estimator}: {self.value.value:.4g} ({self.value.low:.4g} to {self.value.high:.4g})"

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "estimator": self.estimator,
            "value": None if self.value is None else self.value.to_json(),
            "refused": self.refused,
            "overlap": self.overlap.to_json(),
            **self.facts,
        }


class RatioEstimator:
    """Turns the rows of estimators that share their weights into estimates: Σ numerator / Σ denominator.

    Parameters
    ----------
    weight, reward : ndarray of float, shape (n_rows,)
        The weights and rewards by which the overlap is measured.
    cluster : ndarray, shape (n_rows,)
        The user of each row.
    resamples : int
        Bootstrap resamples of users.
    seed : int
        Seed of the resamples.
    """

    def __init__(
        self,
        weight: NDArray[np.float64],
        reward: NDArray[np.float64],
        cluster: NDArray[np.generic],
        resamples: int,
        seed: int,
    ) -> None:
        self.overlap = measure_overlap(weight, reward, cluster)
        self.resamples, self.seed = resamples, seed
        self._owners = owners_of(cluster)

    def estimate(
        self,
        estimator: str,
        numerator: NDArray[np.float64],
        denominator: NDArray[np.float64] | None = None,
        **facts: Any,
    ) -> OffPolicyEstimate:
        """Return an estimate, or a refusal if the overlap is too small. Default denominator: the number of rows."""
        if denominator is None:
            denominator = np.ones(len(numerator))
        value, error = cluster_bootstrap(numerator, denominator, self._owners, self.resamples, self.seed)
        refused = self.overlap.refusal()
        return OffPolicyEstimate(
            estimator, None if refused else value, refused, self.overlap, error, value.value, facts
        )

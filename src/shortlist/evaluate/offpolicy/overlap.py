"""Overlap: how much of a target policy the logged data covers.

Every estimator from logged propensities counts a row as often as the target policy would have taken the same action.
If the logging policy rarely did what the target policy does, a few rows decide the result, and its interval does not
show that. So overlap is measured first. Where it is too small, an estimator refuses to answer and gives the reason and
a remedy instead of a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.evaluate.offpolicy.estimate import cluster_bootstrap, owners_of
from shortlist.metrics.significance import Estimate
from shortlist.report.charts import histogram
from shortlist.report.document import Figure

MIN_EFFECTIVE_SAMPLE_SIZE = 50.0
MAX_CLUSTER_SHARE = 0.2
"""The largest share of the weight that one user's rows may have."""
MAX_UNCOVERED = 0.2
"""The largest share of the target policy that the log may not cover."""
MIN_REWARDS = 10
"""Least number of rows with a weight and a reward other than zero."""
BIN_EDGES = np.array([1e-9, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0])
BINS = ["0", "≤ .03", "≤ .1", "≤ .3", "≤ 1", "≤ 3", "≤ 10", "≤ 30", "more"]
REMEDY = "Log more exploration (rerank.explore), or evaluate a policy nearer to the logging policy"


@dataclass(frozen=True, repr=False)
class Overlap(ShortRepr):
    """How much of a target policy a log covers.

    Attributes
    ----------
    rows : int
        Number of rows of the log.
    effective_sample_size : float
        (Σw)² / Σw²: the number of unweighted rows with the same variance (Kish 1965).
    mean_weight : Estimate
        1 if the log covers everything that the target policy does. If it is clearly below 1, the policy takes actions
        that the log never shows, and no weighting can make up for them.
    largest_cluster : float
        The largest share of the weight that the rows of one user have.
    rewards : int
        Number of rows with a weight and a reward other than zero.
    histogram : list of float
        Share of the rows by weight, in the bins `BINS`.

    References
    ----------
    .. [1] Kish, L. (1965). Survey Sampling.
    """

    rows: int
    effective_sample_size: float
    mean_weight: Estimate
    largest_cluster: float
    rewards: int
    histogram: list[float]

    def refusal(self) -> str | None:
        """Return why no estimate can be given, with a remedy; None if the overlap suffices."""
        if self.mean_weight.high < 1 - MAX_UNCOVERED:
            return (
                f"the log covers only {self.mean_weight.value:.0%} of this policy (mean weight {self.mean_weight.low:.2f} to "
                f"{self.mean_weight.high:.2f}; 1 is full coverage). {REMEDY}."
            )
        if self.effective_sample_size < MIN_EFFECTIVE_SAMPLE_SIZE:
            factor = MIN_EFFECTIVE_SAMPLE_SIZE / max(self.effective_sample_size, 0.5)
            return (
                f"the effective sample size of {self.rows:,} rows is {self.effective_sample_size:.0f} under this policy, and "
                f"{MIN_EFFECTIVE_SAMPLE_SIZE:.0f} are needed: about {factor:.0f} times as many rows. {REMEDY}."
            )
        if self.largest_cluster > MAX_CLUSTER_SHARE:
            return f"the rows of one user carry {self.largest_cluster:.0%} of the weight, so they decide the estimate. {REMEDY}."
        if self.rewards < MIN_REWARDS:
            return f"only {self.rewards} rewards other than zero have a weight under this policy. Wait for more of them."
        return None

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "rows": self.rows,
            "effective_sample_size": self.effective_sample_size,
            "mean_weight": self.mean_weight.to_json(),
            "largest_cluster": self.largest_cluster,
            "rewards": self.rewards,
            "weights": dict(zip(BINS, self.histogram, strict=True)),
        }

    def figure(self, title: str) -> Figure:
        """Draw the weights as a histogram: most rows near 1 is good, many at 0 and some above 10 is not."""
        caption = f"weights of the logged rows; effective sample size {self.effective_sample_size:,.0f} of {self.rows:,}"
        return Figure(title, caption, histogram(self.histogram, BINS, "Weights", range(2, 6)))


def measure_overlap(
    weight: NDArray[np.float64],
    reward: NDArray[np.float64],
    cluster: NDArray[np.generic],
    resamples: int = 300,
) -> Overlap:
    """Measure the overlap of a weighted log.

    Parameters
    ----------
    weight, reward : ndarray of float, shape (n_rows,)
        The importance weight and the reward of each row.
    cluster : ndarray, shape (n_rows,)
        The user of each row.
    resamples : int, default 300
        Bootstrap resamples of users for the interval of the mean weight.
    """
    total, owners = float(weight.sum()), owners_of(cluster)
    by_user = np.bincount(owners, weight)
    mean, _ = cluster_bootstrap(weight, np.ones(len(weight)), owners, resamples, 0)
    bins = np.bincount(np.searchsorted(BIN_EDGES, weight), minlength=len(BINS))
    return Overlap(
        rows=len(weight),
        effective_sample_size=total**2 / max(float((weight**2).sum()), 1e-300),
        mean_weight=mean,
        largest_cluster=float(by_user.max(initial=0.0)) / max(total, 1e-300),
        rewards=int(((weight > 0) & (reward != 0)).sum()),
        histogram=(bins / max(len(weight), 1)).tolist(),
    )

"""Agreement of a metric with the true outcome of policies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from shortlist.metrics.significance import Estimate

FloatArray = NDArray[np.float64]
Direction = Literal["up", "down", "neither"]
"""Whether high values of a metric are good, low ones, or neither."""
MIN_POLICIES = 6
"""Least number of policies with a value; fewer say nothing about a metric."""


@dataclass(frozen=True, eq=False)
class MetricScore:
    """The values that one metric gives to each policy.

    Attributes
    ----------
    metric, family : str
        The metric and the kind of its source, for example ``"offline"``.
    better : {"up", "down", "neither"}
        Which direction is good.
    description : str
        What the metric measures.
    values : dict of str to Estimate or None
        Policy → its value; None if the metric gives none.
    resampled : dict of str to ndarray of float, shape (resamples,)
        Policy → values with resampled users; empty if they are unknown.
    refused : dict of str to str
        Policy → why it has no value.
    """

    metric: str
    family: str
    better: Direction
    description: str
    values: dict[str, Estimate | None]
    resampled: dict[str, FloatArray] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"MetricScore({self.metric!r}, {len(self.values)} policies, {len(self.refused)} refused)"

    def known(self) -> dict[str, Estimate]:
        """Return the policies that have a value."""
        return {name: e for name, e in self.values.items() if e is not None and e.value == e.value}


@dataclass(frozen=True)
class Agreement:
    """How far a metric orders policies as the true outcome does.

    Attributes
    ----------
    metric, family, description : str
        The metric.
    correlation : Estimate, optional
        Spearman's rank correlation with the true outcome; None if too few policies have a value.
    pick : str, optional
        The policy that the metric ranks first.
    regret : float
        The share of the best policy's outcome that this pick loses.
    policies, refused : int
        Number of policies with and without a value.
    reason : str
        Why a policy has no value.
    expected_regret : float
        The mean regret over resampled users and policies; a single pick may be luck.
    """

    metric: str
    family: str
    description: str
    correlation: Estimate | None
    pick: str | None
    regret: float
    policies: int
    refused: int
    reason: str = ""
    expected_regret: float = float("nan")

    @property
    def is_significant(self) -> bool:
        """Whether the order is better than chance: the interval of the correlation is above 0."""
        return self.correlation is not None and self.correlation.low > 0

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "metric": self.metric,
            "family": self.family,
            "rank_correlation": None if self.correlation is None else self.correlation.to_json(),
            "pick": self.pick,
            "regret": None if self.regret != self.regret else self.regret,
            "expected_regret": None if self.expected_regret != self.expected_regret else self.expected_regret,
            "policies": self.policies,
            "refused": self.refused,
            "why": self.reason,
        }


def agreements(
    truth: MetricScore, scores: list[MetricScore], resamples: int = 1000, seed: int = 0
) -> list[Agreement]:
    """Return the agreement of each metric, best first, metrics without enough values last.

    Parameters
    ----------
    truth : MetricScore
        The true outcome of each policy.
    scores : list of MetricScore
        The metrics.
    resamples : int, default 1000
        Resamples of users and policies.
    seed : int, default 0
        Seed of the resamples.
    """

    def order(found: Agreement) -> tuple[bool, float, float, float]:
        rho = found.correlation
        return rho is None, -(rho.value if rho else 0.0), found.regret, -(rho.low if rho else 0.0)

    return sorted((agreement(truth, score, resamples, seed) for score in scores), key=order)


def agreement(truth: MetricScore, score: MetricScore, resamples: int = 1000, seed: int = 0) -> Agreement:
    """Return the agreement of one metric with the true outcome.

    The interval resamples users, because the values are uncertain, and policies, because other policies would have been
    as good a sample. A metric that was right about eight policies by luck has a wide interval.

    Parameters
    ----------
    truth, score : MetricScore
        The true outcome and the metric; a metric whose low values are good is negated.
    resamples : int, default 1000
        Resamples of users and policies.
    seed : int, default 0
        Seed of the resamples.

    References
    ----------
    .. [1] Spearman, C. (1904). The proof and measurement of association between two things.
    """
    sign = -1.0 if score.better == "down" else 1.0
    known = {name: e for name, e in score.known().items() if name in truth.values}
    names = list(known)
    missing, reason = len(score.values) - len(names), next(iter(score.refused.values()), "")
    base = (score.metric, score.family, score.description)
    if len(names) < MIN_POLICIES:
        return Agreement(*base, None, None, float("nan"), len(names), missing, reason)
    outcomes = {name: e.value for name, e in truth.values.items() if e is not None}
    own = sign * np.array([known[name].value for name in names])
    true = np.array([outcomes[name] for name in names])
    pick, best = names[int(np.argmax(own))], max(outcomes.values())
    correlations, regrets = _resample(
        sign * _resampled_values(score, names, own * sign, resamples),
        _resampled_values(truth, names, true, resamples),
        np.random.default_rng(seed),
    )
    low, high = np.quantile(correlations, [0.025, 0.975]) if len(correlations) else (np.nan, np.nan)
    rho = spearman(own, true)
    return Agreement(
        *base,
        correlation=Estimate(rho, min(float(low), rho), max(float(high), rho)),
        pick=pick,
        regret=float(1 - outcomes[pick] / best) if best else 0.0,
        policies=len(names),
        refused=missing,
        reason=reason,
        expected_regret=float(np.nanmean(regrets)) if not np.isnan(regrets).all() else float("nan"),
    )


def _resample(own: FloatArray, true: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Correlations and regrets with resampled policies; own, true: float (n_policies, resamples)."""
    n, resamples = own.shape
    correlations, regrets = np.full(resamples, np.nan), np.full(resamples, np.nan)
    for column in range(resamples):
        rows = rng.integers(0, n, n)
        scores, outcomes = own[rows, column], true[rows, column]
        correlations[column] = spearman(scores, outcomes)
        best = outcomes.max()
        if best > 0:
            regrets[column] = 1 - outcomes[int(np.argmax(scores))] / best
    return correlations[~np.isnan(correlations)], regrets


def _resampled_values(score: MetricScore, names: list[str], values: FloatArray, resamples: int) -> FloatArray:
    """Values with resampled users, float (n_policies, resamples); without resamples the value itself."""
    rows = []
    for name, value in zip(names, values, strict=True):
        own = score.resampled.get(name)
        if own is None or not len(own):
            own = np.full(resamples, value)
        rows.append(np.resize(np.where(np.isnan(own), value, own), resamples))
    return np.stack(rows)


def spearman(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the correlation of ranks; ties share their mean rank; NaN if all values of one side are equal."""
    x, y = rankdata(a), rankdata(b)
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / size if size > 0 else float("nan")

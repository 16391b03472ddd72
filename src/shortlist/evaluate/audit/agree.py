"""Which number orders recommenders as the truth does?

For each metric: the rank correlation (Spearman 1904) of what it says of some policies with what these policies truly brought, whom
it would have picked, and what that pick would have cost. The interval draws people anew (the numbers are uncertain) **and**
policies anew (others would have been as good a sample), so that a metric that was right about eight policies by luck is not
sold as one that is right.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from scipy.stats import rankdata

from shortlist.metrics.significance import Estimate

FEWEST = 6
"""Policies with a number; fewer say nothing of a metric."""
Better = Literal["up", "down", "neither"]


@dataclass(frozen=True)
class Score:
    """What one metric says of each policy. `values[policy]`: an estimate, or None where it gives no number, with the reason in
    `refused`. `drawn[policy]` float64 (draws,): the same from people drawn anew; empty where that is not known.
    """

    metric: str
    family: str
    better: Better
    says: str
    values: dict[str, Estimate | None]
    drawn: dict[str, np.ndarray] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Agreement:
    """How far a metric agrees with the truth. `pick`: the policy it would have chosen; `regret`: which share of the best one's
    true worth that choice would have cost, and `risk`: what choosing by it costs on average where people and policies are drawn anew
    (a single pick may be luck); `apart`: whether its order is surely better than chance. `rho` is None where too few
    policies got a number.
    """

    metric: str
    family: str
    says: str
    rho: Estimate | None
    pick: str | None
    regret: float
    policies: int
    refused: int
    why: str = ""
    risk: float = float("nan")

    @property
    def apart(self) -> bool:
        return self.rho is not None and self.rho.low > 0

    def to_json(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "family": self.family,
            "rank_correlation": None if self.rho is None else self.rho.to_json(),
            "pick": self.pick,
            "regret": None if self.regret != self.regret else self.regret,
            "expected_regret": None if self.risk != self.risk else self.risk,
            "policies": self.policies,
            "refused": self.refused,
            "why": self.why,
        }


def agreements(truth: Score, scores: list[Score], draws: int = 1000, seed: int = 0) -> list[Agreement]:
    """Each metric beside the truth, best first; those without enough numbers last. Equal ones: the narrower interval first."""
    found = [agreement(truth, score, draws, seed) for score in scores]
    return sorted(
        found,
        key=lambda a: (
            a.rho is None,
            -(a.rho.value if a.rho else 0.0),
            a.regret,
            -(a.rho.low if a.rho else 0.0),
        ),
    )


def agreement(truth: Score, score: Score, draws: int = 1000, seed: int = 0) -> Agreement:
    """One metric. More is taken to be better, unless the metric is one that should be low."""
    sign = -1.0 if score.better == "down" else 1.0
    said = {
        n: e for n, e in score.values.items() if e is not None and e.value == e.value and n in truth.values
    }
    names = list(said)
    refused = len(score.values) - len(names)
    why = next(iter(score.refused.values()), "")
    if len(names) < FEWEST:
        return Agreement(
            score.metric, score.family, score.says, None, None, float("nan"), len(names), refused, why
        )
    real = {n: e.value for n, e in truth.values.items() if e is not None}
    own = sign * np.array([said[n].value for n in names])
    true = np.array([real[n] for n in names])
    pick = names[int(np.argmax(own))]
    best = max(real.values())
    rng = np.random.default_rng(seed)
    own_drawn = sign * _drawn(score, names, own * sign, draws)
    true_drawn = _drawn(truth, names, true, draws)
    again, costs = np.full(draws, np.nan), np.full(draws, np.nan)
    for draw in range(draws):
        some = rng.integers(0, len(names), len(names))
        again[draw] = spearman(own_drawn[some, draw], true_drawn[some, draw])
        most = true_drawn[some, draw].max()
        if most > 0:
            costs[draw] = 1 - true_drawn[some[np.argmax(own_drawn[some, draw])], draw] / most
    again = again[~np.isnan(again)]
    low, high = np.quantile(again, [0.025, 0.975]) if len(again) else (float("nan"), float("nan"))
    rho = spearman(own, true)
    return Agreement(
        score.metric,
        score.family,
        score.says,
        Estimate(rho, min(float(low), rho), max(float(high), rho)),
        pick,
        float(1 - real[pick] / best) if best else 0.0,
        len(names),
        refused,
        why,
        float(np.nanmean(costs)) if not np.isnan(costs).all() else float("nan"),
    )


def _drawn(score: Score, names: list[str], values: np.ndarray, draws: int) -> np.ndarray:
    """float64 (policies, draws); a score without draws of its own stays what it is."""
    rows = []
    for name, value in zip(names, values, strict=True):
        own = score.drawn.get(name)
        if own is None or not len(own):
            own = np.full(draws, value)
        rows.append(np.resize(np.where(np.isnan(own), value, own), draws))
    return np.stack(rows)


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """The correlation of ranks, ties sharing their mean rank; NaN where all of one side are equal."""
    x, y = rankdata(a), rankdata(b)
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / size if size > 0 else float("nan")

"""Can the log say anything about this policy at all?

Every estimator from logged propensities counts what happened as often as the new policy would have done the same. Where the
old policy hardly ever did what the new one wants, a few rows decide everything, and the number that comes out is noise with an
interval that does not know it. So overlap is measured first, and where it is too thin there is a **refusal, with the reason and
what would help**, instead of a number.

- **effective sample size**: (Σw)² / Σw², how many rows the weighted rows are worth (Kish 1965).
- **mean weight**: 1 where the log covers all that the new policy does. Clearly below 1, the new policy does things the log
  never shows, and no weight can make up for them.
- **heaviest row**: the share of the whole weight that one person's rows have.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shortlist.metrics.significance import Estimate, Resamples
from shortlist.report.html import drawing

FEWEST = 50.0
"""Rows that the weighted rows must be worth."""
HEAVIEST = 0.2
MISSED = 0.2
"""So much of the new policy may be outside of what the log covers."""
OUTCOMES = 10
"""Rows with a weight and an outcome other than zero."""


@dataclass(frozen=True)
class Overlap:
    """How far the log covers a policy. `histogram`: share of rows by weight, in the bins of `EDGES`."""

    rows: int
    effective: float
    mean_weight: Estimate
    heaviest: float
    outcomes: int
    histogram: list[float]

    def refusal(self) -> str | None:
        """Why no number can be given, with what would help; None where one can."""
        more = "Log more exploration (rerank.explore), or ask about a policy nearer to the logged one"
        if self.mean_weight.high < 1 - MISSED:
            return (
                f"only {self.mean_weight.value:.0%} of what this policy does is in the log (mean weight {self.mean_weight.low:.2f} to "
                f"{self.mean_weight.high:.2f}; 1 is all). {more}."
            )
        if self.effective < FEWEST:
            times = FEWEST / max(self.effective, 0.5)
            return (
                f"{self.rows:,} rows are worth {self.effective:.0f} under this policy, and {FEWEST:.0f} are needed: about "
                f"{times:.0f} times as many rows. {more}."
            )
        if self.heaviest > HEAVIEST:
            return f"one person's rows carry {self.heaviest:.0%} of the weight: whatever comes out is about that person. {more}."
        if self.outcomes < OUTCOMES:
            return f"only {self.outcomes} outcomes other than zero have a weight under this policy. Wait for more of them."
        return None

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "effective_sample_size": self.effective,
            "mean_weight": self.mean_weight.to_json(),
            "heaviest_person": self.heaviest,
            "outcomes": self.outcomes,
            "weights": dict(zip(BINS, self.histogram, strict=True)),
        }

    def plot(self, title: str) -> str:
        """The weights as an SVG histogram: most rows near 1 is good, a spike at 0 with a tail above 10 is not."""
        width, height, left = 330, 120, 8
        step = (width - left) / len(BINS)
        most = max(self.histogram) or 1.0
        drawn = "".join(
            f"<rect class='bar{' own' if 2 <= at <= 5 else ''}' x='{left + at * step + 1:.1f}' y='{height - h / most * (height - 18):.1f}' "
            f"width='{step - 2:.1f}' height='{h / most * (height - 18):.1f}'/>"
            f"<text x='{left + (at + 0.5) * step:.1f}' y='{height + 14}' text-anchor='middle'>{BINS[at]}</text>"
            f"<text x='{left + (at + 0.5) * step:.1f}' y='{height - h / most * (height - 18) - 4:.1f}' text-anchor='middle'>{h:.0%}</text>"
            for at, h in enumerate(self.histogram)
        )
        said = "Weights: " + ", ".join(f"{h:.0%} {b}" for h, b in zip(self.histogram, BINS, strict=True))
        return (
            f"<figure><figcaption><b>{html.escape(title)}</b> how often each logged row counts; {self.rows:,} rows are worth "
            f"{self.effective:,.0f}</figcaption>{drawing(width, height + 20, drawn, said)}</figure>"
        )


EDGES = np.array([1e-9, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0])
BINS = ["0", "≤ .03", "≤ .1", "≤ .3", "≤ 1", "≤ 3", "≤ 10", "≤ 30", "more"]


def overlap(weight: np.ndarray, reward: np.ndarray, cluster: np.ndarray, draws: int = 300) -> Overlap:
    """weight, reward float (n,); cluster int (n,): whose each row is."""
    total = float(weight.sum())
    _, owner = np.unique(cluster, return_inverse=True)
    each = np.bincount(owner, weight)
    mean = by_cluster(weight, np.ones(len(weight)), owner, draws, 0)[0]
    return Overlap(
        len(weight),
        total**2 / max(float((weight**2).sum()), 1e-300),
        mean,
        float(each.max(initial=0.0)) / max(total, 1e-300),
        int(((weight > 0) & (reward != 0)).sum()),
        (np.bincount(np.searchsorted(EDGES, weight), minlength=len(BINS)) / max(len(weight), 1)).tolist(),
    )


@dataclass(frozen=True)
class OffPolicy:
    """What one estimator says of a policy's value: `value`, or None and why it is `refused`. `error`: the standard error of
    the estimate, also where it is refused.
    """

    estimator: str
    value: Estimate | None
    refused: str | None
    overlap: Overlap
    error: float
    point: float
    facts: dict[str, Any] = field(default_factory=dict)
    """What was set while estimating: a clip, how many folds."""

    def sentence(self) -> str:
        if self.value is None:
            return f"{self.estimator}: no number. {self.refused}"
        return f"{self.estimator}: {self.value.value:.4g} ({self.value.low:.4g} to {self.value.high:.4g})"

    def to_json(self) -> dict[str, Any]:
        return {
            "estimator": self.estimator,
            "value": None if self.value is None else self.value.to_json(),
            "refused": self.refused,
            "overlap": self.overlap.to_json(),
            **self.facts,
        }


def by_cluster(
    above: np.ndarray, below: np.ndarray, owner: np.ndarray, draws: int, seed: int
) -> tuple[Estimate, float]:
    """Σ above / Σ below with its interval, drawing whole people, and its standard error. owner int (n,), 0 … people − 1."""
    n = int(owner.max(initial=-1)) + 1
    sums = np.stack([np.bincount(owner, above, n), np.bincount(owner, below, n)], axis=1)
    drawn = Resamples(n, draws, seed).means(sums)
    ratio = np.divide(drawn[:, 0], drawn[:, 1], out=np.full(draws, np.nan), where=drawn[:, 1] != 0)
    ratio = ratio[~np.isnan(ratio)]
    if not len(ratio) or sums[:, 1].sum() == 0:
        return Estimate(float("nan"), float("nan"), float("nan")), float("inf")
    low, high = np.quantile(ratio, [0.025, 0.975])
    value = float(sums[:, 0].sum() / sums[:, 1].sum())
    return Estimate(value, float(low), float(high)), float(np.std(ratio, ddof=1))


def settle(
    estimator: str,
    above: np.ndarray,
    below: np.ndarray,
    covered: Overlap,
    cluster: np.ndarray,
    draws: int,
    seed: int,
    facts: dict[str, Any] | None = None,
) -> OffPolicy:
    """An estimator's ratio Σ above / Σ below as a value, or a refusal where the weights it uses, as `covered` measured
    them once for all estimators that share them, do not carry it.
    """
    _, owner = np.unique(cluster, return_inverse=True)
    found, error = by_cluster(above, below, owner, draws, seed)
    refused = covered.refusal()
    return OffPolicy(
        estimator, None if refused else found, refused, covered, error, found.value, dict(facts or {})
    )

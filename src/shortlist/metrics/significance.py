"""How certain a number is, and how certain a difference: the bootstrap over users.

Users are drawn with replacement many times, and every metric is recomputed from the same draws; the middle 95 % of the
results is the confidence interval (Efron 1979). Two recommenders are compared on the same users: the interval is of the
difference per user, which is much narrower than the two single intervals suggest.

Many comparisons find a winner by chance: of twenty equal recommenders, one is "better" at 95 %. So a family of
comparisons is tested together, against the distribution of its largest difference under chance alone (step-down max-t:
Westfall & Young 1993; Romano & Wolf 2005), which accounts for the users and recommenders that the comparisons share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

BLOCK = 50
"""Resamples that are made at a time, which bounds the memory to BLOCK × users counts."""
CONFIDENCE = 0.95
TAILS = (0.025, 0.975)
"""The quantiles that bound the confidence interval."""
POWER = 0.8
"""`Comparison.people_needed` is the number of users with which a difference would be detected with this probability."""
ZERO = 1e-15
"""Differences and errors below this are zero up to rounding."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % confidence interval."""

    value: float
    low: float
    high: float

    @property
    def has_interval(self) -> bool:
        """Whether the interval is known; a single value has none, and its ends are NaN."""
        return self.low == self.low and self.high == self.high

    def to_json(self) -> dict[str, float | None]:
        """Return a dictionary for JSON, which has neither NaN nor infinity: they become null."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {name: number if np.isfinite(number) else None for name, number in numbers.items()}


UNKNOWN = Estimate(float("nan"), float("nan"), float("nan"))


class Resamples:
    """Bootstrap resamples of n users, shared by all numbers of a report so that differences between them are paired.

    Parameters
    ----------
    n
        Number of users.
    draws
        Number of resamples.
    seed
        Two objects with the same n, draws and seed make the same resamples.
    """

    def __init__(self, n: int, draws: int, seed: int = 0) -> None:
        self.n, self.draws, self.seed = n, draws, seed

    def __repr__(self) -> str:
        return f"Resamples({self.n} users, {self.draws} draws, seed={self.seed})"

    def means(self, values: ArrayLike) -> Floats:
        """Return the mean of each column over each resample.

        Costs O(draws · n · m), as one matrix product (counts × values) per block of resamples.

        Parameters
        ----------
        values : array of float, shape (n, m)
            Users without a value (NaN) are left out of that column.

        Returns
        -------
        ndarray of float64, shape (draws, m)
        """
        columns = np.asarray(values, np.float64).reshape(self.n, -1)
        missing = np.isnan(columns)
        gappy = np.flatnonzero(missing.any(0))
        filled = np.where(missing, 0.0, columns) if len(gappy) else columns
        pattern_of, present = _patterns(missing, gappy)
        means = np.empty((self.draws, columns.shape[1]))
        rng = np.random.default_rng(self.seed)
        for start in range(0, self.draws, BLOCK):
            size = min(BLOCK, self.draws - start)
            drawn = rng.integers(0, self.n, (size, self.n), dtype=np.int64)
            drawn += np.arange(size, dtype=np.int64)[:, None] * self.n
            counts = np.bincount(drawn.ravel(), minlength=size * self.n).reshape(size, self.n)
            counts = counts.astype(np.float64)
            sums = counts @ filled
            total = np.full(sums.shape, float(self.n))
            if len(gappy):
                total[:, gappy] = (counts @ present)[:, pattern_of]
            means[start : start + size] = np.divide(
                sums, total, out=np.full(sums.shape, np.nan), where=total > 0
            )
        return means

    def estimates(self, values: ArrayLike) -> list[Estimate]:
        """Return the mean of each column of float (n, m) with its confidence interval."""
        columns = np.asarray(values, np.float64).reshape(self.n, -1)
        return [
            _estimate(column, resampled)
            for column, resampled in zip(columns.T, self.means(columns).T, strict=True)
        ]


def _patterns(missing: NDArray[np.bool_], columns: NDArray[np.intp]) -> tuple[list[int], Floats]:
    """Return the pattern of missing values of each column, and where each pattern has values.

    Columns of one slice, or of one metric, miss the same users, so each pattern is counted once.
    """
    patterns: dict[bytes, int] = {}
    pattern_of = [patterns.setdefault(missing[:, c].tobytes(), len(patterns)) for c in columns]
    present = np.empty((len(missing), len(patterns)))
    for column, pattern in zip(columns, pattern_of, strict=True):
        present[:, pattern] = ~missing[:, column]
    return pattern_of, present


def bootstrap(values: Floats, draws: int, seed: int) -> Estimate:
    """Return the mean of float (users,) with its confidence interval; users without a value (NaN) are left out."""
    values = values[~np.isnan(values)]
    if not len(values):
        return UNKNOWN
    return Resamples(len(values), draws, seed).estimates(values)[0]


def _estimate(values: Floats, resampled: Floats) -> Estimate:
    resampled = resampled[~np.isnan(resampled)]
    if not len(resampled) or np.isnan(values).all():
        return UNKNOWN
    low, high = np.quantile(resampled, TAILS)
    return Estimate(float(np.nanmean(values)), float(low), float(high))


def verdict(difference: Estimate) -> str:
    """Return "better", "worse" or "can't tell", by whether the interval of a difference excludes 0."""
    if difference.low > 0:
        return "better"
    return "worse" if difference.high < 0 else "can't tell"


@dataclass(frozen=True)
class Comparison:
    """The difference of two recommenders in one metric: a − b, on the same users.

    Attributes
    ----------
    a, b, metric
        Names.
    difference
        The mean difference with its own interval.
    simultaneous
        The same with the interval that holds for all comparisons of the family at once.
    p
        Probability of so large a difference under equality, corrected for all comparisons of the family.
    people
        Number of users with a value.
    people_needed
        Approximate number of users with which a difference of this size would be detected with probability `POWER`; None if the
        difference is 0.
    """

    a: str
    b: str
    metric: str
    difference: Estimate
    simultaneous: Estimate
    p: float
    people: int
    people_needed: int | None

    @property
    def verdict(self) -> str:
        """`verdict` of the simultaneous interval."""
        return verdict(self.simultaneous)

    def sentence(self) -> str:
        """Return the result as a sentence."""
        d = self.difference
        numbers = f"{d.value:+.4f} (95 %: {d.low:+.4f} to {d.high:+.4f}; corrected p {self.p:.3f})"
        if self.verdict != "can't tell":
            return f"{self.a} is {self.verdict} than {self.b} on {self.metric}: {numbers}."
        if self.people_needed is None:
            return f"{self.a} and {self.b} are equal on {self.metric}."
        return (
            f"Can't tell {self.a} from {self.b} on {self.metric}: {numbers}. "
            f"You would need about {_two_digits(self.people_needed):,} people (there are {self.people:,})."
        )

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        return {
            "a": self.a,
            "b": self.b,
            "metric": self.metric,
            "difference": self.difference.to_json(),
            "simultaneous": self.simultaneous.to_json(),
            "p_corrected": self.p,
            "verdict": self.verdict,
            "people": self.people,
            "people_needed": self.people_needed,
            "sentence": self.sentence(),
        }


@dataclass(frozen=True, repr=False)
class PairedMetrics:
    """Metrics of several recommenders on the same n users, with the means of common resamples.

    Attributes
    ----------
    values
        `values[recommender][metric]`: float64, shape (n,), NaN where a user has no value.
    resampled
        `resampled[recommender][metric]`: float64, shape (draws,), the mean of each resample.
    each
        How many users a value stands for, where users are taken together in groups at random.
    """

    values: dict[str, dict[str, Floats]]
    resampled: dict[str, dict[str, Floats]]
    each: float = 1.0

    @classmethod
    def from_values(
        cls, values: dict[str, dict[str, Floats]], draws: int, seed: int = 0, each: float = 1.0
    ) -> PairedMetrics:
        """Resample all metrics of all recommenders with the same draws, in one pass."""
        keys = [(name, metric) for name, columns in values.items() for metric in columns]
        columns = np.stack([values[name][metric] for name, metric in keys], axis=1)
        means = Resamples(len(columns), draws, seed).means(columns)
        resampled: dict[str, dict[str, Floats]] = {name: {} for name in values}
        for (name, metric), column in zip(keys, means.T, strict=True):
            resampled[name][metric] = column
        return cls(values, resampled, each)

    def __repr__(self) -> str:
        metrics: Mapping[str, Any] = next(iter(self.values.values()), {})
        n = len(next(iter(metrics.values()), ()))
        return f"PairedMetrics({len(self.values)} recommenders, {len(metrics)} metrics, {n} users)"

    @property
    def names(self) -> list[str]:
        """Names of the recommenders."""
        return list(self.values)

    def mean(self, name: str, metric: str) -> float:
        """Return the mean over the users with a value."""
        column = self.values[name][metric]
        known = ~np.isnan(column)
        return float(column[known].mean()) if known.any() else float("nan")

    def estimate(self, name: str, metric: str) -> Estimate:
        """Return the mean with its confidence interval."""
        return _estimate(self.values[name][metric], self.resampled[name][metric])

    def difference(self, a: str, b: str, metric: str) -> Estimate:
        """Return a − b on the same users, by itself: not corrected for other comparisons."""
        own, other = self.values[a][metric], self.values[b][metric]
        return _estimate(own - other, self.resampled[a][metric] - self.resampled[b][metric])

    def compare(self, pairs: Sequence[tuple[str, str]], metric: str) -> list[Comparison]:
        """Return the difference a − b of each pair (a, b), tested as one family."""
        if not pairs:
            return []
        gaps = np.stack([self.values[a][metric] - self.values[b][metric] for a, b in pairs], axis=1)
        resampled = np.stack(
            [self.resampled[a][metric] - self.resampled[b][metric] for a, b in pairs], axis=1
        )
        mean, error = np.nanmean(gaps, axis=0), np.nanstd(resampled, axis=0, ddof=1)
        differs = error > ZERO
        # studentised: what chance alone makes of each difference, and each difference itself
        by_chance = np.where(differs, np.abs(resampled - mean) / np.maximum(error, 1e-300), 0.0)
        size = np.where(differs, np.abs(mean) / np.maximum(error, 1e-300), 0.0)
        widest = np.quantile(by_chance.max(1), CONFIDENCE)
        p = _step_down(size, by_chance)
        n = round(int((~np.isnan(gaps)).all(1).sum()) * self.each)
        comparisons = []
        for at, (a, b) in enumerate(pairs):
            low, high = mean[at] - widest * error[at], mean[at] + widest * error[at]
            comparisons.append(
                Comparison(
                    a,
                    b,
                    metric,
                    difference=_estimate(gaps[:, at], resampled[:, at]),
                    simultaneous=Estimate(float(mean[at]), float(low), float(high)),
                    p=float(p[at]),
                    people=n,
                    people_needed=_people_needed(n, float(mean[at]), float(error[at])),
                )
            )
        return comparisons


def _people_needed(n: int, mean: float, error: float) -> int | None:
    """Return n · ((z₀.₉₇₅ + z_power) · error ÷ mean)², the sample size of a two-sided test."""
    if abs(mean) <= ZERO:
        return None
    factor = ndtri(TAILS[1]) + ndtri(POWER)
    return int(np.ceil(min(n * (factor * error / abs(mean)) ** 2, 1e12)))


def _step_down(size: Floats, by_chance: Floats) -> Floats:
    """Return corrected p-values: the largest difference against the largest by chance, the next against the rest, …."""
    order = np.argsort(-size, kind="stable")
    p = np.empty(len(size))
    before = 0.0
    for place, number in enumerate(order):
        largest = by_chance[:, order[place:]].max(1)
        before = max(before, float((1 + (largest >= size[number]).sum()) / (1 + len(largest))))
        p[number] = before
    return p


def _two_digits(number: int) -> int:
    """Round to two significant digits."""
    return round(number, -max(len(str(number)) - 2, 0))

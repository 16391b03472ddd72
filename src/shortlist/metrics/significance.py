"""How sure a number is, and how sure a difference: the bootstrap over people.

People are drawn with replacement, many times, and every metric is recomputed from the same draws; the middle 95 % of the
results is the interval (Efron 1979). Two recommenders are compared on the same people: the interval is of the difference,
person by person, which is much narrower than the two intervals beside each other suggest.

Who compares many finds a winner by chance: of twenty recommenders that are all alike, one is "better" at 95 %. So a family
of comparisons is judged together, by how large the largest of all differences gets by chance alone (step-down max-t:
Westfall & Young 1993, Romano & Wolf 2005), which takes into account that the comparisons share people and recommenders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

BLOCK = 50
"""Draws that are made at a time: so many × people counts are in memory."""
POWER = 0.8


@dataclass(frozen=True)
class Estimate:
    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float | None]:
        """JSON has neither NaN nor infinity: null stands for them."""
        ends = {"value": self.value, "low": self.low, "high": self.high}
        return {name: number if np.isfinite(number) else None for name, number in ends.items()}


class Resamples:
    """The redraws of n people that all numbers of a report share, so that differences between them are paired."""

    def __init__(self, n: int, draws: int, seed: int = 0) -> None:
        self.n, self.draws, self.seed = n, draws, seed

    def means(self, values: np.ndarray) -> np.ndarray:
        """The means of each draw, float64 (draws, m), of float (n, m); who has no value (NaN) is left out of that column.

        As sums of counts × values, one matrix product a block: O(draws · n · m) additions at the speed of BLAS.
        """
        values = np.asarray(values, np.float64).reshape(self.n, -1)
        gaps = np.isnan(values)
        holed = np.flatnonzero(gaps.any(0))
        filled = np.where(gaps, 0.0, values) if len(holed) else values
        # columns of one slice, or of one metric, have the same gaps: each pattern is counted once
        patterns: dict[bytes, int] = {}
        of = [patterns.setdefault(gaps[:, c].tobytes(), len(patterns)) for c in holed]
        there = np.empty((self.n, len(patterns)))
        for column, pattern in zip(holed, of, strict=True):
            there[:, pattern] = ~gaps[:, column]
        answer = np.empty((self.draws, values.shape[1]))
        rng = np.random.default_rng(self.seed)
        for start in range(0, self.draws, BLOCK):
            size = min(BLOCK, self.draws - start)
            drawn = rng.integers(0, self.n, (size, self.n), dtype=np.int64)
            drawn += np.arange(size, dtype=np.int64)[:, None] * self.n
            counts = np.bincount(drawn.ravel(), minlength=size * self.n).reshape(size, self.n)
            counts = counts.astype(np.float64)
            part = counts @ filled
            total = np.full(part.shape, float(self.n))
            if len(holed):
                total[:, holed] = (counts @ there)[:, of]
            answer[start : start + size] = np.divide(
                part, total, out=np.full(part.shape, np.nan), where=total > 0
            )
        return answer

    def estimates(self, values: np.ndarray) -> list[Estimate]:
        """The mean of each column with its 95 % interval."""
        values = np.asarray(values, np.float64).reshape(self.n, -1)
        found = self.means(values)
        return [_estimate(column, drawn) for column, drawn in zip(values.T, found.T, strict=True)]


def bootstrap(values: np.ndarray, draws: int, seed: int) -> Estimate:
    """The mean of float (people,) with its 95 % interval; people without a value (NaN) are left out."""
    values = values[~np.isnan(values)]
    if not len(values):
        return Estimate(float("nan"), float("nan"), float("nan"))
    return Resamples(len(values), draws, seed).estimates(values)[0]


def _estimate(values: np.ndarray, drawn: np.ndarray) -> Estimate:
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn) or np.isnan(values).all():
        return Estimate(float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(np.nanmean(values)), float(low), float(high))


def verdict(difference: Estimate) -> str:
    """ "better", "worse" or "can't tell", as a difference's interval says."""
    if difference.low > 0:
        return "better"
    return "worse" if difference.high < 0 else "can't tell"


@dataclass(frozen=True)
class Comparison:
    """`a` minus `b` in one metric. `p`: the chance of so large a difference between equals, corrected for all comparisons
    that were made beside it; `together`: the interval that holds for all of them at once. `needed`: about how many people
    would tell a difference of this size, four times out of five.
    """

    a: str
    b: str
    metric: str
    difference: Estimate
    together: Estimate
    p: float
    people: int
    needed: int | None

    @property
    def verdict(self) -> str:
        return verdict(self.together)

    def sentence(self) -> str:
        d = self.difference
        numbers = f"{d.value:+.4f} (95 %: {d.low:+.4f} to {d.high:+.4f}; corrected p {self.p:.3f})"
        if self.verdict != "can't tell":
            return f"{self.a} is {self.verdict} than {self.b} on {self.metric}: {numbers}."
        if self.needed is None:
            return f"{self.a} and {self.b} are the same on {self.metric}."
        return (
            f"Can't tell {self.a} from {self.b} on {self.metric}: {numbers}. "
            f"You would need about {_round(self.needed):,} people (there are {self.people:,})."
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "a": self.a,
            "b": self.b,
            "metric": self.metric,
            "difference": self.difference.to_json(),
            "simultaneous": self.together.to_json(),
            "p_corrected": self.p,
            "verdict": self.verdict,
            "people": self.people,
            "people_needed": self.needed,
            "sentence": self.sentence(),
        }


@dataclass(frozen=True)
class Measured:
    """What was measured of several recommenders for the same n people, and of every redraw of them.

    `values[recommender][metric]`: float64 (n,), one a person, NaN where there is none; `drawn` likewise, (draws,).
    """

    values: dict[str, dict[str, np.ndarray]]
    drawn: dict[str, dict[str, np.ndarray]]

    @classmethod
    def of(cls, values: dict[str, dict[str, np.ndarray]], draws: int, seed: int = 0) -> Measured:
        """One set of redraws for everything, in one pass."""
        keys = [(name, metric) for name, columns in values.items() for metric in columns]
        columns = np.stack([values[name][metric] for name, metric in keys], axis=1)
        found = Resamples(len(columns), draws, seed).means(columns)
        drawn: dict[str, dict[str, np.ndarray]] = {name: {} for name in values}
        for (name, metric), line in zip(keys, found.T, strict=True):
            drawn[name][metric] = line
        return cls(values, drawn)

    @property
    def names(self) -> list[str]:
        return list(self.values)

    def mean(self, name: str, metric: str) -> float:
        column = self.values[name][metric]
        known = ~np.isnan(column)
        return float(column[known].mean()) if known.any() else float("nan")

    def estimate(self, name: str, metric: str) -> Estimate:
        return _estimate(self.values[name][metric], self.drawn[name][metric])

    def ahead(self, a: str, b: str, metric: str) -> Estimate:
        """A minus b on the same people, by itself, uncorrected."""
        own, other = self.values[a][metric], self.values[b][metric]
        return _estimate(own - other, self.drawn[a][metric] - self.drawn[b][metric])

    def compare(self, pairs: list[tuple[str, str]], metric: str) -> list[Comparison]:
        """Each pair's difference, a − b, judged as one family."""
        if not pairs:
            return []
        gaps = np.stack([self.values[a][metric] - self.values[b][metric] for a, b in pairs], axis=1)
        drawn = np.stack([self.drawn[a][metric] - self.drawn[b][metric] for a, b in pairs], axis=1)
        mean, error = np.nanmean(gaps, axis=0), np.nanstd(drawn, axis=0, ddof=1)
        apart = error > 1e-15
        by_chance = np.where(apart, np.abs(drawn - mean) / np.maximum(error, 1e-300), 0.0)
        size = np.where(apart, np.abs(mean) / np.maximum(error, 1e-300), 0.0)
        widest = np.quantile(by_chance.max(1), 0.95)
        p = _step_down(size, by_chance)
        n = int((~np.isnan(gaps)).all(1).sum())
        factor = ndtri(0.975) + ndtri(POWER)
        answer = []
        for at, (a, b) in enumerate(pairs):
            needed = None
            if abs(mean[at]) > 1e-15:
                needed = int(np.ceil(min(n * (factor * error[at] / abs(mean[at])) ** 2, 1e12)))
            together = Estimate(
                float(mean[at]), float(mean[at] - widest * error[at]), float(mean[at] + widest * error[at])
            )
            alone = _estimate(gaps[:, at], drawn[:, at])
            answer.append(Comparison(a, b, metric, alone, together, float(p[at]), n, needed))
        return answer


def _step_down(size: np.ndarray, by_chance: np.ndarray) -> np.ndarray:
    """Corrected p: the largest difference against the largest by chance of all, the next against those that are left."""
    order = np.argsort(-size, kind="stable")
    p = np.empty(len(size))
    before = 0.0
    for place, number in enumerate(order):
        left = by_chance[:, order[place:]].max(1)
        before = max(before, float((1 + (left >= size[number]).sum()) / (1 + len(left))))
        p[number] = before
    return p


def _round(number: int) -> int:
    """To two digits that count."""
    digits = max(len(str(number)) - 2, 0)
    return round(number, -digits)

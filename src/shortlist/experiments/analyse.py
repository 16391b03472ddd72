"""From exposures and events to a verdict on each arm.

Only people who were exposed count, each from the first exposure on. Everything is summed by person: a person is the unit that was
assigned, so a person is the unit of the intervals. Before any result is read, the counts of the arms are compared with their shares
(sample ratio mismatch: Fabijan et al. 2019): where they do not fit, something in the way of the assignment or of the logging loses
people of one arm, and there is no result.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import chdtrc

from shortlist.experiments.sequential import always_valid, cuped, difference
from shortlist.metrics.significance import Estimate, verdict

MISMATCH = 0.0005
"""Below this p the counts do not fit the shares. Strict, because it is looked at every day."""


@dataclass(frozen=True)
class ExposedPeople:
    """The exposed people. `arm` int (n,) into `arms`; `outcome[metric]` and `before[metric]` float (n,): what each did since the
    first exposure, and before it; `day` int (n,): the day of the first exposure, from 0.
    """

    arms: list[str]
    shares: list[float]
    arm: np.ndarray
    outcome: dict[str, np.ndarray]
    before: dict[str, np.ndarray]
    day: np.ndarray
    moved: int = 0
    """People who were shown more than one arm; they are left out."""


@dataclass(frozen=True)
class Effect:
    """An arm against the first one in one metric: the means, the difference with an interval that holds at every look, and how much
    narrower it is for what was known beforehand.
    """

    arm: str
    metric: str
    guard_rail: bool
    base: float
    mean: float
    difference: Estimate
    people: int
    explained: float

    @property
    def verdict(self) -> str:
        return verdict(self.difference)

    def sentence(self) -> str:
        d = self.difference
        share = f", {d.value / self.base:+.1%}" if self.base else ""
        numbers = f"{d.value:+.4g} a person ({d.low:+.4g} to {d.high:+.4g}{share})"
        if self.guard_rail:
            if self.verdict == "worse":
                return f"{self.arm} breaks the guard-rail {self.metric}: {numbers}."
            return f"{self.arm} keeps the guard-rail {self.metric}: {numbers}."
        said = {"better": "more", "worse": "less"}.get(self.verdict)
        if said:
            return f"{self.arm} brings {said} {self.metric}: {numbers}."
        return f"Can't tell yet whether {self.arm} changes {self.metric}: {numbers}. Looking again later costs nothing."

    def to_json(self) -> dict[str, Any]:
        return {
            "arm": self.arm,
            "metric": self.metric,
            "guard_rail": self.guard_rail,
            "base": self.base,
            "mean": self.mean,
            "difference": self.difference.to_json(),
            "verdict": self.verdict,
            "people": self.people,
            "variance_explained_by_the_past": self.explained,
            "sentence": self.sentence(),
        }


@dataclass(frozen=True)
class ExperimentResult:
    """`mismatch`: the p of the arms' counts under their shares; below `MISMATCH` there is no verdict. `days[metric]`: the first arm
    against the second, day by day, as they would have been read then.
    """

    name: str
    arms: dict[str, int]
    mismatch: float
    effects: list[Effect]
    moved: int
    preference: Estimate | None = None
    """With interleaving: mean share of choices for the second ranking minus that for the first, a person."""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def broken(self) -> bool:
        return self.mismatch < MISMATCH

    def verdict(self) -> str:
        if self.broken:
            counts = ", ".join(f"{n:,} in {arm}" for arm, n in self.arms.items())
            return (
                f"No result: the people per arm ({counts}) do not fit the shares (p = {self.mismatch:.1e}). Find out who is missing "
                "before reading anything else: a redirect, a crash, a bot filter, an exposure that is logged in one arm only."
            )
        if self.preference is not None:
            a, b = list(self.arms)[:2]
            p = self.preference
            words = {"better": f"{b} is preferred to {a}", "worse": f"{a} is preferred to {b}"}
            said = words.get(verdict(p), f"Can't tell yet which of {a} and {b} is preferred")
            return f"{said}: {p.value:+.3f} choices a person ({p.low:+.3f} to {p.high:+.3f})."
        if not self.effects:
            return "Nobody has been exposed yet."
        broken = [e for e in self.effects if e.guard_rail and e.verdict == "worse"]
        main = [e for e in self.effects if not e.guard_rail]
        return " ".join(e.sentence() for e in (*broken, *main))

    def to_json(self) -> dict[str, Any]:
        return {
            "experiment": self.name,
            "verdict": self.verdict(),
            "people": self.arms,
            "sample_ratio_p": self.mismatch,
            "sample_ratio_mismatch": self.broken,
            "people_in_several_arms": self.moved,
            "effects": [e.to_json() for e in self.effects],
            "preference": None if self.preference is None else self.preference.to_json(),
            **self.facts,
        }


def analyse(
    name: str,
    people: ExposedPeople,
    metric: str,
    guard_rails: list[str],
    tight_at: int = 5_000,
    use_past: bool = True,
) -> ExperimentResult:
    """Every arm against the first, in the metric and the guard-rails. A guard-rail is broken where it is clearly lower."""
    counts = np.bincount(people.arm, minlength=len(people.arms))
    share = np.array(people.shares) / sum(people.shares)
    expected = share * counts.sum()
    p = 1.0
    if counts.sum():  # Pearson's χ²
        p = float(chdtrc(len(counts) - 1, ((counts - expected) ** 2 / expected).sum()))
    effects = []
    for number, arm in enumerate(people.arms[1:], 1):
        for what in [metric, *guard_rails]:
            both = (people.arm == 0) | (people.arm == number)
            values, explained = people.outcome[what][both], 0.0
            if use_past:
                values, explained = cuped(values, people.before[what][both])
            is_new = people.arm[both] == number
            gap, variance = difference(values[~is_new], values[is_new])
            if not np.isfinite(gap):
                continue
            raw = people.outcome[what][both]
            effects.append(
                Effect(
                    arm,
                    what,
                    what in guard_rails and what != metric,
                    float(raw[~is_new].mean()),
                    float(raw[is_new].mean()),
                    always_valid(gap, variance, int(both.sum()), tight_at),
                    int(both.sum()),
                    explained,
                )
            )
    return ExperimentResult(
        name, dict(zip(people.arms, counts.tolist(), strict=True)), p, effects, people.moved
    )


def analyse_interleaved(
    name: str, arms: list[str], credit: np.ndarray, tight_at: int = 500
) -> ExperimentResult:
    """Credit float (people, 2): each person's choices for both teams. People without any say nothing and are left out."""
    chose = credit.sum(1) > 0
    lean = (credit[chose, 1] - credit[chose, 0]) / credit[chose].sum(1)
    n = len(lean)
    mean = float(lean.mean()) if n else float("nan")
    variance = float(lean.var(ddof=1) / n) if n > 1 else float("inf")
    counts = {arm: len(credit) for arm in arms}
    found = always_valid(mean, variance, n, tight_at)
    return ExperimentResult(name, counts, 1.0, [], 0, found, {"people_who_chose": n})

"""Analysis of an experiment: from exposures and events to a verdict on each arm.

Only exposed people count, each from the first exposure on. All events are summed by person: the person is the unit of
assignment, so the person is the unit of the intervals. Before any effect is computed, the counts of the arms are
compared with their shares (sample ratio mismatch: Fabijan et al. 2019). If they do not fit, the assignment or the
logging loses people of one arm, and there is no result.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import chdtrc

from shortlist.config.short_repr import ShortRepr
from shortlist.experiments.sequential import always_valid, cuped, difference
from shortlist.metrics.significance import Estimate, verdict

MISMATCH = 0.0005
"""Below this p-value the counts do not fit the shares. It is strict because the check is repeated every day."""


@dataclass(frozen=True)
class ExposedPeople:
    """The people who were exposed to an experiment.

    Attributes
    ----------
    arms : list of str
        The names of the arms; the first one is the control.
    shares : list of float
        The intended share of each arm.
    arm : ndarray of int64, shape (n,)
        The arm of each person.
    outcome, before : dict of str to ndarray of float64, shape (n,)
        Each metric summed per person: from the first exposure on, and before it.
    day : ndarray of int64, shape (n,)
        The day of the first exposure, from 0.
    moved : int
        The number of people who were shown more than one arm; they are left out.
    """

    arms: list[str]
    shares: list[float]
    arm: np.ndarray
    outcome: dict[str, np.ndarray]
    before: dict[str, np.ndarray]
    day: np.ndarray
    moved: int = 0

    def __repr__(self) -> str:
        return f"ExposedPeople({len(self.arm)} people, arms: {', '.join(self.arms)})"


@dataclass(frozen=True)
class Effect:
    """The effect of an arm on one metric, compared with the first arm.

    Attributes
    ----------
    arm, metric : str
        The names.
    guard_rail : bool
        Whether the metric is a guard-rail: a metric that must not get worse.
    base, mean : float
        The mean of the first arm and of this arm.
    difference : Estimate
        The difference of the means, with an interval that holds at every look.
    people : int
        The number of people in both arms.
    explained : float
        The share of the variance that behaviour before the exposure explains.
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
        """Return "better", "worse" or "can't tell"."""
        return verdict(self.difference)

    def sentence(self) -> str:
        """State the effect in a sentence."""
        d = self.difference
        share = f", {d.value / self.base:+.1%}" if self.base else ""
        numbers = f"{d.value:+.4g} per person ({d.low:+.4g} to {d.high:+.4g}{share})"
        if self.guard_rail:
            if self.verdict == "worse":
                return f"{self.arm} breaks the guard-rail {self.metric}: {numbers}."
            return f"{self.arm} keeps the guard-rail {self.metric}: {numbers}."
        direction = {"better": "increases", "worse": "decreases"}.get(self.verdict)
        if direction:
            return f"{self.arm} {direction} {self.metric}: {numbers}."
        return f"No significant difference yet between {self.arm} and the first arm in {self.metric}: {numbers}. Looking again later is safe."

    def to_json(self) -> dict[str, Any]:
        """Return the effect as JSON values."""
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


@dataclass(frozen=True, repr=False)
class ExperimentResult(ShortRepr):
    """The result of an experiment.

    Attributes
    ----------
    name : str
        The name of the experiment.
    arms : dict of str to int
        The number of people in each arm.
    mismatch : float
        The p-value of these numbers under the intended shares; below `MISMATCH` there is no verdict.
    effects : list of Effect
        One for each arm after the first, and each metric.
    moved : int
        The number of people who were shown several arms.
    preference : Estimate, optional
        For interleaving: the mean share of choices for the second ranking minus that for the first, per person.
    facts : dict
        Further numbers.
    placement : str, optional
        The placement that the result is of; None for all requests.
    """

    name: str
    arms: dict[str, int]
    mismatch: float
    effects: list[Effect]
    moved: int
    preference: Estimate | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    placement: str | None = None

    @property
    def title(self) -> str:
        """The name of the experiment, and the placement that the result is of."""
        return self.name if self.placement is None else f"{self.name} in {self.placement}"

    @property
    def broken(self) -> bool:
        """Whether the counts of the arms do not fit the shares."""
        return self.mismatch < MISMATCH

    def verdict(self) -> str:
        """State the result in sentences; broken guard-rails come first."""
        if self.broken:
            counts = ", ".join(f"{n:,} in {arm}" for arm, n in self.arms.items())
            return (
                f"No result: the people per arm ({counts}) do not fit the shares (p = {self.mismatch:.1e}). Find the cause of the missing people "
                "before reading other numbers: a redirect, a crash, a bot filter, an exposure that is logged in one arm only."
            )
        if self.preference is not None:
            a, b = list(self.arms)[:2]
            p = self.preference
            words = {"better": f"{b} is preferred to {a}", "worse": f"{a} is preferred to {b}"}
            said = words.get(verdict(p), f"No significant preference yet between {a} and {b}")
            return f"{said}: {p.value:+.3f} choices per person ({p.low:+.3f} to {p.high:+.3f})."
        if not self.effects:
            return "No user has been exposed yet."
        broken = [e for e in self.effects if e.guard_rail and e.verdict == "worse"]
        main = [e for e in self.effects if not e.guard_rail]
        return " ".join(e.sentence() for e in (*broken, *main))

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {
            "experiment": self.name,
            "placement": self.placement,
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

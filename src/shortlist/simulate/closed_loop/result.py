"""The result of a closed-loop simulation: measures of every policy, world and round, with confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from shortlist.metrics.significance import Estimate
from shortlist.simulate.arrays import FloatArray
from shortlist.simulate.closed_loop.measures import MEASURES, OUTCOME
from shortlist.simulate.closed_loop.policies import RECIPE


@dataclass
class LoopResult:
    """Measures of a closed-loop simulation.

    Attributes
    ----------
    name : str
        The world.
    unit : str
        The unit of the outcome.
    values : dict of str to dict of str to ndarray
        Policy → measure → float (n_seeds, n_rounds).
    descriptions : dict of str to str
        What each policy does.
    facts : dict
        The conditions of the simulation.
    """

    name: str
    unit: str
    values: dict[str, dict[str, FloatArray]]
    descriptions: dict[str, str]
    facts: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"LoopResult({self.name!r}, simulated, {len(self.values)} policies, facts={self.facts})"

    @property
    def has_recipe(self) -> bool:
        """Whether the recipe took part."""
        return RECIPE in self.values

    def mean_over_rounds(self, policy: str, measure: str = OUTCOME) -> FloatArray:
        """Return the mean of a measure over the rounds, float (n_seeds,)."""
        return np.asarray(self.values[policy][measure].mean(1))

    def estimate(self, policy: str, measure: str = OUTCOME) -> Estimate:
        """Return the mean over rounds and worlds, with its interval over worlds."""
        return over_seeds(self.mean_over_rounds(policy, measure))

    def by_round(self, policy: str, measure: str = OUTCOME) -> list[Estimate]:
        """Return the mean over worlds of each round."""
        return [over_seeds(column) for column in self.values[policy][measure].T]

    def relative_gain(self, policy: str, other: str, measure: str = OUTCOME) -> Estimate:
        """Return by which share of the other's value a policy is higher; 0.1 is a tenth.

        The worlds are paired, so random effects that both policies share cancel out.
        """
        own = np.maximum(self.mean_over_rounds(policy, measure), 1e-12)
        ratio = own / np.maximum(self.mean_over_rounds(other, measure), 1e-12)
        log_gain = over_seeds(np.log(ratio))
        return Estimate(*(float(np.expm1(v)) for v in (log_gain.value, log_gain.low, log_gain.high)))

    def recipe_gain(self, other: str) -> Estimate | None:
        """Return the gain of the recipe over another policy; None for itself or without the recipe."""
        return None if other == RECIPE or not self.has_recipe else self.relative_gain(RECIPE, other)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "name": self.name,
            "simulated": True,
            "unit": self.unit,
            "facts": self.facts,
            "policies": {name: self._policy_json(name) for name in self.values},
        }

    def _policy_json(self, name: str) -> dict[str, Any]:
        gain = self.recipe_gain(name)
        return {
            "description": self.descriptions[name],
            "outcome": self.estimate(name).to_json(),
            "recipe_gain": None if gain is None else gain.to_json(),
            "measures": {m: [e.to_json() for e in self.by_round(name, m)] for m in MEASURES},
            "seeds": {m: self.values[name][m].tolist() for m in MEASURES},
        }


def over_seeds(values: FloatArray) -> Estimate:
    """Return the mean with its 95 % t-interval over seeds; of a single seed the ends are NaN."""
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return Estimate(mean, float("nan"), float("nan"))
    half = float(stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return Estimate(mean, mean - half, mean + half)

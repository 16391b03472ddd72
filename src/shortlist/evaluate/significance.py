"""How sure a number is: the bootstrap over people.

People are drawn with replacement, many times, and the metric is recomputed; the middle 95 % of the results is the
interval (Efron 1979). Two recommenders are compared on the same people: the interval is of the difference, person by
person, which is much narrower than the two intervals beside each other suggest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


def bootstrap(values: np.ndarray, draws: int, seed: int) -> Estimate:
    """The mean of float (people,) with its 95 % interval; people without a value (NaN) are left out."""
    values = values[~np.isnan(values)]
    if not len(values):
        return Estimate(float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    means = np.concatenate(
        [
            values[rng.integers(0, len(values), (min(100, draws - at), len(values)))].mean(1)
            for at in range(0, draws, 100)
        ]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return Estimate(float(values.mean()), float(low), float(high))


def verdict(difference: Estimate) -> str:
    """ "better", "worse" or "can't tell", as a difference's interval says."""
    if difference.low > 0:
        return "better"
    return "worse" if difference.high < 0 else "can't tell"

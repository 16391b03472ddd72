"""Utility: the objectives as one number, at request time.

- **sum**: Σ weight × prediction ÷ scale. The scale is the mean prediction on the validation slice, so that a weight of
  1 on plays and of 1 on seconds count alike.
- **product**: Π (prediction ÷ scale) ^ weight, as in p(click)^a × seconds^b: an item must be good in all of them, and no
  objective can be bought off by another.
- **guard-rails**: the best utility among slates whose mean prediction of an objective is at least so much. The objective
  is given just the price (a Lagrange multiplier, found by bisection) at which the best n items meet it.

Changing any of them needs no training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from shortlist.errors import RequestError

ROUNDS = 24
FLOOR = 1e-9


@dataclass(frozen=True)
class UtilityWeights:
    """What a request wants: `weights` and `scales` float64 (objectives,); `limits`: objective's number → least mean."""

    weights: np.ndarray
    scales: np.ndarray
    combine: str = "sum"
    limits: tuple[tuple[int, float], ...] = ()

    def utility(self, predictions: np.ndarray) -> np.ndarray:
        """float64 (rows,) from float32 (rows, objectives)."""
        if self.combine == "product":
            shares = np.log(np.maximum(predictions.astype(np.float64), FLOOR * self.scales) / self.scales)
            return np.exp(shares @ self.weights)
        return predictions.astype(np.float64) @ (self.weights / self.scales)

    def guarded(self, utility: np.ndarray, predictions: np.ndarray, n: int) -> np.ndarray:
        """The utility with each guard-rail's price added, so that the best n keep to it as far as they can."""
        if not self.limits or not len(utility):
            return utility
        unit = float(np.std(utility)) or 1.0
        prices = np.zeros(len(self.limits))
        shares = np.stack([predictions[:, at] / self.scales[at] for at, _ in self.limits], axis=1)

        def reached(prices: np.ndarray, number: int) -> float:
            best = _best(utility + shares @ prices, n)
            return float(predictions[best, self.limits[number][0]].mean())

        for _ in range(1 if len(self.limits) == 1 else 3):  # prices move each other: go round again
            for number, (_, least) in enumerate(self.limits):
                prices[number] = 0.0
                if reached(prices, number) >= least:
                    continue
                low, high = 0.0, unit
                for _ in range(40):
                    prices[number] = high
                    if reached(prices, number) >= least:
                        break
                    low, high = high, high * 2
                for _ in range(ROUNDS):
                    prices[number] = (low + high) / 2
                    low, high = (
                        (low, prices[number]) if reached(prices, number) >= least else (prices[number], high)
                    )
                prices[number] = high
        return utility + shares @ prices


def _best(utility: np.ndarray, n: int) -> np.ndarray:
    if len(utility) <= n:
        return np.arange(len(utility))
    return np.argpartition(-utility, n - 1)[:n]


def resolve_weights(asked: dict[str, float] | None, defaults: dict[str, float]) -> np.ndarray:
    """A request's weights over the project's. Raises `RequestError` for an unknown objective or no weight at all."""
    merged = dict(defaults)
    for name, weight in (asked or {}).items():
        merged[name] = _number(name, weight, "weights", defaults)
    if not any(merged.values()):
        raise RequestError(
            "weights: all are 0, so nothing can be ranked; give at least one objective a weight",
            field="weights",
        )
    return np.array(list(merged.values()), np.float64)


def resolve_guard_rails(
    asked: dict[str, float] | None, defaults: dict[str, float], objectives: list[str]
) -> tuple[tuple[int, float], ...]:
    """A request's guard-rails, or the project's. Raises `RequestError` for an unknown objective or no number."""
    given = defaults if asked is None else asked
    known = dict.fromkeys(objectives, 0.0)
    limits = {name: _number(name, value, "at_least", known) for name, value in given.items()}
    return tuple((objectives.index(name), least) for name, least in limits.items())


def resolve_combine(asked: str | None, default: str) -> str:
    if asked is None:
        return default
    if asked not in {"sum", "product"}:
        raise RequestError(f"combine must be sum or product and is {asked!r}", field="combine")
    return asked


def _number(name: str, value: Any, setting: str, objectives: dict[str, float]) -> float:
    if name not in objectives:
        raise RequestError(
            f"{setting}: there is no objective {name!r}; there are: {', '.join(objectives)}",
            field=f"{setting}.{name}",
        )
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        raise RequestError(
            f"{setting}.{name} must be a finite number and is {value!r}", field=f"{setting}.{name}"
        )
    return float(value)

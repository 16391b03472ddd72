"""Utility: the objectives combined into one number at request time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from shortlist.errors import RequestError, abbreviated, suggestion

BISECTIONS = 24
DOUBLINGS = 40
FLOOR = 1e-9
"""Predictions are at least this share of their scale in a product."""
LARGEST_EXPONENT = 300.0
LARGEST = 1e6
"""Largest absolute weight or limit: larger ones would make every other objective vanish, and sums infinite."""


@dataclass(frozen=True, eq=False, repr=False)
class UtilityWeights:
    """How the objectives are combined for one request. None of it needs training.

    - **sum**: Σ weight · prediction / scale. The scale is the mean prediction on the validation slice, so that a weight of 1
      on plays and a weight of 1 on seconds have the same influence.
    - **product**: Π (prediction / scale)^weight, as in p(click)^a · seconds^b. An item must be good in every objective;
      one objective cannot make up for another that is near 0.
    - **guard-rails**: the slate of the largest utility among those whose mean prediction of an objective is at least a
      given limit, items of earlier pages included. The objective gets an additional weight, a Lagrange multiplier, which is found by bisection so that
      the best n items meet the limit.

    Cost: O(rows · objectives), and about 24 partial sorts of the candidates for each guard-rail that binds.

    Parameters
    ----------
    weights, scales : ndarray of shape (objectives,), float64
        Weight and scale of each objective.
    combine : {"sum", "product"}
        How predictions are combined.
    limits : tuple of (int, float)
        Guard-rails: column of an objective, least mean prediction.

    Examples
    --------
    >>> import numpy as np
    >>> weights = UtilityWeights(np.array([1.0, 2.0]), np.array([0.5, 10.0]))
    >>> weights.utility(np.array([[0.5, 10.0], [0.25, 20.0]], np.float32))
    array([3. , 4.5])
    """

    weights: NDArray[np.float64]
    scales: NDArray[np.float64]
    combine: str = "sum"
    limits: tuple[tuple[int, float], ...] = ()

    def utility(self, predictions: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the utility of each row, float64 (rows,). predictions: float32 (rows, objectives)."""
        if self.combine == "product":
            shares = np.log(np.maximum(predictions.astype(np.float64), FLOOR * self.scales) / self.scales)
            exponents = shares @ self.weights
            # large weights: the order stays, and no utility becomes infinite
            exponents *= min(1.0, LARGEST_EXPONENT / max(float(np.abs(exponents).max(initial=0.0)), 1e-9))
            return np.asarray(np.exp(exponents))
        return np.asarray(predictions.astype(np.float64) @ (self.weights / self.scales))

    def guarded(
        self, utility: NDArray[np.float64], predictions: NDArray[np.float32], n: int, shown: int = 0
    ) -> NDArray[np.float64]:
        """Return the utility with the multipliers of the guard-rails added.

        Parameters
        ----------
        utility : ndarray of shape (rows,), float64
            The utility without guard-rails.
        predictions : ndarray of shape (rows, objectives), float32
            The predictions.
        n
            The best n rows meet the guard-rails, as far as candidates can.
        shown
            Number of rows, the last ones, that earlier pages of the slate show: together with them, the best n of the others meet the
            guard-rails.
        """
        rows = len(utility) - shown
        if not self.limits or not rows:
            return utility
        earlier = np.arange(rows, rows + shown)
        unit = float(np.std(utility)) or 1.0
        multipliers = np.zeros(len(self.limits))
        shares = np.stack([predictions[:, column] / self.scales[column] for column, _ in self.limits], axis=1)

        def is_met(number: int, multiplier: float) -> bool:
            multipliers[number] = multiplier
            best = np.concatenate([_best((utility + shares @ multipliers)[:rows], n), earlier])
            column, least = self.limits[number]
            return float(predictions[best, column].mean()) >= least

        for _ in range(1 if len(self.limits) == 1 else 3):  # each multiplier changes what the others must be
            for number in range(len(self.limits)):
                if is_met(number, 0.0):
                    continue
                low, high = 0.0, unit
                for _ in range(DOUBLINGS):
                    if is_met(number, high):
                        break
                    low, high = high, high * 2
                for _ in range(BISECTIONS):
                    middle = (low + high) / 2
                    low, high = (low, middle) if is_met(number, middle) else (middle, high)
                multipliers[number] = high
        return np.asarray(utility + shares @ multipliers)

    def __repr__(self) -> str:
        return f"UtilityWeights({self.combine} of {len(self.weights)} objectives, {len(self.limits)} guard-rails)"


def _best(utility: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Return the rows of the n largest values, in no order."""
    if len(utility) <= n:
        return np.arange(len(utility))
    return np.argpartition(-utility, n - 1)[:n]


def resolve_weights(
    requested: Mapping[str, object] | None, defaults: Mapping[str, float]
) -> NDArray[np.float64]:
    """Return the weight of each objective, float64 (objectives,): the request's where it names one, else the project's.

    Raises
    ------
    RequestError
        An objective is unknown, a weight is not a finite number, or all weights are 0.
    """
    merged = dict(defaults)
    for name, weight in (requested or {}).items():
        merged[name] = _number(name, weight, "weights", defaults)
    if not any(merged.values()):
        raise RequestError(
            "weights: all are 0, so nothing can be ranked; give at least one objective a weight",
            field="weights",
        )
    return np.array(list(merged.values()), np.float64)


def resolve_guard_rails(
    requested: Mapping[str, object] | None, defaults: Mapping[str, float], objectives: Sequence[str]
) -> tuple[tuple[int, float], ...]:
    """Return the guard-rails of a request, or the project's where it has none: column of an objective, least mean.

    Raises
    ------
    RequestError
        An objective is unknown, or a limit is not a finite number.
    """
    given = defaults if requested is None else requested
    limits = {name: _number(name, value, "at_least", objectives) for name, value in given.items()}
    return tuple((objectives.index(name), least) for name, least in limits.items())


def resolve_combine(requested: str | None, default: str) -> str:
    """Return how a request combines objectives. Raises `RequestError` if that is neither sum nor product."""
    if requested is None:
        return default
    if requested not in {"sum", "product"}:
        raise RequestError(f"combine must be sum or product and is {abbreviated(requested)}", field="combine")
    return requested


def _number(name: str, value: object, setting: str, objectives: Mapping[str, float] | Sequence[str]) -> float:
    if name not in objectives:
        raise RequestError(
            f"{setting}: there is no objective {name!r}{suggestion(name, objectives)}; there are: {', '.join(objectives)}",
            field=f"{setting}.{name}",
        )
    number = not isinstance(value, bool) and isinstance(value, (int, float))
    if not number or not -LARGEST <= cast("float", value) <= LARGEST:
        raise RequestError(
            f"{setting}.{name} must be a number from {-LARGEST:g} to {LARGEST:g} and is {abbreviated(value)}",
            field=f"{setting}.{name}",
        )
    return float(cast("float", value))

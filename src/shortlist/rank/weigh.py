"""Utility: the objectives weighed together, at request time.

utility = Σ weight × prediction ÷ scale. The scale is the mean prediction on the validation slice, so that a weight of
1 on plays and of 1 on seconds count alike; changing a weight needs no training.
"""

from __future__ import annotations

import numpy as np

from shortlist.errors import RequestError


def weigh(predictions: np.ndarray, weights: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """float64 (rows,) from float32 (rows, objectives)."""
    return predictions.astype(np.float64) @ (weights / scales)


def read_weights(asked: dict[str, float] | None, defaults: dict[str, float]) -> np.ndarray:
    """A request's weights over the project's. Raises `RequestError` for an unknown objective or no weight at all."""
    merged = dict(defaults)
    for name, weight in (asked or {}).items():
        if name not in defaults:
            raise RequestError(
                f"weights: there is no objective {name!r}; there are: {', '.join(defaults)}",
                field=f"weights.{name}",
            )
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not np.isfinite(weight):
            raise RequestError(
                f"weights.{name} must be a finite number and is {weight!r}", field=f"weights.{name}"
            )
        merged[name] = float(weight)
    if not any(merged.values()):
        raise RequestError(
            "weights: all are 0, so nothing can be ranked; give at least one objective a weight",
            field="weights",
        )
    return np.array(list(merged.values()), np.float64)

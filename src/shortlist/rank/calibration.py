"""Calibration: predictions that mean what they say, on the validation slice.

- **platt**: a logistic line through the logit of the prediction (Platt 1999). Two numbers: right on a small slice.
- **isotonic**: any rising curve (Zadrozny & Elkan 2002), drawn through the centres of its steps, so that it never ties what
  the ranker told apart (centred isotonic regression: Oron & Flournoy 2017). It needs a large slice.
- **auto**: isotonic where it predicts one half of the slice better from the other half than Platt does; else Platt.

Amounts get a factor, grades a shift.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit

FEWEST = 500
"""Positives that an isotonic curve needs."""
EDGE = 1e-6


@dataclass(frozen=True)
class Calibration:
    """`value = slope · raw + offset`, for probabilities on the logit; with knots, a curve through them instead, whose ends
    go on like the line.
    """

    kind: str
    method: str = "none"
    slope: float = 1.0
    offset: float = 0.0
    knots: list[float] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """float32 (rows,) from the ranker's own predictions."""
        if self.kind != "probability":
            return (self.slope * raw + self.offset).astype(np.float32)
        margin = _logit(raw)
        if not self.knots:
            return expit(self.slope * margin + self.offset).astype(np.float32)
        line = np.interp(margin, self.knots, self.levels)
        line += self.slope * (np.minimum(margin - self.knots[0], 0) + np.maximum(margin - self.knots[-1], 0))
        return expit(line).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        return dict(self.__dict__)


def fit_calibration(
    kind: str, raw: np.ndarray, label: np.ndarray, weight: np.ndarray, method: str = "auto"
) -> Calibration:
    """From predictions on the validation slice and what happened. raw, label, weight: float (rows,), labels known."""
    if len(label) < 20 or weight.sum() <= 0:
        return Calibration(kind)
    if kind == "amount":
        predicted = float(np.average(raw, weights=weight))
        happened = float(np.average(label, weights=weight))
        return Calibration(kind, "scale", happened / predicted if predicted > 0 and happened > 0 else 1.0)
    if kind == "grade":
        return Calibration(kind, "shift", 1.0, float(np.average(label - raw, weights=weight)))
    label = (label > 0.5).astype(np.float64)
    if label.min() == label.max():
        return Calibration(kind)
    platt = _platt(raw, label, weight)
    if method == "platt" or (method == "auto" and min(label.sum(), len(label) - label.sum()) < FEWEST):
        return platt
    if method == "auto":
        half = np.arange(len(label)) // max(len(label) // 8, 1) % 2 == 0
        losses = np.zeros(2)
        for fit in (half, ~half):
            line = _platt(raw[fit], label[fit], weight[fit])
            for place, model in enumerate((line, _isotonic(raw[fit], label[fit], weight[fit], line))):
                losses[place] += _log_loss(model(raw[~fit]), label[~fit], weight[~fit])
        if losses[1] >= losses[0]:
            return platt
    return _isotonic(raw, label, weight, platt)


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(np.asarray(p, np.float64), EDGE, 1 - EDGE)
    return np.log(p / (1 - p))


def _platt(raw: np.ndarray, label: np.ndarray, weight: np.ndarray) -> Calibration:
    if label.min() == label.max():
        return Calibration("probability")
    from sklearn.linear_model import LogisticRegression  # a second to come in, and a server needs it not

    model = LogisticRegression(C=1e6).fit(_logit(raw).reshape(-1, 1), label > 0.5, weight)
    slope, offset = float(model.coef_[0, 0]), float(model.intercept_[0])
    return Calibration("probability", "platt", *((slope, offset) if slope > 0.05 else (1.0, 0.0)))


def _isotonic(raw: np.ndarray, label: np.ndarray, weight: np.ndarray, platt: Calibration) -> Calibration:
    from sklearn.isotonic import IsotonicRegression

    margin = _logit(raw)
    level = IsotonicRegression().fit_transform(margin, label, sample_weight=weight)
    order = np.argsort(margin, kind="stable")
    edge = np.flatnonzero(np.concatenate([[True], np.diff(level[order]) > 0]))
    total = np.add.reduceat(weight[order], edge)
    centre = np.add.reduceat((weight * margin)[order], edge) / total
    levels = _logit(np.clip(level[order][edge], 1e-4, 1 - 1e-4))
    rising = np.concatenate([[True], (np.diff(centre) > 0) & (np.diff(levels) > 0)])
    if rising.sum() < 2:
        return platt
    return Calibration(
        "probability", "isotonic", platt.slope, 0.0, centre[rising].tolist(), levels[rising].tolist()
    )


def _log_loss(p: np.ndarray, label: np.ndarray, weight: np.ndarray) -> float:
    p = np.clip(p, EDGE, 1 - EDGE).astype(np.float64)
    return float(-(weight * (label * np.log(p) + (1 - label) * np.log(1 - p))).sum())

"""Calibration: predictions that mean what they say.

Platt's scaling on the validation slice: a logistic line through the ranker's margin for probabilities (Platt 1999), a
straight line through the origin for amounts, a shift for grades. Two numbers an objective: few enough to be right on
a small slice, and strictly increasing, so that calibration never ties or reorders what the ranker told apart.
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression


def fit_calibration(
    kind: str, margin: np.ndarray, label: np.ndarray, weight: np.ndarray
) -> tuple[float, float]:
    """(slope, offset) for predictions on the validation slice. margin, label, weight: float (rows,), labels known."""
    if len(label) < 20 or weight.sum() <= 0:
        return 1.0, 0.0
    if kind == "probability":
        if label.min() == label.max():
            return 1.0, 0.0
        model = LogisticRegression(C=1e6).fit(margin.reshape(-1, 1), label > 0.5, weight)
        slope, offset = float(model.coef_[0, 0]), float(model.intercept_[0])
        return (slope, offset) if slope > 0.05 else (1.0, 0.0)
    if kind == "amount":
        predicted = float(np.average(margin, weights=weight))
        return (
            float(np.average(label, weights=weight)) / predicted if predicted > 0 and label.max() > 0 else 1.0
        ), 0.0
    return 1.0, float(np.average(label - margin, weights=weight))


def calibrated(kind: str, margin: np.ndarray, slope: float, offset: float) -> np.ndarray:
    line = slope * margin + offset
    return (1.0 / (1.0 + np.exp(-line)) if kind == "probability" else line).astype(np.float32)

"""Calibration of predictions on the validation slice."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

MIN_POSITIVES = 500
"""An isotonic curve needs this many positives and as many negatives."""
MIN_EXAMPLES = 20
"""With fewer examples, predictions stay as they are."""
EPSILON = 1e-6
"""Probabilities are clipped to ε … 1 − ε before their logit is taken."""


@dataclass(frozen=True, repr=False)
class Calibration:
    """A rising function from a ranker's raw predictions to calibrated ones.

    A ranker orders candidates well, but its numbers are biased: negatives are sampled, and boosting stops early.
    Calibration makes them unbiased, so that a predicted probability of 0.2 comes true in one of five cases, and
    objectives can be weighed against each other.

    - **platt**: σ(slope · logit(raw) + offset). Two numbers, suited to a small slice.
    - **isotonic**: a piecewise linear curve on the logit, through the centres of the steps of an isotonic regression, so
      that predictions that differ do not become equal (centred isotonic regression). Beyond its ends it continues with
      `slope`. It needs a large slice.
    - **scale**: slope · raw, for amounts.
    - **shift**: raw + offset, for grades.
    - **none**: raw.

    Cost: O(log knots) a prediction.

    Parameters
    ----------
    kind : {"probability", "amount", "grade"}
        Kind of the objective.
    method : str
        One of the methods above.
    slope, offset : float
        The linear part.
    knots, levels : list of float
        Isotonic curves: logits of raw predictions, ascending, and the calibrated logits there.

    References
    ----------
    Platt (1999). Probabilistic outputs for support vector machines. Advances in Large Margin Classifiers.
    Zadrozny & Elkan (2002). Transforming classifier scores into accurate multiclass probability estimates. KDD.
    Oron & Flournoy (2017). Centered isotonic regression. Statistics in Biopharmaceutical Research.

    Examples
    --------
    >>> import numpy as np
    >>> Calibration("amount", "scale", slope=2.0)(np.array([1.0, 3.0]))
    array([2., 6.], dtype=float32)
    """

    kind: str
    method: str = "none"
    slope: float = 1.0
    offset: float = 0.0
    knots: list[float] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)

    def __call__(self, raw: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return calibrated predictions, float32 (rows,)."""
        if self.kind != "probability":
            return (self.slope * raw + self.offset).astype(np.float32)
        logit = _logit(raw)
        if not self.knots:
            return np.asarray(expit(self.slope * logit + self.offset), np.float32)
        line = np.interp(logit, self.knots, self.levels)
        line += self.slope * (np.minimum(logit - self.knots[0], 0) + np.maximum(logit - self.knots[-1], 0))
        return np.asarray(expit(line), np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return the parameters, as `Calibration(**parameters)` takes them."""
        return asdict(self)

    def __repr__(self) -> str:
        curve = (
            f", {len(self.knots)} knots" if self.knots else f", {self.slope:.4g} · raw + {self.offset:.4g}"
        )
        return f"Calibration({self.kind}, {self.method}{'' if self.method == 'none' else curve})"


def fit_calibration(
    kind: str,
    raw: NDArray[np.floating],
    label: NDArray[np.floating],
    weight: NDArray[np.floating],
    method: str = "auto",
) -> Calibration:
    """Fit a calibration on the validation slice.

    Parameters
    ----------
    kind : {"probability", "amount", "grade"}
        Kind of the objective.
    raw, label, weight
        float (rows,): the ranker's predictions, the known labels and the weights of the examples.
    method : {"auto", "platt", "isotonic"}
        For probabilities. `auto` takes the isotonic curve where each half of the slice is predicted better by the curve
        fitted on the other half than by Platt's line; otherwise Platt's line.

    Returns
    -------
    Calibration
        It changes nothing where there are too few examples, or all labels are equal.
    """
    if len(label) < MIN_EXAMPLES or weight.sum() <= 0:
        return Calibration(kind)
    if kind == "amount":
        predicted = float(np.average(raw, weights=weight))
        observed = float(np.average(label, weights=weight))
        return Calibration(kind, "scale", observed / predicted if predicted > 0 and observed > 0 else 1.0)
    if kind == "grade":
        return Calibration(kind, "shift", 1.0, float(np.average(label - raw, weights=weight)))
    positive = (label > 0.5).astype(np.float64)
    if positive.min() == positive.max():
        return Calibration(kind)
    platt = _platt(raw, positive, weight)
    too_few = min(positive.sum(), len(positive) - positive.sum()) < MIN_POSITIVES
    if method == "platt" or (
        method == "auto" and (too_few or not _isotonic_is_better(raw, positive, weight))
    ):
        return platt
    return _isotonic(raw, positive, weight, platt)


def _isotonic_is_better(
    raw: NDArray[np.floating], positive: NDArray[np.float64], weight: NDArray[np.floating]
) -> bool:
    """Whether the isotonic curve has the smaller log loss in two-fold cross-validation, over blocks of the slice."""
    half = np.arange(len(positive)) // max(len(positive) // 8, 1) % 2 == 0
    platt_loss = isotonic_loss = 0.0
    for fit in (half, ~half):
        platt = _platt(raw[fit], positive[fit], weight[fit])
        isotonic = _isotonic(raw[fit], positive[fit], weight[fit], platt)
        platt_loss += _log_loss(platt(raw[~fit]), positive[~fit], weight[~fit])
        isotonic_loss += _log_loss(isotonic(raw[~fit]), positive[~fit], weight[~fit])
    return isotonic_loss < platt_loss


def _logit(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    # not np.clip, which takes three times as long for the rows of one request
    clipped = np.minimum(np.maximum(np.asarray(probability, np.float64), EPSILON), 1 - EPSILON)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _platt(
    raw: NDArray[np.floating], positive: NDArray[np.float64], weight: NDArray[np.floating]
) -> Calibration:
    if positive.min() == positive.max():
        return Calibration("probability")
    from sklearn.linear_model import (
        LogisticRegression,
    )  # takes a second to import, and a server does not need it

    model = LogisticRegression(C=1e6).fit(_logit(raw).reshape(-1, 1), positive > 0.5, weight)
    slope, offset = float(model.coef_[0, 0]), float(model.intercept_[0])
    return Calibration("probability", "platt", *((slope, offset) if slope > 0.05 else (1.0, 0.0)))


def _isotonic(
    raw: NDArray[np.floating],
    positive: NDArray[np.float64],
    weight: NDArray[np.floating],
    platt: Calibration,
) -> Calibration:
    """Fit the curve; return Platt's line where the curve has fewer than two knots."""
    from sklearn.isotonic import IsotonicRegression  # as above

    logit = _logit(raw)
    level = IsotonicRegression().fit_transform(logit, positive, sample_weight=weight)
    order = np.argsort(logit, kind="stable")
    step = np.flatnonzero(np.concatenate([[True], np.diff(level[order]) > 0]))
    total = np.add.reduceat(weight[order], step)
    centre = np.add.reduceat((weight * logit)[order], step) / total
    levels = _logit(np.clip(level[order][step], 1e-4, 1 - 1e-4))
    rising = np.concatenate([[True], (np.diff(centre) > 0) & (np.diff(levels) > 0)])
    if rising.sum() < 2:
        return platt
    return Calibration(
        "probability", "isotonic", platt.slope, 0.0, centre[rising].tolist(), levels[rising].tolist()
    )


def _log_loss(
    probability: NDArray[np.floating], positive: NDArray[np.float64], weight: NDArray[np.floating]
) -> float:
    p = np.clip(probability, EPSILON, 1 - EPSILON).astype(np.float64)
    return float(-(weight * (positive * np.log(p) + (1 - positive) * np.log(1 - p))).sum())

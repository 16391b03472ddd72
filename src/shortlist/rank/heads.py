"""From the margins of objectives to calibrated predictions, whichever model has made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.rank.calibration import Calibration, fit_calibration
from shortlist.rank.targets import Head, Target

Values = dict[str, NDArray[np.floating]]


def values_of(
    heads: Sequence[Head], margins: Mapping[str, NDArray[np.floating]], units: Mapping[str, float]
) -> Values:
    """Return predictions before calibration, in units of the labels, of the objectives that have margins.

    Parameters
    ----------
    heads
        The objectives, each after the one that it requires.
    margins
        Objective → float (rows,).
    units
        Objective → unit of its labels.
    """
    values: Values = {}
    for head in heads:
        if head.name in margins:
            parent = np.ones(1, np.float32) if head.given is None else values[head.given]
            values[head.name] = head.loss.value(margins[head.name], parent) * units[head.name]
    return values


def calibrated(
    heads: Sequence[Head],
    raw: Mapping[str, NDArray[np.floating]],
    calibration: Mapping[str, Calibration],
    objectives: Sequence[str],
) -> NDArray[np.float32]:
    """Return calibrated predictions, float32 (rows, objectives).

    Parameters
    ----------
    heads
        The objectives, each after the one that it requires.
    raw
        Objective → predictions before calibration, float (rows,).
    calibration
        Objective → calibration.
    objectives
        The columns.
    """
    predictions = np.stack([calibration[name](raw[name]) for name in objectives], axis=1, dtype=np.float32)
    given = {head.name: head.given for head in heads}
    for column, name in enumerate(objectives):
        parent = given[name]
        if parent is not None:  # a purchase is at most as probable as the click that it requires
            limit = predictions[:, objectives.index(parent)]
            predictions[:, column] = np.minimum(predictions[:, column], limit)
    return predictions


def calibrations(
    heads: Sequence[Head],
    targets: Sequence[Target],
    units: Mapping[str, float],
    raw: Mapping[str, NDArray[np.floating]],
    shown: NDArray[np.bool_],
    method: str,
) -> dict[str, Calibration]:
    """Fit the calibration of each objective on validation rows.

    Parameters
    ----------
    heads, targets
        The objectives, and what they are of the validation rows.
    units
        Objective → unit of its labels.
    raw
        Objective → predictions before calibration, float (rows,).
    shown
        bool (rows,): the rows that were shown, or may have been.
    method
        `rank.calibration`.
    """
    found = {}
    for head, target in zip(heads, targets, strict=True):
        known = (target.weight > 0) & shown
        # The margins of a listwise loss define an order only, so they are no probabilities yet.
        usable = head.kind == "probability" and head.loss_name != "listwise"
        weight = target.weighted(raw[head.name] if usable else None)
        found[head.name] = fit_calibration(
            head.kind,
            raw[head.name][known],
            (target.label * units[head.name])[known],
            weight[known],
            method,
        )
    return found


def deviance(kind: str, label: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the deviance of each prediction, 0 at the truth: squared error, compound Poisson (power 1.5) or log loss.

    Parameters
    ----------
    kind
        Kind of the objective: probability, amount or grade.
    label, predicted
        float64 (rows,).
    """
    if kind == "grade":
        return np.asarray((label - predicted) ** 2)
    if kind == "amount":
        p = np.maximum(predicted, 1e-9)
        return np.asarray(
            2 * (label * (p**-0.5 - np.maximum(label, 1e-9) ** -0.5) * 2 + 2 * (p**0.5 - label**0.5))
        )
    p, positive = np.clip(predicted, 1e-7, 1 - 1e-7), label > 0
    return -np.where(positive, np.log(p), np.log(1 - p))

"""The errors of predictions for items that were shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.evaluate.measures import mean_by_person
from shortlist.evaluate.shown.logged_slates import FloatArray, LoggedSlates
from shortlist.evaluate.shown.model_answers import SHOWN, ModelAnswers
from shortlist.metrics.prediction import EDGE, expected_calibration_error
from shortlist.metrics.significance import Comparison, PairedMetrics

MIN_SLATES = 200
"""With fewer slates, losses are not compared."""


@dataclass(frozen=True, repr=False)
class PredictionError:
    """The error of a recommender's predictions of one probability, for items that were shown.

    Attributes
    ----------
    log_loss : float
        Mean of −ln(probability of the outcome).
    calibration_error : float
        Expected calibration error.
    """

    log_loss: float
    calibration_error: float

    def to_json(self) -> dict[str, float]:
        """Return the numbers as JSON values."""
        return {"log_loss": self.log_loss, "expected_calibration_error": self.calibration_error}


def _known(
    logged: LoggedSlates, answers: Mapping[str, ModelAnswers], objective: str
) -> tuple[NDArray[np.bool_], dict[str, FloatArray]]:
    """The shown items of which every recommender predicts an objective, and the predictions."""
    predicted = {name: one.predictions[SHOWN][objective] for name, one in answers.items()}
    known = (logged.items >= 0) & ~np.isnan(logged.outcomes[objective])
    for values in predicted.values():
        known &= ~np.isnan(values)
    return known, predicted


def prediction_errors(
    logged: LoggedSlates, answers: Mapping[str, ModelAnswers], objective: str
) -> dict[str, PredictionError]:
    """Return the log loss and the calibration error of each recommender; empty if nothing is known.

    Only items count that every recommender knows.
    """
    known, predicted = _known(logged, answers, objective)
    if not known.any():
        return {}
    happened = logged.outcomes[objective][known]
    return {
        name: PredictionError(
            float(_loss(values[known], happened).mean()), expected_calibration_error(values[known], happened)
        )
        for name, values in predicted.items()
    }


def compare_losses(
    logged: LoggedSlates, answers: Mapping[str, ModelAnswers], objective: str, draws: int, seed: int
) -> list[Comparison]:
    """Return by how much the log loss of the first recommender is lower than that of the others, person by person."""
    known, predicted = _known(logged, answers, objective)
    rows = np.flatnonzero(known.any(1))
    if len(rows) < MIN_SLATES:
        return []
    happened, metric = np.nan_to_num(logged.outcomes[objective]), f"minus log loss of {objective}"
    columns = {}
    for name, values in predicted.items():
        gain = np.where(known, -_loss(np.nan_to_num(values, nan=0.5), happened), 0.0)
        columns[name] = {
            metric: mean_by_person((gain.sum(1) / np.maximum(known.sum(1), 1))[rows], logged.users[rows])
        }
    subject, *others = columns
    return PairedMetrics.from_values(columns, draws, seed).compare(
        [(subject, other) for other in others], metric
    )


def _loss(predicted: FloatArray, happened: FloatArray) -> FloatArray:
    chance = np.clip(predicted, EDGE, 1 - EDGE)
    return -np.where(happened > 0, np.log(chance), np.log1p(-chance))

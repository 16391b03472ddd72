"""Calibration of the predictions on a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.data.dataset import Dataset
from shortlist.errors import DataError
from shortlist.metrics.prediction import auc, calibration_error, log_loss, reliability, rmse
from shortlist.rank.example_settings import ExampleSettings
from shortlist.rank.fresh_sources import REFITS
from shortlist.rank.profile import COMPARED_LABELS, single_feature_auc
from shortlist.rank.propensity import position_curve
from shortlist.rank.targets import Head, make_target
from shortlist.rank.training_set import Window, make_training_set
from shortlist.recommender import Recommender

Floats = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Reliability(ShortRepr):
    """Predictions of one objective against outcomes.

    The examples are put into bins of equal weight by prediction. The expected calibration error is the mean distance
    between the mean prediction and the mean outcome of a bin (Naeini et al. 2015); for an amount it is a share of the
    mean amount.

    Attributes
    ----------
    kind : str
        The kind of the objective.
    bins : list of (float, float, float)
        Mean prediction, mean outcome and share of the weight of each bin.
    error : float
        The expected calibration error.
    rows : int
        The number of examples.
    scores : dict of str to float
        `auc` and `log_loss` of a probability, `rmse` of an amount.
    """

    kind: str
    bins: list[tuple[float, float, float]]
    error: float
    rows: int
    scores: dict[str, float]

    def sentence(self) -> str:
        """State the errors."""
        if self.kind == "probability":
            return (
                f"Expected calibration error {self.error:.4f}, AUC {self.scores['auc']:.3f}, log loss "
                f"{self.scores['log_loss']:.4f} ({self.rows:,} examples)."
            )
        return (
            f"Expected calibration error {self.error:.1%} of the mean, RMSE {self.scores['rmse']:.4g} "
            f"({self.rows:,} examples)."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        return {
            "kind": self.kind,
            "expected_calibration_error": self.error,
            "rows": self.rows,
            **self.scores,
            "bins": self.bins,
        }


def evaluate_calibration(
    recommender: Recommender, dataset: Dataset, cut: int
) -> tuple[dict[str, Reliability], dict[str, dict[str, float]]]:
    """Compare the predictions of a recommender with the outcomes after a moment.

    The examples are those of the test's requests, made in the same way as the ranker's training examples. Examples
    whose attribution window the log cuts short are weighted as in training.

    Parameters
    ----------
    recommender : Recommender
        Trained on events before the moment.
    dataset : Dataset
        The whole data.
    cut : int
        The moment (ms).

    Returns
    -------
    calibration : dict of str to Reliability
        By objective; empty if the test has no examples.
    feature_auc : dict
        `feature_auc[objective][feature]`: how well each feature alone predicts the objective, if the test has enough labels to tell.
    """
    project, model = recommender.project, recommender.model
    end = int(dataset.log.time[-1]) + 1
    try:
        examples = make_training_set(
            dataset,
            model.retrievers,
            model.features,
            # sources as old as those that the training met: fresher ones predict better
            Window(cut, end, cut, REFITS),
            ExampleSettings.of(project),
            examination=position_curve(recommender.dataset, project),
        )
    except DataError:  # the test has no requests or no impressions
        return {}, {}
    predictions = model.ranker.predict(examples.matrix)
    by_weights = project.rank.position_bias == "weights"
    calibration = {}
    for column, (name, objective) in enumerate(project.objectives.items()):
        target = make_target(Head.of(name, objective), examples, position_weights=by_weights)
        known = target.weight > 0
        if not known.any():
            continue
        chance = predictions[:, column].astype(np.float64) if objective.kind == "probability" else None
        calibration[name] = _reliability(
            objective.kind,
            predictions[known, column].astype(np.float64),
            target.label[known],
            target.weighted(chance)[known],
        )
    feature_auc, labels = single_feature_auc(examples)
    return calibration, {name: auc for name, auc in feature_auc.items() if labels[name] >= COMPARED_LABELS}


def _reliability(kind: str, predicted: Floats, outcome: Floats, weight: Floats) -> Reliability:
    bins = reliability(predicted, outcome, weight)
    error = calibration_error(bins)
    if kind == "probability":
        scores = {"auc": auc(predicted, outcome, weight), "log_loss": log_loss(predicted, outcome, weight)}
    else:
        error /= max(abs(float(np.average(outcome, weights=weight))), 1e-12)
        scores = {"rmse": rmse(predicted, outcome, weight)}
    return Reliability(kind, bins, error, len(outcome), scores)

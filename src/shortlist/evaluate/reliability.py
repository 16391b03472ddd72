"""Do predictions mean what they say, on a test that nothing was learnt from?

The examples are the test's requests, made as the ranker's are: candidates (or shown items), with what followed. In bins of
equal weight by prediction, the mean prediction stands beside what happened. The expected calibration error is their mean
distance (Naeini et al. 2015); for an amount it is given as a share of the mean amount. Examples whose attribution window
the log cuts short are weighted as in training (`rank/observed.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from shortlist.data.dataset import Dataset
from shortlist.errors import DataError
from shortlist.metrics.prediction import auc, calibration_error, log_loss, reliability, rmse
from shortlist.rank.gbdt.targets import Head, make_target
from shortlist.rank.profile import knowledge
from shortlist.rank.propensity import position_curve
from shortlist.rank.training_set import ExampleSettings, Window, make_training_set
from shortlist.recommender import Recommender


@dataclass(frozen=True)
class Reliability:
    """`bins`: (mean prediction, mean outcome, share of weight); `error`: expected calibration error."""

    kind: str
    bins: list[tuple[float, float, float]]
    error: float
    rows: int
    scores: dict[str, float]
    """auc and log_loss of a probability, rmse of the others (`metrics/prediction.py`)."""

    def sentence(self) -> str:
        if self.kind == "probability":
            return (
                f"expected calibration error {self.error:.4f}, AUC {self.scores['auc']:.3f}, log loss "
                f"{self.scores['log_loss']:.4f} ({self.rows:,} examples)"
            )
        return f"off by {self.error:.1%} of the mean, RMSE {self.scores['rmse']:.4g} ({self.rows:,} examples)"

    def to_json(self) -> dict[str, Any]:
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
    """Reliability of each objective on what came after `cut`; `recommender` was trained on what came before. And how well
    each feature alone tells each objective there (AUC), to compare with training.
    """
    project = recommender.project
    end = int(dataset.log.time[-1]) + 1
    try:
        examples = make_training_set(
            dataset,
            recommender.model.retrievers,
            recommender.model.features,
            Window(cut, end, cut),
            ExampleSettings.of(project),
            examination=position_curve(recommender.dataset, project),
        )
    except DataError:  # nobody asks in the test, or nothing was shown in it
        return {}, {}
    predictions = recommender.model.ranker.predict(examples.matrix)
    answer = {}
    for column, (name, objective) in enumerate(project.objectives.items()):
        target = make_target(
            Head.of(name, objective), examples, position_weights=project.rank.position_bias == "weights"
        )
        known = target.weight > 0
        predicted = predictions[known, column].astype(np.float64)
        chance = predictions[:, column].astype(np.float64) if objective.kind == "probability" else None
        weight = target.weighted(chance)[known]
        happened = target.label[known]
        if not len(happened):
            continue
        bins = reliability(predicted, happened, weight)
        error = calibration_error(bins)
        if objective.kind != "probability":
            error /= max(abs(float(np.average(happened, weights=weight))), 1e-12)
        if objective.kind == "probability":
            scores = {
                "auc": auc(predicted, happened, weight),
                "log_loss": log_loss(predicted, happened, weight),
            }
        else:
            scores = {"rmse": rmse(predicted, happened, weight)}
        answer[name] = Reliability(objective.kind, bins, error, len(happened), scores)
    return answer, knowledge(examples)

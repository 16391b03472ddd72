"""Training examples and rankers for tests of ranking."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from shortlist.config.project import parse_project
from shortlist.rank.gbdt.ranker import GBDTRanker
from shortlist.rank.training_set import TrainingSet


def examples_of(
    matrix: NDArray[Any],
    labels: dict[str, NDArray[Any]],
    arrived: dict[str, NDArray[Any]] | None = None,
    examined: NDArray[Any] | None = None,
    types: list[str] | None = None,
    each: int = 10,
) -> TrainingSet:
    """Make examples of weight 1 with features f0, f1, …; `each` rows are one request."""
    n = len(matrix)
    return TrainingSet(
        matrix.astype(np.float32),
        {name: label.astype(np.float32) for name, label in labels.items()},
        np.ones(n, np.float32),
        np.arange(n) // each,
        [f"f{i}" for i in range(matrix.shape[1])],
        types or ["q"] * matrix.shape[1],
        arrived or {name: np.ones(n) for name in labels},
        np.ones(n) if examined is None else examined,
        np.ones(n, bool),
    )


def ranker_of(objectives: dict[str, dict[str, Any]], **rank: Any) -> GBDTRanker:
    """Make a ranker of boosted trees for objectives of one event kind."""
    project = parse_project(
        {
            "objectives": {name: {"events": ["event"], **o} for name, o in objectives.items()},
            "rank": {"trees": 120, **rank},
        }
    )
    return GBDTRanker(project.rank, project.objectives, project.seed)


def auc(score: NDArray[Any], positive: NDArray[Any]) -> float:
    """Return the area under the ROC curve."""
    return float(roc_auc_score(positive, score))

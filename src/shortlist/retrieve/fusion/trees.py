"""Gradient-boosted trees that order the candidates of a fusion."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shortlist.config.base import Settings
from shortlist.threads import openmp_threads

if TYPE_CHECKING:
    import xgboost as xgb

FOLDS = 3
"""The trees are judged out of fold, over this many folds of requests."""
ENOUGH_REQUESTS = 6_000
"""From this many requests on, a quarter of them judges the trees that are trained on the others, and these trees are kept."""


class TreeConfig(Settings):
    """Settings of the trees."""

    trees: int = Field(120, ge=1)
    """Number of trees, 1 or more."""
    depth: int = Field(4, ge=1, le=10)
    """Depth of the trees, from 1 to 10."""
    learning_rate: float = Field(0.1, gt=0, le=1)
    """Learning rate of the trees, above 0 to 1."""


def train_trees(
    matrix: NDArray[np.float32],
    labels: NDArray[np.bool_],
    config: TreeConfig,
    mean_ndcg: Callable[..., float],
) -> tuple[xgb.Booster, float]:
    """Train trees, and measure by how much they raise the mean NDCG on requests that they were not trained on.

    Parameters
    ----------
    matrix
        float32 (B, m, features): the candidates of each request, in the order that the trees have to improve.
    labels
        bool (B, m): which candidates are hits.
    config
        Settings.
    mean_ndcg
        Values, the hits of all requests, and which requests the values are of → mean NDCG of those.

    Returns
    -------
    booster
        Trained on all requests, or where there are many, on those that do not judge.
    gain
        Mean NDCG in the order of the trees, less that in the order as given.
    """
    width = matrix.shape[1]
    as_given = -np.arange(width, dtype=np.float32)

    def judge(held: NDArray[np.bool_]) -> tuple[xgb.Booster, float]:
        booster = _train(matrix[~held], labels[~held], config)
        values = booster.inplace_predict(matrix[held].reshape(-1, matrix.shape[2])).reshape(-1, width)
        before = mean_ndcg(np.tile(as_given, (len(values), 1)), labels, held)
        return booster, mean_ndcg(values, labels, held) - before

    number = np.arange(len(labels))
    if len(labels) >= ENOUGH_REQUESTS:
        return judge(number % 4 == 0)
    folds = [number % FOLDS == held for held in range(FOLDS)]
    gain = sum(judge(held)[1] * float(held.mean()) for held in folds)
    return _train(matrix, labels, config), gain


def _train(matrix: NDArray[np.float32], labels: NDArray[np.bool_], config: TreeConfig) -> xgb.Booster:
    import xgboost as xgb  # takes a second to import, and most servers do not need it

    useful = labels.any(1)
    matrix, labels = matrix[useful], labels[useful]
    data = xgb.DMatrix(matrix.reshape(-1, matrix.shape[2]), labels.ravel().astype(np.float32))
    data.set_group(np.full(len(matrix), matrix.shape[1]))
    settings = {
        "objective": "rank:ndcg",
        "lambdarank_pair_method": "topk",
        "lambdarank_num_pair_per_sample": 20,
        "max_depth": config.depth,
        "eta": config.learning_rate,
        "min_child_weight": 20,
        "tree_method": "hist",
        "nthread": openmp_threads(),
        "seed": 0,
    }
    return xgb.train(settings, data, config.trees)

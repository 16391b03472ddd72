"""Gradient-boosted trees that order the candidates of a fusion."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shortlist.config.base import Settings
from shortlist.retrieve.kernels.softmax import RequestSoftmax
from shortlist.threads import openmp_threads

if TYPE_CHECKING:
    import xgboost as xgb

FOLDS = 3
"""The trees are judged out of fold, over this many folds of requests."""
ENOUGH_REQUESTS = 6_000
"""From this many requests on, a quarter of them judges the trees that are trained on the others, and these trees are kept."""
LEAST_REQUESTS = 2.0
"""The least second derivative of a leaf, in requests, and what is added to it."""


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
    """Train trees by the softmax loss, and measure by how much they raise the mean NDCG on requests that they were not trained on.

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
    threads = openmp_threads()
    data = xgb.QuantileDMatrix(matrix.reshape(-1, matrix.shape[2]), nthread=threads or None)
    request = np.repeat(np.arange(len(matrix)), matrix.shape[1])
    loss = RequestSoftmax(request, labels.ravel().astype(np.float64), np.ones(labels.size))
    settings = {
        "max_depth": config.depth,
        "eta": config.learning_rate,
        # the second derivatives of a request add up to 1 at most
        "min_child_weight": LEAST_REQUESTS,
        "lambda": LEAST_REQUESTS,
        "tree_method": "hist",
        "nthread": threads,
        "seed": 0,
        "base_score": 0.0,
        "disable_default_eval_metric": 1,
    }
    return xgb.train(settings, data, config.trees, obj=loss.gradient)

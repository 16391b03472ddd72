"""Gradient-boosted trees that order the candidates of a fusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shortlist.config.base import Settings
from shortlist.retrieve.kernels.softmax import RequestSoftmax
from shortlist.threads import openmp_threads

if TYPE_CHECKING:
    import xgboost as xgb

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


def tree_values(matrix: NDArray[np.float32], booster: xgb.Booster) -> NDArray[np.float32]:
    """Return the margins of the trees for candidates float32 (B, m, features), float32 (B, m)."""
    return np.asarray(booster.inplace_predict(matrix.reshape(-1, matrix.shape[2])).reshape(matrix.shape[:2]))


def learn_trees(matrix: NDArray[np.float32], labels: NDArray[np.bool_], config: TreeConfig) -> xgb.Booster:
    """Train trees by the softmax loss.

    Parameters
    ----------
    matrix
        float32 (B, m, features): the candidates of each request.
    labels
        bool (B, m): which candidates are hits. Requests without a hit are left out.
    config
        Settings.
    """
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

"""How much a model that orders candidates raises NDCG, on requests that it has not learned from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Learned = TypeVar("Learned")
FOLDS = 3
"""Models are judged out of fold, over this many folds of requests."""
ENOUGH_REQUESTS = 6_000
"""From this many requests on, a quarter of them judges a model that takes long, which has learned from the others and is kept."""


def judged(
    matrix: NDArray[np.float32],
    labels: NDArray[np.bool_],
    learn: Callable[[NDArray[np.float32], NDArray[np.bool_]], Learned],
    values: Callable[[NDArray[np.float32], Learned], NDArray[np.float32]],
    mean_ndcg: Callable[..., float],
    quick: bool = False,
) -> tuple[Learned, float]:
    """Learn a model, and measure by how much it raises the mean NDCG on requests that it has not learned from.

    Parameters
    ----------
    matrix
        float32 (B, m, features): the candidates of each request, in the order that the model has to improve.
    labels
        bool (B, m): which candidates are hits.
    learn
        Candidates and labels → model.
    values
        Candidates and model → values float32 (B, m).
    mean_ndcg
        Values, the hits of all requests, and which requests the values are of → mean NDCG of those.
    quick
        Whether the model is learned so fast that all requests judge it, out of fold, however many there are.

    Returns
    -------
    learned
        From all requests, or where there are many and it is not quick, from those that do not judge.
    gain
        Mean NDCG in the order of the model, less that in the order as given.
    """
    as_given = -np.arange(matrix.shape[1], dtype=np.float32)

    def judge(held: NDArray[np.bool_]) -> tuple[Learned, float]:
        learned = learn(matrix[~held], labels[~held])
        found = values(matrix[held], learned)
        before = mean_ndcg(np.tile(as_given, (len(found), 1)), labels, held)
        return learned, mean_ndcg(found, labels, held) - before

    number = np.arange(len(labels))
    if len(labels) >= ENOUGH_REQUESTS and not quick:
        return judge(number % 4 == 0)
    folds = [number % FOLDS == held for held in range(FOLDS)]
    gain = sum(judge(held)[1] * float(held.mean()) for held in folds)
    return learn(matrix, labels), gain

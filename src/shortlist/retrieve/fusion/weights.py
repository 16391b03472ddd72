"""Weights of sources: the values that they multiply, and the search for them."""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.metrics.ranking import discount
from shortlist.retrieve.fusion.blend import RRF_CONSTANT, Blended
from shortlist.retrieve.kernels.parallel import run_rows

STEPS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)
"""The values that the coordinate search tries for a weight."""


def source_values(blended: Blended, rule: str) -> NDArray[np.floating]:
    """Return the values that the weights of a rule multiply, float (B, K, sources): reciprocal ranks or normalised scores."""
    if rule == "ranks":
        return np.asarray(np.nan_to_num(RRF_CONSTANT / (RRF_CONSTANT + blended.ranks), nan=0.0))
    return np.asarray(np.clip(np.nan_to_num(blended.scores, nan=-1.0), -3.0, None))


def masked(values: NDArray[np.floating], item: NDArray[np.int32]) -> NDArray[np.floating]:
    """Return the values, −inf where there is no item."""
    return np.where(item >= 0, values, -np.inf)


def mean_ndcg_of(
    n_relevant: NDArray[np.integer],
    k: int,
    values: NDArray[np.floating],
    hits: NDArray[np.bool_],
    among: NDArray[np.bool_] | slice,
) -> float:
    """Return the mean NDCG@k of lists by falling value, over some of the requests.

    No list is sorted: hits are few, and the place of each is the number of candidates with a higher value. Of equal values, the
    first comes first.
    """
    weights = discount(k)
    gain = np.empty(len(values))
    run_rows(len(values), _gain_rows, values, hits[among], weights, gain)
    ideal = np.concatenate([[0.0], np.cumsum(weights)])[np.minimum(n_relevant[among], k)]
    return float(np.mean(gain[ideal > 0] / ideal[ideal > 0]))


@numba.njit(cache=True, nogil=True)
def _gain_rows(
    low: int,
    high: int,
    values: NDArray[np.floating],
    hits: NDArray[np.bool_],
    weights: NDArray[np.float64],
    gain: NDArray[np.float64],
) -> None:
    """Write the discounted gain of each list: the sum of the discounts of its hits' places."""
    for row in range(low, high):
        total = 0.0
        for at in range(values.shape[1]):
            if not hits[row, at]:
                continue
            own, place = values[row, at], 0
            for other in range(at):
                place += values[row, other] >= own
            for other in range(at + 1, values.shape[1]):
                place += values[row, other] > own
            if place < len(weights):
                total += weights[place]
        gain[row] = total


def search_weights(
    n_sources: int, evaluate: Callable[[NDArray[np.float64]], float], rounds: int = 2
) -> NDArray[np.float64]:
    """Find weights by coordinate search, because NDCG has no gradient in them: from the best single source, each in turn.

    Parameters
    ----------
    n_sources
        Number of weights.
    evaluate
        Weights → metric; higher is better.
    rounds
        Passes over the sources.
    """
    single = [evaluate(np.eye(n_sources)[at]) for at in range(n_sources)]
    weights, best = np.eye(n_sources)[int(np.argmax(single))], max(single)
    for _ in range(rounds):
        previous = best
        for at in np.argsort(single)[::-1]:
            for step in STEPS:
                tried = weights.copy()
                tried[at] = step
                if tried.any() and not np.array_equal(tried, weights) and (value := evaluate(tried)) > best:
                    best, weights = value, tried
        if best <= previous * 1.0005:
            break
    return np.asarray(weights, np.float64)

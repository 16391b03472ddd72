"""The multi-task network without PyTorch: margins by NumPy."""

from __future__ import annotations

from collections.abc import Mapping

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.rank.multitask.inputs import FeatureKnots
from shortlist.rank.multitask.shape import MultitaskShape

Floats = NDArray[np.float32]

BLOCK = 4_096
"""Rows that are computed at once."""


def margins(
    weights: Mapping[str, Floats], shape: MultitaskShape, knots: FeatureKnots, matrix: Floats
) -> Floats:
    """Return the margin of each row and objective, float32 (rows, objectives).

    Parameters
    ----------
    weights
        The weights of the network by name.
    shape
        Its shape.
    knots
        The rows of the table of each feature.
    matrix
        float32 (rows, features); NaN where a value is missing.
    """
    found = np.empty((len(matrix), shape.objectives), np.float32)
    for start in range(0, len(matrix), BLOCK):
        found[start : start + BLOCK] = _margins(weights, shape, knots, matrix[start : start + BLOCK])
    return found


def _margins(
    weights: Mapping[str, Floats], shape: MultitaskShape, knots: FeatureKnots, matrix: Floats
) -> Floats:
    row, share = knots.places(matrix)
    inputs = np.empty((len(matrix), shape.inputs), np.float32)
    wide = np.zeros((len(matrix), shape.objectives), np.float32)
    _interpolate(row, share, weights["table"], weights["wide"], inputs, wide)
    x = inputs
    for down, up, bias in zip(weights["cross_down"], weights["cross_up"], weights["cross_bias"], strict=True):
        x = inputs * (x @ down @ up + bias) + x
    inner = _silu(x @ weights["expert_in"] + weights["expert_in_bias"])
    # experts come first, so that each product is one of matrices
    inner = inner.reshape(len(x), shape.experts, shape.hidden).transpose(1, 0, 2)
    experts = _silu(inner @ weights["expert_out"] + weights["expert_out_bias"][:, None])
    # an expert's output is read by each objective's own vector before the experts are mixed: fewer numbers
    read = (experts @ weights["head"].T).transpose(1, 2, 0)
    gates = (x @ weights["gate"] + weights["gate_bias"]).reshape(len(x), shape.objectives, shape.experts)
    gates = np.exp(gates - gates.max(-1, keepdims=True))
    gates /= gates.sum(-1, keepdims=True)
    return np.asarray((gates * read).sum(-1) + wide + weights["start"], np.float32)


@numba.njit(cache=True, nogil=True)
def _interpolate(
    row: NDArray[np.int64],
    share: Floats,
    table: Floats,
    wide: Floats,
    inputs: Floats,
    sums: Floats,
) -> None:
    """Write the vectors of all features of each row, and add up their numbers of the additive part."""
    width, last = table.shape[1], len(table) - 1
    for r in range(row.shape[0]):
        for f in range(row.shape[1]):
            at, part = row[r, f], share[r, f]
            after = min(at + 1, last)
            for c in range(width):
                inputs[r, f * width + c] = table[at, c] + part * (table[after, c] - table[at, c])
            for c in range(wide.shape[1]):
                sums[r, c] += wide[at, c] + part * (wide[after, c] - wide[at, c])


def _silu(x: Floats) -> Floats:
    with np.errstate(over="ignore"):  # the exponential of a large number is infinite, and its inverse 0
        return np.asarray(x / (1 + np.exp(-x)))

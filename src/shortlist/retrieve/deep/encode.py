"""The transformer without PyTorch: a history becomes a vector by NumPy and one compiled kernel.

Histories are packed one after the other, so that matrix products have no padding, and one product serves all histories of a batch.
The last block is computed for the last event of each history only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.retrieve.deep.architecture import Architecture
from shortlist.retrieve.deep.inputs import EventInputs
from shortlist.retrieve.kernels.parallel import run_rows

EPSILON = np.float32(1e-6)
"""As in the network."""

Floats = NDArray[np.float32]


def encode(
    weights: Mapping[str, Floats], shape: Architecture, vectors: Floats, inputs: EventInputs
) -> Floats:
    """Return the state after the last event of each history, float32 (B, d); 0 for a history without events.

    Parameters
    ----------
    weights
        The weights of the network by name.
    shape
        Its shape.
    vectors
        float32 (E, d): the vector of the item of each event.
    inputs
        The events of B histories, at most `shape.history` each.
    """
    states = np.zeros((len(inputs), shape.width), np.float32)
    filled = np.flatnonzero(np.diff(inputs.indptr))
    if not len(filled):
        return states
    indptr = np.append(inputs.indptr[filled], inputs.indptr[-1])
    x = vectors * np.float32(shape.width**0.5)
    x += weights["gap"][inputs.gap]
    x += weights["kind"][inputs.kind]
    x += inputs.value[:, None] * weights["value"]
    with np.errstate(over="ignore"):  # see `_sigmoid`
        for block in range(shape.blocks):
            x = _block(weights, shape, block, x, indptr)
    states[filled] = _norm(x, weights["last_norm"])
    return states


def _block(
    weights: Mapping[str, Floats], shape: Architecture, block: int, x: Floats, indptr: NDArray[np.int64]
) -> Floats:
    """Return the states after one block: of every event, (E, d), or after the last block of the last events, (B, d)."""
    d, last = shape.width, block == shape.blocks - 1
    asked = indptr[1:] - 1 if last else np.arange(len(x))
    normed = _norm(x, weights["attention_norm"][block])
    x = x[asked] if last else x
    qkv = weights["qkv"][block]
    queries = (normed[asked] if last else normed) @ qkv[:, :d]
    keys_values = normed @ qkv[:, d:]
    mixed = np.empty_like(queries)
    first = np.arange(len(indptr)) if last else indptr
    run_rows(len(indptr) - 1, _attend, indptr, first, queries, keys_values, weights["distance"][block], mixed)
    x = x + _gate(weights, "attention", block, x) * (mixed @ weights["attention_out"][block])
    inner = _norm(x, weights["feed_norm"][block]) @ weights["feed_in"][block]
    inner, swish = inner[:, : shape.hidden], inner[:, shape.hidden :]
    fed = _sigmoid(swish)
    fed *= swish
    fed *= inner
    return np.asarray(x + _gate(weights, "feed", block, x) * (fed @ weights["feed_out"][block]))


def _gate(weights: Mapping[str, Floats], name: str, block: int, x: Floats) -> Floats:
    opened = x @ weights[f"{name}_gate"][block]
    opened += weights[f"{name}_gate_bias"][block]
    return _sigmoid(opened)


def _norm(x: Floats, weight: Floats) -> Floats:
    scale = np.einsum("ed,ed->e", x, x)
    scale /= np.float32(x.shape[1])
    scale += EPSILON
    normed = x * (1 / np.sqrt(scale))[:, None]
    normed *= weight
    return np.asarray(normed)


def _sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(−x)); the exponential of a large number is infinite, and its inverse 0."""
    found = np.negative(x)
    np.exp(found, out=found)
    found += 1
    return np.reciprocal(found, out=found)


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _softmax(scores: Floats) -> None:
    """Replace scores float32 (n,), n ≥ 1, by their shares."""
    highest, total = scores.max(), np.float32(0)
    for at in range(len(scores)):
        scores[at] = np.exp(scores[at] - highest)
        total += scores[at]
    for at in range(len(scores)):
        scores[at] /= total


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _attend(  # noqa: PLR0913, PLR0917 - a compiled loop takes its arrays one by one
    low: int,
    high: int,
    indptr: NDArray[np.int64],
    first: NDArray[np.int64],
    queries: Floats,
    keys_values: Floats,
    distance: Floats,
    out: Floats,
) -> None:
    """Write the attention of the histories low ≤ b < high.

    Parameters
    ----------
    indptr
        int64 (B + 1,): the events of each history in `keys_values`.
    first
        int64 (B + 1,): its queries, which are its latest events, in `queries`.
    queries
        float32 (Q, d).
    keys_values
        float32 (E, 2d).
    distance
        float32 (heads, history): the bias of each distance.
    out
        float32 (Q, d).
    """
    heads, width = len(distance), queries.shape[1]
    size, longest = width // heads, distance.shape[1]
    scale = np.float32(1 / np.sqrt(size))
    keys = np.empty((size, longest), np.float32)  # transposed, so that the loop over events is the inner one
    share = np.empty(longest, np.float32)
    for row in range(low, high):
        begin, end = indptr[row], indptr[row + 1]
        n = end - begin
        for head in range(heads):
            left = head * size
            for j in range(n):
                for c in range(size):
                    keys[c, j] = keys_values[begin + j, left + c]
            for at in range(first[row], first[row + 1]):
                seen = n - (first[row + 1] - at) + 1
                for j in range(seen):
                    share[j] = distance[head, seen - 1 - j]
                for c in range(size):
                    factor = queries[at, left + c] * scale
                    line = keys[c]
                    for j in range(seen):
                        share[j] += factor * line[j]
                _softmax(share[:seen])
                mixed = out[at, left : left + size]
                mixed[:] = 0
                for j in range(seen):
                    part = share[j]
                    values = keys_values[begin + j, width + left : width + left + size]
                    for c in range(size):
                        mixed[c] += part * values[c]

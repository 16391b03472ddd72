"""The two towers without PyTorch: items and users become vectors by NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.data.histories import Histories
from shortlist.retrieve.deep.inputs import gap_bucket
from shortlist.retrieve.deep.tower_shape import HOURS
from shortlist.retrieve.embeddings import unit_or_zero

EPSILON = np.float32(1e-6)
"""As in the network."""
HOUR = 3_600_000
"""Milliseconds of an hour."""

Floats = NDArray[np.float32]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class VisitInputs:
    """Inputs of the user tower for B requests beside attributes; the events of histories are packed, oldest first.

    Attributes
    ----------
    indptr
        int64 (B + 1,): where each history begins.
    back
        int64 (E,): how many events of its history follow each one.
    kind
        int64 (E,): kinds.
    weight
        float32 (E,): how much each event counts, above 0.
    gap
        int64 (B,): bucket of the time from the latest event to the request; 0 where there is no event.
    hour
        int64 (B,): hour of the week of the request.
    """

    indptr: Codes
    back: Codes
    kind: Codes
    weight: Floats
    gap: Codes
    hour: Codes


def gaps_before(histories: Histories, moments: Codes) -> Codes:
    """Return the bucket of the time from the latest event of each history to a moment, int64 (B,); 0 without events."""
    last = histories.indptr[1:] - 1
    filled = last >= histories.indptr[:-1]
    time = histories.time[np.where(filled, last, 0)] if len(histories.time) else moments
    return np.where(filled, gap_bucket(moments - time), 0).astype(np.int64)


def hours_of(moments: Codes) -> Codes:
    """Return the hour of the week of moments (UTC), int64 (B,)."""
    return moments // HOUR % HOURS


def item_vectors(weights: Mapping[str, Floats], sums: Floats) -> Floats:
    """Return the vectors of items, float32 (n, d), from the sums of those of their parts; 0 where the sum is 0."""
    scale = np.einsum("nd,nd->n", sums, sums)[:, None] / np.float32(sums.shape[1])
    normed = sums / np.sqrt(scale + EPSILON) * weights["item_norm"]
    inner = _silu(normed @ weights["item_in"] + weights["item_in_bias"])
    return np.asarray(unit_or_zero(sums + inner @ weights["item_out"]) * (scale > 0), np.float32)


def user_vectors(
    weights: Mapping[str, Floats], vectors: Floats, attributes: Floats, visits: VisitInputs, *, moment: bool
) -> Floats:
    """Return the vectors of requests, float32 (B, d).

    Parameters
    ----------
    weights
        The weights of the network by name.
    vectors
        float32 (E, d): the vector of the item of each event.
    attributes
        float32 (B, (1 + contexts) d): the sums of the vectors of the users' attributes, and beside them of the requests' contexts.
    visits
        What else is known of the requests.
    moment
        Whether gap and hour are read.
    """
    pools, d = weights["query"].shape
    n, described = len(attributes), attributes.shape[1] // d
    x = np.zeros((n, pools + described + 1, d), np.float32)
    sizes = np.diff(visits.indptr)
    filled = np.flatnonzero(sizes)
    if len(filled):
        first, sizes = visits.indptr[filled], sizes[filled]
        scores = weights["query"] @ vectors.T
        scores += weights["back"][:, visits.back] + weights["kind"][:, visits.kind]
        scores -= np.repeat(np.maximum.reduceat(scores, first, axis=1), sizes, axis=1)
        share = np.exp(scores) * visits.weight
        share /= np.repeat(np.add.reduceat(share, first, axis=1), sizes, axis=1)
        for pool in range(pools):
            x[filled, pool] = np.add.reduceat(share[pool][:, None] * vectors, first, axis=0)
    x[:, pools : pools + described] = attributes.reshape(n, described, d)
    if moment:
        x[:, -1] = weights["gap"][visits.gap] + weights["hour"][visits.hour]
    flat = x.reshape(n, -1)
    inner = _silu(flat @ weights["user_in"] + weights["user_in_bias"])
    return unit_or_zero(flat @ weights["user_skip"] + inner @ weights["user_out"] + weights["user_bias"])


def _silu(x: Floats) -> Floats:
    with np.errstate(over="ignore"):  # the exponential of a large number is infinite, and its inverse 0
        return np.asarray(x / (1 + np.exp(-x)))

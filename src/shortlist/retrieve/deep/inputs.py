"""Inputs of the network from histories: items, time gaps, kinds and values, in packed arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.data.histories import Histories
from shortlist.retrieve.deep.architecture import GAP_BUCKETS


@dataclass(frozen=True, repr=False)
class EventInputs(ShortRepr):
    """The events of B histories, one after the other, oldest first: no padding.

    Attributes
    ----------
    indptr
        int64 (B + 1,): where each history begins.
    item
        int32 (E,): item codes.
    gap
        int64 (E,): bucket of the time since the event before it; 0 for the first one.
    kind
        int64 (E,): kind of the event.
    value
        float32 (E,): logarithm of the value against the usual one of the kind, from −3 to 3; 0 where there is none.
    weight
        float32 (E,): how much the event counts as a target of training.
    """

    indptr: NDArray[np.int64]
    item: NDArray[np.int32]
    gap: NDArray[np.int64]
    kind: NDArray[np.int64]
    value: NDArray[np.float32]
    weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.indptr) - 1


def usual_values(histories: Histories, kinds: int) -> NDArray[np.float32]:
    """Return the median of the positive values of each kind, float32 (kinds,); 0 for kinds without values."""
    usual = np.zeros(kinds, np.float32)
    for kind in range(kinds):
        values = histories.value[histories.kind == kind]
        values = values[np.isfinite(values) & (values > 0)]
        if len(values):
            usual[kind] = np.median(values)
    return usual


def known_events(
    histories: Histories, weights: NDArray[np.float32], n_items: int, most: int | None = None
) -> tuple[Histories, NDArray[np.float32]]:
    """Return the events of histories that have a weight and a known item, and their weights; see `event_inputs`."""
    wanted = (weights > 0) & (histories.item < n_items)
    if not wanted.all():
        histories, weights = histories.only(wanted), weights[wanted]
    if most is not None and not (recent := histories.steps_back < most).all():
        histories, weights = histories.only(recent), weights[recent]
    return histories, weights


def known_kinds(histories: Histories, kinds: int) -> NDArray[np.int64]:
    """Return the kind of each event, int64 (E,); 0 for kinds that training did not see."""
    return np.where(histories.kind < kinds, histories.kind, 0).astype(np.int64)


def event_inputs(
    histories: Histories,
    weights: NDArray[np.float32],
    usual: NDArray[np.float32],
    n_items: int,
    most: int | None = None,
) -> EventInputs:
    """Return the events of histories that have a weight and a known item.

    Parameters
    ----------
    histories
        B histories.
    weights
        float32 (E,): events of weight 0 are left out.
    usual
        float32 (kinds,): from `usual_values`.
    n_items
        Items from here on are not known to the model; their events are left out.
    most
        At most this many events of each history, the latest.
    """
    histories, weights = known_events(histories, weights, n_items, most)
    kind = known_kinds(histories, len(usual))
    return EventInputs(
        histories.indptr,
        histories.item,
        gap_buckets(histories.time, histories.indptr),
        kind,
        _relative(histories.value, usual[kind]),
        weights,
    )


def gap_buckets(time: NDArray[np.int64], indptr: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bucket of the time since the event before, int64 (E,): 0 at the start of a history, then one a doubling.

    Parameters
    ----------
    time
        Milliseconds, int64 (E,), rising within a history.
    indptr
        int64 (B + 1,): where each history begins.
    """
    buckets = gap_bucket(np.diff(time, prepend=time[:1]))
    buckets[indptr[:-1][indptr[:-1] < len(time)]] = 0
    return buckets


def gap_bucket(gap: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bucket of times between events, int64 milliseconds: one a doubling of a second, from 1."""
    return 1 + np.minimum(np.log2(1 + np.maximum(gap, 0) / 1000).astype(np.int64), GAP_BUCKETS - 2)


def _relative(value: NDArray[np.float32], usual: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return log(value / usual value), from −3 to 3; 0 where either is missing."""
    there = np.isfinite(value) & (value > 0) & (usual > 0)
    share = np.where(there, value, 1.0) / np.where(there, usual, 1.0)
    return np.clip(np.log(share), -3, 3).astype(np.float32)

"""Networks and histories that the tests of deep retrievers share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.retrieve.deep.architecture import GAP_BUCKETS, Architecture
from shortlist.retrieve.deep.inputs import EventInputs
from support.retrievers import frame

TINY: dict[str, Any] = {
    "width": 16,
    "heads": 2,
    "history": 12,
    "epochs": 2,
    "min_events": 0,
    "validation": 0.0,
}
"""Settings of a transformer that is trained in a fraction of a second."""


def random_weights(shape: Architecture, seed: int = 0) -> NDArray[np.float32]:
    return (0.3 * np.random.default_rng(seed).normal(size=shape.size)).astype(np.float32)


def random_inputs(
    lengths: list[int], n_items: int, shape: Architecture, seed: int = 0
) -> tuple[EventInputs, NDArray[np.float32]]:
    """Return random events of histories of these lengths, and the vectors of the items."""
    rng, n = np.random.default_rng(seed), sum(lengths)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    inputs = EventInputs(
        indptr,
        rng.integers(0, n_items, n).astype(np.int32),
        rng.integers(0, GAP_BUCKETS, n),
        rng.integers(0, shape.kinds, n),
        rng.normal(size=n).astype(np.float32),
        np.ones(n, np.float32),
    )
    return inputs, rng.normal(size=(n_items, shape.width)).astype(np.float32)


def histories(*of_users: list[int]) -> Histories:
    """Return histories of these items, one event a minute."""
    indptr = np.concatenate([[0], np.cumsum([len(items) for items in of_users])]).astype(np.int64)
    item = np.array([i for items in of_users for i in items], np.int32)
    return Histories(
        indptr,
        item,
        60_000 * np.arange(len(item), dtype=np.int64),
        np.zeros(len(item), np.int16),
        np.full(len(item), np.nan, np.float32),
    )


def cycles(users: int = 60, items: int = 12, length: int = 8) -> Dataset:
    """Return users who take items in a circle, each from a random start: the next item follows from the last one."""
    rng = np.random.default_rng(0)
    starts = rng.integers(0, items, users)
    names = [f"i{i:02d}" for i in range(items)]
    pairs = [(f"u{u:02d}", names[(s + t) % items]) for u, s in enumerate(starts) for t in range(length)]
    return frame(pairs, names)

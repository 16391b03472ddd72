"""Steps that the greedy re-rankers share: scale utilities, normalise vectors, append the items that were not selected."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def scale_utility(utility: NDArray[np.float64], pool: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Scale utilities to 0…1 over the rows of a pool, bool (rows,); all 0 if they are equal there."""
    least, most = float(utility[pool].min()), float(utility[pool].max())
    return np.asarray((utility - least) / max(most - least, 1e-12))


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide rows by their length, so that their products are cosines; rows of zeros stay zero."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return np.ascontiguousarray(unit, np.float32)


def append_rest(selected: NDArray[np.int64], by_utility: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a permutation: the selected rows, then the other rows in the order of `by_utility`."""
    remaining = np.ones(len(by_utility), bool)
    remaining[selected] = False
    return np.concatenate([selected, by_utility[remaining[by_utility]]])

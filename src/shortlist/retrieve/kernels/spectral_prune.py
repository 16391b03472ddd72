"""Kernel of the spectral model: prune its dense filter to the largest entries."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.retrieve.kernels.cooccurrence import walk
from shortlist.retrieve.kernels.select import heap_replace, heap_sort


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def prune_rows(  # noqa: PLR0913, PLR0917 - a compiled loop takes its arrays one by one
    low: int,
    high: int,
    T: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    X: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    factors: tuple[NDArray[np.float32], NDArray[np.generic], NDArray[np.float32]],
    scales: tuple[NDArray[np.float32], NDArray[np.float32]],
    order: NDArray[np.integer],
    nearby: int,
    items: NDArray[np.int32],
    values: NDArray[np.float32],
) -> None:
    """Write the largest entries of row i of W among the items that co-occur with i: one-step weight plus components.

    `right` holds floats, or whole numbers of a byte, which are multiplied by the item's entry of `steps`. The rows are those of `order[low:high]`. Rows of similar items read the same rows of `right`, which then are in the cache.
    """
    left, right, steps = factors
    own, others = scales
    n_items = len(own)
    line, seen = np.zeros(n_items, np.float32), np.zeros(n_items, np.bool_)
    touched = np.empty(n_items, np.int32)
    near, strength = np.empty(nearby, np.int32), np.empty(nearby, np.float32)
    for place in range(low, high):
        item = order[place]
        n = walk(item, T, X, line, seen, touched)
        near[:] = -1
        strength[:] = -np.inf
        for at in range(n):
            other = touched[at]
            if other != item:
                heap_replace(line[other] * others[other], other, strength, near)
            line[other] = 0
            seen[other] = False
        for at in range(nearby):
            other = near[at]
            if other < 0:
                continue
            ours, theirs, total = left[item], right[other], np.float32(0)
            for c in range(len(ours)):
                total += ours[c] * np.float32(theirs[c])
            total = total * steps[other] + own[item] * strength[at]
            heap_replace(total, other, values[item], items[item])
        heap_sort(values[item], items[item])

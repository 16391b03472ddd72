"""Lists beside what came true: which places hit, and what a hit is worth.

One pass over the lists: each person's wanted items are written into a table over the catalogue, the list is looked up
in it, and only what was written is wiped again. Batches are split over the cores.
"""

from __future__ import annotations

import numba
import numpy as np


def ragged(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Arrays of different lengths as one: indptr int64 (n + 1,) and the values end to end, int64."""
    indptr = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    flat = np.concatenate(parts).astype(np.int64) if parts else np.empty(0, np.int64)
    return indptr, flat


def gains(
    items: np.ndarray, indptr: np.ndarray, wanted: np.ndarray, worth: np.ndarray | None = None
) -> np.ndarray:
    """What each place of each list brings: float32 (B, K), 0 where the item was not wanted.

    items int (B, K), −1 where a list is shorter; `wanted` int: person b wanted `wanted[indptr[b]:indptr[b + 1]]`; worth
    float: what each of those is worth, 1 without. Costs O(B · K + wanted).
    """
    size = int(max(items.max(initial=-1), wanted.max(initial=-1))) + 1
    out = np.zeros(items.shape, np.float32)
    value = np.ones(len(wanted), np.float32) if worth is None else np.ascontiguousarray(worth, np.float32)
    cuts = parts_of(len(items))
    _gains(cuts, np.ascontiguousarray(items, np.int64), indptr, wanted.astype(np.int64), value, size, out)
    return out


def parts_of(n: int) -> np.ndarray:
    """Where to cut n rows so that every core gets a few parts, int64."""
    return np.linspace(0, n, max(1, min(n, 4 * numba.get_num_threads())) + 1).astype(np.int64)


@numba.njit(cache=True, nogil=True, parallel=True)
def _gains(cuts, items, indptr, wanted, value, size, out):  # type: ignore[no-untyped-def]
    for part in numba.prange(len(cuts) - 1):
        table = np.zeros(size, np.float32)
        for row in range(cuts[part], cuts[part + 1]):
            for at in range(indptr[row], indptr[row + 1]):
                table[wanted[at]] = value[at]
            for place in range(items.shape[1]):
                if items[row, place] >= 0:
                    out[row, place] = table[items[row, place]]
            for at in range(indptr[row], indptr[row + 1]):
                table[wanted[at]] = 0.0

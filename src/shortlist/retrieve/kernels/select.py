"""The k best of many scores.

Two ways, by what is scored:

- the whole catalogue: one pass with a heap of the k best so far (`heap_replace`); most scores lose against the worst of
  them in a single comparison;
- a few thousand items: a radix sort of the scores (`radix_top_k`); in a heap most of them would be compared, and the
  processor mispredicts half of such comparisons.

Filters act before the cut, so that a strict filter still fills the list. Ties go to the lower code, so that results repeat.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.retrieve.kernels.parallel import run_rows

FilterArrays = tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]
"""Filters as kernels take them: allowed bool (items,), empty for all; excluded items, ragged, indptr empty for none."""

NO_ITEMS = np.empty(0, np.int64)
ALL_ITEMS = np.empty(0, np.bool_)


@numba.njit(cache=True, nogil=True)
def heap_replace(score: float, item: int, scores: NDArray[np.float32], items: NDArray[np.int32]) -> None:
    """Put an item into the heap of the best so far, if it is better than the worst of them. NaN and −inf never are.

    The root of the heap is the worst of the best: a better item replaces it and sinks in log k steps. `heap_sort` orders
    the heap at the end.
    """
    if not (score > scores[0] or (score == scores[0] and item < items[0])):
        return
    _sink(score, item, scores, items, len(scores))


@numba.njit(cache=True, nogil=True)
def _sink(score: float, item: int, scores: NDArray[np.float32], items: NDArray[np.int32], end: int) -> None:
    """Put an item at the root of the heap scores[:end], and move it down until none below it is worse."""
    at = 0
    while True:
        worse = 2 * at + 1
        if worse >= end:
            break
        other = worse + 1
        if other < end and (
            scores[other] < scores[worse] or (scores[other] == scores[worse] and items[other] > items[worse])
        ):
            worse = other
        if not (scores[worse] < score or (scores[worse] == score and items[worse] > item)):
            break
        scores[at], items[at] = scores[worse], items[worse]
        at = worse
    scores[at], items[at] = score, item


@numba.njit(cache=True, nogil=True)
def heap_sort(scores: NDArray[np.float32], items: NDArray[np.int32]) -> None:
    """Order a heap of `heap_replace` in place, best first: the root, which is the worst, moves to the end, repeatedly."""
    for end in range(len(scores) - 1, 0, -1):
        score, item = scores[end], items[end]
        scores[end], items[end] = scores[0], items[0]
        _sink(score, item, scores, items, end)


SORTED_PER_WANTED = 64
"""Up to this many scores per item that is wanted, sorting is faster than a heap: each item that enters a heap costs several
mispredicted branches, and among few scores many enter."""
SIGN = np.uint32(0x80000000)
REST = np.uint32(0x7FFFFFFF)
DIGIT = np.uint32(255)


@numba.njit(cache=True, nogil=True)
def radix_top_k(
    scores: NDArray[np.float32],
    items: NDArray[np.int32],
    n: int,
    best: NDArray[np.float32],
    chosen: NDArray[np.int32],
) -> None:
    """Write the best of the first n scores float32, and their items int32, into `best` and `chosen`.

    Both are as long as the list that is wanted, and keep what they hold where there are fewer scores. Each item occurs
    once; no score may be NaN. The bits of a score, transformed so that the highest comes first, are an integer. A
    histogram of its first 12 bits finds where the last of the best can be; what precedes is sorted by its four bytes.
    Ties go to the lower code.
    """
    k = min(len(best), n)
    if k == 0:
        return
    bits = scores[:n].view(np.uint32)
    keys, kept = np.empty(n, np.uint32), np.empty(n, np.int32)
    counts = np.zeros(4096, np.int32)
    for at in range(n):
        bit = bits[at]
        if bit == SIGN:  # −0 is 0
            bit = np.uint32(0)
        keys[at] = bit if bit & SIGN else bit ^ REST
        counts[keys[at] >> np.uint32(20)] += 1
    edge, total = np.uint32(0), 0
    while total < k:
        total += counts[edge]
        edge += np.uint32(1)
    m = 0
    for at in range(n):
        key = keys[at]
        if key >> np.uint32(20) < edge:
            keys[m], kept[m] = key, items[at]
            m += 1
    keys, kept = keys[:m], kept[:m]
    keys, kept = _radix_sort(keys, kept)
    at = 0
    while at < k:
        end = at + 1
        while end < m and keys[end] == keys[at]:
            end += 1
        if end - at > 1:
            kept[at:end] = np.sort(kept[at:end])
        at = end
    out = best.view(np.uint32)
    for at in range(k):
        out[at] = keys[at] if keys[at] & SIGN else keys[at] ^ REST
        chosen[at] = kept[at]


@numba.njit(cache=True, nogil=True)
def _radix_sort(
    keys: NDArray[np.uint32], items: NDArray[np.int32]
) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Return keys uint32 in rising order, and their items; the given arrays are overwritten."""
    m = len(keys)
    other, others = np.empty(m, np.uint32), np.empty(m, np.int32)
    places = np.zeros((4, 256), np.int32)
    for at in range(m):
        for digit in range(4):
            places[digit, (keys[at] >> np.uint32(8 * digit)) & DIGIT] += 1
    for digit in range(4):
        shift = np.uint32(8 * digit)
        if places[digit, (keys[0] >> shift) & DIGIT] == m:
            continue  # the digit is the same in all keys
        total = 0
        for value in range(256):
            size = places[digit, value]
            places[digit, value] = total
            total += size
        for at in range(m):
            value = (keys[at] >> shift) & DIGIT
            to = places[digit, value]
            places[digit, value] = to + 1
            other[to], others[to] = keys[at], items[at]
        keys, other = other, keys
        items, others = others, items
    return keys, items


@numba.njit(cache=True, nogil=True)
def _select_rows(  # noqa: PLR0913, PLR0917 - a compiled loop takes its arrays one by one
    low: int,
    high: int,
    lines: NDArray[np.float32],
    allowed: NDArray[np.bool_],
    indptr: NDArray[np.int64],
    excluded: NDArray[np.int64],
    items: NDArray[np.int32],
    scores: NDArray[np.float32],
) -> None:
    """Write the best of each dense row low ≤ row < high. Filters may name items beyond the row."""
    n = lines.shape[1]
    blocked = np.zeros(n, np.bool_)
    sort = n <= SORTED_PER_WANTED * items.shape[1]
    fit, values = np.empty(n, np.int32), np.empty(n, np.float32)
    for row in range(low, high):
        if len(indptr):
            for at in range(indptr[row], indptr[row + 1]):
                if excluded[at] < n:
                    blocked[excluded[at]] = True
        found = 0
        for item in range(n):
            score = lines[row, item]
            # NaN is not above −inf either
            if score > -np.inf and not blocked[item] and (len(allowed) == 0 or allowed[item]):
                if sort:
                    fit[found], values[found] = item, score
                    found += 1
                else:
                    heap_replace(score, item, scores[row], items[row])
        if sort:
            radix_top_k(values, fit, found, scores[row], items[row])
        else:
            heap_sort(scores[row], items[row])
        if len(indptr):
            for at in range(indptr[row], indptr[row + 1]):
                if excluded[at] < n:
                    blocked[excluded[at]] = False


def top_k_rows(
    lines: NDArray[np.float32], k: int, filters: FilterArrays | None = None
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the k best items of dense scores (B, items).

    Returns
    -------
    items
        int32 (B, k), −1 where there are fewer.
    scores
        float32 (B, k), −inf where there are fewer.
    """
    items, scores = empty_lists(len(lines), min(k, lines.shape[1]))
    lines = np.ascontiguousarray(lines, np.float32)
    run_rows(len(lines), _select_rows, lines, *(filters or filter_arrays(None, None, None)), items, scores)
    return items, scores


def empty_lists(n: int, k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return empty lists of k items for n requests, for a kernel to fill."""
    return np.full((n, k), -1, np.int32), np.full((n, k), -np.inf, np.float32)


def filter_arrays(
    allowed: NDArray[np.bool_] | None,
    indptr: NDArray[np.integer] | None,
    excluded: NDArray[np.integer] | None,
) -> FilterArrays:
    """Return filters in the one form that kernels take: an empty array means no filter."""
    if indptr is None or excluded is None:
        indptr, excluded = NO_ITEMS, NO_ITEMS
    return (
        ALL_ITEMS if allowed is None else np.ascontiguousarray(allowed, np.bool_),
        np.ascontiguousarray(indptr, np.int64),
        np.ascontiguousarray(excluded, np.int64),
    )

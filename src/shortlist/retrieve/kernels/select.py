"""The best k of many scores: the cut that every retriever ends in.

Where a catalogue is scored, one pass over its scores with a heap of the k best so far (`offer`): most scores lose against the worst of
them in a single comparison. Where a few thousand items have a score, a sort by the digits of the scores (`best_of`): in a heap each of
them would be compared, and half of such comparisons are guessed wrongly by the processor.

Filters act before the cut, so a strict one still fills the list. Ties go to the lower code, so that results repeat. The kernels work on a range of requests, and a batch is split over the cores; a batch of
one stays on the caller's thread, because waking threads costs more than one request does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

NOTHING = np.empty(0, np.int64)
EVERYTHING = np.empty(0, np.bool_)
ALONE = 4
"""Up to so many requests stay on the caller's thread."""


@numba.njit(cache=True, nogil=True)
def offer(score, item, scores, items):  # type: ignore[no-untyped-def]
    """Put an item among the best so far, if it belongs there. NaN and −inf never do.

    The best so far are a heap whose root is the worst of them: a newcomer that beats it takes its place and sinks, in
    log k steps. `ranked` puts the heap in order at the end.
    """
    if not (score > scores[0] or (score == scores[0] and item < items[0])):
        return
    k, at = len(scores), 0
    while True:
        worse = 2 * at + 1
        if worse >= k:
            break
        other = worse + 1
        if other < k and (
            scores[other] < scores[worse] or (scores[other] == scores[worse] and items[other] > items[worse])
        ):
            worse = other
        if not (scores[worse] < score or (scores[worse] == score and items[worse] > item)):
            break
        scores[at], items[at] = scores[worse], items[worse]
        at = worse
    scores[at], items[at] = score, item


@numba.njit(cache=True, nogil=True)
def ranked(scores, items):  # type: ignore[no-untyped-def]
    """Put a heap of `offer` in order, best first: the worst goes to the end, again and again."""
    for end in range(len(scores) - 1, 0, -1):
        score, item = scores[end], items[end]
        scores[end], items[end] = scores[0], items[0]
        at = 0
        while True:
            worse = 2 * at + 1
            if worse >= end:
                break
            other = worse + 1
            if other < end and (
                scores[other] < scores[worse]
                or (scores[other] == scores[worse] and items[other] > items[worse])
            ):
                worse = other
            if not (scores[worse] < score or (scores[worse] == score and items[worse] > item)):
                break
            scores[at], items[at] = scores[worse], items[worse]
            at = worse
        scores[at], items[at] = score, item


SIGN = np.uint32(0x80000000)
REST = np.uint32(0x7FFFFFFF)
DIGIT = np.uint32(255)


@numba.njit(cache=True, nogil=True)
def best_of(scores, items, n, best, chosen):  # type: ignore[no-untyped-def]
    """The best of the first n scores float32 and their items int32, each item once, into `best` and `chosen`, which are as long as
    what is wanted and stay as they are where there are fewer. No score may be NaN.

    A score's bits, turned so that the highest comes first, are a whole number. A count by their first 12 bits says where the last of
    the best can be; what is before that is sorted by its four bytes (radix sort). Ties go to the lower code.
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
    keys, kept = _by_digits(keys, kept)
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
def _by_digits(keys, items):  # type: ignore[no-untyped-def]
    """Keys uint32 in rising order, and their items; the arrays given are written over."""
    m = len(keys)
    other, others = np.empty(m, np.uint32), np.empty(m, np.int32)
    places = np.zeros((4, 256), np.int32)
    for at in range(m):
        for digit in range(4):
            places[digit, (keys[at] >> np.uint32(8 * digit)) & DIGIT] += 1
    for digit in range(4):
        shift = np.uint32(8 * digit)
        if places[digit, (keys[0] >> shift) & DIGIT] == m:
            continue  # all have the same
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
def select_rows(low, high, lines, allowed, indptr, excluded, items, scores):  # type: ignore[no-untyped-def]
    """The best of each dense row low ≤ row < high. `allowed` empty: everything is; `indptr` empty: nothing excluded."""
    n = lines.shape[1]
    blocked = np.zeros(n, np.bool_)
    for row in range(low, high):
        if len(indptr):
            for at in range(indptr[row], indptr[row + 1]):
                blocked[excluded[at]] = True
        for item in range(n):
            if not blocked[item] and (len(allowed) == 0 or allowed[item]):
                offer(lines[row, item], item, scores[row], items[row])
        ranked(scores[row], items[row])
        if len(indptr):
            for at in range(indptr[row], indptr[row + 1]):
                blocked[excluded[at]] = False


@numba.njit(cache=True, nogil=True, parallel=True)
def _select_parallel(cuts, lines, allowed, indptr, excluded, items, scores):  # type: ignore[no-untyped-def]
    for part in numba.prange(len(cuts) - 1):
        select_rows(cuts[part], cuts[part + 1], lines, allowed, indptr, excluded, items, scores)


def in_parts(
    n: int, alone: Callable[..., Any], together: Callable[..., Any], *arguments: Any, few: int = ALONE
) -> None:
    """Run a kernel over n rows: on this thread where there are few, split over the cores where there are many."""
    if n <= few or numba.get_num_threads() == 1:
        alone(0, n, *arguments)
    else:
        parts = min(n, 8 * numba.get_num_threads())
        together(np.linspace(0, n, parts + 1).astype(np.int64), *arguments)


def select(
    lines: np.ndarray,
    k: int,
    allowed: np.ndarray | None = None,
    indptr: np.ndarray | None = None,
    excluded: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Items int32 (B, k), −1 where there are fewer, and their scores float32 (B, k), of dense scores (B, items)."""
    items, scores = no_candidates(len(lines), min(k, lines.shape[1]))
    in_parts(
        len(lines),
        select_rows,
        _select_parallel,
        np.ascontiguousarray(lines, np.float32),
        *limits(allowed, indptr, excluded),
        items,
        scores,
    )
    return items, scores


def no_candidates(n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Empty lists for n requests, for a kernel to fill."""
    return np.full((n, k), -1, np.int32), np.full((n, k), -np.inf, np.float32)


def limits(
    allowed: np.ndarray | None, indptr: np.ndarray | None, excluded: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Filters in the one form that the kernels take: empty arrays for "no filter"."""
    if indptr is None or excluded is None:
        indptr, excluded = NOTHING, NOTHING
    return (
        EVERYTHING if allowed is None else np.ascontiguousarray(allowed, np.bool_),
        np.ascontiguousarray(indptr, np.int64),
        np.ascontiguousarray(excluded, np.int64),
    )

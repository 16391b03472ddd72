"""The best k of many scores: the cut that every retriever ends in.

One pass over the scores of a request with a heap of the k best so far; most scores lose against the worst of them in a
single comparison. Filters act before the cut, so a strict one still fills the list. Ties go to the lower
code, so that results repeat. The kernels work on a range of requests, and a batch is split over the cores; a batch of
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
    """items int32 (B, k), −1 where there are fewer, and their scores float32 (B, k), of dense scores (B, items)."""
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

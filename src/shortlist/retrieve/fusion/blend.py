"""Blend: one candidate set from several sources.

Each source proposes its best; the union is ordered by reciprocal-rank fusion, score = Σ_sources 1 / (60 + rank)
(Cormack et al. 2009, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods"), and cut.
Every candidate keeps each source's rank, and each source's score of it whether that source proposed it or not, so
that the ranker, or `fuse.py`, can weigh the sources better than any fixed rule does. Scores are normalised per
request: refitting a source moves its raw scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from shortlist.retrieve.base import Requests, Retriever
from shortlist.retrieve.kernels.select import best_of, in_parts

FUSION = 60.0
LIMIT = 10.0
TOP = 20
"""A source's scores are measured against the mean of this many of its best proposals."""


@dataclass(frozen=True)
class Blended:
    """item int32 (B, K), −1 where fewer, best first; ranks float32 (B, K, sources) from 0, NaN where a source did not
    propose the item; scores float32 (B, K, sources), normalised per request, NaN where a source knows nothing of it.
    """

    item: np.ndarray
    ranks: np.ndarray
    scores: np.ndarray
    sources: list[str]


def blend(
    retrievers: dict[str, Retriever],
    requests: Requests,
    k: int,
    must: list[np.ndarray] | None = None,
    each: int | None = None,
    proposers: list[str] | None = None,
) -> Blended:
    """The best k candidates of all sources together.

    `must`: per request, items that are candidates in any case (the items that were shown, when training on
    impressions); they come first and filters do not touch them. `each`: how many each source proposes, k without.
    `proposers`: the sources that propose; the others only score what those found. All propose without.
    """
    n, sources = len(requests), list(retrievers)
    each = each or k
    lists = np.full((n, len(sources), each), -1, np.int32)
    spans = np.zeros((n, len(sources), 2), np.float32)  # where 0 and 1 are on each source's own scale
    for at, (name, retriever) in enumerate(retrievers.items()):
        if proposers is not None and name not in proposers:
            continue
        found = retriever.retrieve(requests, each)
        lists[:, at, : found.item.shape[1]] = found.item
        _spans(found.item, found.score, spans[:, at])
    item, ranks = np.full((n, k), -1, np.int32), np.full((n, k, len(sources)), np.nan, np.float32)
    in_parts(n, _union_rows, _union_parallel, lists, *_forced(must), item, ranks)
    scores = np.empty(ranks.shape, np.float32)
    for at, (name, retriever) in enumerate(retrievers.items()):
        raw = retriever.score_items(requests, item)
        if proposers is not None and name not in proposers:
            _spans(
                item, -np.sort(-np.where(np.isfinite(raw), raw, np.float32(-np.inf)), axis=1), spans[:, at]
            )
        _normalise(raw, spans[:, at], scores[:, :, at])
    return Blended(item, ranks, scores, sources)


@numba.njit(cache=True, nogil=True)
def _spans(items, scores, spans):  # type: ignore[no-untyped-def]
    """Into (B, 2): the score of a source's last proposal, and how far above it its best ones are on average."""
    for row in range(len(items)):
        low, top, n = np.float32(0), 0.0, 0
        for at in range(items.shape[1]):
            if items[row, at] >= 0 and np.isfinite(scores[row, at]):
                low = scores[row, at]
                if at < TOP:
                    top += low
                n += 1
        spans[row, 0] = low
        spans[row, 1] = top / max(min(n, TOP), 1) - low


@numba.njit(cache=True, nogil=True)
def _normalise(raw, spans, scores):  # type: ignore[no-untyped-def]
    """Where a source tells its proposals hardly apart, its unit is tiny: nothing is further than LIMIT of them."""
    for row in range(len(raw)):
        unit = max(spans[row, 1], np.float32(1e-12))
        for at in range(raw.shape[1]):
            if np.isfinite(raw[row, at]):
                scores[row, at] = min(max((raw[row, at] - spans[row, 0]) / unit, -LIMIT), LIMIT)
            else:
                scores[row, at] = np.nan


def _forced(must: list[np.ndarray] | None) -> tuple[np.ndarray, np.ndarray]:
    """Items that are candidates in any case, ragged."""
    if not must:
        return np.empty(0, np.int64), np.empty(0, np.int32)
    return np.concatenate([[0], np.cumsum([len(m) for m in must])]).astype(np.int64), np.concatenate(
        must
    ).astype(np.int32)


@numba.njit(cache=True, nogil=True)
def _union_rows(low, high, lists, indptr, forced, items, ranks):  # type: ignore[no-untyped-def]
    """Each row's proposals without repeats, by reciprocal-rank fusion, and each source's rank of them.

    Proposals meet in a small hash table; nothing is as long as the catalogue.
    """
    _, sources, each = lists.shape
    k = items.shape[1]
    for row in range(low, high):
        owed = indptr[row + 1] - indptr[row] if len(indptr) else 0
        most = sources * each + owed
        size = 16
        while size < 2 * most:
            size *= 2
        table = np.full(size, -1, np.int32)
        found, fused = np.empty(most, np.int32), np.zeros(most, np.float32)
        place = np.full((most, sources), np.nan, np.float32)
        n = 0
        for source in range(sources):
            for rank in range(each):
                item = lists[row, source, rank]
                if item < 0:
                    break
                at = _slot(table, found, item)
                if table[at] < 0:
                    table[at], found[n] = n, item
                    n += 1
                place[table[at], source] = rank
                fused[table[at]] += 1.0 / (FUSION + rank)
        for at in range(owed):
            item = forced[indptr[row] + at]
            slot = _slot(table, found, item)
            if table[slot] < 0:
                table[slot], found[n] = n, item
                n += 1
            fused[table[slot]] = np.inf
        best, chosen = np.empty(k, np.float32), np.empty(k, np.int32)
        best_of(fused, found, n, best, chosen)
        for to in range(min(n, k)):
            items[row, to] = chosen[to]
            ranks[row, to] = place[table[_slot(table, found, chosen[to])]]


@numba.njit(cache=True, nogil=True)
def _slot(table, found, item):  # type: ignore[no-untyped-def]
    """Where an item is in the table, or would be."""
    mask = len(table) - 1
    at = (item * 2654435761 >> 7) & mask
    while table[at] >= 0 and found[table[at]] != item:
        at = (at + 1) & mask
    return at


@numba.njit(cache=True, nogil=True, parallel=True)
def _union_parallel(cuts, lists, indptr, forced, items, ranks):  # type: ignore[no-untyped-def]
    for part in numba.prange(len(cuts) - 1):
        _union_rows(cuts[part], cuts[part + 1], lists, indptr, forced, items, ranks)

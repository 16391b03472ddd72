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

FUSION = 60.0
TOP = 20
"""A source's scores are measured against the mean of this many of its best proposals."""


@dataclass(frozen=True)
class Blended:
    """item int32 (B, K), −1 where fewer, best first; ranks float32 (B, K, sources) from 0, NaN where a source did not
    propose the item; scores float32 (B, K, sources), normalised per request, NaN where a source knows nothing of it."""

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
        spans[:, at] = _spans(found.item, found.score)
    n_items = int(max(lists.max(initial=-1), max((m.max(initial=-1) for m in must or []), default=-1))) + 1
    owed = must or []
    indptr = np.concatenate([[0], np.cumsum([len(m) for m in owed])]).astype(np.int64)
    forced = np.concatenate(owed).astype(np.int64) if owed else np.empty(0, np.int64)
    item, ranks = _union(lists, k, n_items, indptr, forced)
    scores = np.empty(ranks.shape, np.float32)
    for at, (name, retriever) in enumerate(retrievers.items()):
        raw = retriever.score_items(requests, item)
        raw[~np.isfinite(raw)] = np.nan
        if proposers is not None and name not in proposers:
            spans[:, at] = _spans(item, -np.sort(-raw, axis=1))
        low, unit = spans[:, at, 0:1], spans[:, at, 1:2]
        scores[:, :, at] = (raw - low) / np.maximum(unit, 1e-12)
    return Blended(item, ranks, scores, sources)


def _spans(items: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(B, 2): the score of a source's last proposal, and how far above it its best ones are on average."""
    there = (items >= 0) & np.isfinite(scores)
    count = there.sum(1)
    values = np.where(there, scores, 0.0)
    low = values[np.arange(len(items)), np.maximum(count - 1, 0)]
    top = values[:, :TOP].sum(1) / np.maximum(np.minimum(count, TOP), 1)
    return np.stack([low, top - low], axis=1).astype(np.float32)


@numba.njit(cache=True, nogil=True)
def _union(lists, k, n_items, indptr, forced):  # type: ignore[no-untyped-def]
    """Each row's proposals without repeats, by reciprocal-rank fusion, and each source's rank of them."""
    n, sources, each = lists.shape
    items = np.full((n, k), -1, np.int32)
    ranks = np.full((n, k, sources), np.nan, np.float32)
    fused = np.zeros(n_items)
    found = np.empty(sources * each + n_items, np.int32)
    place = np.full((n_items, sources), np.nan, np.float32)
    for row in range(n):
        m = 0
        for source in range(sources):
            for rank in range(each):
                item = lists[row, source, rank]
                if item < 0:
                    break
                if fused[item] == 0:
                    found[m] = item
                    m += 1
                fused[item] += 1.0 / (FUSION + rank)
                place[item, source] = rank
        if len(indptr) > 1:
            for at in range(indptr[row], indptr[row + 1]):
                item = forced[at]
                if fused[item] == 0:
                    found[m] = item
                    m += 1
                fused[item] = np.inf
        some = np.sort(found[:m])
        order = np.argsort(-fused[some], kind="mergesort")
        for to in range(min(m, k)):
            item = some[order[to]]
            items[row, to] = item
            ranks[row, to] = place[item]
        for at in range(m):
            fused[found[at]] = 0
            place[found[at]] = np.nan
    return items, ranks

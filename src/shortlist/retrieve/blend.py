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
from shortlist.retrieve.select import in_parts

FUSION = 60.0
LIMIT = 10.0
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
    item, ranks = np.full((n, k), -1, np.int32), np.full((n, k, len(sources)), np.nan, np.float32)
    in_parts(n, _union_rows, _union_parallel, lists, *_forced(must), item, ranks)
    scores = np.empty(ranks.shape, np.float32)
    for at, (name, retriever) in enumerate(retrievers.items()):
        raw = retriever.score_items(requests, item)
        raw[~np.isfinite(raw)] = np.nan
        if proposers is not None and name not in proposers:
            spans[:, at] = _spans(item, -np.sort(-raw, axis=1))
        low, unit = spans[:, at, 0:1], spans[:, at, 1:2]
        # where a source tells its proposals hardly apart, its unit is tiny: nothing is further than LIMIT of them
        scores[:, :, at] = np.clip((raw - low) / np.maximum(unit, 1e-12), -LIMIT, LIMIT)
    return Blended(item, ranks, scores, sources)


def _spans(items: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(B, 2): the score of a source's last proposal, and how far above it its best ones are on average."""
    there = (items >= 0) & np.isfinite(scores)
    count = there.sum(1)
    values = np.where(there, scores, 0.0)
    low = values[np.arange(len(items)), np.maximum(count - 1, 0)]
    top = values[:, :TOP].sum(1) / np.maximum(np.minimum(count, TOP), 1)
    return np.stack([low, top - low], axis=1).astype(np.float32)


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

    Proposals are sorted by item, so that those of one item lie side by side; nothing is as long as the catalogue.
    """
    _, sources, each = lists.shape
    k = items.shape[1]
    for row in range(low, high):
        owed = indptr[row + 1] - indptr[row] if len(indptr) else 0
        width = (sources + 1) * each  # forced items come as from one source more
        entry = np.empty(sources * each + owed, np.int64)
        n = 0
        for source in range(sources):
            for rank in range(each):
                if lists[row, source, rank] < 0:
                    break
                entry[n] = np.int64(lists[row, source, rank]) * width + source * each + rank
                n += 1
        for at in range(owed):
            entry[n] = np.int64(forced[indptr[row] + at]) * width + sources * each
            n += 1
        entry = np.sort(entry[:n])
        found, fused = np.empty(n, np.int32), np.zeros(n)
        place = np.full((n, sources), np.nan, np.float32)
        m = -1
        for at in range(n):
            item, source, rank = entry[at] // width, (entry[at] % width) // each, entry[at] % each
            if m < 0 or found[m] != item:
                m += 1
                found[m] = item
            if source == sources:
                fused[m] = np.inf
            else:
                place[m, source] = rank
                fused[m] += 1.0 / (FUSION + rank)
        order = np.argsort(-fused[: m + 1], kind="mergesort")
        for to in range(min(m + 1, k)):
            items[row, to] = found[order[to]]
            ranks[row, to] = place[order[to]]


@numba.njit(cache=True, nogil=True, parallel=True)
def _union_parallel(cuts, lists, indptr, forced, items, ranks):  # type: ignore[no-untyped-def]
    for part in numba.prange(len(cuts) - 1):
        _union_rows(cuts[part], cuts[part + 1], lists, indptr, forced, items, ranks)

"""Blend: one candidate set from several sources.

Each source proposes its best; the union is ordered by reciprocal-rank fusion, score = Σ_sources 1 / (60 + rank)
(Cormack et al. 2009, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods"), and cut.
Every candidate keeps each source's rank, and each source's score of it whether that source proposed it or not, so
that the ranker can weigh the sources better than any fixed fusion does. Scores are normalised per request: refitting a
source moves its raw scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.retrieve.base import Requests, Retriever, best

FUSION = 60.0


@dataclass(frozen=True)
class Blended:
    """item int32 (B, K), −1 where fewer, best first; ranks float32 (B, K, sources) from 0, NaN where a source did not
    propose the item; scores float32 (B, K, sources), normalised per request, NaN where a source knows nothing of it."""

    item: np.ndarray
    ranks: np.ndarray
    scores: np.ndarray
    sources: list[str]


def blend(
    retrievers: dict[str, Retriever], requests: Requests, k: int, must: list[np.ndarray] | None = None
) -> Blended:
    """The best k candidates of all sources together. `must`: per request, items that are candidates in any case (the
    items that were shown, when training on impressions); they come first and filters do not touch them."""
    n = len(requests)
    sources = list(retrievers)
    dense = [retriever.score(requests) for retriever in retrievers.values()]
    proposed = [best(scores, requests, k).item for scores in dense]
    item = np.full((n, k), -1, np.int32)
    ranks = np.full((n, k, len(sources)), np.nan, np.float32)
    scores_of = np.full((n, k, len(sources)), np.nan, np.float32)
    n_items = dense[0].shape[1]
    place = np.full((len(sources), n_items), np.nan, np.float32)
    for row in range(n):
        place[:] = np.nan
        for source, lists in enumerate(proposed):
            line = lists[row][lists[row] >= 0]
            place[source, line] = np.arange(len(line), dtype=np.float32)
        fused = np.nansum(1.0 / (FUSION + place), axis=0)
        found = np.flatnonzero(fused > 0)
        if must is not None and len(must[row]):
            fused[must[row]] = np.inf
            found = np.union1d(found, must[row])
        if len(found) > k:
            found = found[np.argpartition(-fused[found], k - 1)[:k]]
        found = found[np.lexsort([found, -fused[found]])]
        item[row, : len(found)] = found
        ranks[row, : len(found)] = place[:, found].T
        for source, scores in enumerate(dense):
            scores_of[row, : len(found), source] = _normalised(scores[row], proposed[source][row], found)
    return Blended(item, ranks, scores_of, sources)


def _normalised(scores: np.ndarray, proposed: np.ndarray, items: np.ndarray) -> np.ndarray:
    """A source's scores of some items in units of its own spread: 0 at its last proposal, 1 at its first."""
    proposed = proposed[proposed >= 0]
    values = scores[items].astype(np.float32)
    values[np.isneginf(values)] = np.nan
    if not len(proposed):
        return values * np.nan
    high, low = scores[proposed[0]], scores[proposed[-1]]
    return (values - low) / max(high - low, 1e-12)

"""Blending: one candidate set from several sources.

Each source proposes its best items. The union is ordered by reciprocal-rank fusion, score = Σ_sources 1 / (60 + rank)
(Cormack, Clarke & Büttcher 2009, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods"),
and cut. Every candidate keeps the rank that each source gave it, and the score of each source whether that source proposed
it or not, so that the ranker, or `Fuse`, can weight the sources better than a fixed rule. Scores are normalised per
request, because refitting a source changes its raw scores.

Ranks and scores are properties of a person, an item and a moment: they are measured among the items that the sources
propose without the filters of the request. Otherwise an item would have a better rank, and a higher prediction, the fewer
other items a filter leaves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.data.histories import Histories
from shortlist.features.keys import RequestKeys
from shortlist.features.rows import FeatureRows
from shortlist.retrieve.base import Retriever
from shortlist.retrieve.kernels.parallel import run_rows
from shortlist.retrieve.kernels.select import radix_top_k
from shortlist.retrieve.requests import Requests

RRF_CONSTANT = 60.0
"""Added to each rank in reciprocal-rank fusion."""
LIMIT = 10.0
"""Normalised scores are clipped to ± this."""
TOP = 20
"""A source's scores are normalised by the mean of this many of its best proposals."""


@dataclass(frozen=True)
class Blended:
    """Candidates of several sources.

    Attributes
    ----------
    item
        int32 (B, K): item codes, best first, −1 where there are fewer.
    ranks
        float32 (B, K, sources): rank from 0 among the proposals without filters, NaN where a source did not propose the
        item.
    scores
        float32 (B, K, sources): normalised by the proposals without filters, NaN where a source has no score of the item.
    sources
        Names of the sources.
    """

    item: NDArray[np.int32]
    ranks: NDArray[np.float32]
    scores: NDArray[np.float32]
    sources: list[str]

    def feature_rows(
        self, keys: RequestKeys, moments: NDArray[np.int64], histories: Histories
    ) -> FeatureRows:
        """Return the candidates as rows for the ranker, those of a request side by side.

        Parameters
        ----------
        keys
            Users and contexts of the B requests.
        moments
            int64 (B,), the time of each request, ms.
        histories
            The whole history of each request.
        """
        found = self.item >= 0
        if found.all():  # most requests: views instead of gathers
            sources = len(self.sources)
            return FeatureRows(
                keys,
                moments,
                histories,
                np.repeat(np.arange(len(self.item)), self.item.shape[1]),
                self.item.reshape(-1),
                self.sources,
                self.ranks.reshape(-1, sources),
                self.scores.reshape(-1, sources),
            )
        return FeatureRows(
            keys,
            moments,
            histories,
            np.repeat(np.arange(len(self.item)), found.sum(1)),
            self.item[found],
            self.sources,
            self.ranks[found],
            self.scores[found],
        )

    def __repr__(self) -> str:
        return f"Blended({self.item.shape[0]} requests, K={self.item.shape[1]}, sources={self.sources})"


def blend(
    retrievers: Mapping[str, Retriever],
    requests: Requests,
    k: int,
    required: Sequence[NDArray[np.integer]] | None = None,
    each: int | None = None,
    proposers: Collection[str] | None = None,
    n_items: int | None = None,
) -> Blended:
    """Return the best k candidates of all sources together.

    Parameters
    ----------
    retrievers
        The sources by name.
    requests
        B requests. With filters, the sources are asked twice: with them for the candidates, without them for their ranks.
    k
        Number of candidates of each request.
    required
        For each request, items that are candidates in any case (the items that were shown, when training on
        impressions). They come first, and filters do not apply to them.
    each
        Number of items that each source proposes (default: k).
    proposers
        The sources that propose (default: all); the others only score what those propose.
    n_items
        Size of the catalogue. Where it is given, requests for which the sources propose fewer than k items are filled
        with other items that are allowed, those with the highest codes (added last) first.
    """
    n, sources = len(requests), list(retrievers)
    each = each or k
    asked = {name: r for name, r in retrievers.items() if proposers is None or name in proposers}
    unfiltered = requests.without_filters()
    spans = np.zeros((n, len(sources), 2), np.float32)  # origin and unit of each source's normalised scores
    lists = _propose(asked, sources, unfiltered, each, spans)
    whole, ranks = _union(lists, k, required)
    item = whole
    if requests.is_filtered:
        # where every allowed item can be a candidate, the sources need not choose
        few = n_items is not None and np.count_nonzero(requests.filters()[0]) <= k
        item, _ = _union(lists[:, :, :0] if few else _propose(asked, sources, requests, each), k, required)
    if n_items is not None and k and bool((item[:, -1] < 0).any()):
        run_rows(n, _fill_rows, *requests.filters(), n_items, item)
    if requests.is_filtered:
        ranks = np.full(ranks.shape, np.nan, np.float32)
        run_rows(n, _rank_rows, lists, item, ranks)
    scores = np.empty(ranks.shape, np.float32)
    for at, (name, retriever) in enumerate(retrievers.items()):
        raw = retriever.score_items(unfiltered, item)
        if name not in asked:
            of_all = raw if whole is item else retriever.score_items(unfiltered, whole)
            falling = -np.sort(-np.where(np.isfinite(of_all), of_all, np.float32(-np.inf)), axis=1)
            _measure_spans(whole, falling, spans[:, at])
        _normalise(raw, spans[:, at], scores[:, :, at])
    return Blended(item, ranks, scores, sources)


def blend_given(
    retrievers: Mapping[str, Retriever], requests: Requests, given: Sequence[NDArray[np.integer]], each: int
) -> Blended:
    """Return given items of each request, in their order, with the ranks and scores that the sources give them.

    They are those that `blend` gives these items, without a union with what the sources propose.

    Parameters
    ----------
    retrievers
        The sources by name.
    requests
        B requests. Their filters have no effect.
    given
        For each request, int (items,): distinct item codes.
    each
        Number of items that each source proposes.
    """
    sources, unfiltered = list(retrievers), requests.without_filters()
    spans = np.zeros((len(given), len(sources), 2), np.float32)
    lists = _propose(retrievers, sources, unfiltered, each, spans)
    item = np.full((len(given), max(1, *map(len, given))), -1, np.int32)
    for row, items in enumerate(given):
        item[row, : len(items)] = items
    ranks = np.full((*item.shape, len(sources)), np.nan, np.float32)
    run_rows(len(given), _rank_rows, lists, item, ranks)
    scores = np.empty(ranks.shape, np.float32)
    for at, retriever in enumerate(retrievers.values()):
        _normalise(retriever.score_items(unfiltered, item), spans[:, at], scores[:, :, at])
    return Blended(item, ranks, scores, sources)


def _union(
    lists: NDArray[np.int32], k: int, required: Sequence[NDArray[np.integer]] | None
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the best k items of the lists by reciprocal-rank fusion, int32 (B, k), and their ranks, (B, k, sources)."""
    n, sources = lists.shape[:2]
    item, ranks = np.full((n, k), -1, np.int32), np.full((n, k, sources), np.nan, np.float32)
    run_rows(n, _union_rows, np.ascontiguousarray(lists), *_ragged(required), item, ranks)
    return item, ranks


def _propose(
    asked: Mapping[str, Retriever],
    sources: Sequence[str],
    requests: Requests,
    each: int,
    spans: NDArray[np.float32] | None = None,
) -> NDArray[np.int32]:
    """Return the proposals of the sources that are asked, int32 (B, sources, each); write their spans where wanted."""
    lists = np.full((len(requests), len(sources), each), -1, np.int32)
    for at, name in enumerate(sources):
        if name in asked:
            found = asked[name].retrieve(requests, each)
            lists[:, at, : found.item.shape[1]] = found.item
            if spans is not None:
                _measure_spans(found.item, found.score, spans[:, at])
    return lists


@numba.njit(cache=True, nogil=True)
def _measure_spans(items: NDArray[np.int32], scores: NDArray[np.float32], spans: NDArray[np.float32]) -> None:
    """Write the score of a source's last proposal, and the distance of the mean of its best ones from it, (B, 2)."""
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
def _normalise(raw: NDArray[np.float32], spans: NDArray[np.float32], scores: NDArray[np.float32]) -> None:
    """Write normalised scores. Clipped, because the unit is tiny where a source gives all proposals nearly one score."""
    for row in range(len(raw)):
        unit = max(spans[row, 1], np.float32(1e-12))
        for at in range(raw.shape[1]):
            if np.isfinite(raw[row, at]):
                scores[row, at] = min(max((raw[row, at] - spans[row, 0]) / unit, -LIMIT), LIMIT)
            else:
                scores[row, at] = np.nan


def _ragged(
    required: Sequence[NDArray[np.integer]] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return lists of items as indptr and items; empty arrays for none."""
    if not required:
        return np.empty(0, np.int64), np.empty(0, np.int32)
    indptr = np.concatenate([[0], np.cumsum([len(part) for part in required])]).astype(np.int64)
    return indptr, np.concatenate(required).astype(np.int32)


@numba.njit(cache=True, nogil=True)
def _union_rows(
    low: int,
    high: int,
    lists: NDArray[np.int32],
    indptr: NDArray[np.int64],
    forced: NDArray[np.int32],
    items: NDArray[np.int32],
    ranks: NDArray[np.float32],
) -> None:
    """Write the distinct proposals of each row by reciprocal-rank fusion, and the rank of each source.

    Proposals are joined in a small hash table; no array is as long as the catalogue.
    """
    _, sources, each = lists.shape
    k = items.shape[1]
    for row in range(low, high):
        n_forced = indptr[row + 1] - indptr[row] if len(indptr) else 0
        most = sources * each + n_forced
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
                fused[table[at]] += 1.0 / (RRF_CONSTANT + rank)
        for at in range(n_forced):
            item = forced[indptr[row] + at]
            slot = _slot(table, found, item)
            if table[slot] < 0:
                table[slot], found[n] = n, item
                n += 1
            fused[table[slot]] = np.inf
        best, chosen = np.empty(k, np.float32), np.empty(k, np.int32)
        radix_top_k(fused, found, n, best, chosen)
        for to in range(min(n, k)):
            items[row, to] = chosen[to]
            ranks[row, to] = place[table[_slot(table, found, chosen[to])]]


@numba.njit(cache=True, nogil=True)
def _rank_rows(
    low: int, high: int, lists: NDArray[np.int32], items: NDArray[np.int32], ranks: NDArray[np.float32]
) -> None:
    """Write the rank of each row's candidates in the lists of the sources; NaN stays where a list does not hold them."""
    k = items.shape[1]
    size = 16
    while size < 2 * k:
        size *= 2
    for row in range(low, high):
        table = np.full(size, -1, np.int32)
        for at in range(k):
            if items[row, at] >= 0:
                table[_slot(table, items[row], items[row, at])] = at
        for source in range(lists.shape[1]):
            for rank in range(lists.shape[2]):
                item = lists[row, source, rank]
                if item < 0:
                    break
                at = table[_slot(table, items[row], item)]
                if at >= 0:
                    ranks[row, at, source] = rank


@numba.njit(cache=True, nogil=True)
def _fill_rows(
    low: int,
    high: int,
    allowed: NDArray[np.bool_],
    indptr: NDArray[np.int64],
    excluded: NDArray[np.int64],
    n_items: int,
    items: NDArray[np.int32],
) -> None:
    """Fill the free places of each row with other permitted items, the highest codes first."""
    k = items.shape[1]
    for row in range(low, high):
        n = k
        while n > 0 and items[row, n - 1] < 0:
            n -= 1
        if n == k:
            continue
        blocked = {np.int64(-1)}
        for at in range(n):
            blocked.add(np.int64(items[row, at]))
        if len(indptr):
            for at in range(indptr[row], indptr[row + 1]):
                blocked.add(np.int64(excluded[at]))
        for code in range(n_items - 1, -1, -1):
            if (len(allowed) == 0 or allowed[code]) and np.int64(code) not in blocked:
                items[row, n] = code
                n += 1
                if n == k:
                    break


@numba.njit(cache=True, nogil=True)
def _slot(table: NDArray[np.int32], found: NDArray[np.int32], item: int) -> int:
    """Return the slot of an item in the hash table, or the free slot where it belongs."""
    mask = len(table) - 1
    at = (item * 2654435761 >> 7) & mask
    while table[at] >= 0 and found[table[at]] != item:
        at = (at + 1) & mask
    return at

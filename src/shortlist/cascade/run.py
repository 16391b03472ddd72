"""The cascade: retrieve → rank → re-rank, as a pure function of a model, a state and requests.

`Cascade.run` is re-entrant. It keeps nothing between calls: what it needs to write belongs to the call, so threads, a
canary, a shadow and a model check can run it at the same time on the same objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.catalogue import Catalogue
from shortlist.cascade.encode import EncodedBatch, ResolvedRequest, Resolver, encode
from shortlist.cascade.locks import single_threaded_blas
from shortlist.cascade.model import Model
from shortlist.cascade.propose import only, propose
from shortlist.cascade.stage_times import StageTimes
from shortlist.cascade.state import LiveState
from shortlist.config.short_repr import ShortRepr
from shortlist.data.ids import random_id
from shortlist.features.rows import FeatureRows
from shortlist.requests import RecommendRequest
from shortlist.rerank.cold_start import MAX_CANDIDATES, ColdStartSlot
from shortlist.rerank.earlier_pages import EarlierPages
from shortlist.rerank.exploration import ExplorationPolicy, explore

BATCH = 128
"""Requests that are answered together at most."""


@dataclass(frozen=True, repr=False)
class ScoredBatch:
    """The candidates of a batch with features, predictions and utility.

    Attributes
    ----------
    requests
        The requests, in order; those of row b have the candidates `bounds[b]:bounds[b + 1]`.
    rows
        Candidates as feature rows.
    matrix
        float32 (rows, features): what the ranker read.
    predictions
        float32 (rows, objectives), calibrated.
    utility
        float64 (rows,).
    earlier
        For each request, the pages before this one, scored. Their items are no candidates. None: all requests are for a first page.
    """

    catalogue: Catalogue
    requests: Sequence[ResolvedRequest]
    encoded: EncodedBatch
    rows: FeatureRows
    matrix: NDArray[np.float32]
    predictions: NDArray[np.float32]
    utility: NDArray[np.float64]
    bounds: NDArray[np.int64]
    known: list[bool]
    earlier: list[EarlierPages] | None = None

    def of(self, row: int) -> slice:
        """The candidates of one request."""
        return slice(int(self.bounds[row]), int(self.bounds[row + 1]))

    def __repr__(self) -> str:
        return f"ScoredBatch({len(self.requests)} requests, {len(self.rows.item):,} candidates)"


@dataclass(frozen=True, repr=False)
class RankedSlate:
    """The chosen candidates of one request, best first.

    `chosen` int64 (≤ n,) are rows of the batch, `chance` float64 the probability of each in its slot.
    """

    slate_id: str
    row: int
    chosen: NDArray[np.int64]
    chance: NDArray[np.float64]

    def __repr__(self) -> str:
        return f"RankedSlate({self.slate_id}, {len(self.chosen)} items)"


@dataclass(frozen=True, repr=False)
class RankedBatch(ShortRepr):
    """One batch: its scored candidates and a slate for each request."""

    scored: ScoredBatch
    slates: list[RankedSlate]


@dataclass(frozen=True, repr=False)
class Ranked:
    """The answer of the cascade to some requests.

    Attributes
    ----------
    batches
        The batches they were answered in.
    places
        For each request, the number of its batch and its row there.
    times
        Seconds of each stage, over all batches.
    """

    batches: list[RankedBatch]
    places: list[tuple[int, int]]
    times: StageTimes

    def __len__(self) -> int:
        return len(self.places)

    def __repr__(self) -> str:
        return f"Ranked({len(self.places)} requests in {len(self.batches)} batches)"


class Cascade:
    """Answers requests with a model and a state; holds nothing itself."""

    @staticmethod
    def resolve(
        model: Model,
        state: LiveState,
        requests: Sequence[RecommendRequest],
        catalogue: Catalogue | None = None,
    ) -> list[ResolvedRequest]:
        """Check requests against a model, and a catalogue (default: that of the state). Raises `RequestError` for the first one that is wrong."""
        resolver = Resolver(model, state, catalogue)
        return [resolver(request) for request in requests]

    @staticmethod
    def run(
        model: Model,
        state: LiveState,
        requests: Sequence[RecommendRequest | ResolvedRequest],
        times: StageTimes | None = None,
    ) -> Ranked:
        """Answer requests: every stage, for all of them.

        Requests of the same moment and filters are answered together, up to 128 at a time; each answer is the same as
        for the request alone.
        """
        times = StageTimes() if times is None else times
        resolver = Resolver(model, state)
        resolved = [r if isinstance(r, ResolvedRequest) else resolver(r) for r in requests]
        batches: list[RankedBatch] = []
        places: list[tuple[int, int]] = [(0, 0)] * len(resolved)
        for part in _parts(resolved):
            scored = Cascade.score(model, state, [resolved[at] for at in part], times)
            with state.reading(scored.requests[0].moment):
                slates = [rerank(model, state, scored, row) for row in range(len(part))]
            times("rerank")
            for row, at in enumerate(part):
                places[at] = len(batches), row
            batches.append(RankedBatch(scored, slates))
        return Ranked(batches, places, times)

    @staticmethod
    def score(
        model: Model,
        state: LiveState,
        batch: Sequence[ResolvedRequest],
        times: StageTimes | None = None,
        required: Sequence[NDArray[np.integer]] | None = None,
        only_required: bool = False,
    ) -> ScoredBatch:
        """Candidates of one batch (at most 128 requests of one batch key) with predictions and utility.

        `required`: for each request, item codes that are candidates in any case, for example what another model showed;
        with `only_required`, only they are scored. Their predictions are the same: sources rank them among all candidates.
        """
        lap = StageTimes() if times is None else times
        moment = batch[0].moment
        with single_threaded_blas() if len(batch) > 1 else nullcontext(), state.reading(moment):
            encoded = encode(model, state, batch)
            lap("request")
            later = required is None and any(one.earlier.slots for one in batch)
            rows = propose(model, state, encoded, batch, required)
            if only_required:
                rows = only(rows, required or [])
            lap("retrieve")
            scored = score_rows(model, state, batch, encoded, rows, lap)
            return _without_shown(scored) if later else scored


def score_rows(
    model: Model,
    state: LiveState,
    batch: Sequence[ResolvedRequest],
    encoded: EncodedBatch,
    rows: FeatureRows,
    lap: StageTimes,
) -> ScoredBatch:
    """Compute features, predictions and utility of the candidates of one batch. Call it while `state.reading` holds."""
    if encoded.shown is not None:
        rows = replace(rows, shown=encoded.shown)
    matrix = model.features.online_matrix(rows, state.counters, state.item_features)
    known = [
        bool(code >= 0) or state.histories.has_new_events(one.user)
        for code, one in zip(encoded.codes, batch, strict=True)
    ]
    lap("features")
    if len(matrix):
        predictions = model.ranker.predict(matrix)
    else:
        predictions = np.empty((0, len(model.objectives)), np.float32)
    bounds = rows.bounds
    utility = _utility(batch, predictions, bounds)
    lap("rank")
    catalogue = batch[0].catalogue
    return ScoredBatch(catalogue, batch, encoded, rows, matrix, predictions, utility, bounds, known)


def _parts(resolved: Sequence[ResolvedRequest]) -> list[list[int]]:
    """Positions of requests that are answered together."""
    if len(resolved) == 1:
        return [[0]]
    groups: dict[tuple[int, int, int, int], list[int]] = {}
    for at, one in enumerate(resolved):
        groups.setdefault(one.batch_key, []).append(at)
    return [
        group[start : start + BATCH] for group in groups.values() for start in range(0, len(group), BATCH)
    ]


def _without_shown(scored: ScoredBatch) -> ScoredBatch:
    """Take the items of earlier pages from the candidates. Ranks in the sources stay, so predictions are those of the first page."""
    earlier: list[EarlierPages] = []
    shown = np.zeros(len(scored.rows.item), bool)
    for row, one in enumerate(scored.requests):
        part, pages = scored.of(row), one.earlier
        items = scored.rows.item[part]
        shown[part] = np.isin(items, pages.items)
        at = part.start + _positions(items, pages.items)
        earlier.append(pages.scored(scored.utility[at], scored.predictions[at]))
    rows = scored.rows.some(~shown)
    return replace(
        scored,
        rows=rows,
        matrix=scored.matrix[~shown],
        predictions=scored.predictions[~shown],
        utility=scored.utility[~shown],
        bounds=rows.bounds,
        earlier=earlier,
    )


def _positions(items: NDArray[np.int32], wanted: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return where items are, which are all there: int64 (wanted,)."""
    by_code = np.argsort(items)
    return by_code[np.searchsorted(items, wanted, sorter=by_code)]


def _utility(
    batch: Sequence[ResolvedRequest], predictions: NDArray[np.float32], bounds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Each request's own utility of its candidates; requests with the same weights are computed at once."""
    utility = np.empty(len(predictions))
    start = 0
    while start < len(batch):
        end = start + 1
        while end < len(batch) and batch[end].utility is batch[start].utility:
            end += 1
        part = slice(int(bounds[start]), int(bounds[end]))
        utility[part] = batch[start].utility.utility(predictions[part])
        start = end
    return utility


def rerank(model: Model, state: LiveState, scored: ScoredBatch, row: int) -> RankedSlate:
    """Choose the slate of one request from its candidates. Call it while `state.reading` holds."""
    resolved, part = scored.requests[row], scored.of(row)
    request, strengths, settings = resolved.request, resolved.strengths, model.project.rerank
    slate_id = random_id()
    # without a seed the slate's id is one, so that a logged slate can be reproduced
    seed = int(slate_id[:15], 16) if request.seed is None else request.seed
    items = scored.rows.item[part]
    utility, earlier = guarded(scored, row)
    shares = None
    if strengths.calibration > 0:
        shares = genre_shares(scored, row)
    n, first = request.size, earlier.slots
    order = resolved.pipeline.rerank(items, utility, n, resolved.moment, strengths, shares, earlier)
    ranked, trial = len(order), None
    if strengths.cold_start and state.cold_start is not None and not first:  # one slot for all pages
        order, trial = _trial(model, state, scored, row, order)
    policy = ExplorationPolicy(strengths.explore, settings.explore_way, max(settings.explore_from - first, 0))
    chosen, chance = explore(ranked, n, policy, seed, trial)
    return RankedSlate(slate_id, row, part.start + order[chosen], chance)


def guarded(scored: ScoredBatch, row: int) -> tuple[NDArray[np.float64], EarlierPages]:
    """Return the utility of one request's candidates with its guard-rails, float64 (candidates,), and its earlier pages likewise."""
    resolved, part = scored.requests[row], scored.of(row)
    by, n, utility, predictions = (
        resolved.utility,
        resolved.request.size,
        scored.utility[part],
        scored.predictions[part],
    )
    if scored.earlier is None:
        return by.guarded(utility, predictions, n), resolved.earlier
    pages = scored.earlier[row]
    both = np.concatenate([utility, pages.utility])
    both = by.guarded(both, np.concatenate([predictions, pages.predictions]), n, len(pages.items))
    rows = len(utility)
    return both[:rows], replace(pages, utility=both[rows:])


def genre_shares(scored: ScoredBatch, row: int) -> NDArray[np.float64] | None:
    """Shares of one request's recent history over the values that slates are calibrated to."""
    histories = scored.encoded.requests.histories
    low, high = histories.indptr[row : row + 2]
    return scored.catalogue.pipeline.taste(histories.item[low:high])


def _trial(
    model: Model, state: LiveState, scored: ScoredBatch, row: int, order: NDArray[np.int64]
) -> tuple[NDArray[np.int64], ColdStartSlot | None]:
    """The new items among the candidates as a trial, with the order lengthened by those that are not in it."""
    cold, catalogue = state.cold_start, scored.catalogue
    assert cold is not None
    resolved, part = scored.requests[row], scored.of(row)
    items, predictions = scored.rows.item[part], scored.predictions[part]
    rows = np.flatnonzero(cold.is_new(items, catalogue.first_seen[items], resolved.moment))
    pool = np.concatenate([resolved.earlier.items, items[order]])
    rows = rows[catalogue.pipeline.within_exposure_cap(items[rows], pool)]
    if not len(rows):
        return order, None
    rows = rows[np.argsort(cold.impressions(items[rows]), kind="stable")][:MAX_CANDIDATES]
    objective = model.project.relevant
    if model.project.objectives[objective].kind == "probability":
        predicted = predictions[rows, model.objectives.index(objective)].astype(np.float64)
    else:
        predicted = np.full(len(rows), cold.base_rate)
    mean, deviation = cold.posterior(items[rows], predicted)
    longer = np.concatenate([order, np.setdiff1d(rows, order)])
    by_row = np.argsort(longer)
    place = by_row[np.searchsorted(longer, rows, sorter=by_row)]
    slot = model.project.rerank.new_items.slot
    return longer, ColdStartSlot(resolved.strengths.cold_start, slot, place, mean, deviation)

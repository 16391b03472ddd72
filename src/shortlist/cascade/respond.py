"""Build the response: titles, predictions, sources, reasons and propensities of the chosen items."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.answer_warnings import user_warning
from shortlist.cascade.encode import ResolvedRequest
from shortlist.cascade.model import Model
from shortlist.cascade.reasons import reasons
from shortlist.cascade.run import Ranked, RankedSlate, ScoredBatch
from shortlist.data.cursor import Cursor
from shortlist.data.slates import Recommendation, Slate
from shortlist.rerank.strengths import RerankStrengths


def respond(model: Model, ranked: Ranked) -> list[Slate]:
    """One slate a request, in the order of the requests."""
    found: list[list[Slate]] = []
    for batch in ranked.batches:
        scored = batch.scored
        rows = np.concatenate([slate.chosen for slate in batch.slates])
        chances = np.concatenate([slate.chance for slate in batch.slates])
        items = iter(recommendations(model, scored, rows, chances))
        made = []
        for slate, resolved, known in zip(batch.slates, scored.requests, scored.known, strict=True):
            request = resolved.request
            page = request.cursor if isinstance(request.cursor, Cursor) else request.first_page
            made.append(
                Slate(
                    slate.slate_id,
                    request.user,
                    known,
                    [next(items) for _ in slate.chosen],
                    model.version,
                    list(resolved.unknown_items),
                    _guard_rails(model, scored, slate),
                    policy_name(model, resolved),
                    warnings_of(model, resolved, known),
                    first_position=len(page.items),
                    page=page.begun(resolved.moment) if len(slate.chosen) == request.size else None,
                    placement=request.placement or "",
                )
            )
        found.append(made)
    slates = [found[batch][row] for batch, row in ranked.places]
    ranked.times("slate")
    return slates


def warnings_of(model: Model, resolved: ResolvedRequest, known: bool) -> list[str]:
    """Sentences about parts of the request that had no effect."""
    request = resolved.request
    if known or request.user is None or request.history is not None:
        return list(resolved.warnings)
    return [*resolved.warnings, *user_warning(request.user, model.dataset.users.ids)]


def recommendations(
    model: Model, scored: ScoredBatch, rows: NDArray[np.int64], chances: NDArray[np.float64] | None = None
) -> list[Recommendation]:
    """Some candidates in full: rows int64 of the batch, those of one request side by side; chances float64 (rows,), default: 1.

    Python objects are made here and not before.
    """
    taken = scored.rows.item[rows]
    sources = _sources(scored.rows.sources, scored.rows.ranks[rows])
    titles, ids = scored.catalogue.items.titles, scored.catalogue.items.ids
    why = reasons(scored, scored.rows.request[rows], taken, model.dataset.log.kinds, sources)
    predictions: list[dict[str, float]] = [{} for _ in range(len(rows))]
    for name, column in zip(model.objectives, scored.predictions[rows].T.tolist(), strict=True):
        for one, value in zip(predictions, column, strict=True):
            one[name] = value
    return list(
        map(
            Recommendation,
            ids.ids(taken),
            titles.some(taken),
            scored.utility[rows].tolist(),
            predictions,
            sources,
            why,
            repeat(1.0) if chances is None else chances.tolist(),
        )
    )


def _sources(names: list[str], ranks: NDArray[np.float32]) -> list[dict[str, int]]:
    """Which sources proposed each item, and at which rank; ranks float32 (rows, sources), NaN where one did not."""
    found: list[dict[str, int]] = [{} for _ in range(len(ranks))]
    flat, n = ranks.ravel(), len(names)
    places = np.flatnonzero(~np.isnan(flat))
    for place, rank in zip(places.tolist(), flat[places].astype(np.int64).tolist(), strict=True):
        found[place // n][names[place % n]] = rank
    return found


def policy_name(model: Model, resolved: ResolvedRequest) -> str:
    """Name the policy that chose a slate: the model's version and a digest of weights and re-ranking strengths."""
    utility, boosts, catalogue = resolved.utility, resolved.request.boosts, resolved.catalogue
    # a placement counts where it has rules of its own
    own_rules = catalogue.pipeline_at(resolved.request.placement) is not catalogue.pipeline
    digest = _policy_digest(
        utility.weights.tobytes(),
        utility.combine,
        utility.limits,
        resolved.strengths,
        repr(boosts) if boosts else "",
        model.settings,
        f"{resolved.request.placement}" if own_rules else "",
    )
    return f"{model.version}-{digest}"


@lru_cache(maxsize=4096)
def _policy_digest(
    weights: bytes,
    combine: str,
    limits: tuple[tuple[int, float], ...],
    strengths: RerankStrengths,
    boosts: str,
    settings: str,
    placement: str,
) -> str:
    """Return six hexadecimal digits; few policies are in use at once, and the digest of each is computed once.

    weights: float64 (objectives,), as bytes.
    """
    s = strengths
    values = s.diversity, s.freshness, s.calibration, s.explore, s.cold_start
    facts = f"{np.frombuffer(weights).tolist()}{combine}{limits}{values}{boosts}{settings}{placement}"
    return hashlib.blake2b(facts.encode(), digest_size=3).hexdigest()


def _guard_rails(model: Model, scored: ScoredBatch, slate: RankedSlate) -> dict[str, dict[str, float]]:
    """How far a slate keeps to each guard-rail: what the request asks for, and the mean of the items of all pages so far."""
    limits = scored.requests[slate.row].utility.limits
    if not limits:
        return {}
    shown = scored.predictions[slate.chosen]
    if scored.earlier is not None:
        shown = np.concatenate([scored.earlier[slate.row].predictions, shown])
    return {
        model.objectives[at]: {"asked": least, "reached": float(shown[:, at].mean()) if len(shown) else 0.0}
        for at, least in limits
    }

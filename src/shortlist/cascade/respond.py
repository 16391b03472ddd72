"""From chosen candidates to a slate that is said in full: titles, predictions, sources, reasons, chances; and the names of what chose."""

from __future__ import annotations

import hashlib
from dataclasses import astuple
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from shortlist.cascade.reasons import reasons
from shortlist.data.slates import Recommendation
from shortlist.features.rows import FeatureRows
from shortlist.rank.utility import UtilityWeights
from shortlist.rerank.cold_start import MAX_CANDIDATES, ColdStartSlot
from shortlist.rerank.strengths import RerankStrengths
from shortlist.retrieve import Requests

if TYPE_CHECKING:
    from shortlist.recommender import Recommender


def trial_of(
    recommender: Recommender,
    items: np.ndarray,
    predictions: np.ndarray,
    order: np.ndarray,
    share: float,
    moment: int,
) -> tuple[np.ndarray, ColdStartSlot | None]:
    """The new items among candidates, as a trial over rows of the order, which is lengthened by those that are not in it."""
    assert recommender.newcomers is not None
    new = recommender.newcomers
    rows = np.flatnonzero(new.is_new(items, recommender.arrange.first_seen[items], moment))
    rows = rows[recommender.arrange.within_exposure_cap(items[rows], items[order])]
    if not len(rows):
        return order, None
    rows = rows[np.argsort(new.impressions(items[rows]), kind="stable")][:MAX_CANDIDATES]
    objective = recommender.project.relevant
    names = list(recommender.project.objectives)
    if recommender.project.objectives[objective].kind == "probability":
        predicted = predictions[rows, names.index(objective)].astype(np.float64)
    else:
        predicted = np.full(len(rows), new.base_rate)
    mean, deviation = new.posterior(items[rows], predicted)
    longer = np.concatenate([order, np.setdiff1d(rows, order)])
    by_row = np.argsort(longer)
    place = by_row[np.searchsorted(longer, rows, sorter=by_row)]
    slot = recommender.project.rerank.new_items.slot
    return longer, ColdStartSlot(share, slot, place, mean, deviation)


def in_full(
    recommender: Recommender,
    requests: Requests,
    rows: FeatureRows,
    places: np.ndarray,
    predictions: np.ndarray,
    utility: np.ndarray,
    chance: np.ndarray,
) -> list[Recommendation]:
    """The items of slates, in full. places: their rows of the batch, those of a request side by side. Python objects are made here and
    not before.
    """
    taken = rows.item[places]
    sources = [
        {name: int(rank) for name, rank in zip(rows.sources, ranks, strict=True) if rank == rank}
        for ranks in rows.ranks[places].tolist()
    ]
    data, names = recommender.dataset, list(recommender.project.objectives)
    titles = data.items.titles
    why = reasons(
        recommender.retrievers, requests, rows.request[places], taken, titles, data.log.kinds, sources
    )
    return [
        Recommendation(own, title, worth, dict(zip(names, p, strict=True)), source, said, c)
        for own, title, worth, p, source, said, c in zip(
            data.items.ids.ids(taken),
            titles.some(taken),
            utility[places].tolist(),
            predictions[places].tolist(),
            sources,
            why,
            chance.tolist(),
            strict=True,
        )
    ]


def policy_name(version: str, wish: UtilityWeights, strengths: RerankStrengths) -> str:
    """What chose the slates, in a few letters: the model, and a digest of what was wanted of it."""
    return f"{version}-{_digest(tuple(wish.weights.tolist()), wish.combine, wish.limits, strengths)}"


@lru_cache(maxsize=1000)
def _digest(
    weights: tuple[float, ...], combine: str, limits: tuple[Any, ...], strengths: RerankStrengths
) -> str:
    wanted = f"{list(weights)}{combine}{limits}{astuple(strengths)}"
    return hashlib.blake2b(wanted.encode(), digest_size=3).hexdigest()


def guard_rails(names: list[str], wish: UtilityWeights, shown: np.ndarray) -> dict[str, dict[str, float]]:
    """How far a slate keeps to each guard-rail: what was asked for, and what its items reach."""
    return {
        names[at]: {"asked": least, "reached": float(shown[:, at].mean()) if len(shown) else 0.0}
        for at, least in wish.limits
    }

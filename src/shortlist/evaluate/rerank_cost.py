"""The cost of re-ranking in predicted utility, and a preview of other settings.

A slate that is diverse, fair or pinned has a lower predicted utility than the best slate by utility alone. Each part of
the settings is removed by itself, everything else stays, and slates are made with and without it for the same people:

    cost = (utility without − utility with) / utility without

This is the prediction for one slate. It does not contain long-term effects, for example less boredom; experiments and
`shortlist simulate` measure those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.encode import ResolvedRequest, values_of
from shortlist.cascade.inspect import candidates
from shortlist.config.project import Project
from shortlist.config.rerank import RerankSettings
from shortlist.metrics.significance import Estimate, bootstrap
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest
from shortlist.rerank.pipeline import RerankPipeline
from shortlist.rerank.strengths import RerankStrengths

DRAWS = 500
STRENGTHS = ("diversity", "freshness", "calibration")
Codes = NDArray[np.int32]
Floats = NDArray[np.float64]
Part = tuple[str, RerankSettings, RerankStrengths]
"""A part of the settings: its name, and the settings and strengths without it."""


@dataclass(frozen=True)
class RerankCost:
    """The cost of one part of the re-ranking.

    Attributes
    ----------
    part : str
        The name of the part.
    price : Estimate
        The share of the predicted utility of a slate that it costs.
    changed : float
        The share of slates that it changes.
    """

    part: str
    price: Estimate
    changed: float

    def to_json(self) -> dict[str, Any]:
        """Return the cost as JSON values."""
        return {"part": self.part, "price": self.price.to_json(), "changed": self.changed}


@dataclass
class RerankPreview:
    """The effect of other re-ranking settings on the slates of the same people.

    Attributes
    ----------
    people : int
        The number of people.
    changed : float
        The share of slates with other items.
    price : Estimate
        The cost of the new settings compared with the present ones.
    gains, losses : list of (str, int)
        Titles of items on more or fewer slates, and by how many.
    parts : list of RerankCost
        The cost of each part of the new settings.
    """

    people: int
    changed: float
    price: Estimate
    gains: list[tuple[str, int]]
    losses: list[tuple[str, int]]
    parts: list[RerankCost] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"RerankPreview({self.people} people, {self.changed:.0%} of the slates change)"

    def to_json(self) -> dict[str, Any]:
        """Return the preview as JSON values."""
        return {
            "people": self.people,
            "changed": self.changed,
            "price": self.price.to_json(),
            "gains": [{"title": title, "slates": n} for title, n in self.gains],
            "losses": [{"title": title, "slates": n} for title, n in self.losses],
            "parts": [part.to_json() for part in self.parts],
        }


def default_strengths(settings: RerankSettings) -> RerankStrengths:
    """Return the strengths for a request that sets none, without exploration."""
    return RerankStrengths(settings.diversity, settings.freshness, settings.calibration)


def rerank_parts(settings: RerankSettings) -> list[Part]:
    """Return each active part of the settings."""
    strengths = default_strengths(settings)
    parts: list[Part] = []
    for name in ("diversity", "freshness", "calibration"):
        if getattr(strengths, name) > 0 and not (name == "diversity" and strengths.calibration > 0):
            parts.append((name, settings, replace(strengths, **{name: 0.0})))
    if settings.exposure_by is not None and settings.exposure_cap is not None:
        parts.append(("exposure cap", settings.model_copy(update={"exposure_cap": None}), strengths))
    for number, fair in enumerate(settings.fair):
        others = [share for n, share in enumerate(settings.fair) if n != number]
        name = f"fair share: {', '.join(fair.values)}"
        parts.append((name, settings.model_copy(update={"fair": others}), strengths))
    for rule in settings.rules:
        rules = [other for other in settings.rules if other is not rule]
        parts.append((f"rule: {rule.name}", settings.model_copy(update={"rules": rules}), strengths))
    return parts


def rerank_costs(
    recommender: Recommender, users: Sequence[Any], n: int = 10, seed: int = 0
) -> list[RerankCost]:
    """Return the cost of every part of a recommender's re-ranking settings, for slates of n items made now."""
    settings = recommender.project.rerank
    candidates = _RankedCandidates(recommender, users, RecommendRequest(n=n))
    return _costs(candidates, recommender.state.catalogue.pipeline, settings, seed)


def rerank_of(project: Project, placement: str) -> RerankSettings:
    """Return the re-ranking of requests in a placement: the project's, with the placement's strengths and rules.

    It is that of other requests where the project does not have the placement, or `placement` is empty.
    """
    placed = project.placements.get(placement)
    if placed is None:
        return project.rerank
    changed = {name: value for name in STRENGTHS if (value := getattr(placed, name)) is not None}
    return project.rerank.model_copy(update={**changed, "rules": project.rules_at(placement)})


def preview_rerank(
    recommender: Recommender,
    project: Project,
    users: Sequence[Any],
    n: int | None = None,
    seed: int = 0,
    placement: str | None = None,
) -> RerankPreview:
    """Return the effect of another project's re-ranking; nothing is served with it.

    Parameters
    ----------
    recommender
        What serves now.
    project
        The project with the other settings. Their `[rerank]` counts, and what else acts on the order in the placement.
    users
        Whose slates are compared.
    n
        Items of a slate (default: the placement's, or 10).
    seed
        Seed of the intervals.
    placement
        A placement of the project: its filters, weights and n hold on both sides, its rules and strengths on the new one.
        The recommender's own rules and strengths of it, if it has such a placement, hold on the old one.

    Raises
    ------
    RequestError
        If the project has no such placement, or a rule names an attribute that does not exist.
    """
    asked = RecommendRequest(n=n, placement=placement).placed(project.placements)
    candidates = _RankedCandidates(recommender, users, replace(asked, placement=None))
    settings, present_settings = (rerank_of(one, placement or "") for one in (project, recommender.project))
    present = recommender.state.catalogue.pipeline.with_settings(present_settings)
    pipeline = present.with_settings(settings)
    old, old_utility = candidates.rerank(present, default_strengths(present_settings))
    new, new_utility = candidates.rerank(pipeline, default_strengths(settings))
    titles = recommender.dataset.items.titles
    moved = candidates.counts(new) - candidates.counts(old)
    order = np.argsort(-moved, kind="stable")
    changed = [set(a.tolist()) != set(b.tolist()) for a, b in zip(old, new, strict=True)]
    return RerankPreview(
        len(users),
        float(np.mean(changed)) if changed else 0.0,
        _relative_loss(old_utility, new_utility, seed),
        gains=[(titles[i], int(moved[i])) for i in order[:10].tolist() if moved[i] > 0],
        losses=[(titles[i], int(moved[i])) for i in order[::-1][:10].tolist() if moved[i] < 0],
        parts=_costs(candidates, pipeline, settings, seed),
    )


def _costs(
    candidates: _RankedCandidates, pipeline: RerankPipeline, settings: RerankSettings, seed: int
) -> list[RerankCost]:
    slates, utility = candidates.rerank(pipeline, default_strengths(settings))
    costs = []
    for name, settings_without, strengths in rerank_parts(settings):
        other, other_utility = candidates.rerank(pipeline.with_settings(settings_without), strengths)
        changed = [a.tolist() != b.tolist() for a, b in zip(slates, other, strict=True)]
        price = _relative_loss(other_utility, utility, seed)
        costs.append(RerankCost(name, price, float(np.mean(changed)) if changed else 0.0))
    return costs


def _relative_loss(utility: Floats, lower: Floats, seed: int) -> Estimate:
    """The mean loss as a share of the mean utility, with an interval over people."""
    if not len(utility):
        return Estimate(0.0, 0.0, 0.0)
    scale = float(np.mean(np.abs(utility))) or 1.0
    return bootstrap((utility - lower) / scale, DRAWS, seed)


class _RankedCandidates:
    """The candidates of some users, ranked once, to be re-ranked with several settings."""

    def __init__(self, recommender: Recommender, users: Sequence[Any], asked: RecommendRequest) -> None:
        self.n, self.moment = asked.size, recommender.now()
        self.items: list[Codes] = []
        self.utility: list[Floats] = []
        self.state, self.requests = recommender.state, list[ResolvedRequest]()
        self.histories: list[Codes] = []
        self.n_items = len(recommender.dataset.items)
        for batch in candidates(recommender.model, recommender.state, users, now=self.moment, like=asked):
            histories = batch.encoded.requests.histories
            for row, resolved in enumerate(batch.requests):
                part = batch.of(row)
                low, high = histories.indptr[row : row + 2]
                utility = resolved.utility.guarded(batch.utility[part], batch.predictions[part], self.n)
                self.items.append(batch.rows.item[part])
                self.utility.append(utility)
                self.requests.append(resolved)
                self.histories.append(histories.item[low:high])

    def rerank(self, pipeline: RerankPipeline, strengths: RerankStrengths) -> tuple[list[Codes], Floats]:
        """Return the slate of each user as item codes, and its utility, float64 (users,)."""
        slates, total = [], np.zeros(len(self.items))
        rows = zip(self.requests, self.items, self.utility, self.histories, strict=True)
        for row, (resolved, items, utility, history) in enumerate(rows):
            bound = pipeline.for_request(values_of(self.state, resolved, pipeline.uses))
            taste = pipeline.taste(history) if strengths.calibration > 0 else None
            order = bound.rerank(items, utility, self.n, self.moment, strengths, taste)
            slates.append(items[order])
            total[row] = utility[order].sum()
        return slates, total

    def counts(self, slates: Sequence[Codes]) -> NDArray[np.int64]:
        """Return on how many slates each item is, int64 (items,)."""
        shown = np.concatenate(slates) if slates else np.empty(0, np.int32)
        return np.bincount(shown, minlength=self.n_items)

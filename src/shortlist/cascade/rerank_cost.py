"""The cost of re-ranking in predicted utility, and a preview of other settings and weights.

A slate that is diverse, fair or pinned has a lower predicted utility than the best slate by utility alone. Each part of
the settings is removed by itself, everything else stays, and slates are made with and without it for the same people:

    cost = (utility without − utility with) / utility without

Each slate is made as serving would make it: where a rule hides items, retrieval runs with it and proposes others in their place.

This is the prediction for one slate. It does not contain long-term effects, for example less boredom; experiments and
`shortlist simulate` measure those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from shortlist.cascade.model import Model
from shortlist.cascade.ranked_users import Floats, RankedUsers, serving_settings, without_rules
from shortlist.cascade.state import LiveState
from shortlist.config.project import Project
from shortlist.config.rerank import RerankSettings
from shortlist.metrics.significance import Estimate, bootstrap
from shortlist.requests import RecommendRequest
from shortlist.rerank.strengths import RerankStrengths

DRAWS = 500
STRENGTHS = ("diversity", "freshness", "calibration")
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
class SlatePreview:
    """The effect of other re-ranking settings and weights on the slates of the same people.

    Attributes
    ----------
    people : int
        The number of people.
    changed : float
        The share of slates with other items.
    price : Estimate
        The cost of the new settings compared with the present ones, as a share of the utility by the present weights.
    objectives : dict of str to Estimate
        Objective → change of its mean prediction on a slate, as a share of the present mean. 0.02: 2 % more.
    gains, losses : list of (str, int)
        Titles of items on more or fewer slates, and by how many.
    parts : list of RerankCost
        The cost of each part of the new settings.
    """

    people: int
    changed: float
    price: Estimate
    objectives: dict[str, Estimate]
    gains: list[tuple[str, int]]
    losses: list[tuple[str, int]]
    parts: list[RerankCost] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"SlatePreview({self.people} people, {self.changed:.0%} of the slates change)"

    def to_json(self) -> dict[str, Any]:
        """Return the preview as JSON values."""
        return {
            "people": self.people,
            "changed": self.changed,
            "price": self.price.to_json(),
            "objectives": {name: change.to_json() for name, change in self.objectives.items()},
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
    model: Model, state: LiveState, users: Sequence[Any], n: int = 10, seed: int = 0
) -> list[RerankCost]:
    """Return the cost of every part of the present re-ranking settings, for slates of n items made now."""
    ranked = RankedUsers(model, state, users, RecommendRequest(n=n), model.project, state.now())
    return _costs(ranked, seed)


def rerank_of(project: Project, placement: str) -> RerankSettings:
    """Return the re-ranking of requests in a placement: the project's, with the placement's strengths and rules.

    It is that of other requests where the project does not have the placement, or `placement` is empty.
    """
    placed = project.placements.get(placement)
    if placed is None:
        return project.rerank
    changed = {name: value for name in STRENGTHS if (value := getattr(placed, name)) is not None}
    return project.rerank.model_copy(update={**changed, "rules": project.rules_at(placement)})


def preview_slates(
    model: Model,
    state: LiveState,
    project: Project,
    users: Sequence[Any],
    n: int | None = None,
    placement: str | None = None,
) -> SlatePreview:
    """Return the effect of another project's re-ranking and weights; nothing is served with them.

    Parameters
    ----------
    model, state
        The recommender whose slates are compared.
    project
        The project with the other settings. Its `[rerank]` and the weights of its objectives count, and what else acts on the order
        in the placement.
    users
        Ids of the users whose slates are compared.
    n
        Number of items in a slate (default: the placement's, or 10).
    placement
        A placement of the project, with all of its settings. It is compared with the recommender's placement of that name, or with requests
        without a placement where it has none, for slates of the same length.

    Raises
    ------
    RequestError
        If the project has no such placement, or a rule names an attribute that does not exist.
    """
    asked = replace(RecommendRequest(n=n, placement=placement).placed(project.placements), cursor=None)
    changed = serving_settings(model.project, project)
    there = placement if placement in model.project.placements else None
    asked_before = RecommendRequest(n=asked.size, placement=there).placed(model.project.placements)
    asked_before = replace(asked_before, cursor=None)
    present = RankedUsers(model, state, users, asked_before, model.project, state.now())
    if placement is None:
        other = present.under(changed)
    else:
        other = RankedUsers(model, state, users, asked, changed, present.moment)
    old, new = (
        one.rerank(*_whole(rerank_of(one.project, one.asked.placement or ""))) for one in (present, other)
    )
    titles = state.catalogue.items.titles
    moved = other.counts(new) - present.counts(old)
    order = np.argsort(-moved, kind="stable")
    slates = zip(present.shown(old), other.shown(new), strict=True)
    before, after = present.predicted(old), other.predicted(new)
    return SlatePreview(
        len(users),
        _share([set(a.tolist()) != set(b.tolist()) for a, b in slates]),
        _relative_loss(present.utility_of(old), other.utility_of(new, present.weights)),
        {
            name: _relative_loss(after[:, at], before[:, at], scale=before[:, at])
            for at, name in enumerate(model.objectives)
        },
        gains=[(titles[i], int(moved[i])) for i in order[:10].tolist() if moved[i] > 0],
        losses=[(titles[i], int(moved[i])) for i in order[::-1][:10].tolist() if moved[i] < 0],
        parts=_costs(other),
    )


def _whole(settings: RerankSettings) -> tuple[RerankSettings, RerankStrengths]:
    return settings, default_strengths(settings)


def _costs(ranked: RankedUsers, seed: int = 0) -> list[RerankCost]:
    settings = rerank_of(ranked.project, ranked.asked.placement or "")
    slates = ranked.rerank(*_whole(settings))
    shown, utility = ranked.shown(slates), ranked.utility_of(slates)
    costs = []
    for name, settings_without, strengths in rerank_parts(settings):
        kept = {rule.name for rule in settings_without.rules}
        gone = {rule.name for rule in settings.rules if rule.name not in kept}
        other = ranked.under(without_rules(ranked.project, gone)) if gone else ranked
        others = other.rerank(settings_without, strengths)
        changed = [a.tolist() != b.tolist() for a, b in zip(shown, other.shown(others), strict=True)]
        price = _relative_loss(other.utility_of(others), utility, seed)
        costs.append(RerankCost(name, price, _share(changed)))
    return costs


def _share(changed: Sequence[bool]) -> float:
    return float(np.mean(changed)) if changed else 0.0


def _relative_loss(value: Floats, lower: Floats, seed: int = 0, scale: Floats | None = None) -> Estimate:
    """The mean loss as a share of the mean of `scale` (default: `value`), with an interval over people."""
    if not len(value):
        return Estimate(0.0, 0.0, 0.0)
    unit = float(np.mean(np.abs(value if scale is None else scale))) or 1.0
    return bootstrap((value - lower) / unit, DRAWS, seed)

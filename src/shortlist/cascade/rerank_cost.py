"""The cost of re-ranking in predicted utility, and a preview of other settings and weights.

A slate that is diverse, fair or pinned has a lower predicted utility than the best slate by utility alone. Each part of
the settings is removed by itself, everything else stays, and slates are made with and without it for the same people:

    cost = (utility without − utility with) / utility without

This is the prediction for one slate. It does not contain long-term effects, for example less boredom; experiments and
`shortlist simulate` measure those.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.encode import ResolvedRequest, values_of
from shortlist.cascade.inspect import candidates
from shortlist.cascade.model import Model
from shortlist.cascade.state import LiveState
from shortlist.config.project import Project
from shortlist.config.rerank import RerankSettings
from shortlist.metrics.significance import Estimate, bootstrap
from shortlist.rank.utility import resolve_weights
from shortlist.requests import RecommendRequest
from shortlist.rerank.pipeline import RerankPipeline
from shortlist.rerank.strengths import RerankStrengths

DRAWS = 500
STRENGTHS = ("diversity", "freshness", "calibration")
Codes = NDArray[np.int32]
Rows = NDArray[np.int64]
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
    candidates = _RankedCandidates(model, state, users, RecommendRequest(n=n))
    return _costs(candidates, state.catalogue.pipeline, model.project.rerank, seed)


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
        A placement of the project: its filters, weights and n hold on both sides, its rules and strengths on the new one.
        The recommender's own rules and strengths of it, if it has such a placement, hold on the old one.

    Raises
    ------
    RequestError
        If the project has no such placement, or a rule names an attribute that does not exist.
    """
    asked = RecommendRequest(n=n, placement=placement).placed(project.placements)
    candidates = _RankedCandidates(model, state, users, replace(asked, placement=None, cursor=None))
    settings, present_settings = (rerank_of(one, placement or "") for one in (project, model.project))
    present = state.catalogue.pipeline.with_settings(present_settings)
    pipeline = present.with_settings(settings)
    old = candidates.rerank(present, default_strengths(present_settings))
    other = candidates.weighed(project)
    new = other.rerank(pipeline, default_strengths(settings))
    titles = state.catalogue.items.titles
    moved = candidates.counts(new) - candidates.counts(old)
    order = np.argsort(-moved, kind="stable")
    changed = [set(a.tolist()) != set(b.tolist()) for a, b in zip(old, new, strict=True)]
    before, after = candidates.predicted(old), candidates.predicted(new)
    return SlatePreview(
        len(users),
        _share(changed),
        _relative_loss(candidates.utility_of(old), candidates.utility_of(new)),
        {
            name: _relative_loss(after[:, at], before[:, at], scale=before[:, at])
            for at, name in enumerate(model.objectives)
        },
        gains=[(titles[i], int(moved[i])) for i in order[:10].tolist() if moved[i] > 0],
        losses=[(titles[i], int(moved[i])) for i in order[::-1][:10].tolist() if moved[i] < 0],
        parts=_costs(other, pipeline, settings),
    )


def _costs(
    candidates: _RankedCandidates, pipeline: RerankPipeline, settings: RerankSettings, seed: int = 0
) -> list[RerankCost]:
    slates = candidates.rerank(pipeline, default_strengths(settings))
    costs = []
    for name, settings_without, strengths in rerank_parts(settings):
        other = candidates.rerank(pipeline.with_settings(settings_without), strengths)
        changed = [a.tolist() != b.tolist() for a, b in zip(slates, other, strict=True)]
        price = _relative_loss(candidates.utility_of(other), candidates.utility_of(slates), seed)
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


class _RankedCandidates:
    """The candidates of some users, ranked once, to be re-ranked with several settings.

    Slates are rows of each user's candidates, int64.
    """

    def __init__(self, model: Model, state: LiveState, users: Sequence[Any], asked: RecommendRequest) -> None:
        self.n, self.moment, self.model, self.asked = asked.size, state.now(), model, asked
        self.items: list[Codes] = []
        self.predictions: list[NDArray[np.float32]] = []
        self.utility: list[Floats] = []
        self.state, self.requests = state, list[ResolvedRequest]()
        self.histories: list[Codes] = []
        for batch in candidates(model, state, users, now=self.moment, like=asked):
            histories = batch.encoded.requests.histories
            for row, resolved in enumerate(batch.requests):
                part = batch.of(row)
                low, high = histories.indptr[row : row + 2]
                utility = resolved.utility.guarded(batch.utility[part], batch.predictions[part], self.n)
                self.items.append(batch.rows.item[part])
                self.predictions.append(batch.predictions[part])
                self.utility.append(utility)
                self.requests.append(resolved)
                self.histories.append(histories.item[low:high])

    def weighed(self, project: Project) -> _RankedCandidates:
        """Return the candidates with the utility that the weights of a project give them."""
        present = {name: objective.weight for name, objective in self.model.project.objectives.items()}
        weights = {name: one.weight for name, one in project.objectives.items() if name in present}
        if weights == present or not self.requests:
            return self
        found = resolve_weights(self.asked.weights, {**present, **weights})
        utility = replace(self.requests[0].utility, weights=found)
        other = copy(self)
        other.utility = [utility.guarded(utility.utility(p), p, self.n) for p in self.predictions]
        return other

    def rerank(self, pipeline: RerankPipeline, strengths: RerankStrengths) -> list[Rows]:
        """Return the slate of each user."""
        slates = []
        rows = zip(self.requests, self.items, self.utility, self.histories, strict=True)
        for resolved, items, utility, history in rows:
            bound = pipeline.for_request(values_of(self.state, resolved, pipeline.uses))
            taste = pipeline.taste(history) if strengths.calibration > 0 else None
            slates.append(bound.rerank(items, utility, self.n, self.moment, strengths, taste))
        return slates

    def utility_of(self, slates: Sequence[Rows]) -> Floats:
        """Return the utility of each user's slate, float64 (users,)."""
        return np.array([utility[rows].sum() for utility, rows in zip(self.utility, slates, strict=True)])

    def predicted(self, slates: Sequence[Rows]) -> Floats:
        """Return the mean predictions of each user's slate, float64 (users, objectives); 0 for an empty slate."""
        found = np.zeros((len(slates), len(self.model.objectives)))
        for row, (predictions, rows) in enumerate(zip(self.predictions, slates, strict=True)):
            if len(rows):
                found[row] = predictions[rows].mean(0, dtype=np.float64)
        return found

    def counts(self, slates: Sequence[Rows]) -> NDArray[np.int64]:
        """Return on how many slates each item is, int64 (items,)."""
        shown = [items[rows] for items, rows in zip(self.items, slates, strict=True)]
        size = len(self.state.catalogue.items)
        return np.bincount(np.concatenate(shown) if shown else np.empty(0, np.int32), minlength=size)

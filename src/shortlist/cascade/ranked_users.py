"""The slates of some users under settings that do not serve: what previews and costs of re-ranking compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.catalogue import CacheLookups
from shortlist.cascade.encode import ResolvedRequest, values_of
from shortlist.cascade.inspect import candidates
from shortlist.cascade.model import Model
from shortlist.cascade.state import LiveState
from shortlist.config.project import Project
from shortlist.config.rerank import RerankSettings
from shortlist.rank.utility import UtilityWeights, resolve_weights
from shortlist.requests import RecommendRequest
from shortlist.rerank.strengths import RerankStrengths

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


def serving_settings(present: Project, other: Project) -> Project:
    """Return the project of a model with what serving reads of another one: `[rerank]`, weights of objectives and placements."""
    objectives = {
        name: one.model_copy(update={"weight": other.objectives[name].weight})
        if name in other.objectives
        else one
        for name, one in present.objectives.items()
    }
    changed = {"rerank": other.rerank, "objectives": objectives, "placements": other.placements}
    return present.model_copy(update=changed)


class RankedUsers:
    """The candidates of some users under one project's settings, ranked once, to be re-ranked in several ways.

    Retrieval runs with the settings: rules that hide items make room for others, as in serving. Slates are rows of each user's
    candidates, int64.

    Parameters
    ----------
    model, state
        The recommender. Its state is read only.
    users
        Ids of the users.
    asked
        What is asked for each of them.
    project
        The settings: the model's project, or one of `serving_settings`.
    moment
        The time of the requests, ms.
    """

    def __init__(
        self,
        model: Model,
        state: LiveState,
        users: Sequence[Any],
        asked: RecommendRequest,
        project: Project,
        moment: int,
    ) -> None:
        self.model = model if project is model.project else replace(model, project=project)
        catalogue = state.catalogue
        if project is not catalogue.project:
            catalogue = replace(catalogue, project=project, lookups=CacheLookups())
        self.state, self.catalogue, self.users, self.asked = state, catalogue, users, asked
        self.n, self.moment = asked.size, moment
        self.items: list[NDArray[np.int32]] = []
        self.predictions: list[NDArray[np.float32]] = []
        self.requests: list[ResolvedRequest] = []
        self.histories: list[NDArray[np.int32]] = []
        batches = candidates(self.model, state, users, now=moment, like=asked, catalogue=catalogue)
        for batch in batches:
            histories = batch.encoded.requests.histories
            for row, resolved in enumerate(batch.requests):
                part = batch.of(row)
                low, high = histories.indptr[row : row + 2]
                self.items.append(batch.rows.item[part])
                self.predictions.append(batch.predictions[part])
                self.requests.append(resolved)
                self.histories.append(histories.item[low:high])
        self.weights = self.requests[0].utility if self.requests else self.model.default_utility
        self.utility = self.utilities(self.weights)

    @property
    def project(self) -> Project:
        """The settings."""
        return self.model.project

    def under(self, project: Project) -> RankedUsers:
        """Return the same users under other settings; retrieval runs again only where other items may be shown."""
        if self._permits(project) != self._permits(self.project):
            return RankedUsers(self.model, self.state, self.users, self.asked, project, self.moment)
        other = copy(self)
        other.model = replace(self.model, project=project)
        weights = {name: one.weight for name, one in project.objectives.items()}
        if weights != {name: one.weight for name, one in self.project.objectives.items()}:
            other.weights = replace(self.weights, weights=resolve_weights(self.asked.weights, weights))
            other.utility = other.utilities(other.weights)
        return other

    def _permits(self, project: Project) -> tuple[Any, ...]:
        """The settings of a project that decide which items may be shown, or are candidates in any case."""
        rerank = project.rerank
        rules = project.rules_at(self.asked.placement or "")
        choosing = [rule for rule in rules if rule.action in {"hide", "pin"}]
        return choosing, rerank.in_stock, rerank.show_seen, rerank.show_again

    def utilities(self, weights: UtilityWeights) -> list[Floats]:
        """Return the utility of each user's candidates by some weights, with the guard-rails of the request."""
        return [weights.guarded(weights.utility(p), p, self.n) for p in self.predictions]

    def rerank(self, settings: RerankSettings, strengths: RerankStrengths) -> list[Rows]:
        """Return the slate of each user, unexplored."""
        slates, strengths = [], replace(strengths, explore=0.0)
        pipeline = self.catalogue.pipeline.with_settings(settings)
        rows = zip(self.requests, self.items, self.utility, self.histories, strict=True)
        for resolved, items, utility, history in rows:
            bound = pipeline.for_request(values_of(self.state, resolved, pipeline.uses))
            taste = pipeline.taste(history) if strengths.calibration > 0 else None
            slates.append(bound.rerank(items, utility, self.n, self.moment, strengths, taste))
        return slates

    def utility_of(self, slates: Sequence[Rows], by: UtilityWeights | None = None) -> Floats:
        """Return the utility of each user's slate, float64 (users,), by the weights of the settings or by others."""
        each = self.utility if by is None else self.utilities(by)
        return np.array([utility[rows].sum() for utility, rows in zip(each, slates, strict=True)])

    def predicted(self, slates: Sequence[Rows]) -> Floats:
        """Return the mean predictions of each user's slate, float64 (users, objectives); 0 for an empty slate."""
        found = np.zeros((len(slates), len(self.model.objectives)))
        for row, (predictions, rows) in enumerate(zip(self.predictions, slates, strict=True)):
            if len(rows):
                found[row] = predictions[rows].mean(0, dtype=np.float64)
        return found

    def shown(self, slates: Sequence[Rows]) -> list[NDArray[np.int32]]:
        """Return the items of each user's slate, codes."""
        return [items[rows] for items, rows in zip(self.items, slates, strict=True)]

    def counts(self, slates: Sequence[Rows]) -> NDArray[np.int64]:
        """Return on how many slates each item is, int64 (items,)."""
        shown = self.shown(slates)
        size = len(self.catalogue.items)
        return np.bincount(np.concatenate(shown) if shown else np.empty(0, np.int32), minlength=size)

    def __repr__(self) -> str:
        return f"RankedUsers({len(self.users):,} users)"


def without_rules(project: Project, names: set[str]) -> Project:
    """Return a project without some rules, by name, of itself and of its placements."""

    def kept(owner: Any) -> dict[str, Any]:
        return {"rules": [rule for rule in owner.rules if rule.name not in names]}

    placements: Mapping[str, Any] = {
        name: placement.model_copy(update=kept(placement)) for name, placement in project.placements.items()
    }
    rerank = project.rerank.model_copy(update=kept(project.rerank))
    return project.model_copy(update={"rerank": rerank, "placements": placements})

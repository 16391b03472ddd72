"""The policies of a closed-loop simulation: a recipe, its variants and its baselines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from shortlist.cascade.context import ContextEncoder
from shortlist.config.base import IMPRESSION
from shortlist.config.project import parse_project
from shortlist.config.short_repr import ShortRepr
from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.data.seen import hidden_once_seen
from shortlist.recommender import Recommender
from shortlist.rerank.filters import allowed_items
from shortlist.retrieve import (
    RETRIEVERS,
    Candidates,
    EventWeighting,
    EventWeights,
    Popular,
    Requests,
    Retriever,
    top_k,
)
from shortlist.simulate.world import World
from shortlist.store.records import StoredEvent

BATCH = 128
"""Requests that are answered together."""
RECIPE = "recipe"
NO_EXPLORATION = "without exploration"


@dataclass(frozen=True, repr=False)
class LoopRequest(ShortRepr):
    """The requests of one day.

    Attributes
    ----------
    users : list
        The ids of the users, one a request.
    contexts : list of dict, optional
        The context of each request; None if the log has no context columns.
    now : int
        The time of the requests in ms.
    seed : int
        Seed of whatever the policy draws.
    """

    users: list[Any]
    contexts: list[dict[str, str]] | None
    now: int
    seed: int

    def batches(self) -> list[LoopRequest]:
        """Split the requests into batches that fit into memory; each has a seed of its own."""
        parts = []
        for start in range(0, len(self.users), BATCH):
            rows = slice(start, start + BATCH)
            contexts = None if self.contexts is None else self.contexts[rows]
            parts.append(LoopRequest(self.users[rows], contexts, self.now, self.seed + start))
        return parts


class PolicySlates(NamedTuple):
    """Slates as item ids, best first, and the propensity of each item; one list a request."""

    items: list[list[Any]]
    propensities: list[list[float]]


class LoopPolicy(ABC):
    """A policy in a closed loop: it is fitted before each round, serves, and observes what users do."""

    @abstractmethod
    def fit(self, dataset: Dataset) -> None:
        """Train on everything that happened until now; forget what was observed before."""

    @abstractmethod
    def recommend(self, request: LoopRequest, n: int) -> PolicySlates:
        """Return a slate of up to n items for each user. A slate that is returned is shown."""

    @abstractmethod
    def observe(self, events: list[StoredEvent]) -> None:
        """Take in events that happened since the last fit."""


class CascadePolicy(LoopPolicy):
    """A whole recommender, trained by a world's project.

    Parameters
    ----------
    world : World
        The world; its project configures the recommender.
    changes : mapping of str to dict, optional
        Settings that differ from the project, by section.
    weights : mapping of str to float, optional
        Weights of the objectives at request time instead of the project's.
    """

    def __init__(
        self,
        world: World,
        changes: Mapping[str, dict[str, Any]] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        settings = dict(world.settings)
        for section, values in (changes or {}).items():
            settings[section] = {**settings.get(section, {}), **values}
        self.project = parse_project(settings, f"the {world.name} world")
        self.weights = None if weights is None else dict(weights)

    def __repr__(self) -> str:
        return f"CascadePolicy({self.project.name!r})"

    def fit(self, dataset: Dataset) -> None:
        """Train a new recommender."""
        self.recommender = Recommender(self.project).fit(dataset)

    def recommend(self, request: LoopRequest, n: int) -> PolicySlates:
        """Ask the recommender, and report the slates as shown, as a server does."""
        items, propensities = [], []
        for batch in request.batches():
            slates = self.recommender.recommend(
                users=batch.users,
                n=n,
                context=batch.contexts,
                now=batch.now,
                seed=batch.seed,
                weights=self.weights,
            )
            self.recommender.state.record_served(slates)
            for slate in slates:
                items.append([recommendation.item for recommendation in slate.items])
                propensities.append([recommendation.propensity for recommendation in slate.items])
        return PolicySlates(items, propensities)

    def observe(self, events: list[StoredEvent]) -> None:
        """Pass the events to the recommender."""
        self.recommender.state.observe(events)


class RankerlessPolicy(LoopPolicy):
    """A policy that scores items directly; the base of the baselines. Slates are certain: all propensities are 1."""

    def __init__(self, world: World) -> None:
        self.project = world.project()

    def fit(self, dataset: Dataset) -> None:
        """Fit the scores."""
        self.dataset = dataset
        self.allowed = allowed_items(dataset.items, None, self.project.rerank.in_stock)
        self._observed: list[StoredEvent] = []

    @abstractmethod
    def candidates(self, requests: Requests, n: int, rng: np.random.Generator) -> Candidates:
        """Return the best n items of each request."""

    def recommend(self, request: LoopRequest, n: int) -> PolicySlates:
        """Return the best n items of each user."""
        rng, rows = np.random.default_rng([request.seed, 3]), []
        histories = self._histories()
        for batch in request.batches():
            rows += self.candidates(self._requests(batch, histories), n, rng).item.tolist()
        ids = self.dataset.items.ids
        items = [[ids.id(code) for code in row if code >= 0] for row in rows]
        return PolicySlates(items, [[1.0] * len(row) for row in items])

    def observe(self, events: list[StoredEvent]) -> None:
        """Remember the events of known items for the histories."""
        known = self.dataset.items.ids.codes([event.item for event in events]) >= 0
        acted = [event.kind != IMPRESSION for event in events]
        self._observed += [e for e, keep, own in zip(events, acted, known, strict=True) if keep and own]

    def _histories(self) -> Histories:
        """The histories of all users: the log and the observed events, by time."""
        dataset, log, new = self.dataset, self.dataset.log, self._observed
        old = np.flatnonzero(log.acted)
        columns = [
            np.concatenate([log.user[old], dataset.users.ids.codes([e.user for e in new])]),
            np.concatenate([log.item[old], dataset.items.ids.codes([e.item for e in new])]),
            np.concatenate([log.time[old], np.array([e.time for e in new], np.int64)]),
            np.concatenate([log.kind[old], np.array([log.kinds.index(e.kind) for e in new], log.kind.dtype)]),
            np.concatenate([log.value[old], np.array([_value(e) for e in new], log.value.dtype)]),
        ]
        order = np.argsort(columns[2], kind="stable")
        user, item, time, kind, value = (column[order] for column in columns)
        return Histories.of(user, len(dataset.users), item, time, kind, value)

    def _requests(self, batch: LoopRequest, histories: Histories) -> Requests:
        users = self.dataset.users.ids.codes(batch.users)
        whole = histories.pick(histories.indptr[users], histories.indptr[users + 1])
        recent = whole.last(self.project.retrieve.history)
        excluded = whole.only(hidden_once_seen(self.dataset.items, whole.item, self.project.rerank))
        return Requests(
            histories=recent,
            weights=EventWeights.of(self.project.retrieve, self.dataset.log)(recent),
            moments=np.full(len(users), batch.now, np.int64),
            allowed=self.allowed,
            available=self.allowed,
            excluded_indptr=excluded.indptr,
            excluded=excluded.item,
            attributes={name: a.take(users) for name, a in self.dataset.users.attributes.items()},
            context=ContextEncoder(self.dataset.log.context, {}).of_requests(batch.contexts or ()),
        )


class RetrieverPolicy(RankerlessPolicy):
    """A single retriever; users for whom it has no candidates get popular items.

    Parameters
    ----------
    world : World
        The world.
    source : dict
        The settings of the retriever, as in `[[retrieve.sources]]`.
    """

    def __init__(self, world: World, source: Mapping[str, Any]) -> None:
        super().__init__(world)
        self.source = dict(source)

    def __repr__(self) -> str:
        return f"RetrieverPolicy({self.source['model']!r})"

    def fit(self, dataset: Dataset) -> None:
        """Fit the retriever and the popular items."""
        super().fit(dataset)
        settings = dict(self.source)
        self.retriever: Retriever = RETRIEVERS[settings.pop("model")](
            event_weighting=EventWeighting.of(self.project.retrieve), **settings
        ).fit(dataset)
        self.popular = Popular().fit(dataset)

    def candidates(self, requests: Requests, n: int, rng: np.random.Generator) -> Candidates:  # noqa: ARG002 - nothing is drawn
        """Return the retriever's candidates, or popular items if it has none."""
        found, popular = self.retriever.retrieve(requests, n), self.popular.retrieve(requests, n)
        empty = found.item[:, 0] < 0
        item = np.full((len(requests), n), -1, np.int32)
        item[:, : found.item.shape[1]] = found.item
        item[empty, : popular.item.shape[1]] = popular.item[empty]
        return Candidates(item, np.zeros(item.shape, np.float32))


class RandomPolicy(RankerlessPolicy):
    """Random items that the user may see; the lower bound."""

    def __repr__(self) -> str:
        return "RandomPolicy()"

    def candidates(self, requests: Requests, n: int, rng: np.random.Generator) -> Candidates:
        """Return n random items."""
        scores = rng.random((len(requests), len(self.dataset.items)), dtype=np.float32)
        return top_k(scores, requests, n)


class PolicySpec(NamedTuple):
    """A policy that can take part: what it does, and how it is made for a world."""

    description: str
    make: Callable[[World], LoopPolicy]


def loop_policies(world: World) -> dict[str, PolicySpec]:
    """Return the policies of a world by name: the recipe, its variants and its baselines."""
    als = next(source for source in world.settings["retrieve"]["sources"] if source["model"] == "als")
    policies = {
        RECIPE: PolicySpec("the world's project as it is", CascadePolicy),
        NO_EXPLORATION: PolicySpec(
            "the recipe without reserved exposure for new items and without other randomisation",
            lambda w: CascadePolicy(w, {"rerank": {"new_items": {"share": 0.0}, "explore": 0.0}}),
        ),
    }
    objectives = world.settings["objectives"]
    first = next(iter(objectives))
    if sum(objective.get("weight", 1.0) > 0 for objective in objectives.values()) > 1:
        choice = world.population.choice_kind
        policies[f"{choice}s only"] = PolicySpec(
            f"the recipe with all weight on {first}: it maximises {choice}s",
            lambda w: CascadePolicy(w, weights={name: float(name == first) for name in objectives}),
        )
    return policies | {
        "als alone": PolicySpec("matrix factorisation without a ranker", lambda w: RetrieverPolicy(w, als)),
        "popular": PolicySpec(
            "the items chosen most often", lambda w: RetrieverPolicy(w, {"model": "popular"})
        ),
        "random": PolicySpec("random items", RandomPolicy),
    }


def _value(event: StoredEvent) -> float:
    return float("nan") if event.value is None else event.value

"""A trained recommender: everything that training learned, and nothing that changes while serving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.lazy import lazy_property
from shortlist.features.feature_set import FeatureSet
from shortlist.rank.base import Ranker
from shortlist.rank.profile import Profile
from shortlist.rank.utility import UtilityWeights, resolve_combine, resolve_guard_rails, resolve_weights
from shortlist.retrieve import EventWeights, Retriever
from shortlist.retrieve.event_weighting import EventWeighting
from shortlist.retrieve.user_similarity import UserSimilarity
from shortlist.store.merge import StorePosition


@dataclass(frozen=True, repr=False)
class Model:
    """The immutable half of a recommender.

    Any number of threads, live states and servers can share one model. Events and items that arrive later belong to
    `LiveState`.

    Attributes
    ----------
    project
        Settings it was trained with.
    dataset
        Catalogue, users and log it was trained on.
    retrievers
        Fitted sources of candidates, by name, in the order of the project.
    ranker, features, profile
        The fitted ranker, the features it reads, and their distribution in training.
    scales
        float64 (objectives,): the mean prediction of each objective on the validation slice, which makes weights
        comparable.
    version
        Digest of settings, data and outcome.
    position
        Up to which row of which event store the log reaches.
    retired
        bool (items,): items that are not recommended any more.
    settings
        Names the settings that were changed since training, in the names of policies; empty where none was.
    """

    project: Project
    dataset: Dataset
    retrievers: Mapping[str, Retriever]
    ranker: Ranker
    features: FeatureSet
    profile: Profile
    scales: NDArray[np.float64]
    version: str
    position: StorePosition = field(default_factory=StorePosition)
    retired: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    settings: str = ""

    @lazy_property
    def objectives(self) -> list[str]:
        """Names of the objectives, in the order of the ranker's columns."""
        return list(self.project.objectives)

    @lazy_property
    def default_utility(self) -> UtilityWeights:
        """The utility of requests that set neither weights nor guard-rails."""
        objectives = self.project.objectives
        return UtilityWeights(
            resolve_weights({}, {name: objective.weight for name, objective in objectives.items()}),
            self.scales,
            resolve_combine(None, self.project.utility.combine),
            resolve_guard_rails(None, self.project.utility.at_least, self.objectives),
        )

    @lazy_property
    def user_similarity(self) -> UserSimilarity:
        """Finds users who took similar items. Made at the first use: it holds the log's (user, item) pairs once more."""
        return UserSimilarity.of(self.dataset, EventWeighting.of(self.project.retrieve))

    @lazy_property
    def event_weights(self) -> EventWeights:
        """How much an event of a history counts."""
        return EventWeights.of(self.project.retrieve, self.dataset.log)

    @lazy_property
    def history_kind(self) -> int:
        """Code of the event kind that items of a given history are taken to be: the first of the first objective."""
        first = next(iter(self.project.objectives.values()))
        return self.dataset.log.kinds.index(first.events[0])

    def __deepcopy__(self, _memo: dict[int, object]) -> Self:
        return self  # immutable: copies of a recommender share it, as live states do

    def __repr__(self) -> str:
        data = self.dataset
        return (
            f"Model({self.version or 'unversioned'}: {', '.join(self.retrievers)} → {', '.join(self.objectives)}; "
            f"{len(data.items):,} items, {len(data.users):,} users, {len(data.log):,} events)"
        )

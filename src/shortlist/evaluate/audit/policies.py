"""The policies of an audit: good ones, plain ones, and some that are bad on purpose.

A metric deserves trust if it sees through the bad ones. Each of them is the result of following one number:

- **popularity chaser**: the items chosen most in the last seven days, for all users;
- **click-bait**: the items clicked most often when shown, for all users;
- **filter bubble**: nothing but the topic that a user chose most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.inspect import encode_requests
from shortlist.config.base import IMPRESSION
from shortlist.config.short_repr import ShortRepr
from shortlist.data.attributes import ListAttribute
from shortlist.data.dataset import Dataset
from shortlist.evaluate.policies import item_recency, recommended_codes, retriever_scorer
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest, context_of_each
from shortlist.retrieve import Popular, Requests, Retriever, top_k
from shortlist.simulate.plackett_luce import plackett_luce
from shortlist.simulate.population import Population
from shortlist.store.records import StoredEvent

BATCH = 128
WEEK = 7 * 86_400_000
PRIOR_IMPRESSIONS = 50.0
"""Impressions at the mean rate that are added to every item before its own rate is used."""
Codes = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class AuditRequest(ShortRepr):
    """Requests at one moment.

    Attributes
    ----------
    codes : ndarray of int, shape (n_requests,)
        The user codes.
    ids : list
        The user ids.
    contexts : list of dict, optional
        The context of each request.
    moment : int
        The time in ms.
    observed : sequence of StoredEvent
        The events since training.
    """

    codes: NDArray[np.integer]
    ids: list[Any]
    contexts: list[dict[str, str]] | None
    moment: int
    observed: Sequence[StoredEvent] = ()

    def batches(self) -> list[AuditRequest]:
        """Split the requests into batches that fit into memory."""
        parts = []
        for start in range(0, len(self.ids), BATCH):
            rows = slice(start, start + BATCH)
            contexts = None if self.contexts is None else self.contexts[rows]
            parts.append(replace(self, codes=self.codes[rows], ids=self.ids[rows], contexts=contexts))
        return parts


MakeSlates = Callable[[AuditRequest, int], Codes]
"""Requests and k → item codes, int64 (n_requests, k), −1 where there are fewer."""


@dataclass(frozen=True)
class AuditPolicy:
    """A policy with its name and description; `bad`: bad on purpose."""

    name: str
    description: str
    make_slates: MakeSlates
    bad: bool = False

    def slates(self, request: AuditRequest, k: int) -> Codes:
        """Return item codes, int64 (n_requests, k), −1 where there are fewer."""
        parts = [self.make_slates(batch, k) for batch in request.batches()]
        return np.concatenate(parts) if parts else np.empty((0, k), np.int64)


def audit_policies(recommender: Recommender, population: Population, seed: int = 0) -> list[AuditPolicy]:
    """Return the policies of an audit over one trained recommender, which observes events as they happen."""
    train = recommender.dataset
    found = [*_scored_policies(recommender, population, seed), _logging_policy(population, seed)]
    topics = first_list_attribute(train)
    if topics is not None:
        found.append(_filter_bubble(recommender, topics))
    popular = Popular().fit(train)
    for name, retriever in recommender.model.retrievers.items():
        if name != "popular":
            slates = _retriever_slates(recommender, retriever, popular)
            found.append(AuditPolicy(name, "this retriever without a ranker", slates))
    return found + _cascade_policies(recommender)


def first_list_attribute(dataset: Dataset) -> ListAttribute | None:
    """Return the first list attribute of the items, such as genres, topics or categories."""
    return next((a for a in dataset.items.attributes.values() if isinstance(a, ListAttribute)), None)


def _requests(recommender: Recommender, request: AuditRequest) -> Requests:
    """The requests as retrievers take them."""
    contexts = context_of_each(request.contexts, len(request.ids))
    requests = [
        RecommendRequest(user, context=context, now=request.moment)
        for user, context in zip(request.ids, contexts, strict=True)
    ]
    return encode_requests(recommender.model, recommender.state, requests)


def _by_score(
    recommender: Recommender, score: Callable[[AuditRequest, Requests], NDArray[np.floating]]
) -> MakeSlates:
    """Slates by a score: float (n_items,) for all users, or (n_requests, n_items)."""
    n = len(recommender.dataset.items)

    def slates(request: AuditRequest, k: int) -> Codes:
        requests = _requests(recommender, request)
        values = np.atleast_2d(score(request, requests)).astype(np.float32)
        values = np.broadcast_to(values, (len(requests), n)).copy()
        return np.asarray(top_k(values, requests, k).item, np.int64)

    return slates


def _choices(dataset: Dataset) -> FloatArray:
    """How often each item was chosen, float (n_items,)."""
    log = dataset.log
    return np.bincount(log.item[log.acted], minlength=len(dataset.items)).astype(np.float64)


def _scored_policies(recommender: Recommender, population: Population, seed: int) -> list[AuditPolicy]:
    train, log = recommender.dataset, recommender.dataset.log
    n, rng = len(train.items), np.random.default_rng([seed, 7])
    choices, latest = _choices(train), item_recency(train)
    shown = np.bincount(log.item[log.is_kind([IMPRESSION])], minlength=n)
    clicks = np.bincount(log.item[log.is_kind([population.choice_kind])], minlength=n)
    outcome = log.is_kind([population.outcome_kind])
    outcomes = np.bincount(log.item[outcome], np.nan_to_num(log.value[outcome]), n)

    def rate(total: NDArray[Any]) -> FloatArray:
        mean = total.sum() / max(shown.sum(), 1)
        return np.asarray((total + PRIOR_IMPRESSIONS * mean) / (shown + PRIOR_IMPRESSIONS))

    def recent_choices(request: AuditRequest, _: Requests) -> FloatArray:
        start = request.moment - WEEK
        late = log.acted & (log.time >= start) & (log.time < request.moment)
        count = np.bincount(log.item[late], minlength=n).astype(np.float64)
        new = [e.item for e in request.observed if e.kind != IMPRESSION and start <= e.time < request.moment]
        codes = train.items.ids.codes(new)
        np.add.at(count, codes[codes >= 0], 1)
        return np.asarray(count + choices / (choices.max() + 1))

    def policy(
        name: str,
        description: str,
        score: Callable[[AuditRequest, Requests], NDArray[np.floating]],
        bad: bool = False,
    ) -> AuditPolicy:
        return AuditPolicy(name, description, _by_score(recommender, score), bad)

    return [
        policy("random", "random items", lambda _, requests: rng.random((len(requests), n))),
        policy("popular", "the items chosen most often", lambda *_: choices),
        policy("recent", "the items chosen last by any user", lambda *_: latest),
        policy("popularity chaser", "the items chosen most in the last 7 days", recent_choices, bad=True),
        policy("click-bait", "the items clicked most often when shown", lambda *_: rate(clicks), bad=True),
        policy("most watched", "the items with the highest outcome when shown", lambda *_: rate(outcomes)),
    ]


def _logging_policy(population: Population, seed: int) -> AuditPolicy:
    rng = np.random.default_rng([seed, 11])

    def slates(request: AuditRequest, k: int) -> Codes:
        answer = np.full((len(request.codes), k), -1, np.int64)
        groups = population.groups[request.codes]
        session, item, position, _ = plackett_luce(rng, population.logging_weights, groups, k)
        answer[session, position] = item
        return answer

    return AuditPolicy("logging policy", "the policy that produced the log", slates)


def _filter_bubble(recommender: Recommender, topics: ListAttribute) -> AuditPolicy:
    n, choices, member = len(recommender.dataset.items), _choices(recommender.dataset), topics.matrix()

    def score(_: AuditRequest, requests: Requests) -> FloatArray:
        favourite = np.asarray((requests.matrix(n) @ member).todense())
        inside = np.asarray(member.todense()).T[favourite.argmax(1)]
        return np.asarray((inside > 0) * 10.0 + choices / (choices.max() + 1))

    description = f"only the {topics.name} that a user chose most"
    return AuditPolicy("filter bubble", description, _by_score(recommender, score), bad=True)


def _retriever_slates(recommender: Recommender, retriever: Retriever, popular: Popular) -> MakeSlates:
    scorer = retriever_scorer(retriever, popular)

    def slates(request: AuditRequest, k: int) -> Codes:
        requests = _requests(recommender, request)
        return np.asarray(top_k(scorer(requests), requests, k).item, np.int64)

    return slates


def _cascade_policies(recommender: Recommender) -> list[AuditPolicy]:
    project = recommender.project

    def policy(name: str, description: str, **overrides: Any) -> AuditPolicy:
        def slates(request: AuditRequest, k: int) -> Codes:
            return recommended_codes(
                recommender, request.ids, k, now=request.moment, context=request.contexts, **overrides
            )

        return AuditPolicy(name, description, slates)

    found = [policy("full", "the whole cascade with the weights of the project")]
    if len(project.objectives) > 1:
        for objective, settings in project.objectives.items():
            if settings.weight > 0:
                weights = {name: float(name == objective) for name in project.objectives}
                description = f"the whole cascade with all weight on {objective}"
                found.append(policy(f"full, {objective} only", description, weights=weights))
    if project.rerank.diversity_by:
        found.append(policy("full, diverse", "the whole cascade with diversity 0.5", diversity=0.5))
    found.append(policy("full, exploring", "the whole cascade with exploration 0.5", explore=0.5))
    return found

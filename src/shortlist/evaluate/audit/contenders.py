"""The policies that an audit runs: some good, some plain, and some that are bad on purpose.

A metric is worth believing if it sees through the bad ones. Each of them is what a team ends up with that follows one number:

- **popularity chaser**: what was taken most in the last seven days, for everybody;
- **click-bait**: what was clicked most often when it was shown, for everybody;
- **filter bubble**: nothing but the one topic that a person took most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from shortlist.config.base import IMPRESSION
from shortlist.data.attributes import Attribute
from shortlist.data.dataset import Dataset
from shortlist.evaluate.policies import item_recency, recommended_codes, single_retriever
from shortlist.recommender import Recommender
from shortlist.rerank.filters import allowed_items
from shortlist.retrieve import Popular, Requests, Retriever, top_k
from shortlist.simulate.plackett_luce import plackett_luce
from shortlist.simulate.population import Population

BATCH = 128
WEEK = 7 * 86_400_000
SHOWN_BEFORE = 50.0
"""So many showings at the mean rate are given to every item before its own rate is believed."""


@dataclass(frozen=True)
class Visit:
    """Those who ask at one moment: `codes` int (m,) and `ids`; `contexts`: what the log knows of the moment, if anything."""

    codes: np.ndarray
    ids: list[Any]
    contexts: list[dict[str, Any]] | None
    moment: int


Slates = Callable[[Visit, int], np.ndarray]
"""A visit and k → item codes int64 (m, k), −1 where fewer."""


@dataclass(frozen=True)
class Contender:
    """One policy. `bad`: made to be bad, so a metric that picks it has failed."""

    name: str
    says: str
    slates: Slates
    bad: bool = False


def contenders(recommender: Recommender, population: Population, seed: int = 0) -> list[Contender]:
    """All of them, over one trained recommender, which is told of events as they happen."""
    train, project = recommender.dataset, recommender.project
    rng = np.random.default_rng([seed, 7])
    n = len(train.items)
    log = train.log

    def asked(visit: Visit) -> Requests:
        allowed = allowed_items(train.items, None, project.rerank.in_stock)
        return recommender.asker.requests(visit.ids, None, visit.contexts, allowed, visit.moment)[1]

    def by(score: Callable[[Requests], np.ndarray]) -> Slates:
        """Slates by a score of each item: float (items,) for all, or (m, items)."""

        def slates(visit: Visit, k: int) -> np.ndarray:
            requests = asked(visit)
            values = np.atleast_2d(score(requests)).astype(np.float32)
            values = np.broadcast_to(values, (len(requests), n)).copy()
            return top_k(values, requests, k).item.astype(np.int64)

        return slates

    def full(**wish: Any) -> Slates:
        return lambda visit, k: recommended_codes(
            recommender, visit.ids, k, visit.moment, visit.contexts, **wish
        )

    def only(objective: str) -> dict[str, float]:
        return {name: float(name == objective) for name in project.objectives}

    taken = np.bincount(log.item[log.acted], minlength=n).astype(np.float64)
    shown = np.bincount(log.item[log.is_kind([IMPRESSION])], minlength=n)
    clicks = np.bincount(log.item[log.is_kind([population.choice_kind])], minlength=n)
    seconds = log.is_kind([population.outcome_kind])
    watched = np.bincount(log.item[seconds], np.nan_to_num(log.value[seconds]), n)

    def rate(what: np.ndarray) -> np.ndarray:
        mean = what.sum() / max(shown.sum(), 1)
        return np.asarray((what + SHOWN_BEFORE * mean) / (shown + SHOWN_BEFORE))

    def chased(requests: Requests) -> np.ndarray:
        moment = int(requests.moments[0]) if len(requests) else 0
        late = log.acted & (log.time >= moment - WEEK) & (log.time < moment)
        count = np.bincount(log.item[late], minlength=n).astype(np.float64)
        for events in recommender.people.since.values():
            for event in events:
                if moment - WEEK <= event.time < moment:
                    count[event.item] += 1
        return count + taken / (taken.max() + 1)

    latest = item_recency(train)
    found = [
        Contender("random", "anything", by(lambda r: rng.random((len(r), n)))),
        Contender("popular", "what most people took, ever", by(lambda r: taken)),
        Contender("recent", "what was last taken by anybody", by(lambda r: latest)),
        Contender("popularity chaser", "what was taken most in the last 7 days", by(chased), bad=True),
        Contender("click-bait", "what is clicked most often where it is shown", by(lambda r: rate(clicks)), bad=True),
        Contender("most watched", "what brings most seconds where it is shown", by(lambda r: rate(watched))),
        Contender("old engine", "the engine that wrote the log", _old(population, seed)),
    ]  # fmt: skip
    groups = first_list(train)
    if groups is not None:
        of = groups.matrix()

        def bubble(requests: Requests) -> np.ndarray:
            favourite = np.asarray((requests.matrix(n) @ of).todense())
            inside = np.asarray(of.todense()).T[favourite.argmax(1)]
            return np.asarray((inside > 0) * 10.0 + taken / (taken.max() + 1))

        found.append(
            Contender("filter bubble", f"only the {groups.name} a person took most", by(bubble), bad=True)
        )
    fallback = Popular().fit(train)

    def by_itself(retriever: Retriever) -> Slates:
        answer = single_retriever(retriever, fallback)
        return lambda visit, k: answer(asked(visit), k).astype(np.int64)

    found += [
        Contender(name, "this retriever alone", by_itself(retriever))
        for name, retriever in recommender.retrievers.items()
        if name != "popular"
    ]
    found.append(Contender("full", "the whole cascade, weighed as the project says", full()))
    if len(project.objectives) > 1:
        found += [
            Contender(f"full, {o} only", f"the whole cascade, all weight on {o}", full(weights=only(o)))
            for o, settings in project.objectives.items()
            if settings.weight > 0
        ]
    if project.rerank.diversity_by:
        found.append(Contender("full, diverse", "the whole cascade, diversity 0.5", full(diversity=0.5)))
    found.append(Contender("full, exploring", "the whole cascade, exploring", full(explore=0.5)))
    return found


def first_list(dataset: Dataset) -> Attribute | None:
    """What items are grouped by: their genres, topics, categories."""
    return next((a for a in dataset.items.attributes.values() if a.kind == "list"), None)


def in_batches(policy: Contender, visit: Visit, k: int) -> np.ndarray:
    """A policy's slates, int64 (m, k), asked in batches that fit in memory."""
    parts = []
    for start in range(0, len(visit.ids), BATCH):
        some = slice(start, start + BATCH)
        contexts = None if visit.contexts is None else visit.contexts[some]
        parts.append(policy.slates(Visit(visit.codes[some], visit.ids[some], contexts, visit.moment), k))
    return np.concatenate(parts) if parts else np.empty((0, k), np.int64)


def _old(population: Population, seed: int) -> Slates:
    rng = np.random.default_rng([seed, 11])

    def slates(visit: Visit, k: int) -> np.ndarray:
        answer = np.full((len(visit.codes), k), -1, np.int64)
        session, item, position, _ = plackett_luce(
            rng, population.logging_weights, population.groups[visit.codes], k
        )
        answer[session, position] = item
        return answer

    return slates

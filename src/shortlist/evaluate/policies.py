"""Who stands in the table: the cascade, each of its retrievers alone, and always popular, recent and random."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.data.ids import IdMap
from shortlist.evaluate.folds import Fold
from shortlist.rank.past_requests import requests_as_of
from shortlist.recommender import Recommender
from shortlist.rerank.filters import allowed_items
from shortlist.retrieve import Popular, Requests, Retriever, top_k
from shortlist.store.records import StoredEvent

Policy = Callable[[np.ndarray, int], np.ndarray]
"""Rows of a fold's requests, int (m,), and k → item codes int64 (m, k), −1 where fewer."""
BATCH = 256


def replay_known_events(recommender: Recommender, fold: Fold) -> None:
    """Let a recommender take in what is told when asking (the earlier events of held-out people), as a server would."""
    recommender.replay(log_events(fold.known, fold.told))


def log_events(dataset: Dataset, rows: np.ndarray) -> Iterator[StoredEvent]:
    """Rows of a log as a server would be told of them."""
    log, users, items = dataset.log, dataset.users.ids, dataset.items.ids
    for row in rows.tolist():
        value = float(log.value[row])
        yield StoredEvent(
            str(row),
            users.id(int(log.user[row])),
            items.id(int(log.item[row])),
            log.kinds[log.kind[row]],
            int(log.time[row]),
            None if value != value else value,
            {n: v for n, a in log.context.items() if (v := a.show(row)) is not None},
        )


def recommender_policy(recommender: Recommender, fold: Fold) -> Policy:
    """The whole recommender, as it would answer."""

    def policy(rows: np.ndarray, k: int) -> np.ndarray:
        contexts = None if fold.contexts is None else [fold.contexts[r] for r in rows.tolist()]
        people = [fold.ids[r] for r in rows.tolist()]
        return recommended_codes(recommender, people, k, fold.moment, contexts, fold.train.items.ids)

    return policy


def recommended_codes(
    recommender: Recommender,
    people: list[Any],
    k: int,
    moment: int,
    contexts: list[dict[str, Any]] | None,
    ids: IdMap | None = None,
    **wish: Any,
) -> np.ndarray:
    """A recommender's slates at a moment as item codes int64 (people, k), −1 where fewer. ids: whose codes; its own without.
    wish: as for `recommend`.
    """
    ids = recommender.dataset.items.ids if ids is None else ids
    answer = np.full((len(people), k), -1, np.int64)
    slates = recommender.recommend(users=people, n=k, now=moment, context=contexts, **wish)
    for row, slate in enumerate(slates):
        answer[row, : len(slate)] = ids.codes([r.item for r in slate])
    return answer


def item_recency(dataset: Dataset) -> np.ndarray:
    """How lately each item was in the log, as a rank float32 (items,), the latest highest."""
    latest = np.full(len(dataset.items), -np.inf)
    np.maximum.at(latest, dataset.log.item, np.arange(len(dataset.log), dtype=np.float64))
    return np.argsort(np.argsort(latest)).astype(np.float32)


def baselines(recommender: Recommender, fold: Fold) -> dict[str, Policy]:
    """Each retriever alone (popular items follow where it has too few), popular, recent and random."""
    project, train = recommender.project, fold.train
    allowed = allowed_items(train.items, None, project.rerank.in_stock)
    fallback = Popular().fit(train)

    def requests(rows: np.ndarray) -> Requests:
        users, moments = fold.users[rows], np.full(len(rows), fold.moment, np.int64)
        asked = requests_as_of(
            fold.known, project.retrieve, users, moments, exclude_seen=not project.rerank.show_seen
        )
        return replace(asked, allowed=allowed)

    def batched(answer: Callable[[Requests, int], np.ndarray]) -> Policy:
        def policy(rows: np.ndarray, k: int) -> np.ndarray:
            parts = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
            return np.concatenate([answer(requests(part), k) for part in parts]).astype(np.int64)

        return policy

    recent = item_recency(train)
    rng = np.random.default_rng(project.seed)
    found = {name: batched(single_retriever(r, fallback)) for name, r in recommender.model.retrievers.items()}
    if "popular" not in found:
        found["popular"] = batched(single_retriever(fallback, fallback))
    found["recent"] = batched(lambda asked, k: top_k(np.tile(recent, (len(asked), 1)), asked, k).item)
    found["random"] = batched(
        lambda asked, k: top_k(rng.random((len(asked), len(train.items)), np.float32), asked, k).item
    )
    return found


def single_retriever(retriever: Retriever, fallback: Popular) -> Callable[[Requests, int], np.ndarray]:
    """One retriever's best k for each request, item codes (B, k); popular items follow where it has too few."""

    def answer(asked: Requests, k: int) -> np.ndarray:
        scores, behind = retriever.score(asked), fallback.score(asked)
        # popular items fill up below everything that the retriever says
        floor = np.where(np.isneginf(scores), np.inf, scores).min(1, keepdims=True)
        floor = np.where(np.isinf(floor), 0, floor)
        return top_k(np.where(np.isneginf(scores), floor - 2 + behind, scores), asked, k).item

    return answer


def histories_of(fold: Fold) -> Histories:
    """What each request's person did before, as told."""
    h = fold.known.histories
    known = fold.users >= 0
    safe = np.where(known, fold.users, 0)
    return h.pick(h.indptr[safe], np.where(known, h.indptr[safe + 1], h.indptr[safe]))

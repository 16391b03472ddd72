"""Policies for an evaluation: the recommender, each of its retrievers alone, and popular, recent and random items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.config.base import duration_ms
from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.data.ids import IdMap
from shortlist.evaluate.fold import Fold
from shortlist.evaluate.measures import IntArray
from shortlist.rank.past_requests import requests_as_of
from shortlist.recommender import Recommender
from shortlist.rerank.filters import allowed_items
from shortlist.retrieve import Popular, Requests, Retriever, top_k
from shortlist.store.records import StoredEvent

Policy = Callable[[IntArray, int], IntArray]
"""(rows of a fold's requests, k) → item codes, int64 (rows, k), −1 where a slate is shorter."""
BATCH = 256
RECENT_WINDOW = "7d"
POPULAR_OF_WINDOW = f"popular_{RECENT_WINDOW}"
"""The baseline of items that are popular now: on logs with new items, it is ahead of many personal models."""


def replay_known_events(recommender: Recommender, fold: Fold) -> None:
    """Replay the earlier events of held-out people, as a server receives them."""
    recommender.replay(log_events(fold.known, fold.replayed))


def log_events(dataset: Dataset, rows: IntArray) -> Iterator[StoredEvent]:
    """Yield rows of a log as the events that a server receives."""
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
            {name: shown for name, a in log.context.items() if (shown := a.show(row)) is not None},
        )


def recommender_policy(recommender: Recommender, fold: Fold) -> Policy:
    """Return the policy of the whole recommender."""

    def policy(rows: IntArray, k: int) -> IntArray:
        contexts = None if fold.contexts is None else [fold.contexts[row] for row in rows.tolist()]
        users = [fold.ids[row] for row in rows.tolist()]
        ids = fold.train.items.ids
        return recommended_codes(recommender, users, k, ids, now=fold.moment, context=contexts)

    return policy


def recommended_codes(
    recommender: Recommender, users: Sequence[Any], k: int, ids: IdMap | None = None, **request: Any
) -> NDArray[np.int64]:
    """Return the slates of a recommender as item codes.

    Parameters
    ----------
    recommender : Recommender
        The recommender.
    users : sequence
        The user ids.
    k : int
        The length of the slates.
    ids : IdMap, optional
        The item codes; default: those of the recommender's data set.
    **request
        Further arguments of `Recommender.recommend`: `now`, `context`, `weights`.

    Returns
    -------
    ndarray of int64, shape (users, k)
        −1 where a slate is shorter.
    """
    ids = recommender.dataset.items.ids if ids is None else ids
    codes = np.full((len(users), k), -1, np.int64)
    for row, slate in enumerate(recommender.recommend(users=users, n=k, **request)):
        codes[row, : len(slate)] = ids.codes([item.item for item in slate])
    return codes


def item_recency(dataset: Dataset) -> NDArray[np.float32]:
    """Return the rank of each item by its last event, float32 (items,); the latest is the highest."""
    latest = np.full(len(dataset.items), -np.inf)
    np.maximum.at(latest, dataset.log.item, np.arange(len(dataset.log), dtype=np.float64))
    return np.argsort(np.argsort(latest)).astype(np.float32)


Scorer = Callable[[Requests], NDArray[np.float32]]
"""(requests) → a score of every item, float32 (requests, items)."""


@dataclass(frozen=True, repr=False)
class BaselineModels:
    """The baselines, learned from the training part of a log.

    Attributes
    ----------
    popular : Popular
        All events count the same; it also fills up the lists of single retrievers.
    of_window : Popular, optional
        The events of the last seven days; None where the log is not longer.
    recency : ndarray of float32, shape (items,)
        The items by their last event; the latest is the highest.
    """

    popular: Popular
    of_window: Popular | None
    recency: NDArray[np.float32]

    @classmethod
    def of(cls, train: Dataset) -> BaselineModels:
        """Learn from a data set."""
        acted = train.log.time[train.log.acted]
        longer = len(acted) > 0 and acted[-1] - acted[0] >= duration_ms(RECENT_WINDOW)
        of_window = Popular(window=RECENT_WINDOW).fit(train) if longer else None
        return cls(Popular().fit(train), of_window, item_recency(train))

    def __repr__(self) -> str:
        return f"BaselineModels({len(self.recency):,} items)"


def baseline_scorers(
    recommender: Recommender, models: BaselineModels, seed: int | None = None
) -> dict[str, Scorer]:
    """Return how each retriever alone (filled up with popular items) and the baselines score items.

    The baselines are `popular`, `popular_7d` (the last seven days; left out where the log is not longer), `recent` and `random`.
    """
    fallback, recent = models.popular, models.recency
    rng = np.random.default_rng(recommender.project.seed if seed is None else seed)
    scorers = {
        name: retriever_scorer(retriever, fallback)
        for name, retriever in recommender.model.retrievers.items()
    }
    if "popular" not in scorers:
        scorers["popular"] = retriever_scorer(fallback, fallback)
    if models.of_window is not None:
        scorers[POPULAR_OF_WINDOW] = retriever_scorer(models.of_window, fallback)
    scorers["recent"] = lambda requests: np.tile(recent, (len(requests), 1))
    scorers["random"] = lambda requests: rng.random((len(requests), len(recent)), np.float32)
    return scorers


def baselines(
    recommender: Recommender, fold: Fold, models: BaselineModels, seed: int | None = None
) -> dict[str, Policy]:
    """Return the policies of each retriever alone (filled up with popular items) and of the baselines."""
    project, train = recommender.project, fold.train
    allowed = allowed_items(train.items, None, project.rerank.in_stock)

    def requests_of(rows: IntArray) -> Requests:
        moments = np.full(len(rows), fold.moment, np.int64)
        requests = requests_as_of(fold.known, project.retrieve, fold.users[rows], moments, project.rerank)
        weights = recommender.model.event_weights(requests.histories)
        return replace(requests.with_weights(weights), allowed=allowed, available=allowed)

    def batched(scorer: Scorer) -> Policy:
        def policy(rows: IntArray, k: int) -> IntArray:
            parts = [requests_of(rows[start : start + BATCH]) for start in range(0, len(rows), BATCH)]
            return np.concatenate([top_k(scorer(part), part, k).item for part in parts]).astype(np.int64)

        return policy

    return {name: batched(scorer) for name, scorer in baseline_scorers(recommender, models, seed).items()}


def retriever_scorer(retriever: Retriever, fallback: Popular) -> Scorer:
    """Return the scores of one retriever; popular items come after everything that it scores."""

    def score(requests: Requests) -> NDArray[np.float32]:
        scores, popular = retriever.score(requests), fallback.score(requests)
        floor = np.where(np.isneginf(scores), np.inf, scores).min(1, keepdims=True)
        floor = np.where(np.isinf(floor), 0, floor)
        return np.where(np.isneginf(scores), floor - 2 + popular, scores)

    return score


def histories_of(fold: Fold) -> Histories:
    """Return the history of each request's user, as known when the user asks."""
    histories = fold.known.histories
    known = fold.users >= 0
    user = np.where(known, fold.users, 0)
    start = histories.indptr[user]
    return histories.pick(start, np.where(known, histories.indptr[user + 1], start))

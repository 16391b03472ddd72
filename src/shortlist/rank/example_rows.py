"""The rows of the training set: shown items and items of their lists, or candidates of which negatives are sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.config.objectives import Objective
from shortlist.data.dataset import Dataset
from shortlist.data.histories import as_of
from shortlist.data.progress import Progress
from shortlist.features.keys import RequestKeys
from shortlist.features.rows import FeatureRows
from shortlist.features.within_list import LATEST
from shortlist.rank.example_settings import ExampleSettings
from shortlist.rank.labels import labels
from shortlist.rank.list_members import ListMembers, list_members
from shortlist.rank.past_requests import PastRequests, requests_as_of
from shortlist.rank.request_context import request_contexts
from shortlist.rank.unshown import known_items, outside_candidates, without_seen
from shortlist.retrieve import Requests, Retriever
from shortlist.retrieve.fusion.blend import Blended, blend

BATCH = 512
NOT_SHOWN, ONLY_LISTED = -1, -2
"""Instead of a position: an item that was not shown, and one that belongs to the list of a request but is no example."""
Part = tuple[NDArray[np.generic], ...]
"""Columns of one request's rows: request, item, ranks, scores, weight, position."""


@dataclass(frozen=True, eq=False)
class ExampleRows:
    """Rows of the feature matrix for training.

    Parameters
    ----------
    rows
        Examples, and the other items of their given lists: features compare with these.
    weights : ndarray of shape (examples,), float32
        How many candidates an example stands for.
    shown : ndarray of shape (examples,), bool
        Whether an example was shown, or may have been.
    chosen : ndarray of shape (rows,), bool, optional
        Which rows are examples (default: all).
    """

    rows: FeatureRows
    weights: NDArray[np.float32]
    shown: NDArray[np.bool_]
    chosen: NDArray[np.bool_] | None = None

    def examples(self, matrix: NDArray[np.float32]) -> tuple[FeatureRows, NDArray[np.float32]]:
        """Return the rows that are examples, of the feature rows and of their matrix, float32 (rows, columns)."""
        if self.chosen is None:
            return self.rows, matrix
        return self.rows.some(self.chosen), matrix[self.chosen]


def example_rows(
    dataset: Dataset,
    retrievers: Mapping[str, Retriever],
    past: PastRequests,
    settings: ExampleSettings,
    drawn: tuple[np.random.Generator, bool],
    progress: Progress,
) -> ExampleRows:
    """Return the rows of all requests, those of a request side by side.

    Parameters
    ----------
    dataset
        The log.
    retrievers
        Name → fitted retriever.
    past
        The requests.
    settings
        What to sample.
    drawn
        The generator of the samples, and whether features compare items with their lists (`FeatureSet.compares_lists`).
    progress
        Called with the stage and the fraction done.
    """
    rng, compares_lists = drawn
    n = len(past)
    parts: list[Part] = []
    known = known_items(dataset, past)
    unshown, candidates = settings.rank.unshown, settings.retrieve.candidates
    mean = min(unshown * max(len(known) - candidates, 0) / candidates, unshown)
    members = None if past.shown is None else list_members(dataset, past.shown, compares_lists)
    if members is not None:
        members = members.without_some(settings.without_list, settings.seed)
    progress("candidates", 0.0)
    for start in range(0, n, BATCH):
        end = min(start + BATCH, n)
        users, moments = past.users[start:end], past.moments[start:end]
        requests = requests_as_of(dataset, settings.retrieve, users, moments, settings.rerank)
        if past.shown is None or members is None:
            blended = blend(retrievers, requests, settings.retrieve.candidates)
            positive = _positives(dataset, blended, users, moments, settings.objectives)
            for row in range(len(users)):
                parts.append(_sampled(blended, row, start + row, positive[row], settings.rank.negatives, rng))
        else:
            shown = _usable(dataset, past.shown[start:end], requests, members.is_list[start:end])
            others = outside_candidates(known, shown, dataset, mean, rng)
            slates = _Slates(shown, others, members, start)
            parts += _shown_parts(dataset, retrievers, requests, slates, settings, rng)
        progress("candidates", end / n)
    return _joined(dataset, past, parts, members, list(retrievers), settings)


def _joined(
    dataset: Dataset,
    past: PastRequests,
    parts: list[Part],
    members: ListMembers | None,
    sources: list[str],
    settings: ExampleSettings,
) -> ExampleRows:
    """Join the columns of all requests, and add what is known of requests and lists."""
    request, item, ranks, scores, weights, position = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    lists = (
        None if members is None else members.of_rows(request, item.astype(np.int32), position != NOT_SHOWN)
    )
    histories = as_of(dataset.histories, past.users, past.moments, max(settings.retrieve.history, LATEST))
    rows = FeatureRows(
        RequestKeys(
            past.users,
            request_contexts(dataset, past, settings.without_context, settings.seed),
            {name: a.take(past.users) for name, a in dataset.users.attributes.items()},
        ),
        past.moments,
        histories,
        request,
        item.astype(np.int32),
        sources,
        ranks,
        scores,
        np.maximum(position, 0).astype(np.float32),
        lists,
    )
    weights, chosen = weights.astype(np.float32), position != ONLY_LISTED
    if chosen.all():
        return ExampleRows(rows, weights, position >= 0)
    return ExampleRows(rows, weights[chosen], position[chosen] >= 0, chosen)


def _usable(
    dataset: Dataset,
    shown: list[NDArray[np.int64]],
    requests: Requests,
    is_list: NDArray[np.bool_],
) -> list[NDArray[np.int64]]:
    """Return the shown items of slates that are examples: of given lists all, of other slates those that could be shown again.

    A given list is ranked as a whole, what the user has had included, so the ranker learns from all of it.
    """
    kept = without_seen(dataset.log.item, shown, requests)
    return [whole if given else part for whole, part, given in zip(shown, kept, is_list, strict=True)]


@dataclass(frozen=True, eq=False)
class _Slates:
    """Slates of one batch: rows of the log, further items (`outside_candidates`), lists, and the number of the first request."""

    shown: list[NDArray[np.int64]]
    others: list[NDArray[np.int32]]
    members: ListMembers
    start: int

    def listed(self, at: int) -> NDArray[np.int32]:
        """Return the items of a given list; empty for another slate."""
        return self.members.items(self.start + at)


def _shown_parts(
    dataset: Dataset,
    retrievers: Mapping[str, Retriever],
    requests: Requests,
    slates: _Slates,
    settings: ExampleSettings,
    rng: np.random.Generator,
) -> list[Part]:
    """Return the shown items of slates, items that were not shown, and the other items of given lists."""
    log, start = dataset.log, slates.start
    required = [
        np.union1d(np.union1d(log.item[part], more), slates.listed(at))
        for at, (part, more) in enumerate(zip(slates.shown, slates.others, strict=True))
    ]
    k = max([settings.retrieve.candidates, *map(len, required)])
    blended = blend(retrievers, requests, k, required, settings.retrieve.candidates)
    parts: list[Part] = []
    for at, part in enumerate(slates.shown):
        items, first = np.unique(log.item[part], return_index=True)
        found = _find(blended.item[at], items)
        listed = slates.listed(at)
        if settings.rank.unshown and not len(listed):
            rest = np.flatnonzero((blended.item[at] >= 0) & ~np.isin(blended.item[at], items))
            drawn = np.union1d(
                rng.permutation(rest)[: settings.rank.unshown],
                rest[np.isin(blended.item[at][rest], slates.others[at])],
            )
            parts.append(_part(blended, at, start + at, drawn, NOT_SHOWN))
        rest_of_list = np.setdiff1d(listed, items)
        if len(rest_of_list):
            parts.append(_part(blended, at, start + at, _find(blended.item[at], rest_of_list), ONLY_LISTED))
        parts.append(_part(blended, at, start + at, found, log.position[part][first]))
    return parts


def _part(
    blended: Blended,
    row: int,
    request: int,
    chosen: NDArray[np.int64],
    position: NDArray[np.int16] | int,
    weights: NDArray[np.float64] | float = 1.0,
) -> Part:
    """Return columns of some candidates of one request. position: of each, or `NOT_SHOWN` or `ONLY_LISTED`."""
    n = len(chosen)
    return (
        np.full(n, request),
        blended.item[row, chosen],
        blended.ranks[row, chosen],
        blended.scores[row, chosen],
        np.broadcast_to(weights, n),
        np.broadcast_to(position, n),
    )


def _find(candidates: NDArray[np.int32], items: NDArray[np.int32]) -> NDArray[np.int64]:
    order = np.argsort(candidates, kind="stable")
    return order[np.searchsorted(candidates[order], items)]


def _positives(
    dataset: Dataset,
    blended: Blended,
    users: NDArray[np.int32],
    moments: NDArray[np.int64],
    objectives: Mapping[str, Objective],
) -> NDArray[np.bool_]:
    """Return which candidates fulfil some objective, bool (requests, candidates)."""
    item = blended.item
    size = item.shape[1]
    flat_users, flat_moments = np.repeat(users, size), np.repeat(moments, size)
    flat = np.maximum(item.ravel(), 0)
    positive = np.zeros(len(flat), bool)
    for objective in objectives.values():
        happened = objective.model_copy(update={"kind": "probability"})
        positive |= labels(dataset.log, happened, flat_users, flat, flat_moments - 1) > 0
    return np.asarray(positive.reshape(item.shape) & (item >= 0))


def _sampled(
    blended: Blended,
    row: int,
    request: int,
    positive: NDArray[np.bool_],
    negatives: int,
    rng: np.random.Generator,
) -> Part:
    """Return all positive candidates of a request and a weighted sample of the negative ones.

    Half of the sample are the best candidates, because slates are made from them.
    """
    positives = np.flatnonzero(positive)
    others = np.flatnonzero(~positive & (blended.item[row] >= 0))
    top, rest = others[: negatives // 2], others[negatives // 2 :]
    drawn = rng.permutation(len(rest))[: negatives - len(top)]
    weight = len(rest) / max(len(drawn), 1)
    chosen = np.concatenate([positives, top, rest[drawn]])
    weights = np.concatenate([np.ones(len(positives) + len(top)), np.full(len(drawn), weight)])
    return _part(blended, row, request, chosen, 0, weights)

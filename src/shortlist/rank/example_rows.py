"""The rows of the training set: shown items and items of their lists, or candidates of which negatives are sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.data.dataset import Dataset
from shortlist.data.histories import as_of
from shortlist.data.log import Log
from shortlist.data.progress import Progress
from shortlist.features.keys import RequestKeys
from shortlist.features.rows import FeatureRows
from shortlist.features.within_list import LATEST
from shortlist.rank.candidate_rows import (
    NOT_SHOWN,
    ONLY_LISTED,
    CandidateRows,
    sampled_candidates,
    shown_candidates,
)
from shortlist.rank.example_settings import ExampleSettings
from shortlist.rank.fresh_sources import FreshSources
from shortlist.rank.labels import ObjectiveEvents
from shortlist.rank.list_members import ListMembers, list_members
from shortlist.rank.past_requests import PastRequests, requests_as_of, within_limit
from shortlist.rank.request_context import request_contexts
from shortlist.rank.unshown import SlateEntries, known_items, outside_candidates, without_seen
from shortlist.retrieve import Requests
from shortlist.retrieve.fusion.blend import Blended, blend

BATCH = 512
"""Requests whose candidates are retrieved together."""


@dataclass(frozen=True, eq=False, repr=False)
class ExampleRows(ShortRepr):
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
    sources: FreshSources,
    past: PastRequests,
    settings: ExampleSettings,
    events: Mapping[str, ObjectiveEvents],
    drawn: tuple[np.random.Generator, bool],
    progress: Progress,
) -> ExampleRows:
    """Return the rows of all requests, those of a request side by side.

    Parameters
    ----------
    dataset
        The log.
    sources
        Fitted retrievers.
    past
        The requests.
    settings
        What to sample.
    events
        Objective → its events, for requests without impressions.
    drawn
        The generator of the samples, and whether features compare items with their lists (`FeatureSet.compares_lists`).
    progress
        Called with the stage and the fraction done.
    """
    (rng, compares_lists), n, log = drawn, len(past), dataset.log
    parts: list[CandidateRows] = []
    known = known_items(dataset, past)
    unshown, candidates = settings.rank.unshown, settings.retrieve.candidates
    mean = min(unshown * max(len(known) - candidates, 0) / candidates, unshown)
    members = None if past.shown is None else list_members(dataset, past.shown, compares_lists)
    if members is not None:
        members = members.without_some(settings.without_list, settings.seed)
    keys = _keys(dataset, past, settings)
    _, negatives = within_limit(n, settings.rank)
    progress("candidates", 0.0)
    for start, end, retrievers in sources.batches(past.moments, BATCH):
        users, moments = past.users[start:end], past.moments[start:end]
        requests = _requests(dataset, settings, past, keys, np.arange(start, end))
        if past.shown is None or members is None:
            blended = blend(retrievers, requests, candidates)
            positive = _positives(events, blended, users, moments)
            part = sampled_candidates(blended, positive, negatives, start, rng)
        else:
            # a given list is ranked as a whole, what the user has had included, so the ranker learns from all of it
            whole = members.is_list[start:end]
            slates = without_seen(log.item, SlateEntries.of(past.shown[start:end]), requests, whole)
            listed = SlateEntries.of([members.items(at) for at in range(start, end)])
            others = outside_candidates(known, slates, log.item, mean, rng)
            required = _required(log, slates, others, listed)
            k = max([candidates, *map(len, required)])
            blended = blend(retrievers, requests, k, required, candidates)
            part = shown_candidates(blended, log, slates, (others, listed), (unshown, rng), start)
        parts.append(part)
        progress("candidates", end / n)
    return _joined(dataset, (past, keys), CandidateRows.joined(parts), members, sources.names, settings)


def _requests(
    dataset: Dataset,
    settings: ExampleSettings,
    past: PastRequests,
    keys: RequestKeys,
    rows: NDArray[np.int64],
) -> Requests:
    """Return some of the requests as retrievers read them, with their contexts."""
    users, moments = past.users[rows], past.moments[rows]
    requests = requests_as_of(dataset, settings.retrieve, users, moments, settings.rerank)
    return replace(requests, context={name: a.take(rows) for name, a in keys.context.items()})


def _keys(dataset: Dataset, past: PastRequests, settings: ExampleSettings) -> RequestKeys:
    """Return what is known of the requests: users, contexts, attributes of users."""
    context = request_contexts(dataset, past, settings.without_context, settings.seed)
    attributes = {name: a.take(past.users) for name, a in dataset.users.attributes.items()}
    return RequestKeys(past.users, context, attributes)


def _joined(
    dataset: Dataset,
    asked: tuple[PastRequests, RequestKeys],
    found: CandidateRows,
    members: ListMembers | None,
    sources: list[str],
    settings: ExampleSettings,
) -> ExampleRows:
    """Add what is known of requests and lists."""
    past, keys = asked
    lists = (
        None if members is None else members.of_rows(found.request, found.item, found.position != NOT_SHOWN)
    )
    histories = as_of(dataset.histories, past.users, past.moments, max(settings.retrieve.history, LATEST))
    rows = FeatureRows(
        keys,
        past.moments,
        histories,
        found.request,
        found.item,
        sources,
        found.ranks,
        found.scores,
        np.maximum(found.position, 0).astype(np.float32),
        lists,
    )
    chosen = found.position != ONLY_LISTED
    if chosen.all():
        return ExampleRows(rows, found.weight, found.position >= 0)
    return ExampleRows(rows, found.weight[chosen], found.position[chosen] >= 0, chosen)


def _required(log: Log, slates: SlateEntries, *more: SlateEntries) -> list[NDArray[np.integer]]:
    """Return the items of each slate that are candidates in any case, each once."""
    owner = np.concatenate([slates.owner, *(entries.owner for entries in more)])
    items = np.concatenate([log.item[slates.rows], *(entries.rows for entries in more)])
    pairs = np.unique(owner * (int(items.max(initial=0)) + 1) + items, return_index=True)[1]
    pairs = pairs[np.argsort(owner[pairs], kind="stable")]
    sizes = np.bincount(owner[pairs], minlength=len(slates))
    return np.split(items[pairs].astype(np.int32), np.cumsum(sizes)[:-1])


def _positives(
    events: Mapping[str, ObjectiveEvents],
    blended: Blended,
    users: NDArray[np.int32],
    moments: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Return which candidates fulfil some objective, bool (requests, candidates)."""
    item = blended.item
    size = item.shape[1]
    flat_users, flat_moments = np.repeat(users, size), np.repeat(moments, size)
    flat = np.maximum(item.ravel(), 0)
    positive = np.zeros(len(flat), bool)
    for of_objective in events.values():
        positive |= of_objective.followed(flat_users, flat, flat_moments - 1).delay >= 0
    return np.asarray(positive.reshape(item.shape) & (item >= 0))

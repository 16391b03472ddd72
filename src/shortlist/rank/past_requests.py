"""Past requests: users and moments of the log, with the histories known at that time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.config.base import IMPRESSION
from shortlist.config.rank import RankSettings
from shortlist.config.rerank import RerankSettings
from shortlist.config.retrieve import RetrieveSettings
from shortlist.data.dataset import Dataset
from shortlist.data.histories import as_of
from shortlist.data.seen import hidden_once_seen
from shortlist.retrieve import EventWeights, Requests

POSITIVES_PER_REQUEST = 10
"""Expected number of examples per request beside its negatives, for the limit `max_rows`."""
FEWER = 4
"""Where requests do not all fit into `max_rows`, each keeps at least one in so many of its `negatives`."""


@dataclass(frozen=True, eq=False)
class PastRequests:
    """Requests of the past.

    Parameters
    ----------
    users : ndarray of shape (requests,), int32
        User codes.
    moments : ndarray of shape (requests,), int64
        Times, ms since 1970.
    shown
        With impressions: the rows of the log that each slate consists of.
    """

    users: NDArray[np.int32]
    moments: NDArray[np.int64]
    shown: list[NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return len(self.users)

    def drawn(self, most: int, rng: np.random.Generator) -> PastRequests:
        """Return at most so many of the requests, drawn at random, in their order; without what was shown."""
        rows = np.sort(rng.permutation(len(self))[:most])
        return PastRequests(self.users[rows], self.moments[rows])

    def __repr__(self) -> str:
        return f"PastRequests({len(self)} requests{'' if self.shown is None else ', with impressions'})"


def shown_slates(
    dataset: Dataset, start: int, end: int, settings: RankSettings, rng: np.random.Generator
) -> PastRequests:
    """Return one request per slate shown in start ≤ time < end (ms).

    A slate is the impressions of one user with one slate id, or without slate ids at one instant. Above `max_rows`
    impressions, slates are drawn at random.
    """
    log = dataset.log
    low, high = np.searchsorted(log.time, [start, end])
    rows = low + np.flatnonzero(log.is_kind([IMPRESSION])[low:high])
    if not len(rows):
        return PastRequests(np.empty(0, np.int32), np.empty(0, np.int64), [])
    group = np.where(log.slate[rows] >= 0, log.slate[rows].astype(np.int64), -log.time[rows])
    order = np.lexsort([rows, group, log.user[rows]])
    rows, group = rows[order], group[order]
    edge = np.flatnonzero(np.concatenate([[True], (np.diff(group) != 0) | (np.diff(log.user[rows]) != 0)]))
    parts = np.split(rows, edge[1:])
    total = _rows_of_lists(dataset, parts)
    if total > settings.max_rows:
        size = max(1, int(len(parts) * settings.max_rows / total))
        parts = [parts[at] for at in np.sort(rng.permutation(len(parts))[:size])]
    first = np.array([part[0] for part in parts], np.int64)
    return PastRequests(log.user[first], log.time[first], parts)


def _rows_of_lists(dataset: Dataset, parts: list[NDArray[np.int64]]) -> int:
    """Return the number of items of slates, with those of their lists that were not shown."""
    lists, shown = dataset.log.lists, sum(map(len, parts))
    if lists is None:
        return shown
    slates = dataset.log.slate[[int(part[0]) for part in parts]]
    return shown + len(lists.of_slates(slates).item)


def within_limit(requests: int, settings: RankSettings) -> tuple[int, int]:
    """Return how many of so many requests become examples, and how many negatives each of them keeps.

    The positives of a further request say more than further negatives of the same request. Where `max_rows` has no room for all,
    each request keeps fewer negatives, and only then are requests left out.
    """
    room = settings.max_rows // max(requests, 1) - POSITIVES_PER_REQUEST
    fewest = -(-settings.negatives // FEWER)
    negatives = min(max(room, fewest), settings.negatives)
    return min(requests, max(1, settings.max_rows // (negatives + POSITIVES_PER_REQUEST))), negatives


def moments_of_action(
    dataset: Dataset, start: int, end: int, settings: RankSettings, rng: np.random.Generator
) -> PastRequests:
    """Return a few moments of each user in start ≤ time < end (ms): before the first action and before random later ones.

    The first is always included, because it shows how new users act. Above `max_rows` expected examples, moments are
    drawn at random.
    """
    log = dataset.log
    low, high = np.searchsorted(log.time, [start, end])
    rows = low + np.flatnonzero(log.acted[low:high])
    key = rng.random(len(rows))
    first = np.unique(log.user[rows], return_index=True)[1]
    key[first] = -1.0
    order = np.lexsort([key, log.user[rows]])
    owner = log.user[rows][order]
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)
    chosen = np.sort(rows[order[place < settings.requests_per_user]])
    size, _ = within_limit(len(chosen), settings)
    if size < len(chosen):
        chosen = np.sort(rng.permutation(chosen)[:size])
    pairs = np.unique(np.stack([log.time[chosen], log.user[chosen].astype(np.int64)]), axis=1)
    return PastRequests(pairs[1].astype(np.int32), pairs[0])


def requests_as_of(
    dataset: Dataset,
    settings: RetrieveSettings,
    users: NDArray[np.int32],
    moments: NDArray[np.int64],
    rerank: RerankSettings | None = None,
) -> Requests:
    """Return the retrieval requests that users would have made at past moments, with their histories as of then.

    Parameters
    ----------
    dataset
        The log.
    settings
        Length of histories.
    users : ndarray of shape (requests,), int32
        User codes.
    moments : ndarray of shape (requests,), int64
        Times, ms.
    rerank
        Items of the history are excluded from the candidates as these settings say (default: no item is excluded).
    """
    exclude_seen = rerank is not None and not rerank.show_seen
    whole = as_of(dataset.histories, users, moments, None if exclude_seen else settings.history)
    recent = whole.last(settings.history)
    attributes = {name: a.take(users) for name, a in dataset.users.attributes.items()}
    indptr, seen = None, None
    if rerank is not None and not rerank.show_seen:
        excluded = whole.only(hidden_once_seen(dataset.items, whole.item, rerank))
        indptr, seen = excluded.indptr, excluded.item
    weights = EventWeights.of(settings, dataset.log)(recent)
    return Requests(recent, weights, moments, None, indptr, seen, attributes)

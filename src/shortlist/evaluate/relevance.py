"""The requests of a test and their relevant items: what a person has already taken does not count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.config.project import Project
from shortlist.config.rerank import RerankSettings
from shortlist.data.dataset import Dataset
from shortlist.data.log import Log
from shortlist.data.seen import hidden_once_seen
from shortlist.evaluate.measures import IntArray, RelevantItems
from shortlist.metrics.gains import ragged


def relevant_items(
    project: Project, known: Dataset, users: IntArray, items: IntArray, limit: int | None = None
) -> tuple[NDArray[np.int32], RelevantItems]:
    """Group positive events by person, without the items of the history.

    Parameters
    ----------
    project : Project
        Its settings give the sample of people.
    known : Dataset
        What is known when the people ask.
    users, items : ndarray of int, shape (events,)
        The user and the item of each positive event.
    limit : int, optional
        The number of people in the sample; default: `evaluate.people`.

    Returns
    -------
    people : ndarray of int32, shape (R,)
        The sampled people with a relevant item, in order.
    relevant : RelevantItems
        The relevant items of each.
    """
    n_items = len(known.items)
    pairs = np.unique(users.astype(np.int64) * n_items + items)
    pairs = np.setdiff1d(pairs, history_pairs(known, n_items, project.rerank))
    people = sample(project, np.unique(pairs // n_items), limit)
    return people.astype(np.int32), by_person(pairs // n_items, pairs % n_items, people)


def unseen_rows(
    known: Dataset, log: Log, rows: NDArray[np.int64], rerank: RerankSettings
) -> NDArray[np.int64]:
    """Return the rows of a log whose item is not hidden because its user already had it."""
    n_items = len(known.items)
    pairs = log.user[rows].astype(np.int64) * n_items + log.item[rows]
    return rows[~np.isin(pairs, history_pairs(known, n_items, rerank))]


def history_pairs(known: Dataset, width: int, rerank: RerankSettings) -> NDArray[np.int64]:
    """Return user · width + item for everything in the histories that is not shown again."""
    whole = known.histories
    histories = whole.only(hidden_once_seen(known.items, whole.item, rerank))
    return np.asarray(histories.owner * width + histories.item, np.int64)


def sample(project: Project, rows: NDArray[np.int64], limit: int | None = None) -> NDArray[np.int64]:
    """Return a sample of the rows of at most `limit` (default: `evaluate.people`), in order."""
    limit = limit or project.evaluate.people
    if len(rows) <= limit:
        return rows
    return np.sort(np.random.default_rng(project.seed).permutation(rows)[:limit])


def by_person(users: NDArray[np.int64], items: NDArray[np.int64], people: NDArray[np.int64]) -> RelevantItems:
    """Group pairs that are sorted by user; `people` is sorted too."""
    low, high = np.searchsorted(users, people), np.searchsorted(users, people, side="right")
    return RelevantItems(*ragged([items[a:b] for a, b in zip(low, high, strict=True)]))

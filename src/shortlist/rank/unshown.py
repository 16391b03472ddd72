"""Which items of past slates are examples, and which further items are: those that nobody was shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.rank.past_requests import PastRequests
from shortlist.retrieve import Requests


def known_items(dataset: Dataset, past: PastRequests) -> NDArray[np.int32]:
    """Return the items with an event before the first of the requests."""
    end = np.searchsorted(dataset.log.time, past.moments.min())
    return np.unique(dataset.log.item[:end]).astype(np.int32)


def outside_candidates(
    known: NDArray[np.int32],
    slates: list[NDArray[np.int64]],
    dataset: Dataset,
    mean: float,
    rng: np.random.Generator,
) -> list[NDArray[np.int32]]:
    """Draw a few items of the catalogue for each slate, beside the candidates that were not shown; `mean` of them.

    A filter can leave only items that no source proposes. The ranker must have seen such items that were not shown as
    often as it saw candidates, otherwise it learns of them only from those that an earlier system chose to show.
    """
    counts = (mean + rng.random(len(slates))).astype(np.int64)
    return [
        np.setdiff1d(rng.choice(known, count), dataset.log.item[part]).astype(np.int32)
        if count
        else np.empty(0, np.int32)
        for count, part in zip(counts.tolist(), slates, strict=True)
    ]


def without_seen(
    item: NDArray[np.int32], slates: list[NDArray[np.int64]], requests: Requests
) -> list[NDArray[np.int64]]:
    """Remove items that the user already had, which requests exclude.

    A previous system may have shown them again and users passed over them; the ranker would learn that the items that fit
    best are negatives.
    """
    if requests.excluded is None or requests.excluded_indptr is None:
        return slates
    ends = requests.excluded_indptr
    return [
        part[~np.isin(item[part], requests.excluded[ends[at] : ends[at + 1]])]
        for at, part in enumerate(slates)
    ]

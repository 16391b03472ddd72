"""Which items of past slates are examples, and which further items are: those that nobody was shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.rank.past_requests import PastRequests
from shortlist.retrieve import Requests


@dataclass(frozen=True, eq=False, repr=False)
class SlateEntries:
    """Ragged lists of numbers, one for each of B slates.

    Parameters
    ----------
    owner : ndarray of shape (entries,), int64
        The slate of each entry, from 0, rising.
    rows : ndarray of shape (entries,)
        Rows of the log, or items.
    n
        Number of slates.
    """

    owner: NDArray[np.int64]
    rows: NDArray[np.integer]
    n: int

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        return f"SlateEntries({self.n} slates, {len(self.rows)} entries)"

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of entries of each slate, int64 (B,)."""
        return np.bincount(self.owner, minlength=self.n)

    @classmethod
    def of(cls, parts: Sequence[NDArray[np.integer]]) -> Self:
        """Join one array a slate."""
        sizes = np.array([len(part) for part in parts], np.int64)
        rows = np.concatenate([np.empty(0, np.int64), *parts])
        return cls(np.repeat(np.arange(len(parts)), sizes), rows, len(parts))

    def only(self, kept: NDArray[np.bool_]) -> SlateEntries:
        """Return some of the entries."""
        return SlateEntries(self.owner[kept], self.rows[kept], self.n)


def known_items(dataset: Dataset, past: PastRequests) -> NDArray[np.int32]:
    """Return the items with an event before the first of the requests."""
    end = np.searchsorted(dataset.log.time, past.moments.min())
    return np.unique(dataset.log.item[:end]).astype(np.int32)


def outside_candidates(
    known: NDArray[np.int32],
    slates: SlateEntries,
    item: NDArray[np.int32],
    mean: float,
    rng: np.random.Generator,
) -> SlateEntries:
    """Draw a few items of the catalogue for each slate, beside the candidates that were not shown; `mean` of them.

    A filter can leave only items that no source proposes. The ranker must have seen such items that were not shown as
    often as it saw candidates, otherwise it learns of them only from those that an earlier system chose to show.

    Parameters
    ----------
    known
        The items to draw from.
    slates
        Rows of the log; what a slate showed is left out.
    item : ndarray of shape (events,), int32
        The item of each row of the log.
    mean
        Mean number of items drawn a slate.
    rng
        Draws.
    """
    counts = (mean + rng.random(len(slates))).astype(np.int64)
    drawn = rng.choice(known, int(counts.sum())) if counts.any() else known[:0]
    found = SlateEntries(np.repeat(np.arange(len(slates)), counts), drawn, len(slates))
    return found.only(~same_pairs(found.owner, drawn, slates.owner, item[slates.rows]))


def without_seen(
    item: NDArray[np.int32], slates: SlateEntries, requests: Requests, whole: NDArray[np.bool_]
) -> SlateEntries:
    """Remove items that the user already had, which requests exclude, but for slates that are examples as a whole, bool (B,).

    A previous system may have shown them again and users passed over them; the ranker would learn that the items that fit
    best are negatives.
    """
    if requests.excluded is None or requests.excluded_indptr is None:
        return slates
    owner = np.repeat(np.arange(len(requests)), np.diff(requests.excluded_indptr))
    seen = same_pairs(slates.owner, item[slates.rows], owner, requests.excluded)
    return slates.only(~seen | whole[slates.owner])


def same_pairs(
    owner: NDArray[np.int64],
    item: NDArray[np.integer],
    other_owner: NDArray[np.int64],
    other_item: NDArray[np.integer],
) -> NDArray[np.bool_]:
    """Return which (owner, item) pairs are among others, bool (pairs,)."""
    size = max(int(item.max(initial=0)), int(other_item.max(initial=0))) + 1
    return np.isin(owner * size + item, other_owner * size + other_item)

"""What is known of the candidates of a fusion, for the models that order them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.data.histories import Histories
from shortlist.retrieve.fusion.blend import LIMIT, Blended

LOWEST = -3.0
"""Normalised scores are clipped from below to this for the logit: how far an item is from all proposals says nothing more."""
UNRANKED = 150
"""The rank that an item counts as in the list of a source that does not propose it."""


@dataclass(frozen=True, repr=False)
class Shortlisted(ShortRepr):
    """The best m candidates of B requests by weighted scores, best first.

    Attributes
    ----------
    item
        int32 (B, m), −1 where there are fewer.
    scores, ranks
        float32 (B, m, sources), as in `Blended`.
    fused
        float (B, m): the weighted scores.
    popularity
        float32 (B, m): log(1 + events) of each item.
    size, usual
        float (B,): the number of events of the history, and the mean log(1 + events) of its items.
    """

    item: NDArray[np.int32]
    scores: NDArray[np.float32]
    ranks: NDArray[np.float32]
    fused: NDArray[np.floating]
    popularity: NDArray[np.float32]
    size: NDArray[np.float32]
    usual: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        blended: Blended,
        places: NDArray[np.integer],
        fused: NDArray[np.floating],
        histories: Histories,
        log_counts: NDArray[np.float32],
    ) -> Shortlisted:
        """Pick candidates by their places, int (B, m); `log_counts` float32 (items,) is the popularity of each item."""
        item = np.take_along_axis(blended.item, places, 1)
        size = np.diff(histories.indptr).astype(np.float32)
        of_events = np.bincount(histories.owner, _known(log_counts, histories.item), len(histories))
        return cls(
            item,
            np.take_along_axis(blended.scores, places[:, :, None], 1),
            np.take_along_axis(blended.ranks, places[:, :, None], 1),
            np.take_along_axis(fused, places, 1),
            _known(log_counts, item),
            size,
            of_events / np.maximum(size, 1),
        )

    def for_trees(self) -> NDArray[np.float32]:
        """Return float32 (B, m, features): everything, NaN where there is no candidate or no value."""
        alone = np.broadcast_to(self.size[:, None], self.item.shape)
        place = np.broadcast_to(np.arange(self.item.shape[1], dtype=np.float32), self.item.shape)
        single = [self.fused, place, self.popularity, alone, self.popularity - self.usual[:, None]]
        parts = [self.scores, self.ranks, *(one[:, :, None] for one in single)]
        matrix = np.concatenate(parts, axis=2, dtype=np.float32)
        matrix[self.item < 0] = np.nan
        return matrix

    def for_logit(self) -> NDArray[np.float32]:
        """Return float32 (B, m, 3 · sources + 1): score, its logarithm and the logarithm of the rank of each source, and the popularity.

        What all candidates of a request share has no effect on their order, and is no input. NaN where there is no candidate.
        """
        score = np.clip(np.nan_to_num(self.scores, nan=-1.0), LOWEST, LIMIT)
        rank = np.log1p(np.nan_to_num(self.ranks, nan=UNRANKED))
        parts = [score, np.log1p(np.maximum(score, -0.9)), -rank, self.popularity[:, :, None]]
        matrix = np.concatenate(parts, axis=2, dtype=np.float32)
        matrix[self.item < 0] = np.nan
        return matrix


def _known(log_counts: NDArray[np.float32], items: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return log(1 + events) of some items; 0 for items added since."""
    known = (items >= 0) & (items < len(log_counts))
    return np.where(known, log_counts[np.where(known, items, 0)], np.float32(0))

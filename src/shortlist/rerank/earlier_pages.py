"""Items that the pages before the present one have shown, for re-rankers that act over all pages of a slate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class EarlierPages:
    """The items of the pages before the present one.

    Attributes
    ----------
    items : ndarray of shape (shown,), int32
        Codes of the items that were shown, in order, each once, those that the catalogue still has.
    slots
        Number of slots of those pages: the position of the first slot of the present one.
    utility : ndarray of shape (shown,), float64
        Their utilities at the time of the present page (`scored`). Empty before they are scored: diversity then has only the scale of the
        present candidates.
    predictions : ndarray of shape (shown, objectives), float32
        Their predictions, from which guard-rails count on.
    """

    items: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    slots: int = 0
    utility: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    predictions: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))

    def scored(self, utility: NDArray[np.float64], predictions: NDArray[np.float32]) -> Self:
        """Return the pages with the utilities and predictions of their items."""
        return replace(self, utility=utility, predictions=predictions)

    def following(self, utility: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return utilities of candidates, then those of the items; one that is unknown, or hidden since, is the least of the candidates."""
        if not len(self.items):
            return utility
        least = float(utility.min()) if len(utility) else 0.0
        shown = self.utility if len(self.utility) else np.full(len(self.items), least)
        return np.concatenate([utility, np.where(np.isfinite(shown), shown, least)])

    def __repr__(self) -> str:
        return f"EarlierPages({self.slots:,} slots)"


FIRST_PAGE = EarlierPages()
"""No page before this one."""

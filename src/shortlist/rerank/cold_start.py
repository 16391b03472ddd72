"""Cold-start exploration: impressions for new items by Thompson sampling, within an exposure budget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.config.base import IMPRESSION, duration_ms
from shortlist.config.objectives import Objective
from shortlist.config.rerank import NewItemSettings
from shortlist.data.no_time import NO_TIME
from shortlist.rerank.thompson import probability_of_maximum

PRIOR_IMPRESSIONS = 20.0
"""Number of impressions that the ranker's prediction counts for."""
MAX_CANDIDATES = 16
"""Maximum number of new items per slate: those with the fewest impressions."""
DEFAULT_RATE = 0.05
"""Share of impressions with a positive outcome, if the log does not tell."""
ItemIndex = NDArray[np.int32] | NDArray[np.int64] | slice


class ColdStartExploration:
    """Impressions for new items by Thompson sampling, within an exposure budget.

    A new item has no history by which it could be judged, so it is not shown and never gets one. This policy reserves one
    slot on a share of the slates for new items: items that are younger than a window and have had fewer impressions
    than their budget. The item for the slot is drawn by Thompson sampling: an outcome rate is sampled from each new
    item's posterior, and the item with the highest sample is shown. The posterior starts at the ranker's prediction for
    this user, which counts as `PRIOR_IMPRESSIONS` impressions, and moves to the item's own rate as impressions are
    recorded. Items that are not chosen stop being explored, and none exceeds its budget. Posteriors are normal
    approximations, so the propensity of each draw is one integral (`probability_of_maximum`) and can be logged.

    The counts are the only mutable part of re-ranking. They have one owner (`LiveState`), which makes every call of
    `record`, `served` and `grow` under its write lock. Reads need no lock: they see each count before or after a
    write. The cost per request is O(items); leave `share` at 0 if new items arrive rarely.

    Parameters
    ----------
    settings
        Window, budget, share and slot.
    objective
        The objective that defines a positive outcome.
    n_items
        Number of items.

    Attributes
    ----------
    base_rate : float
        Share of impressions with a positive outcome over all items.

    References
    ----------
    Thompson (1933). On the likelihood that one unknown probability exceeds another. Biometrika.

    Chapelle & Li (2011). An empirical evaluation of Thompson sampling. NeurIPS.

    Agrawal & Goyal (2013). Further optimal regret bounds for Thompson sampling. AISTATS. (Normal posteriors.)
    """

    def __init__(self, settings: NewItemSettings, objective: Objective, n_items: int) -> None:
        self.settings, self.objective = settings, objective
        self.window_ms = duration_ms(settings.window)
        self.base_rate = DEFAULT_RATE
        self._n_items = n_items
        # Rows: impressions that events report, slates that were answered, positive outcomes. Replaced as a whole by `grow`.
        self._counts = np.zeros((3, n_items), np.int64)

    def __len__(self) -> int:
        return self._n_items

    def __repr__(self) -> str:
        return f"ColdStartExploration({self._n_items} items, budget={self.settings.budget}, window={self.settings.window!r})"

    # ------------------------------------------------------------------ writes, by the owner only

    def record(self, kind: str, items: NDArray[np.integer], values: NDArray[np.floating]) -> None:
        """Count events of one kind.

        Parameters
        ----------
        kind
            Event kind.
        items : ndarray of shape (events,), int
            Item codes.
        values : ndarray of shape (events,), float
            Event values, NaN if there is none.
        """
        counts = self._counts
        if kind == IMPRESSION:
            np.add.at(counts[0], items, 1)
        if kind in self.objective.events:
            minimum = self.objective.at_least
            if minimum is not None:
                items = items[np.nan_to_num(values, nan=-np.inf) >= minimum]
            np.add.at(counts[2], items, 1)

    def served(self, items: NDArray[np.integer]) -> None:
        """Count a slate that was answered; item codes, negative ones are ignored."""
        self._counts[1, items[items >= 0]] += 1

    def grow(self, n_items: int) -> None:
        """Make room for items that were added, before requests see them. Amortised O(added items)."""
        counts = self._counts
        if n_items > counts.shape[1]:
            longer = np.zeros((3, n_items + n_items // 8), np.int64)
            longer[:, : counts.shape[1]] = counts
            self._counts = longer
        self._n_items = max(n_items, self._n_items)

    def estimate_base_rate(self) -> None:
        """Set `base_rate` from the counts so far, if there are impressions."""
        impressions, positives = int(self._counts[0].sum()), int(self._counts[2].sum())
        self.base_rate = positives / impressions if impressions else DEFAULT_RATE

    # ------------------------------------------------------------------ reads

    def impressions(self, items: ItemIndex) -> NDArray[np.int64]:
        """Return the impressions of items: as events report them, or as slates were answered if that is more."""
        counts = self._counts
        return np.maximum(counts[0, items], counts[1, items])

    def is_new(self, items: ItemIndex, first_seen: NDArray[np.int64], now: int) -> NDArray[np.bool_]:
        """Return whether items are younger than the window and have budget left.

        Parameters
        ----------
        items
            Item codes.
        first_seen : ndarray of shape (items,), int64
            Time from which each item's age counts, ms, or `NO_TIME`; items of unknown age are never new.
        now
            Time of the request, ms.
        """
        young = (first_seen != NO_TIME) & (first_seen > now - self.window_ms) & (first_seen <= now)
        return np.asarray(young & (self.impressions(items) < self.settings.budget))

    def new_items(
        self, first_seen: NDArray[np.int64], now: int, allowed: NDArray[np.bool_] | None
    ) -> NDArray[np.int32]:
        """Return the new items that may be shown, int32, by impressions, then the newest first.

        Parameters
        ----------
        first_seen : ndarray of shape (items,), int64
            Time from which each item's age counts, ms.
        now
            Time of the request, ms.
        allowed : ndarray of shape (items,), bool, optional
            Items that may be shown (default: all).
        """
        codes = np.flatnonzero(self.is_new(slice(len(first_seen)), first_seen, now))
        if allowed is not None:
            codes = codes[allowed[codes]]
        return codes[np.lexsort((-first_seen[codes], self.impressions(codes)))].astype(np.int32)

    def posterior(
        self, items: ItemIndex, predicted: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of each item's outcome rate.

        Parameters
        ----------
        items
            Item codes.
        predicted : ndarray of shape (items,), float64
            The ranker's prediction, used as prior mean.
        """
        counts = self._counts
        n = np.maximum(counts[0, items], counts[1, items])
        prior = np.clip(predicted, 1e-4, 1 - 1e-4)
        mean = np.clip(
            (PRIOR_IMPRESSIONS * prior + counts[2, items]) / (PRIOR_IMPRESSIONS + n), 1e-6, 1 - 1e-6
        )
        return mean, np.sqrt(mean * (1 - mean) / (PRIOR_IMPRESSIONS + n + 1))


@dataclass(frozen=True, eq=False)
class ColdStartSlot:
    """The new items that compete for the reserved slot of one slate.

    Parameters
    ----------
    share
        Probability that a new item gets the slot.
    slot
        The reserved slot, from 0.
    rows : ndarray of shape (new items,), int64
        Rows of the candidates.
    mean, deviation : ndarray of shape (new items,), float64
        Posterior of each one's outcome rate.
    """

    share: float
    slot: int
    rows: NDArray[np.int64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def __repr__(self) -> str:
        return f"ColdStartSlot({len(self.rows)} new items, share={self.share}, slot={self.slot})"

    def draw_probabilities(self, above: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the rows that are not in `above` and the probability that Thompson sampling draws each of them."""
        free = ~np.isin(self.rows, above)
        if not free.any():
            return self.rows[:0], np.empty(0)
        return self.rows[free], probability_of_maximum(self.mean[free], self.deviation[free])

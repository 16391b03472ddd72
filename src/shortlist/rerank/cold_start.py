"""A fair first audience for new items: Thompson sampling with an exposure budget.

A new item has no past to be judged by, so it is never shown and never gets one. Here a share of the slates has one slot for newcomers:
items younger than a window that were shown fewer times than their budget. Which of them gets it is drawn by Thompson sampling (Thompson
1933; Chapelle & Li 2011): each newcomer's chance of being taken is drawn from what is believed of it, and the highest draw is shown. The
belief begins at what the ranker predicts for this person from the item's description, worth `PRIOR` showings, and moves to the item's own
record as it is shown. So newcomers of whom little is known are tried, those that nobody takes stop being tried, and none is tried beyond
its budget: after it the item stands on its record like any other.

Beliefs are taken as normal around their mean, so that the chance that a newcomer has the highest draw is one integral, known for the log
(Agrawal & Goyal 2013 analyse Thompson sampling with normal posteriors).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from shortlist.config.base import IMPRESSION, duration_ms
from shortlist.config.objectives import Objective
from shortlist.config.rerank import NewItemSettings
from shortlist.data.times import NO_TIME

PRIOR = 20.0
"""How many showings the ranker's prediction counts for."""
MOST = 16
"""So many newcomers are looked at for one slate: those that were shown least."""
USUAL = 0.05
"""The share of showings that are taken, where no log says it."""
GRID = 129
REACH = 6.0


class Newcomers:
    """Who is new, and what became of them. int64 (items,): `told`, how often events said that an item was shown; `served`, how often
    it stood on a slate that was answered; `taken`, how often it was. `usual`: the share of showings that are taken, of all items.
    """

    def __init__(self, settings: NewItemSettings, wanted: Objective, born: np.ndarray) -> None:
        """Born int64 ms (items,) or `NO_TIME`, which is never new. wanted: what counts as taken."""
        self.window, self.budget, self.wanted = duration_ms(settings.window), settings.budget, wanted
        self.told, self.served, self.taken = (np.zeros(len(born), np.int64) for _ in range(3))
        self.usual = USUAL

    def shown(self, items: np.ndarray | slice) -> np.ndarray:
        """How often items were shown: as events say it, or as slates were answered where no events come in."""
        return np.maximum(self.told[items], self.served[items])

    def add(self, kind: str, items: np.ndarray, values: np.ndarray) -> None:
        """Events of one kind, of item codes with their values."""
        if kind == IMPRESSION:
            np.add.at(self.told, items, 1)
        if kind in self.wanted.events:
            least = self.wanted.at_least
            np.add.at(
                self.taken, items if least is None else items[np.nan_to_num(values, nan=-np.inf) >= least], 1
            )

    def serve(self, items: np.ndarray) -> None:
        """A slate of these item codes was answered."""
        self.served[items[items >= 0]] += 1

    def grow(self, items: int) -> None:
        """Room for items that were added."""
        for name in ("told", "served", "taken"):
            old = getattr(self, name)
            setattr(self, name, np.append(old, np.zeros(items - len(old), np.int64)))

    def is_new(self, items: np.ndarray | slice, born: np.ndarray, moment: int) -> np.ndarray:
        """bool: young enough at a moment (ms), with budget left. born int64 ms, of the same items."""
        young = (born != NO_TIME) & (born > moment - self.window) & (born <= moment)
        return young & (self.shown(items) < self.budget)

    def now(self, born: np.ndarray, moment: int, allowed: np.ndarray | None) -> np.ndarray:
        """The new items that may be shown, int32, those that were shown least first, the newest of those."""
        codes = np.flatnonzero(self.is_new(slice(None), born, moment))
        if allowed is not None:
            codes = codes[allowed[codes]]
        return codes[np.lexsort((-born[codes], self.shown(codes)))].astype(np.int32)

    def believe(self, items: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of what is believed of each item's chance, float64. predicted: what the ranker says of it."""
        n, guess = self.shown(items), np.clip(predicted, 1e-4, 1 - 1e-4)
        mean = np.clip((PRIOR * guess + self.taken[items]) / (PRIOR + n), 1e-6, 1 - 1e-6)
        return mean, np.sqrt(mean * (1 - mean) / (PRIOR + n + 1))


def highest(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """The chance that each of some independent normal draws is the highest, float64, summing to 1.

    ∫ φᵢ(x) Πⱼ≠ᵢ Φⱼ(x) dx by the trapezoid rule on a grid over all of them; O(items × grid).
    """
    if len(mean) == 1:
        return np.ones(1)
    low, high = (mean - REACH * deviation).min(), (mean + REACH * deviation).max()
    # a grid as fine as the narrowest needs: bounded, since beliefs are of similar age
    points = min(max(GRID, int(4 * (high - low) / deviation.min()) | 1), 4_001)
    x = np.linspace(low, high, points)
    z = (x - mean[:, None]) / deviation[:, None]
    below = log_ndtr(z)
    log_density = -0.5 * z**2 - np.log(deviation)[:, None]
    inside = np.exp(log_density + below.sum(0) - below)
    chance = inside.sum(1)
    return np.asarray(chance / chance.sum())


@dataclass(frozen=True)
class Trial:
    """Newcomers of one slate: `share`, the chance that one of them has the `slot` (from 0); `rows` int64 of the candidates, with what
    is believed of each, `mean` and `deviation` float64.
    """

    share: float
    slot: int
    rows: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    def draws(self, above: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows that may have the slot, and the chance that each of them is drawn; those above it are not again."""
        free = ~np.isin(self.rows, above)
        if not free.any():
            return self.rows[:0], np.empty(0)
        return self.rows[free], highest(self.mean[free], self.deviation[free])

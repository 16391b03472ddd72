"""Measures of each round of a closed loop.

Besides the outcome, the measures show the effects of feedback on a recommender that learns from its own slates (Chaney
et al. 2018, "How algorithmic confounding in recommendation systems increases homogeneity and decreases utility").
"""

from __future__ import annotations

import numpy as np

from shortlist.metrics.exposure import gini
from shortlist.simulate.arrays import BoolArray, FloatArray, IntArray
from shortlist.simulate.population import Population, PopulationState
from shortlist.simulate.user_model import SessionBatch

NEW_DAYS = 14
"""An item is new for this many days."""
DISCOVERED = 10
"""A new item counts as discovered after this many impressions."""
OUTCOME, PER_VISIT, DISCOVERY = "outcome", "outcome per visit", "new item discovery"
DESCRIPTIONS = {
    OUTCOME: "{unit} per user",
    PER_VISIT: "{unit} per visit",
    "visits": "visits per user and day",
    "coverage": "share of the catalogue that was shown",
    "diversity": "probability that two items of a slate have different topics",
    "exposure gini": "Gini coefficient of the impressions over items",
    "new item exposure": f"share of the impressions of items that are less than {NEW_DAYS} days old",
    DISCOVERY: f"share of the items that arrived in the loop and were shown {DISCOVERED} times or more",
}
"""Measure → its description; `{unit}` is the unit of the outcome."""
MEASURES = tuple(DESCRIPTIONS)


class RoundTally:
    """Sums over the slates of one round.

    Parameters
    ----------
    population : Population
        The users.
    first_day : int
        The first day of the loop; items that arrive later are new.
    impressions : ndarray of int, shape (n_items,)
        The impressions of each item in the earlier rounds; `measures` adds those of this round.
    """

    def __init__(self, population: Population, first_day: int, impressions: IntArray) -> None:
        self.population, self.first_day, self.impressions = population, first_day, impressions
        self._shown = np.zeros(population.n_items, np.int64)
        self._new = self._visits = 0
        self._diversity: list[FloatArray] = []

    def add(self, sessions: SessionBatch, day: int) -> None:
        """Add the sessions of one day."""
        population, shown = self.population, sessions.slates >= 0
        items = sessions.slates[shown]
        self._shown += np.bincount(items, minlength=population.n_items)
        self._new += int((population.arrival_day[items] > day - NEW_DAYS).sum())
        self._visits += len(sessions.users)
        topics = np.zeros((len(sessions.users), population.item_topics.shape[1]))
        np.add.at(topics, np.nonzero(shown)[0], population.item_topics[items])
        topics /= np.maximum(topics.sum(1, keepdims=True), 1e-12)
        self._diversity.append(1 - (topics**2).sum(1))

    def measures(self, state: PopulationState, days: int, available: BoolArray) -> dict[str, float]:
        """Return the measures of the round, which had so many days; `available`: the catalogue on its last day."""
        outcome = np.sum(state.expected_outcomes[-days:], axis=0)
        arrived = available & (self.population.arrival_day >= self.first_day)
        self.impressions += self._shown
        discovered = self.impressions[arrived] >= DISCOVERED
        return {
            OUTCOME: float(outcome.mean()),
            PER_VISIT: float(outcome.sum() / max(self._visits, 1)),
            "visits": self._visits / (self.population.n_users * days),
            "coverage": float((self._shown[available] > 0).mean()),
            "diversity": float(np.concatenate(self._diversity).mean()) if self._diversity else 0.0,
            "exposure gini": float(gini(self._shown[available].astype(np.float64))),
            "new item exposure": self._new / max(int(self._shown.sum()), 1),
            DISCOVERY: float(discovered.mean()) if arrived.any() else 0.0,
        }

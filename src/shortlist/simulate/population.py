"""The users of a world, and how they change with what they are shown.

A log records the responses to the slates of one logging policy. A simulated population can be shown any slate, again
and again. Sessions change its users, by effects that were measured in real services:

- **return**: users come back sooner after a session that satisfied them. The visit probability moves towards the
  satisfaction of the last sessions (Wu et al. 2017, "Returning is believing"; Zou et al. 2019). Disappointing choices
  lower the satisfaction.
- **satiation**: the more of a topic a user was shown recently, the less the user wants it, until it recovers (Leqi et
  al. 2021, "Rebounding bandits for modeling satiation effects").
- **needs**: in a shop, a purchase satisfies a need for a while and creates others (`UserModel.update_needs`).

Not simulated: users who influence each other, tastes that drift by themselves, creators who react.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from shortlist.simulate.arrays import BoolArray, FloatArray, IntArray
from shortlist.simulate.user_model import SessionBatch, UserModel

RETURN_RATE = 0.25
"""How far the visit probability moves towards the satisfaction with each session."""
DISAPPOINTMENT_PENALTY = 0.15
"""Satisfaction lost with each disappointing choice."""
SATIATION_GAIN = 1.4
"""Satiation added by a slate that consists of one topic."""
SATIATION_DECAY = 0.75
"""Share of the satiation that remains after a round."""
NEED_DECAY = 0.95
"""Share of a need that remains after a round; it halves in two weeks."""
CHOICE_LIMIT = 0.97
"""The highest probability to which needs can raise a choice."""


@dataclass(frozen=True, eq=False)
class Population:
    """The users of a world and the fixed parameters of their behaviour.

    Attributes
    ----------
    model : UserModel
        How users choose, and what follows a choice.
    item_topics : ndarray of float, shape (n_items, n_topics)
        The share of each topic in each item; rows sum to 1.
    examination : ndarray of float, shape (n_slots,)
        The probability that a user looks at each slot. The first one is 1.
    context_probabilities : ndarray of float, shape (n_users, n_contexts)
        How often each user visits in each context. A context is a device, a moment or a household member.
    choice_kind, outcome_kind : str
        The event kinds of a choice and of its outcome; they may be equal.
    arrival_day : ndarray of int, shape (n_items,)
        The day on which each item is added to the catalogue; day 0 is the first day of the log.
    groups : ndarray of int, shape (n_users,)
        The user groups that the logging policy knows.
    logging_weights : ndarray of float, shape (n_groups, n_items)
        The Plackett–Luce weights of the logging policy on the last day of the log; rows sum to 1.
    activity : ndarray of float, shape (n_users,)
        How often each user visits, relative to the mean of 1.
    context_columns : dict of str to tuple of str
        The columns of the log that record the context, with their value for each context. Without columns the context
        is hidden from every recommender.
    outcome_unit : str
        The unit of outcomes, for example ``"seconds"``.
    satisfying_outcome : float
        A session with this outcome gives a satisfaction of 1 − 1/e.
    disappointing_outcome : float
        A choice with a lower expected outcome disappoints.
    repeat_factor : float or ndarray of float, shape (n_items,)
        Factor on the choice probability of items that the user chose before.
    log_days : int
        Length of the log in days.
    """

    model: UserModel
    item_topics: FloatArray
    examination: FloatArray
    context_probabilities: FloatArray
    choice_kind: str
    outcome_kind: str
    arrival_day: IntArray
    groups: IntArray
    logging_weights: FloatArray
    activity: FloatArray
    context_columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    outcome_unit: str = "seconds"
    satisfying_outcome: float = 240.0
    disappointing_outcome: float = 20.0
    repeat_factor: float | FloatArray = 0.1
    log_days: int = 0

    def __repr__(self) -> str:
        return f"Population({self.n_users:,} users, {self.n_items:,} items, {self.n_slots} slots)"

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.context_probabilities)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.item_topics)

    @property
    def n_slots(self) -> int:
        """Length of a slate."""
        return len(self.examination)

    def draw_contexts(self, rng: np.random.Generator, users: IntArray) -> IntArray:
        """Draw the context of one visit of each user."""
        above = rng.random(len(users))[:, None] > np.cumsum(self.context_probabilities[users], axis=1)[:, :-1]
        return np.asarray(above.sum(1))

    def request_contexts(self, contexts: IntArray) -> list[dict[str, str]] | None:
        """Return the context of each request as a client would send it; None if the log has no such columns."""
        if not self.context_columns:
            return None
        return [{name: values[c] for name, values in self.context_columns.items()} for c in contexts.tolist()]

    def average_over_contexts(
        self, value: Callable[[IntArray, IntArray, IntArray], FloatArray]
    ) -> Callable[[IntArray, IntArray], FloatArray]:
        """Turn a function of users, items and contexts into its mean over the contexts of each user; it can be pickled as `value` can."""
        return partial(self._mean_over_contexts, value)

    def _mean_over_contexts(
        self, value: Callable[[IntArray, IntArray, IntArray], FloatArray], users: IntArray, items: IntArray
    ) -> FloatArray:
        parts = [
            self.context_probabilities[users, context]
            * value(users, items, np.full(np.shape(items), context))
            for context in range(self.context_probabilities.shape[1])
        ]
        return np.asarray(np.sum(parts, axis=0))

    def pair_codes(self, users: IntArray, items: IntArray) -> IntArray:
        """Return one number for each pair of user and item: user × n_items + item."""
        return np.asarray(users.astype(np.int64) * self.n_items + items)


@dataclass(eq=False)
class PopulationState:
    """Users over rounds: how often they come, what they are tired of, and what they need.

    The state is changed by `respond` and `skip_round`. Random numbers depend on the seed and the round and not on the
    slates, so that two policies are compared on common random numbers.

    Attributes
    ----------
    visit_probability : ndarray of float, shape (n_users,)
        The probability of a visit in the next round, before the factor for activity.
    satiation : ndarray of float, shape (n_users, n_topics)
        The choice probability of a topic falls by the factor exp(−satiation).
    chosen_pairs : ndarray of int, sorted
        `Population.pair_codes` of everything that was chosen before.
    needs : ndarray of float, shape (n_users, n_topics)
        The choice probability of a topic changes by the factor exp(need); 0 in worlds without needs.
    expected_outcomes : list of ndarray of float, shape (n_users,)
        The expected outcome of each round, given the slates.
    """

    population: Population
    seed: int
    chosen_pairs: IntArray
    visit_probability: FloatArray = field(init=False)
    satiation: FloatArray = field(init=False)
    needs: FloatArray = field(init=False)
    expected_outcomes: list[FloatArray] = field(init=False, default_factory=list)
    round: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        users, topics = self.population.n_users, self.population.item_topics.shape[1]
        self.satiation, self.needs = np.zeros((users, topics)), np.zeros((users, topics))
        self.visit_probability = np.full(users, 0.5)

    def __repr__(self) -> str:
        return f"PopulationState({self.population.n_users:,} users, round {self.round})"

    @classmethod
    def start(
        cls, population: Population, seed: int = 0, chosen_pairs: IntArray | None = None
    ) -> PopulationState:
        """Start a simulation: all users are rested and come every second round on average.

        Parameters
        ----------
        population : Population
            The users.
        seed : int, default 0
            Seed of the visits and the responses.
        chosen_pairs : ndarray of int, optional
            `Population.pair_codes` of the items that users chose before the start.
        """
        pairs = np.empty(0, np.int64) if chosen_pairs is None else np.unique(chosen_pairs)
        return cls(population, seed, pairs)

    @property
    def total_expected_outcome(self) -> FloatArray:
        """The expected outcome of each user over all rounds, float (n_users,)."""
        return np.asarray(np.sum(self.expected_outcomes, axis=0))

    def reset_visits(self) -> None:
        """Let all users come every second round again, whatever their last sessions were like."""
        self.visit_probability[:] = 0.5

    def visitors(self) -> tuple[IntArray, IntArray]:
        """Draw the users who visit in this round and the context of each visit."""
        rng = np.random.default_rng([self.seed, self.round, 0])
        chance = np.clip(self.visit_probability * self.population.activity, 0, 0.95)
        users = np.flatnonzero(rng.random(len(chance)) < chance)
        return users, self.population.draw_contexts(rng, users)

    def respond(self, users: IntArray, contexts: IntArray, slates: IntArray) -> SessionBatch:
        """Show slates to visitors, draw their responses, change the users accordingly, and end the round.

        Parameters
        ----------
        users, contexts : ndarray of int, shape (n_sessions,)
            The visitors; each user at most once.
        slates : ndarray of int, shape (n_sessions, n_slots)
            Row numbers of items, −1 for an empty slot.
        """
        population, model = self.population, self.population.model
        rng = np.random.default_rng([self.seed, self.round, 1])
        sessions, slots = slates.shape
        items = np.where(slates >= 0, slates, 0).ravel()
        owners, where = np.repeat(users, slots), np.repeat(contexts, slots)
        probability = self._choice_probability(owners, items, where).reshape(sessions, slots)
        probability = probability * population.examination[:slots] * (slates >= 0)
        expected = model.expected_outcome(owners, items, where).reshape(sessions, slots)
        chosen = rng.random((sessions, slots)) < probability
        drawn = model.draw_outcome(rng, owners, items, where).reshape(sessions, slots)
        batch = SessionBatch(users, contexts, slates, chosen, np.where(chosen, drawn, 0.0))
        gained = np.zeros(population.n_users)
        gained[users] = (probability * expected).sum(1)
        self.expected_outcomes.append(gained)
        self._update_visits(batch, chosen & (expected < population.disappointing_outcome))
        self._update_satiation(batch)
        _, owners, items, _ = batch.choices()
        self.chosen_pairs = np.union1d(self.chosen_pairs, population.pair_codes(owners, items))
        if model.has_needs:
            self.needs *= NEED_DECAY
            model.update_needs(self.needs, owners, items, batch.outcomes[chosen])
        self.round += 1
        return batch

    def skip_round(self) -> None:
        """End a round in which no user came."""
        self.expected_outcomes.append(np.zeros(self.population.n_users))
        self.satiation *= SATIATION_DECAY
        self.needs *= NEED_DECAY
        self.round += 1

    def _choice_probability(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """The choice probability of examined items, with satiation, repeats and needs."""
        population = self.population
        topics = population.item_topics[items]
        fresh = np.exp(-(self.satiation[users] * topics).sum(1))
        repeated = np.isin(population.pair_codes(users, items), self.chosen_pairs)
        factor = population.repeat_factor
        factor = factor[items] if isinstance(factor, np.ndarray) else factor
        probability = population.model.choice_probability(users, items, contexts)
        probability = probability * fresh * np.where(repeated, factor, 1.0)
        if population.model.has_needs:
            probability = np.minimum(probability * np.exp((self.needs[users] * topics).sum(1)), CHOICE_LIMIT)
        return np.asarray(probability)

    def _update_visits(self, batch: SessionBatch, disappointing: BoolArray) -> None:
        outcome = np.maximum(batch.outcomes.sum(1), 0) / self.population.satisfying_outcome
        satisfaction = 1 - np.exp(-outcome) - DISAPPOINTMENT_PENALTY * disappointing.sum(1)
        change = np.clip(satisfaction, 0, 1) - self.visit_probability[batch.users]
        self.visit_probability[batch.users] += RETURN_RATE * change

    def _update_satiation(self, batch: SessionBatch) -> None:
        sessions, slots = batch.slates.shape
        shown = (batch.slates >= 0).ravel()
        topics = self.population.item_topics[np.where(shown, batch.slates.ravel(), 0)]
        share = np.zeros((sessions, topics.shape[1]))
        np.add.at(share, np.repeat(np.arange(sessions), slots), topics * shown[:, None] / slots)
        self.satiation *= SATIATION_DECAY
        self.satiation[batch.users] += SATIATION_GAIN * share

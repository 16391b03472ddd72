"""The logging policy: the recommender that produced a world's log.

It ranks by popularity and by the taste of a user's group, with randomisation: each slate is a draw from a Plackett–Luce
distribution, so the propensity of every impression is known. Popularity reinforces itself, because chosen items are
shown more often. All worlds use this loop; they differ in how users respond (`Responses`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from shortlist.simulate.arrays import Columns, FloatArray, IntArray
from shortlist.simulate.event_log import DAY, START, session_events, sorted_by_time
from shortlist.simulate.plackett_luce import plackett_luce
from shortlist.simulate.population import Population, PopulationState
from shortlist.simulate.user_model import SessionBatch


@dataclass(frozen=True)
class LoggingSettings:
    """Settings of the logging policy and of the visits.

    Attributes
    ----------
    popularity_exponent : float
        The weight of an item grows with its popularity to this power; 0 ignores popularity.
    popularity_decay : float
        Factor on the popularity counts after each day.
    initial_popularity : (float, float)
        Scale and logarithmic standard deviation of the popularity before the first day.
    visit_hour : (float, float, float)
        Mean, standard deviation and upper limit of the hour of a visit.
    visit_jitter : float
        Seconds over which visits of the same hour are spread.
    """

    popularity_exponent: float = 0.6
    popularity_decay: float = 0.97
    initial_popularity: tuple[float, float] = (3.0, 0.5)
    visit_hour: tuple[float, float, float] = (18.0, 4.0, 23.9)
    visit_jitter: float = 300.0


@dataclass(frozen=True, eq=False)
class Visits:
    """The visits of a log, ordered by day; each is one session.

    Attributes
    ----------
    user, context : ndarray of int, shape (sessions,)
        Who visits, and in which context.
    day : ndarray of int, shape (sessions,)
        The day of the visit, ascending.
    second : ndarray of float, shape (sessions,)
        The second of the day.
    """

    user: IntArray
    day: IntArray
    context: IntArray
    second: FloatArray

    def activity(self, n_users: int) -> FloatArray:
        """Return how often each user visits relative to the mean of 1, float (n_users,)."""
        counts = np.bincount(self.user, minlength=n_users) + 0.5
        return np.asarray(counts / counts.mean())

    def __repr__(self) -> str:
        return f"Visits({len(self.user):,})"


class Responses(Protocol):
    """The source of responses to the slates of a log."""

    def respond(self, users: IntArray, contexts: IntArray, slates: IntArray) -> SessionBatch:
        """Return the responses of one day."""

    def skip_round(self) -> None:
        """End a day without visits."""


MakeResponses = Callable[[np.random.Generator, Population], Responses]
DrawOutcome = Callable[[np.random.Generator, IntArray, IntArray, IntArray], FloatArray]


@dataclass(eq=False)
class IndependentResponses:
    """Responses without satiation, habits or needs: a choice depends on the item, its slot and earlier choices alone.

    Attributes
    ----------
    rng : Generator
        Source of randomness.
    population : Population
        The users.
    draw_outcome : callable
        Draws the outcomes of choices: (rng, users, items, contexts) → float array.
    repeat_factor : float
        Factor on the choice probability of items that the user chose before.
    """

    rng: np.random.Generator
    population: Population
    draw_outcome: DrawOutcome
    repeat_factor: float

    def __post_init__(self) -> None:
        self._chosen_pairs = np.empty(0, np.int64)

    def respond(self, users: IntArray, contexts: IntArray, slates: IntArray) -> SessionBatch:
        """Draw which slots are examined and which examined items are chosen, and the outcomes of the choices."""
        population, flat = self.population, slates.ravel()
        cells = np.flatnonzero(flat >= 0)
        row, slot = cells // slates.shape[1], cells % slates.shape[1]
        owners, items, where = users[row], flat[cells], contexts[row]
        pairs = population.pair_codes(owners, items)
        factor = np.where(np.isin(pairs, self._chosen_pairs), self.repeat_factor, 1.0)
        examined = self.rng.random(len(cells)) < population.examination[slot]
        probability = population.model.choice_probability(owners, items, where) * factor
        chosen = examined & (self.rng.random(len(cells)) < probability)
        self._chosen_pairs = np.concatenate([self._chosen_pairs, pairs[chosen]])
        outcomes, is_chosen = np.zeros(slates.shape), np.zeros(slates.shape, np.bool_)
        outcomes.ravel()[cells[chosen]] = self.draw_outcome(
            self.rng, owners[chosen], items[chosen], where[chosen]
        )
        is_chosen.ravel()[cells] = chosen
        return SessionBatch(users, contexts, slates, is_chosen, outcomes)

    def skip_round(self) -> None:
        """Do nothing: these responses have no state that changes with time."""


def write_log(
    rng: np.random.Generator,
    population: Population,
    preference: FloatArray,
    sessions: int,
    days: int,
    settings: LoggingSettings | None = None,
    make_responses: MakeResponses | None = None,
) -> tuple[Columns, Population]:
    """Simulate the logging policy for some days.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    population : Population
        The users; `logging_weights`, `activity` and `log_days` are still unset.
    preference : ndarray of float, shape (n_groups, n_items)
        How strongly the policy favours each item for each user group, as a logarithm.
    sessions, days : int
        Size and length of the log.
    settings : LoggingSettings, optional
        Settings of the policy.
    make_responses : callable, optional
        Makes the source of responses from `rng` and `population`. Default: a new `PopulationState`, whose users
        change over the days.

    Returns
    -------
    events : dict of str to ndarray
        The log as columns of row numbers, sorted by time.
    population : Population
        The users, with the logging policy and the activity as they are at the end of the log.
    """
    settings = settings or LoggingSettings()
    visits = draw_visits(rng, population, sessions, days, settings)
    popularity = _initial_popularity(rng, population.n_items, settings)
    responses = (make_responses or _start_state)(rng, population)
    parts: list[Columns] = []
    slate, base = 0, np.exp(preference)
    weights = base
    for day in range(days):
        today = np.flatnonzero(visits.day == day)
        weights = base * (popularity + 2.0) ** settings.popularity_exponent * (population.arrival_day <= day)
        weights /= weights.sum(1, keepdims=True)
        if not len(today):
            responses.skip_round()
            continue
        users = visits.user[today]
        slates, propensity = draw_slates(rng, weights, population.groups[users], population.n_slots)
        batch = responses.respond(users, visits.context[today], slates)
        start = START + day * DAY + visits.second[today]
        parts.append(session_events(rng, population, batch, slate, start, propensity))
        chosen = np.bincount(slates[batch.chosen], minlength=population.n_items)
        popularity = popularity * settings.popularity_decay + chosen
        slate += len(today)
    activity = visits.activity(population.n_users)
    return sorted_by_time(parts), replace(
        population, logging_weights=weights, activity=activity, log_days=days
    )


def _initial_popularity(rng: np.random.Generator, n_items: int, settings: LoggingSettings) -> FloatArray:
    scale, sigma = settings.initial_popularity
    return np.asarray(np.exp(rng.normal(0, sigma, n_items)) * scale)


def draw_slates(
    rng: np.random.Generator, weights: FloatArray, groups: IntArray, slots: int
) -> tuple[IntArray, FloatArray]:
    """Draw Plackett–Luce slates as matrices: items (−1 for an empty slot) and propensities (NaN there)."""
    session, item, position, propensity = plackett_luce(rng, weights, groups, slots)
    slates = np.full((len(groups), slots), -1, np.int64)
    propensities = np.full(slates.shape, np.nan)
    slates[session, position], propensities[session, position] = item, propensity
    return slates, propensities


def draw_visits(
    rng: np.random.Generator, population: Population, sessions: int, days: int, settings: LoggingSettings
) -> Visits:
    """Draw who visits when and in which context. Activity follows a Pareto law with exponent 1.6."""
    activity = rng.pareto(1.6, population.n_users) + 0.3
    users = rng.choice(population.n_users, sessions, p=activity / activity.sum())
    day = np.sort(rng.integers(0, days, sessions))
    contexts = population.draw_contexts(rng, users)
    mean, spread, latest = settings.visit_hour
    second = np.clip(rng.normal(mean, spread, sessions), 0, latest) * 3600
    second += rng.random(sessions) * settings.visit_jitter
    return Visits(users, day, contexts, second)


def draw_arrival_days(
    rng: np.random.Generator, items: int, days: int, share_old: float, oldest: int
) -> IntArray:
    """Draw the day on which each item is added to the catalogue.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    items, days : int
        Number of items, and the days 0 … days − 1 on which new items arrive.
    share_old : float
        The share of items that are there before day 0.
    oldest : int
        The old items arrived 1 … oldest − 1 days before day 0.
    """
    old = rng.random(items) < share_old
    return np.where(old, -rng.integers(1, oldest, items), rng.integers(0, days, items))


def group_by_taste(taste: FloatArray) -> IntArray:
    """Group users as the logging policy does: by their favourite topic, and by whether they strongly prefer it."""
    strongest = taste.max(1)
    return np.asarray(taste.argmax(1) * 2 + (strongest > np.median(strongest)))


def group_means(values: FloatArray, groups: IntArray, n_groups: int) -> FloatArray:
    """Return the mean of each group, float (n_groups, columns); zeros for empty groups."""
    size = np.maximum(np.bincount(groups, minlength=n_groups), 1)[:, None]
    total = np.zeros((n_groups, values.shape[1]))
    np.add.at(total, groups, values)
    return total / size


def _start_state(rng: np.random.Generator, population: Population) -> Responses:
    return PopulationState.start(population, int(rng.integers(2**31)))

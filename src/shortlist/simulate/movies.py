"""The movies world: films that arrive over time, households with tastes, and the log of a streaming service.

Simulated:

- Users like a few genres and moods more than others. A film has one to three genres, a mood and a quality.
- An examined film is played with probability σ(affinity), where the affinity grows with taste and quality. Watch time
  and ratings follow the affinity, too. Few films are played twice.
- Lower slots are examined less: the probability falls as 1 / (1 + 0.3 · slot), similar to what eye tracking finds
  (Joachims et al. 2005).
- An account is a household of one to three members with tastes of their own. One member watches at a time, and the log
  does not record which one. A third and more of the accounts of a television service are shared (Verstrepen & Goethals
  2015, "Top-N recommendation for shared accounts").

Not simulated: external trends, social ties, series, prices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from shortlist.simulate.arrays import FloatArray, IntArray
from shortlist.simulate.event_log import events_table, row_ids
from shortlist.simulate.logging_policy import (
    IndependentResponses,
    LoggingSettings,
    draw_arrival_days,
    group_by_taste,
    group_means,
    write_log,
)
from shortlist.simulate.movies_catalogue import GENRES, MOODS, items_table, settings, users_table
from shortlist.simulate.population import Population
from shortlist.simulate.user_model import OutcomeEvents, SessionBatch, UserModel
from shortlist.simulate.world import World

SLOTS = 10
EXAMINATION: FloatArray = np.asarray(1.0 / (1.0 + 0.3 * np.arange(SLOTS)), np.float64)
HOUSEHOLD_SIZES = (0.55, 0.3, 0.15)
"""The shares of accounts with one, two and three members."""
REPLAY_FACTOR = 0.03
"""Factor on the probability of playing a film again, in the log."""
LOGGING = LoggingSettings(
    popularity_exponent=0.5,
    popularity_decay=0.985,
    initial_popularity=(2.0, 1.0),
    visit_hour=(20.5, 3.0, 23.99),
    visit_jitter=50.0,
)


@dataclass(frozen=True, eq=False, repr=False)
class MoviesModel(UserModel):
    """How households play and rate films. The context is the household member.

    With the genre taste t and mood taste m of a member, and the genres g, mood o and quality q of a film:

    - affinity: a = 5.5 · t·g + 2 · m[o] + q − 3
    - probability of a play: σ(a)
    - share of the film that is watched: Beta(2 + 6f, 8 − 6f) with f = σ(a + 1.8)
    - rating, given for every fourth play: 3.6 + 0.9 · (a + 0.8) plus noise, rounded to 1 … 5 stars

    Attributes
    ----------
    genre_taste : ndarray of float, shape (n_users, 3, n_genres)
    mood_taste : ndarray of float, shape (n_users, 3, n_moods)
    genres : ndarray of float, shape (n_items, n_genres)
    moods : ndarray of int, shape (n_items,)
    quality : ndarray of float, shape (n_items,)
    minutes : ndarray of int, shape (n_items,)
    """

    genre_taste: FloatArray
    mood_taste: FloatArray
    genres: FloatArray
    moods: IntArray
    quality: FloatArray
    minutes: IntArray

    def affinity(self, users: IntArray, items: IntArray, members: IntArray) -> FloatArray:
        """Return how much a member likes a film, as a logit."""
        genre = (self.genre_taste[users, members] * self.genres[items]).sum(-1)
        mood = self.mood_taste[users, members, self.moods[items]]
        return np.asarray(genre * 5.5 + mood * 2.0 + self.quality[items] - 3.0)

    def choice_probability(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the probability of a play."""
        return np.asarray(expit(self.affinity(users, items, contexts)))

    def expected_outcome(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the expected seconds of a play."""
        finish = expit(self.affinity(users, items, contexts) + 1.8)
        return np.asarray((2 + 6 * finish) / 10 * self.minutes[items] * 60)

    def draw_watch_time(
        self, rng: np.random.Generator, users: IntArray, items: IntArray, contexts: IntArray
    ) -> FloatArray:
        """Draw the seconds of plays in the log."""
        finish = expit(self.affinity(users, items, contexts) + 1.8)
        share = np.clip(rng.beta(2 + 6 * finish, 2 + 6 * (1 - finish)), 0.01, 1.0)
        return np.asarray(share * self.minutes[items] * 60)

    def outcome_events(self, rng: np.random.Generator, sessions: SessionBatch) -> list[OutcomeEvents]:
        """Draw plays, which follow within minutes, and ratings, which follow some plays within hours."""
        cells, users, items, contexts = sessions.choices()
        watched = np.minimum(sessions.outcomes.ravel()[cells], self.minutes[items] * 60.0)
        seconds = np.maximum(np.round(watched), 1.0)
        delay: FloatArray = 20 + np.asarray(40.0 * (cells % SLOTS), np.float64)
        rated = np.flatnonzero(rng.random(len(cells)) < 0.25)
        affinity = self.affinity(users, items, contexts)[rated]
        stars = np.clip(np.round(3.6 + 0.9 * (affinity + 0.8) + rng.normal(0, 0.6, len(rated))), 1, 5)
        later = delay[rated] + seconds[rated] + rng.integers(60, 7200, len(rated))
        return [
            OutcomeEvents("play", cells, delay, seconds),
            OutcomeEvents("rating", cells[rated], later, stars),
        ]


def make_movies(
    users: int = 20_000,
    items: int = 5_000,
    sessions: int = 80_000,
    days: int = 120,
    seed: int = 0,
    later: int = 0,
) -> World:
    """Make the movies world and its log of about 12 events a session. The same seed makes the same world.

    Parameters
    ----------
    users, items, sessions, days : int
        Size and length of the log.
    seed : int, default 0
        Seed of all random numbers.
    later : int, default 0
        Number of days after the end of the log on which further films arrive.
    """
    rng = np.random.default_rng(seed)
    genres, moods, quality = _draw_films(rng, items)
    members = len(HOUSEHOLD_SIZES)
    genre_taste = rng.dirichlet(np.full(len(GENRES), 0.25), (users, members))
    mood_taste = rng.dirichlet(np.full(len(MOODS), 0.4), (users, members))
    watching = _draw_households(rng, users)
    arrival = draw_arrival_days(rng, items, days + later, share_old=0.6, oldest=2000)
    minutes = np.clip(rng.normal(104, 18, items), 62, 200).astype(int)
    model = MoviesModel(genre_taste, mood_taste, genres, moods, quality, minutes)
    account_taste = (genre_taste * watching[:, :, None]).sum(1)
    groups, n_groups = group_by_taste(account_taste), 2 * len(GENRES)
    mood_means = group_means((mood_taste * watching[:, :, None]).sum(1), groups, n_groups)
    preference = 4.0 * (group_means(account_taste, groups, n_groups) @ genres.T)
    preference = preference + 0.8 * mood_means[:, moods] + 0.3 * quality
    population = _population(model, arrival, watching, groups)
    events, population = write_log(
        rng,
        population,
        preference,
        sessions,
        days,
        LOGGING,
        lambda source, viewers: IndependentResponses(source, viewers, model.draw_watch_time, REPLAY_FACTOR),
    )
    user_ids, item_ids = row_ids("u", users), row_ids("m", items)
    return World(
        name="movies",
        events=events_table(events, user_ids, item_ids),
        items=items_table(rng, item_ids, genres, moods, arrival, minutes),
        users=users_table(rng, user_ids),
        settings=settings(),
        truths={"play": population.average_over_contexts(model.choice_probability)},
        population=population,
    )


def _population(model: MoviesModel, arrival: IntArray, watching: FloatArray, groups: IntArray) -> Population:
    """The accounts, with an empty log. watching: how often each member watches, (n_users, n_members)."""
    users, items = len(watching), len(arrival)
    return Population(
        model=model,
        item_topics=model.genres,
        examination=EXAMINATION,
        context_probabilities=watching,
        choice_kind="play",
        outcome_kind="play",
        arrival_day=arrival,
        groups=groups,
        logging_weights=np.empty((0, items)),
        activity=np.ones(users),
    )


def _draw_films(rng: np.random.Generator, n: int) -> tuple[FloatArray, IntArray, FloatArray]:
    """Genres (rows sum to 1), moods and qualities (normal, standard deviation 0.7)."""
    share = rng.dirichlet(np.full(len(GENRES), 3.0))
    genres = np.zeros((n, len(GENRES)))
    count = rng.choice([1, 2, 3], n, p=[0.3, 0.45, 0.25])
    order = np.argsort(rng.gumbel(size=(n, len(GENRES))) + np.log(share), axis=1)[:, ::-1]
    for place in range(3):
        rows = np.flatnonzero(count > place)
        genres[rows, order[rows, place]] = 1.0 / count[rows]
    return genres, rng.integers(0, len(MOODS), n), rng.normal(0, 0.7, n)


def _draw_households(rng: np.random.Generator, n: int) -> FloatArray:
    """How often each member of each household watches, float (n, 3); rows sum to 1, 0 for members that do not exist."""
    most = len(HOUSEHOLD_SIZES)
    size = rng.choice(np.arange(1, most + 1), n, p=HOUSEHOLD_SIZES)
    watching = rng.dirichlet(np.full(most, 3.0), n) * (np.arange(most) < size[:, None])
    return np.asarray(watching / watching.sum(1, keepdims=True))

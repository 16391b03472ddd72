"""The movies world: people with tastes, films that arrive over time, and a log like a streaming service's.

What is simulated: each person likes a few genres and moods more than others; each film has one to three genres, a mood
and a quality. An older engine chooses the slates, by popularity and by the taste of the person's group, with chance
(Plackett–Luce, so the propensity of every impression is known). Lower slots are looked at less: the chance falls as
1 / (1 + 0.3 · position), of the order that eye-tracking finds (Joachims et al. 2005). A film that is looked at is played
with a chance that follows the person's taste; how long, and how it is rated, follow it too. A film is rarely played
twice. Popularity feeds itself: what is played is shown more.

An account is a household: one to three people, each with tastes of their own, of whom one watches at a time; which one, the log does
not say (of the accounts of a television service a third and more are shared: Verstrepen & Goethals 2015, "Top-N recommendation for
shared accounts").

What is not: trends from outside, social ties, series, prices.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from shortlist.simulate.audience import Audience, Followed, Session
from shortlist.simulate.movies_catalogue import GENRES, MOODS, items_table, settings, users_table
from shortlist.simulate.world import (
    DAY,
    START,
    Columns,
    World,
    events_table,
    in_order,
    logged,
    plackett_luce,
    taste_groups,
    visits,
)

SLOTS = 10
EXAMINED = 1.0 / (1.0 + 0.3 * np.arange(SLOTS))
"""The chance that a slot is looked at; the top one always is."""
HOUSEHOLD = (0.55, 0.3, 0.15)
"""The shares of accounts of one, two and three people."""


def make_movies(
    users: int = 20_000,
    items: int = 5_000,
    sessions: int = 80_000,
    days: int = 120,
    seed: int = 0,
    later: int = 0,
) -> World:
    """The world and its log: about 12 events a session. The same seed gives the same world, to the bit.

    later: so many days of films are still to come when the log ends.
    """
    rng = np.random.default_rng(seed)
    genre, mood, quality = _films(rng, items)
    at_home = len(HOUSEHOLD)
    taste = rng.dirichlet(np.full(len(GENRES), 0.25), (users, at_home))
    mood_of = rng.dirichlet(np.full(len(MOODS), 0.4), (users, at_home))
    persons = rng.choice(np.arange(1, at_home + 1), users, p=HOUSEHOLD)
    watches = rng.dirichlet(np.full(at_home, 3.0), users) * (np.arange(at_home) < persons[:, None])
    watches /= watches.sum(1, keepdims=True)

    def affinity(who: np.ndarray, what: np.ndarray, member: np.ndarray) -> np.ndarray:
        likes = (taste[who, member] * genre[what]).sum(-1) * 5.5 + mood_of[who, member, mood[what]] * 2.0
        return likes + quality[what] - 3.0

    def chance(who: np.ndarray, what: np.ndarray, member: np.ndarray) -> np.ndarray:
        return np.asarray(expit(affinity(who, what, member)))

    def truth(who: np.ndarray, what: np.ndarray) -> np.ndarray:
        """Over the household's members, by how often each of them watches."""
        parts = [watches[who, m] * chance(who, what, np.full(np.shape(what), m)) for m in range(at_home)]
        return np.asarray(np.sum(parts, axis=0))

    arrival = np.where(
        rng.random(items) < 0.6, -rng.integers(1, 2000, items), rng.integers(0, days + later, items)
    )
    minutes = np.clip(rng.normal(104, 18, items), 62, 200).astype(int)
    group, centre, inclination = taste_groups(
        (taste * watches[:, :, None]).sum(1), (mood_of * watches[:, :, None]).sum(1)
    )
    pull = 4.0 * (centre @ genre.T) + 0.8 * inclination[:, mood] + 0.3 * quality
    who, when = visits(rng, users, sessions, days)
    member = (rng.random(sessions)[:, None] > np.cumsum(watches[who], axis=1)[:, :-1]).sum(1)
    second = np.clip(rng.normal(20.5, 3.0, sessions), 0, 23.99) * 3600 + rng.random(sessions) * 50
    popularity = np.exp(rng.normal(0, 1.0, items)) * 2
    played = np.empty(0, np.int64)
    parts: list[Columns] = []
    slate = 0
    for day in range(days):
        chosen = np.flatnonzero(when == day)
        weight = np.exp(pull) * (popularity + 2.0) ** 0.5 * (arrival <= day)
        weight /= weight.sum(1, keepdims=True)
        session, item, position, propensity = plackett_luce(rng, weight, group[who[chosen]], SLOTS)
        if len(session):
            person = who[chosen][session]
            seen = np.isin(person.astype(np.int64) * items + item, played)
            looked = rng.random(len(item)) < EXAMINED[position]
            sits = member[chosen][session]
            takes = looked & (rng.random(len(item)) < chance(person, item, sits) * np.where(seen, 0.03, 1.0))
            at = np.flatnonzero(takes)
            likes = affinity(person[at], item[at], sits[at])
            finish = expit(likes + 1.8)
            share = np.clip(rng.beta(2 + 6 * finish, 2 + 6 * (1 - finish)), 0.01, 1.0)
            parts.append(
                logged(
                    {
                        "user_id": person,
                        "item_id": item,
                        "timestamp": START + day * DAY + second[chosen][session],
                        "slate": slate + session,
                        "position": position,
                        "propensity": propensity,
                    },
                    _follows(rng, at, position[at], share * minutes[item[at]] * 60, likes),
                )
            )
            played = np.concatenate([played, (person.astype(np.int64) * items + item)[takes]])
            popularity = popularity * 0.985 + np.bincount(item[takes], minlength=items)
        slate += len(chosen)
    ids = np.array([f"m{i:05d}" for i in range(items)])
    people = np.array([f"u{i:05d}" for i in range(users)])
    sessions_of = np.bincount(who, minlength=users) + 0.5

    def seconds(who: np.ndarray, what: np.ndarray, member: np.ndarray) -> np.ndarray:
        finish = expit(affinity(who, what, member) + 1.8)
        return np.asarray((2 + 6 * finish) / 10 * minutes[what] * 60)

    def follows(rng: np.random.Generator, session: Session) -> list[Followed]:
        at, what = session.chosen()
        longest = minutes[what[1]] * 60.0
        return _follows(
            rng, at, at % SLOTS, np.minimum(session.seconds.ravel()[at], longest), affinity(*what)
        )

    audience = Audience(
        genre,
        EXAMINED,
        watches,
        chance,
        seconds,
        sessions_of / sessions_of.mean(),
        group,
        weight,
        ("play", "play"),
        follows,
        arrival=arrival,
        days=days,
    )
    return World(
        "movies",
        events_table(in_order(parts), people, ids),
        items_table(rng, ids, genre, mood, arrival, minutes),
        users_table(rng, people),
        settings(),
        {"play": truth},
        audience,
    )


def _films(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Genres as rows that sum to 1, mood, and quality (normal, sd 0.7)."""
    share = rng.dirichlet(np.full(len(GENRES), 3.0))
    genre = np.zeros((n, len(GENRES)))
    count = rng.choice([1, 2, 3], n, p=[0.3, 0.45, 0.25])
    order = np.argsort(rng.gumbel(size=(n, len(GENRES))) + np.log(share), axis=1)[:, ::-1]
    for place in range(3):
        rows = np.flatnonzero(count > place)
        genre[rows, order[rows, place]] = 1.0 / count[rows]
    return genre, rng.integers(0, len(MOODS), n), rng.normal(0, 0.7, n)


def _follows(
    rng: np.random.Generator, at: np.ndarray, position: np.ndarray, seconds: np.ndarray, likes: np.ndarray
) -> list[Followed]:
    """The plays that follow within minutes, and the ratings that follow some plays by hours. likes: the affinity of each play."""
    seconds, delay = np.maximum(np.round(seconds), 1.0), 20 + 40.0 * position
    rated = np.flatnonzero(rng.random(len(at)) < 0.25)
    stars = np.clip(np.round(3.6 + 0.9 * (likes[rated] + 0.8) + rng.normal(0, 0.6, len(rated))), 1, 5)
    later = delay[rated] + seconds[rated] + rng.integers(60, 7200, len(rated))
    return [("play", at, delay, seconds), ("rating", at[rated], later, stars)]

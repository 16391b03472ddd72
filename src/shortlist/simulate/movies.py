"""The movies world: people with tastes, films that arrive over time, and a log like a streaming service's.

What is simulated: each person likes a few genres and moods more than others; each film has one to three genres, a mood
and a quality. An older engine chooses the slates, by popularity and by the taste of the person's group, with chance
(Plackett–Luce, so the propensity of every impression is known). Lower slots are looked at less: the chance falls as
1 / (1 + 0.3 · position), of the order that eye-tracking finds (Joachims et al. 2005). A film that is looked at is played
with a chance that follows the person's taste; how long, and how it is rated, follow it too. A film is rarely played
twice. Popularity feeds itself: what is played is shown more.

What is not: trends from outside, social ties, series, several people on one account, prices.
"""

from __future__ import annotations

import numpy as np

from shortlist.simulate.audience import Audience
from shortlist.simulate.movies_catalogue import GENRES, MOODS, items_table, settings, users_table
from shortlist.simulate.world import (
    DAY,
    START,
    Columns,
    World,
    events_table,
    in_order,
    plackett_luce,
    taste_groups,
    visits,
)

SLOTS = 10


def make_movies(
    users: int = 20_000, items: int = 5_000, sessions: int = 80_000, days: int = 120, seed: int = 0
) -> World:
    """The world and its log: about 12 events a session. The same seed gives the same world, to the bit."""
    rng = np.random.default_rng(seed)
    genre, mood, quality = _films(rng, items)
    taste, lean = (
        rng.dirichlet(np.full(len(GENRES), 0.25), users),
        rng.dirichlet(np.full(len(MOODS), 0.4), users),
    )

    def affinity(who: np.ndarray, what: np.ndarray) -> np.ndarray:
        likes = (taste[who] * genre[what]).sum(-1) * 5.5 + lean[who, mood[what]] * 2.0
        return likes + quality[what] - 3.0

    def truth(who: np.ndarray, what: np.ndarray) -> np.ndarray:
        return 1.0 / (1.0 + np.exp(-affinity(who, what)))

    arrival = np.where(rng.random(items) < 0.6, -rng.integers(1, 2000, items), rng.integers(0, days, items))
    minutes = np.clip(rng.normal(104, 18, items), 62, 200).astype(int)
    group, centre, inclination = taste_groups(taste, lean)
    pull = 4.0 * (centre @ genre.T) + 0.8 * inclination[:, mood] + 0.3 * quality
    who, when = visits(rng, users, sessions, days)
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
            looked = rng.random(len(item)) < 1.0 / (1.0 + 0.3 * position)
            takes = looked & (rng.random(len(item)) < truth(person, item) * np.where(seen, 0.03, 1.0))
            start = START + day * DAY + second[chosen][session]
            parts.append(
                _events(
                    rng,
                    person,
                    item,
                    position,
                    propensity,
                    slate + session,
                    start,
                    takes,
                    affinity(person, item),
                    minutes,
                )
            )
            played = np.concatenate([played, (person.astype(np.int64) * items + item)[takes]])
            popularity = popularity * 0.985 + np.bincount(item[takes], minlength=items)
        slate += len(chosen)
    ids = np.array([f"m{i:05d}" for i in range(items)])
    people = np.array([f"u{i:05d}" for i in range(users)])
    sessions_of = np.bincount(who, minlength=users) + 0.5

    def seconds(who: np.ndarray, what: np.ndarray, _device: np.ndarray) -> np.ndarray:
        finish = 1.0 / (1.0 + np.exp(-(affinity(who, what) + 1.8)))
        return np.asarray((2 + 6 * finish) / 10 * minutes[what] * 60)

    audience = Audience(
        genre,
        1.0 / (1.0 + 0.3 * np.arange(SLOTS)),
        np.ones((users, 1)),
        lambda u, i, _: truth(u, i),
        seconds,
        sessions_of / sessions_of.mean(),
        group,
        weight,
        ("play", "play"),
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


def _events(
    rng: np.random.Generator,
    person: np.ndarray,
    item: np.ndarray,
    position: np.ndarray,
    propensity: np.ndarray,
    slate: np.ndarray,
    start: np.ndarray,
    takes: np.ndarray,
    affinity: np.ndarray,
    minutes: np.ndarray,
) -> Columns:
    """Impressions, the plays that follow within minutes, and the ratings that follow some plays by hours."""
    played = np.flatnonzero(takes)
    finish = 1.0 / (1.0 + np.exp(-(affinity[played] + 1.8)))
    share = np.clip(rng.beta(2 + 6 * finish, 2 + 6 * (1 - finish)), 0.01, 1.0)
    seconds = np.round(share * minutes[item[played]] * 60)
    rated = np.flatnonzero(rng.random(len(played)) < 0.25)
    stars = np.clip(
        np.round(3.6 + 0.9 * (affinity[played][rated] + 0.8) + rng.normal(0, 0.6, len(rated))), 1, 5
    )
    later = played[rated]
    rows = [np.arange(len(item)), played, later]
    delay = [
        np.zeros(len(item)),
        20 + 40.0 * position[played],
        20 + 40.0 * position[later] + seconds[rated] + rng.integers(60, 7200, len(rated)),
    ]
    shown = [np.ones(len(item), bool), np.zeros(len(played), bool), np.zeros(len(rated), bool)]
    index, is_shown = np.concatenate(rows), np.concatenate(shown)
    return {
        "user_id": person[index],
        "item_id": item[index],
        "timestamp": np.floor(start[index] + np.concatenate(delay)).astype(np.int64),
        "kind": np.repeat(["impression", "play", "rating"], [len(r) for r in rows]),
        "value": np.concatenate([np.full(len(item), np.nan), seconds, stars]),
        "slate": slate[index].astype(np.int64),
        "position": np.where(is_shown, position[index], -1).astype(np.int64),
        "propensity": np.where(is_shown, propensity[index], np.nan),
    }

"""The apps world: a store that people browse without searching, where most apps are new.

What is simulated: people like a few categories; an app has one or two, a developer, a quality, and a share of **hype** (a loud icon, a
promise), which wins installs and loses users. What is wanted changes with the moment: the daytime (news in the morning, games at night), the
device and the country each shift categories, as has been found of app use (Böhmer et al. 2011, "Falling asleep with Angry Birds";
Baltrunas et al. 2015, the Frappe data set). An installed app is still used after a week with a chance that falls with hype and rises with
quality and taste; most are not (about a quarter are, as store statistics say), and some are removed within hours. Two in three apps arrive while the log
is written. An older engine draws the slates by popularity in installs and the taste of the person's group.

What is not: search, prices and purchases within apps, reviews, updates that change an app.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from shortlist.simulate.apps_catalogue import (
    CATEGORIES,
    COUNTRIES,
    DAYTIMES,
    DEVICES,
    items_table,
    settings,
    users_table,
)
from shortlist.simulate.audience import Audience, Followed, Session
from shortlist.simulate.engine import write_log
from shortlist.simulate.world import World, events_table, taste_groups, until

SLOTS = 10
EXAMINED = 1.0 / (1.0 + 0.3 * np.arange(SLOTS))
WEEK = 7 * 86_400


def make_apps(
    users: int = 8_000,
    items: int = 3_000,
    sessions: int = 60_000,
    days: int = 60,
    seed: int = 0,
    later: int = 0,
) -> World:
    """The world and its log: about 11 events a session. The same seed gives the same world, to the bit.

    later: so many days of apps are still to come when the log ends.
    """
    rng = np.random.default_rng(seed)
    category = _categories(rng, items)
    hype = np.where(rng.random(items) < 0.3, rng.beta(4, 2, items), rng.beta(1, 8, items))
    quality = rng.normal(0, 1.0, items)
    arrival = np.where(
        rng.random(items) < 0.35, -rng.integers(1, 700, items), rng.integers(0, days + later, items)
    )
    taste = rng.dirichlet(np.full(len(CATEGORIES), 0.25), users)
    country = rng.choice(len(COUNTRIES), users, p=[0.25, 0.2, 0.2, 0.15, 0.12, 0.08])
    k, moments = len(CATEGORIES), len(DEVICES) * len(DAYTIMES)
    by_daytime, by_device, by_country = (
        rng.normal(0, spread, (n, k))
        for n, spread in ((len(DAYTIMES), 0.9), (len(DEVICES), 0.4), (len(COUNTRIES), 0.5))
    )
    lean = (
        rng.dirichlet([4.0, 1.0], users)[:, :, None] * rng.dirichlet([2.0, 3.0, 4.0, 2.0], users)[:, None, :]
    ).reshape(users, moments)

    def likes(who: np.ndarray, what: np.ndarray) -> np.ndarray:
        return np.asarray((taste[who] * category[what]).sum(-1) * 4.5)

    def install(who: np.ndarray, what: np.ndarray, moment: np.ndarray) -> np.ndarray:
        shift = (
            by_daytime[moment % len(DAYTIMES)] + by_device[moment // len(DAYTIMES)] + by_country[country[who]]
        )
        fits = (shift * category[what]).sum(-1)
        return np.asarray(expit(likes(who, what) + fits + 2.0 * hype[what] + 0.25 * quality[what] - 3.4))

    def kept(who: np.ndarray, what: np.ndarray, _moment: np.ndarray) -> np.ndarray:
        """The chance that an installed app is used after a week."""
        return np.asarray(expit(1.1 * quality[what] - 3.0 * hype[what] + 0.5 * likes(who, what) - 1.2))

    def truth(who: np.ndarray, what: np.ndarray) -> np.ndarray:
        parts = [lean[who, m] * install(who, what, np.full(len(what), m)) for m in range(moments)]
        return np.asarray(np.sum(parts, axis=0))

    def follows(rng: np.random.Generator, session: Session) -> list[Followed]:
        at, what = session.chosen()
        used = session.seconds.ravel()[at] > 0
        start = 5 + 8.0 * (at % SLOTS) + rng.random(len(at)) * 5
        gone = ~used & (rng.random(len(at)) < expit(2.0 * hype[what[1]] - 1.0))
        none = np.full(len(at), np.nan)
        back = start + 86_400 + rng.random(len(at)) * (WEEK - 86_400)
        removed = start + rng.exponential(6 * 3600, len(at))
        return [
            ("install", at, start, none),
            ("retained", at[used], back[used], np.ones(int(used.sum()))),
            ("remove", at[gone], removed[gone], none[gone]),
        ]

    group, centre, _ = taste_groups(taste, taste)
    audience = Audience(
        category,
        EXAMINED,
        lean,
        install,
        kept,
        np.ones(users),
        group,
        np.empty((0, items)),
        ("install", "retained"),
        follows,
        {
            "device": tuple(d for d in DEVICES for _ in DAYTIMES),
            "daytime": tuple(t for _ in DEVICES for t in DAYTIMES),
        },
        arrival,
        unit="apps kept",
        worth_it=0.4,
        disappoints=0.12,
        again=0.01,
        realise=lambda rng, u, i, m: (rng.random(len(i)) < kept(u, i, m)).astype(np.float64),
    )
    events, audience = write_log(rng, audience, 2.5 * (centre @ category.T), sessions, days)
    past, pending = until(events, days)
    ids = np.array([f"a{i:05d}" for i in range(items)])
    people = np.array([f"u{i:05d}" for i in range(users)])
    return World(
        "apps",
        events_table(past, people, ids),
        items_table(rng, ids, category, hype, arrival),
        users_table(rng, people, country),
        settings(),
        {"install": truth},
        audience,
        events_table(pending, people, ids),
    )


def _categories(rng: np.random.Generator, n: int) -> np.ndarray:
    """Rows that sum to 1: one category, or two."""
    share = rng.dirichlet(np.full(len(CATEGORIES), 4.0))
    order = np.argsort(-(rng.gumbel(size=(n, len(CATEGORIES))) + np.log(share)), axis=1)
    two = rng.random(n) < 0.3
    category = np.zeros((n, len(CATEGORIES)))
    category[np.arange(n), order[:, 0]] = np.where(two, 0.7, 1.0)
    category[np.flatnonzero(two), order[two, 1]] = 0.3
    return category

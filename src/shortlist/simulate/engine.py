"""The engine that wrote a world's log: by popularity and by the taste of a person's group, with chance that is known.

Day by day it draws slates for those who come (Plackett–Luce over what is there that day), and they live with them (`audience.py`): they
choose, tire, and need other things tomorrow. Popularity feeds itself: what is chosen is shown more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shortlist.simulate.audience import Audience, Life, Session
from shortlist.simulate.world import DAY, START, Columns, in_order, logged, plackett_luce, visits

RISES = 0.6
"""Exponent on popularity: how much of the rich getting richer the engine lets through."""
FADES = 0.97
"""What a choice of yesterday still counts."""


def write_log(
    rng: np.random.Generator, audience: Audience, pull: np.ndarray, sessions: int, days: int
) -> tuple[Columns, Audience]:
    """So many sessions over some days, as row numbers; and the audience with the engine and the activity as they came to be.

    pull float (groups, items): how much the engine shows an item to a group, as a logarithm.
    """
    items, users = len(audience.topic), audience.users
    who, when = visits(rng, users, sessions, days)
    device = audience.devices(rng, who)
    second = np.clip(rng.normal(18.0, 4.0, sessions), 0, 23.9) * 3600 + rng.random(sessions) * 300
    arrival = np.zeros(items) if audience.arrival is None else audience.arrival
    popularity = np.exp(rng.normal(0, 0.5, items)) * 3
    life = Life.begin(audience, int(rng.integers(2**31)))
    parts: list[Columns] = []
    slate = 0
    weight = np.exp(pull)
    for day in range(days):
        chosen = np.flatnonzero(when == day)
        weight = np.exp(pull) * (popularity + 2.0) ** RISES * (arrival <= day)
        weight /= weight.sum(1, keepdims=True)
        session, item, position, chance = plackett_luce(
            rng, weight, audience.group[who[chosen]], audience.slots
        )
        if not len(session):
            life.skip()
            continue
        slates = np.full((len(chosen), audience.slots), -1, np.int64)
        propensity = np.full(slates.shape, np.nan)
        slates[session, position], propensity[session, position] = item, chance
        lived = life.show(who[chosen], device[chosen], slates)
        parts.append(log_of(rng, audience, lived, slate, START + day * DAY + second[chosen], propensity))
        popularity = popularity * FADES + np.bincount(slates[lived.taken], minlength=items)
        slate += len(chosen)
    sessions_of = np.bincount(who, minlength=users) + 0.5
    lasting = replace(audience, weight=weight, activity=sessions_of / sessions_of.mean(), days=days)
    return in_order(parts), lasting


def log_of(
    rng: np.random.Generator,
    audience: Audience,
    session: Session,
    slate: int,
    start: np.ndarray,
    propensity: np.ndarray,
) -> Columns:
    """Slates that were seen and what followed, as rows of a log. slate: the number of the first; start float (m,): seconds; propensity
    float (m, slots).
    """
    m, slots = session.slates.shape
    there = np.flatnonzero(session.slates.ravel() >= 0)
    visit, position = there // slots, there % slots
    shown: Columns = {
        "user_id": session.who[visit],
        "item_id": session.slates.ravel()[there],
        "timestamp": start[visit],
        "slate": slate + visit,
        "position": position,
        "propensity": propensity.ravel()[there],
    }
    for name, values in audience.columns.items():
        shown[name] = np.array(values)[session.device[visit]]
    row = np.full(m * slots, -1, np.int64)
    row[there] = np.arange(len(there))
    followed = audience.happen(rng, session)
    return logged(shown, [(kind, row[at], delay, value) for kind, at, delay, value in followed])

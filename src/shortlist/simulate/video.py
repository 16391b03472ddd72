"""The video world: a feed of short and long videos, some of them click-bait, and a log like a video service's.

What is simulated: people like a few topics; videos have one or two topics, a channel, a length, a quality and a share of
**click-bait**, which wins clicks and loses watch time (such thumbnails raise clicks and lower satisfaction: Zannettou et
al. 2018, "The good, the bad and the bait"). A session shows one slate of eight on a device: phones favour short videos, the
television long ones. An older engine draws the slate by popularity in clicks and the taste of the person's group, so that
bait is shown much; it draws item after item (Plackett–Luce), so every propensity is known. Lower slots are looked at less:
`EXAMINED`, the chance by slot, falls as eye-tracking finds (Joachims et al. 2005). A clicked video is watched for a share
of its length that follows taste, quality and bait, and may be liked or dismissed. Videos arrive every day.

What is not: "up next" chains within a session, creators who react, social sharing, advertisements.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit

from shortlist.simulate.audience import Audience, Followed, Session
from shortlist.simulate.video_catalogue import DEVICES, TOPICS, items_table, settings, users_table
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

SLOTS = 8
EXAMINED = 1.0 / (1.0 + 0.35 * np.arange(SLOTS)) ** 1.1
"""The chance that a slot is looked at; the top one always is."""
GROUPS = 2 * len(TOPICS)


def make_video(
    users: int = 8_000,
    items: int = 4_000,
    sessions: int = 60_000,
    days: int = 60,
    seed: int = 0,
    later: int = 0,
) -> World:
    """The world and its log: about 12 events a session. The same seed gives the same world, to the bit.

    later: so many days of videos are still to come when the log ends.
    """
    rng = np.random.default_rng(seed)
    topic = _topics(rng, items)
    bait = np.where(rng.random(items) < 0.25, rng.beta(4, 2, items), rng.beta(1, 8, items))
    quality = rng.normal(0, 1.0, items)
    length = np.clip(np.exp(rng.normal(5.2, 1.0, items)), 20, 3600).round()
    taste = rng.dirichlet(np.full(len(TOPICS), 0.2), users)
    lean = rng.dirichlet([2.0, 0.6, 0.8], users)
    arrival = np.where(
        rng.random(items) < 0.5, -rng.integers(1, 400, items), rng.integers(0, days + later, items)
    )

    def likes(who: np.ndarray, what: np.ndarray) -> np.ndarray:
        return np.asarray((taste[who] * topic[what]).sum(-1) * 4.0)

    def fits(what: np.ndarray, device: np.ndarray) -> np.ndarray:
        """Whether a length suits a device: about 0, short on a phone and long on a television above."""
        long = (np.log(length[what]) - 5.2) / 1.0
        return np.asarray(long * np.array([-0.6, 0.7, 0.1])[device])

    def click(who: np.ndarray, what: np.ndarray, device: np.ndarray) -> np.ndarray:
        return np.asarray(
            expit(likes(who, what) + 2.2 * bait[what] + 0.25 * quality[what] + fits(what, device) - 3.2)
        )

    def share(who: np.ndarray, what: np.ndarray, device: np.ndarray) -> np.ndarray:
        """The expected share of its length that a clicked video is watched."""
        return np.asarray(
            expit(
                0.5 * likes(who, what)
                + 0.6 * quality[what]
                - 3.5 * bait[what]
                + 0.5 * fits(what, device)
                - 0.4
            )
        )

    def like(who: np.ndarray, what: np.ndarray, device: np.ndarray) -> np.ndarray:
        return np.asarray(
            expit(3.0 * share(who, what, device) + 0.5 * quality[what] - 1.5 * bait[what] - 3.0)
        )

    def dismiss(who: np.ndarray, what: np.ndarray, device: np.ndarray) -> np.ndarray:
        return np.asarray(expit(1.5 * bait[what] - 2.0 * share(who, what, device) - 2.5))

    def average(value: Callable[..., np.ndarray]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """Over the devices of each person."""

        def over(who: np.ndarray, what: np.ndarray) -> np.ndarray:
            parts = [lean[who, d] * value(who, what, np.full(len(what), d)) for d in range(len(DEVICES))]
            return np.asarray(np.sum(parts, axis=0))

        return over

    truths = {
        "click": average(click),
        "seconds": average(lambda u, i, d: click(u, i, d) * share(u, i, d) * length[i]),
        "like": average(lambda u, i, d: click(u, i, d) * like(u, i, d)),
        "dismiss": average(lambda u, i, d: click(u, i, d) * dismiss(u, i, d)),
    }
    group, centre, _ = taste_groups(taste, taste)
    pull = 2.5 * (centre @ topic.T)
    who, when = visits(rng, users, sessions, days)
    device = (rng.random(sessions)[:, None] > np.cumsum(lean[who], axis=1)[:, :-1]).sum(1)
    second = np.clip(rng.normal(19.0, 4.0, sessions), 0, 23.9) * 3600 + rng.random(sessions) * 300
    popularity = np.exp(rng.normal(0, 0.5, items)) * 3
    watched = np.empty(0, np.int64)
    parts: list[Columns] = []
    slate = 0
    for day in range(days):
        chosen = np.flatnonzero(when == day)
        weight = np.exp(pull) * (popularity + 2.0) ** 0.6 * (arrival <= day)
        weight /= weight.sum(1, keepdims=True)
        session, item, position, propensity = plackett_luce(rng, weight, group[who[chosen]], SLOTS)
        if len(session):
            person, on = who[chosen][session], device[chosen][session]
            seen = np.isin(person.astype(np.int64) * items + item, watched)
            looked = rng.random(len(item)) < EXAMINED[position]
            clicks = looked & (rng.random(len(item)) < click(person, item, on) * np.where(seen, 0.1, 1.0))
            at = np.flatnonzero(clicks)
            what = person[at], item[at], on[at]
            mean = share(*what)
            part = np.clip(rng.beta(3 * mean + 0.05, 3 * (1 - mean) + 0.05), 0.01, 1.0)
            seconds = np.maximum(np.round(part * length[item[at]]), 1.0)
            start = START + day * DAY + second[chosen][session]
            parts.append(
                logged(
                    {
                        "user_id": person,
                        "item_id": item,
                        "timestamp": start,
                        "device": on,
                        "slate": slate + session,
                        "position": position,
                        "propensity": propensity,
                    },
                    _follows(rng, at, position[at], seconds, like(*what), dismiss(*what)),
                )
            )
            watched = np.concatenate([watched, (person.astype(np.int64) * items + item)[clicks]])
            popularity = popularity * 0.97 + np.bincount(item[clicks], minlength=items)
        slate += len(chosen)

    def follows(rng: np.random.Generator, session: Session) -> list[Followed]:
        at, what = session.chosen()
        return _follows(rng, at, at % SLOTS, session.seconds.ravel()[at], like(*what), dismiss(*what))

    ids = np.array([f"v{i:05d}" for i in range(items)])
    people = np.array([f"u{i:05d}" for i in range(users)])
    events = in_order(parts)
    events["device"] = np.array(DEVICES)[events["device"].astype(int)]
    sessions_of = np.bincount(who, minlength=users) + 0.5
    audience = Audience(
        topic,
        EXAMINED,
        lean,
        click,
        lambda u, i, d: share(u, i, d) * length[i],
        sessions_of / sessions_of.mean(),
        group,
        weight,
        ("click", "watch"),
        follows,
        {"device": tuple(DEVICES)},
        arrival,
        days=days,
    )
    return World(
        "video",
        events_table(events, people, ids),
        items_table(rng, ids, topic, bait, length, arrival),
        users_table(rng, people),
        settings(),
        truths,
        audience,
    )


def _topics(rng: np.random.Generator, n: int) -> np.ndarray:
    """Rows that sum to 1: one topic, or two."""
    order = np.argsort(rng.random((n, len(TOPICS))) ** (1 / np.linspace(1.5, 0.5, len(TOPICS))), axis=1)[
        :, ::-1
    ]
    two = rng.random(n) < 0.4
    topic = np.zeros((n, len(TOPICS)))
    topic[np.arange(n), order[:, 0]] = np.where(two, 0.7, 1.0)
    topic[np.flatnonzero(two), order[two, 1]] = 0.3
    return topic


def _follows(
    rng: np.random.Generator,
    at: np.ndarray,
    position: np.ndarray,
    seconds: np.ndarray,
    like: np.ndarray,
    dismiss: np.ndarray,
) -> list[Followed]:
    """Clicks some seconds after the slate, watching when it ends, likes and dismissals (by their chances) after that."""
    liked = rng.random(len(at)) < like
    gone = ~liked & (rng.random(len(at)) < dismiss)
    click, none = 3 + 5.0 * position + rng.random(len(at)) * 4, np.full(len(at), np.nan)
    watched = np.maximum(np.round(seconds), 1.0)
    end = click + watched
    return [
        ("click", at, click, none),
        ("watch", at, end, watched),
        ("like", at[liked], end[liked] + 2, none[liked]),
        ("dismiss", at[gone], end[gone] + 2, none[gone]),
    ]

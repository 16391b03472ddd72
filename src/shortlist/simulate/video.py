"""The video world: a feed of short and long videos, some of them click-bait, and the log of a video service.

Simulated:

- Users like a few topics. A video has one or two topics, a channel, a length, a quality and a degree of **click-bait**,
  which wins clicks and loses watch time (Zannettou et al. 2018, "The good, the bad and the bait": such thumbnails raise
  clicks and lower satisfaction).
- A session shows one slate of eight on a device. Phones favour short videos, televisions long ones.
- Lower slots are examined less (`EXAMINATION`), as eye tracking finds (Joachims et al. 2005).
- A clicked video is watched for a share of its length that depends on taste, quality and bait, and may be liked or
  dismissed. Videos arrive every day.
- The logging policy ranks by clicks, so it shows click-bait often.

Not simulated: "up next" chains within a session, creators who react, social sharing, advertisements.
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
from shortlist.simulate.population import Population
from shortlist.simulate.user_model import OutcomeEvents, SessionBatch, UserModel
from shortlist.simulate.video_catalogue import DEVICES, TOPICS, items_table, settings, users_table
from shortlist.simulate.world import TrueOutcome, World

SLOTS = 8
EXAMINATION: FloatArray = np.asarray(1.0 / (1.0 + 0.35 * np.arange(SLOTS)) ** 1.1, np.float64)
REPEAT_FACTOR = 0.1
"""Factor on the probability of clicking a video again."""
LOGGING = LoggingSettings(visit_hour=(19.0, 4.0, 23.9))
LENGTH_PREFERENCE = np.array([-0.6, 0.7, 0.1])
"""How much each device favours long videos: phone, television, desktop."""


@dataclass(frozen=True, eq=False, repr=False)
class VideoModel(UserModel):
    """How users click, watch, like and dismiss videos. The context is the device.

    With the match m = 4 · taste·topics, the bait b, the quality q and the fit d of the length to the device:

    - click: σ(m + 2.2 b + 0.25 q + d − 3.2)
    - expected share of the length that is watched: σ(0.5 m + 0.6 q − 3.5 b + 0.5 d − 0.4)
    - like, given a click: σ(3 · share + 0.5 q − 1.5 b − 3)
    - dismissal, given a click without a like: σ(1.5 b − 2 · share − 2.5)

    Attributes
    ----------
    taste : ndarray of float, shape (n_users, n_topics)
    topics : ndarray of float, shape (n_items, n_topics)
    bait, quality, length : ndarray of float, shape (n_items,)
        The length is in seconds.
    """

    taste: FloatArray
    topics: FloatArray
    bait: FloatArray
    quality: FloatArray
    length: FloatArray

    def match(self, users: IntArray, items: IntArray) -> FloatArray:
        """Return how well videos match the tastes of users."""
        return np.asarray((self.taste[users] * self.topics[items]).sum(-1) * 4.0)

    def length_fit(self, items: IntArray, devices: IntArray) -> FloatArray:
        """Return how well lengths suit devices; 0 is neutral."""
        long = (np.log(self.length[items]) - 5.2) / 1.0
        return np.asarray(long * LENGTH_PREFERENCE[devices])

    def choice_probability(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the probability of a click."""
        appeal = self.match(users, items) + 2.2 * self.bait[items] + 0.25 * self.quality[items]
        return np.asarray(expit(appeal + self.length_fit(items, contexts) - 3.2))

    def watched_share(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the expected share of its length that a clicked video is watched."""
        liking = 0.5 * self.match(users, items) + 0.6 * self.quality[items] - 3.5 * self.bait[items]
        return np.asarray(expit(liking + 0.5 * self.length_fit(items, contexts) - 0.4))

    def expected_outcome(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the expected watch time of a click, in seconds."""
        return np.asarray(self.watched_share(users, items, contexts) * self.length[items])

    def like_probability(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the probability that a clicked video is liked."""
        share = 3.0 * self.watched_share(users, items, contexts)
        return np.asarray(expit(share + 0.5 * self.quality[items] - 1.5 * self.bait[items] - 3.0))

    def dismiss_probability(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the probability that a clicked video that was not liked is dismissed."""
        return np.asarray(
            expit(1.5 * self.bait[items] - 2.0 * self.watched_share(users, items, contexts) - 2.5)
        )

    def seconds_of_slot(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the expected watch time of an examined video, in seconds."""
        watched = self.choice_probability(users, items, contexts) * self.watched_share(users, items, contexts)
        return np.asarray(watched * self.length[items])

    def likes_of_slot(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the probability that an examined video is clicked and liked."""
        return self.choice_probability(users, items, contexts) * self.like_probability(users, items, contexts)

    def dismissals_of_slot(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the product of the probabilities that an examined video is clicked and that it is dismissed without a like."""
        click = self.choice_probability(users, items, contexts)
        return click * self.dismiss_probability(users, items, contexts)

    def draw_watch_time(
        self, rng: np.random.Generator, users: IntArray, items: IntArray, contexts: IntArray
    ) -> FloatArray:
        """Draw the watch time of clicks in the log, in seconds."""
        mean = self.watched_share(users, items, contexts)
        share = np.clip(rng.beta(3 * mean + 0.05, 3 * (1 - mean) + 0.05), 0.01, 1.0)
        return np.maximum(np.round(share * self.length[items]), 1.0)

    def outcome_events(self, rng: np.random.Generator, sessions: SessionBatch) -> list[OutcomeEvents]:
        """Draw clicks, which follow within seconds, and the watch events, likes and dismissals at their ends."""
        cells, users, items, contexts = sessions.choices()
        liked = rng.random(len(cells)) < self.like_probability(users, items, contexts)
        dismissed = ~liked & (rng.random(len(cells)) < self.dismiss_probability(users, items, contexts))
        click, none = 3 + 5.0 * (cells % SLOTS) + rng.random(len(cells)) * 4, np.full(len(cells), np.nan)
        watched = np.maximum(np.round(sessions.outcomes.ravel()[cells]), 1.0)
        end = click + watched
        return [
            OutcomeEvents("click", cells, click, none),
            OutcomeEvents("watch", cells, end, watched),
            OutcomeEvents("like", cells[liked], end[liked] + 2, none[liked]),
            OutcomeEvents("dismiss", cells[dismissed], end[dismissed] + 2, none[dismissed]),
        ]


def make_video(
    users: int = 8_000,
    items: int = 4_000,
    sessions: int = 60_000,
    days: int = 60,
    seed: int = 0,
    later: int = 0,
) -> World:
    """Make the video world and its log of about 12 events a session. The same seed makes the same world.

    Parameters
    ----------
    users, items, sessions, days : int
        Size and length of the log.
    seed : int, default 0
        Seed of all random numbers.
    later : int, default 0
        Number of days after the end of the log on which further videos arrive.
    """
    rng = np.random.default_rng(seed)
    topics = _draw_topics(rng, items)
    bait = np.where(rng.random(items) < 0.25, rng.beta(4, 2, items), rng.beta(1, 8, items))
    quality = rng.normal(0, 1.0, items)
    length = np.clip(np.exp(rng.normal(5.2, 1.0, items)), 20, 3600).round()
    taste = rng.dirichlet(np.full(len(TOPICS), 0.2), users)
    device_shares = rng.dirichlet([2.0, 0.6, 0.8], users)
    arrival = draw_arrival_days(rng, items, days + later, share_old=0.5, oldest=400)
    model = VideoModel(taste, topics, bait, quality, length)
    population = _population(model, arrival, device_shares)
    events, population = write_log(
        rng,
        population,
        2.5 * (group_means(taste, population.groups, 2 * len(TOPICS)) @ topics.T),
        sessions,
        days,
        LOGGING,
        lambda source, viewers: IndependentResponses(source, viewers, model.draw_watch_time, REPEAT_FACTOR),
    )
    user_ids, item_ids = row_ids("u", users), row_ids("v", items)
    return World(
        name="video",
        events=events_table(events, user_ids, item_ids),
        items=items_table(rng, item_ids, topics, bait, length, arrival),
        users=users_table(rng, user_ids),
        settings=settings(),
        truths=_truths(model, population),
        population=population,
    )


def _population(model: VideoModel, arrival: IntArray, device_shares: FloatArray) -> Population:
    """The users, with an empty log. device_shares: how often each user visits with each device, (n_users, n_devices)."""
    users, items = len(model.taste), len(arrival)
    return Population(
        model=model,
        item_topics=model.topics,
        examination=EXAMINATION,
        context_probabilities=device_shares,
        choice_kind="click",
        outcome_kind="watch",
        arrival_day=arrival,
        groups=group_by_taste(model.taste),
        logging_weights=np.empty((0, items)),
        activity=np.ones(users),
        context_columns={"device": tuple(DEVICES)},
        repeat_factor=REPEAT_FACTOR,
    )


def _truths(model: VideoModel, population: Population) -> dict[str, TrueOutcome]:
    """The expected clicks, seconds, likes and dismissals of an item in the top slot."""
    values = {
        "click": model.choice_probability,
        "seconds": model.seconds_of_slot,
        "like": model.likes_of_slot,
        "dismiss": model.dismissals_of_slot,
    }
    return {name: population.average_over_contexts(value) for name, value in values.items()}


def _draw_topics(rng: np.random.Generator, n: int) -> FloatArray:
    """One or two topics for each video; rows sum to 1."""
    popularity = 1 / np.linspace(1.5, 0.5, len(TOPICS))
    order = np.argsort(rng.random((n, len(TOPICS))) ** popularity, axis=1)[:, ::-1]
    two = rng.random(n) < 0.4
    topics = np.zeros((n, len(TOPICS)))
    topics[np.arange(n), order[:, 0]] = np.where(two, 0.7, 1.0)
    topics[np.flatnonzero(two), order[two, 1]] = 0.3
    return topics

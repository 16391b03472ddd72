"""The apps world: a store that users browse without searching, where most apps are new.

Simulated:

- Users like a few categories. An app has one or two categories, a developer, a quality and a degree of **hype** (a loud
  icon, a promise), which wins installs and loses users.
- Preferences change with the moment: the daytime (news in the morning, games at night), the device and the country each
  shift the categories, as measured for app use (Böhmer et al. 2011, "Falling asleep with Angry Birds"; Baltrunas et al.
  2015, the Frappe data set).
- The probability that an installed app is used after a week falls with hype and rises with quality and taste. About a
  quarter of the apps are still used, as store statistics report. Some are removed within hours.
- Two in three apps arrive while the log is written.
- The logging policy ranks by installs and by the taste of the user's group.

Not simulated: search, prices and purchases within apps, reviews, updates.
"""

from __future__ import annotations

from dataclasses import dataclass

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
from shortlist.simulate.arrays import FloatArray, IntArray
from shortlist.simulate.event_log import DAY, events_table, row_ids, split_at_day
from shortlist.simulate.logging_policy import draw_arrival_days, group_by_taste, group_means, write_log
from shortlist.simulate.population import Population
from shortlist.simulate.user_model import OutcomeEvents, SessionBatch, UserModel
from shortlist.simulate.world import World

SLOTS = 10
EXAMINATION: FloatArray = np.asarray(1.0 / (1.0 + 0.3 * np.arange(SLOTS)), np.float64)
WEEK = 7 * DAY


@dataclass(frozen=True, eq=False, repr=False)
class AppsModel(UserModel):
    """How users install, keep and remove apps. The context is the moment: device × daytime.

    With the match m = 4.5 · taste·categories, the shift s of the categories by daytime, device and country, the hype h
    and the quality q:

    - install: σ(m + s + 2 h + 0.25 q − 3.4)
    - use after a week, given an install: σ(1.1 q − 3 h + 0.5 m − 1.2)
    - removal, given no use after a week: σ(2 h − 1)

    Attributes
    ----------
    taste : ndarray of float, shape (n_users, n_categories)
    country : ndarray of int, shape (n_users,)
    categories : ndarray of float, shape (n_items, n_categories)
    hype, quality : ndarray of float, shape (n_items,)
    daytime_shift, device_shift, country_shift : ndarray of float, shape (n_values, n_categories)
    """

    taste: FloatArray
    country: IntArray
    categories: FloatArray
    hype: FloatArray
    quality: FloatArray
    daytime_shift: FloatArray
    device_shift: FloatArray
    country_shift: FloatArray

    def match(self, users: IntArray, items: IntArray) -> FloatArray:
        """Return how well apps match the tastes of users."""
        return np.asarray((self.taste[users] * self.categories[items]).sum(-1) * 4.5)

    def choice_probability(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the probability of an install."""
        daytime, device = contexts % len(DAYTIMES), contexts // len(DAYTIMES)
        shift = (
            self.daytime_shift[daytime] + self.device_shift[device] + self.country_shift[self.country[users]]
        )
        fit = (shift * self.categories[items]).sum(-1)
        appeal = self.match(users, items) + fit + 2.0 * self.hype[items] + 0.25 * self.quality[items]
        return np.asarray(expit(appeal - 3.4))

    def expected_outcome(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:  # noqa: ARG002 - the same in all contexts
        """Return the probability that an installed app is used after a week."""
        liking = 1.1 * self.quality[items] - 3.0 * self.hype[items] + 0.5 * self.match(users, items)
        return np.asarray(expit(liking - 1.2))

    def draw_outcome(
        self, rng: np.random.Generator, users: IntArray, items: IntArray, contexts: IntArray
    ) -> FloatArray:
        """Draw whether installed apps are used after a week: 1 or 0."""
        kept = rng.random(len(items)) < self.expected_outcome(users, items, contexts)
        return kept.astype(np.float64)

    def outcome_events(self, rng: np.random.Generator, sessions: SessionBatch) -> list[OutcomeEvents]:
        """Draw installs, first uses after a day to a week (`retained`), and removals within hours."""
        cells, _, items, _ = sessions.choices()
        kept = sessions.outcomes.ravel()[cells] > 0
        install = 5 + 8.0 * (cells % SLOTS) + rng.random(len(cells)) * 5
        removed = ~kept & (rng.random(len(cells)) < expit(2.0 * self.hype[items] - 1.0))
        none = np.full(len(cells), np.nan)
        used = install + DAY + rng.random(len(cells)) * (WEEK - DAY)
        removal = install + rng.exponential(6 * 3600, len(cells))
        return [
            OutcomeEvents("install", cells, install, none),
            OutcomeEvents("retained", cells[kept], used[kept], np.ones(int(kept.sum()))),
            OutcomeEvents("remove", cells[removed], removal[removed], none[removed]),
        ]


def make_apps(
    users: int = 8_000,
    items: int = 3_000,
    sessions: int = 60_000,
    days: int = 60,
    seed: int = 0,
    later: int = 0,
) -> World:
    """Make the apps world and its log of about 11 events a session. The same seed makes the same world.

    Parameters
    ----------
    users, items, sessions, days : int
        Size and length of the log.
    seed : int, default 0
        Seed of all random numbers.
    later : int, default 0
        Number of days after the end of the log on which further apps arrive.
    """
    rng = np.random.default_rng(seed)
    categories = _draw_categories(rng, items)
    hype = np.where(rng.random(items) < 0.3, rng.beta(4, 2, items), rng.beta(1, 8, items))
    quality = rng.normal(0, 1.0, items)
    arrival = draw_arrival_days(rng, items, days + later, share_old=0.35, oldest=700)
    taste = rng.dirichlet(np.full(len(CATEGORIES), 0.25), users)
    country = rng.choice(len(COUNTRIES), users, p=[0.25, 0.2, 0.2, 0.15, 0.12, 0.08])
    shifts = [
        rng.normal(0, spread, (len(values), len(CATEGORIES)))
        for values, spread in ((DAYTIMES, 0.9), (DEVICES, 0.4), (COUNTRIES, 0.5))
    ]
    devices, daytimes = rng.dirichlet([4.0, 1.0], users), rng.dirichlet([2.0, 3.0, 4.0, 2.0], users)
    model = AppsModel(taste, country, categories, hype, quality, *shifts)
    moments = (devices[:, :, None] * daytimes[:, None, :]).reshape(users, -1)
    population = _population(model, arrival, moments)
    preference = 2.5 * (group_means(taste, population.groups, 2 * len(CATEGORIES)) @ categories.T)
    events, population = write_log(rng, population, preference, sessions, days)
    past, pending = split_at_day(events, days)
    user_ids, item_ids = row_ids("u", users), row_ids("a", items)
    return World(
        name="apps",
        events=events_table(past, user_ids, item_ids),
        items=items_table(rng, item_ids, categories, hype, arrival),
        users=users_table(rng, user_ids, country),
        settings=settings(),
        truths={"install": population.average_over_contexts(model.choice_probability)},
        population=population,
        pending=events_table(pending, user_ids, item_ids),
    )


def _population(model: AppsModel, arrival: IntArray, moments: FloatArray) -> Population:
    """The users, with an empty log. moments: how often each user visits in each context, (n_users, n_contexts)."""
    users, items = len(model.taste), len(arrival)
    return Population(
        model=model,
        item_topics=model.categories,
        examination=EXAMINATION,
        context_probabilities=moments,
        choice_kind="install",
        outcome_kind="retained",
        arrival_day=arrival,
        groups=group_by_taste(model.taste),
        logging_weights=np.empty((0, items)),
        activity=np.ones(users),
        context_columns={
            "device": tuple(device for device in DEVICES for _ in DAYTIMES),
            "daytime": tuple(daytime for _ in DEVICES for daytime in DAYTIMES),
        },
        outcome_unit="apps kept",
        satisfying_outcome=0.4,
        disappointing_outcome=0.12,
        repeat_factor=0.01,
    )


def _draw_categories(rng: np.random.Generator, n: int) -> FloatArray:
    """One or two categories for each app; rows sum to 1."""
    share = rng.dirichlet(np.full(len(CATEGORIES), 4.0))
    order = np.argsort(-(rng.gumbel(size=(n, len(CATEGORIES))) + np.log(share)), axis=1)
    two = rng.random(n) < 0.3
    categories = np.zeros((n, len(CATEGORIES)))
    categories[np.arange(n), order[:, 0]] = np.where(two, 0.7, 1.0)
    categories[np.flatnonzero(two), order[two, 1]] = 0.3
    return categories

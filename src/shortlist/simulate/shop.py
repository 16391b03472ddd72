"""The shop world: needs, complements, products that are consumed, and returns.

Simulated:

- Users care for a few kinds of products and a few brands. A product has a kind, a brand, a price, a margin and a
  quality.
- An examined product is clicked, put into the basket within minutes, bought within days and sometimes returned within
  two weeks. Each step keeps a part of the one before, as in the funnels that shops publish.
- Needs change: a user who bought a tent needs no second one, but a sleeping bag (complements: McAuley et al. 2015,
  "Inferring networks of substitutable and complementary products"). A user who bought coffee needs it again, usually
  the same one (repeat consumption: Anderson et al. 2014; Bhagat et al. 2018, "Buy it again").
- A return costs the shop a part of the price.

Not simulated: search, promotions, prices that change, several shops, stock that runs out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit

from shortlist.data.lazy import lazy_property
from shortlist.simulate.arrays import BoolArray, FloatArray, IntArray
from shortlist.simulate.event_log import DAY, events_table, row_ids, split_at_day
from shortlist.simulate.logging_policy import draw_arrival_days, group_by_taste, group_means, write_log
from shortlist.simulate.population import Population
from shortlist.simulate.shop_catalogue import (
    COMPLEMENTS,
    CONSUMED,
    KINDS,
    PRICES,
    Products,
    items_table,
    settings,
    users_table,
)
from shortlist.simulate.user_model import OutcomeEvents, SessionBatch, UserModel
from shortlist.simulate.world import World

SLOTS = 10
EXAMINATION: FloatArray = np.asarray(1.0 / (1.0 + 0.3 * np.arange(SLOTS)), np.float64)
BRANDS = 12
"""Number of brands; each makes all kinds of products."""
DEVICES = ("phone", "desktop")
RETURN_COST = 0.1
"""Cost of a return as a share of the price."""


@dataclass(frozen=True, eq=False, repr=False)
class ShopModel(UserModel):
    """How users click, buy and return products. The context is the device.

    With the taste t of a user for a kind, the loyalty l to a brand, the quality q, the logarithm p of the price
    relative to the kind's usual price, the logarithm c of the kind's usual price relative to the median, and small
    shifts δ by device:

    - click: σ(4.5 t + 0.5 l + 0.25 q − 0.5 p + δ₁ − 2.9)
    - basket, given a click: σ(2 t + 0.4 l + 0.5 q − 0.9 p − 0.25 c + δ₂ + 0.1)
    - purchase, given a basket: σ(0.4 q − 0.5 p + δ₃ + 0.4)
    - return, given a purchase: σ(−0.9 q − 1.3); 0.01 for products that are consumed

    Attributes
    ----------
    taste : ndarray of float, shape (n_users, n_kinds)
    loyalty : ndarray of float, shape (n_users, n_brands)
    kind, brand : ndarray of int, shape (n_items,)
    quality, price, margin : ndarray of float, shape (n_items,)
    """

    has_needs: ClassVar[bool] = True

    taste: FloatArray
    loyalty: FloatArray
    kind: IntArray
    brand: IntArray
    quality: FloatArray
    price: FloatArray
    margin: FloatArray

    @lazy_property
    def relative_price(self) -> FloatArray:
        """The logarithm of each price relative to the usual price of its kind, float (n_items,)."""
        return np.log(self.price / np.array(PRICES, np.float64)[self.kind])

    @lazy_property
    def kind_price(self) -> FloatArray:
        """The logarithm of the usual price of each kind relative to the median kind, float (n_kinds,)."""
        usual = np.array(PRICES, np.float64)
        return np.asarray(np.log(usual / np.median(usual)))

    @lazy_property
    def consumed(self) -> BoolArray:
        """Whether products of each kind are consumed and bought again, bool (n_kinds,)."""
        return np.array([name in CONSUMED for name in KINDS])

    @lazy_property
    def complements(self) -> FloatArray:
        """1 where the owner of the first kind needs the second one, float (n_kinds, n_kinds)."""
        matrix = np.zeros((len(KINDS), len(KINDS)))
        for kind, others in COMPLEMENTS.items():
            matrix[KINDS.index(kind), [KINDS.index(other) for other in others]] = 1.0
        return matrix

    def choice_probability(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the probability of a click."""
        appeal = self.taste[users, self.kind[items]] * 4.5 + 0.5 * self.loyalty[users, self.brand[items]]
        appeal = appeal + 0.25 * self.quality[items]
        return np.asarray(
            expit(appeal - 0.5 * self.relative_price[items] + np.array([0.0, 0.1])[contexts] - 2.9)
        )

    def basket_probability(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the probability that a clicked product is put into the basket."""
        liking = self.taste[users, self.kind[items]] * 2.0 + 0.4 * self.loyalty[users, self.brand[items]]
        liking = liking + 0.5 * self.quality[items]
        cost = liking - 0.9 * self.relative_price[items] - 0.25 * self.kind_price[self.kind[items]]
        return np.asarray(expit(cost + np.array([-0.3, 0.2])[contexts] + 0.1))

    def purchase_probability(self, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the probability that a product in the basket is bought."""
        value = 0.4 * self.quality[items] - 0.5 * self.relative_price[items]
        return np.asarray(expit(value + np.array([-0.2, 0.2])[contexts] + 0.4))

    def return_probability(self, items: IntArray) -> FloatArray:
        """Return the probability that a purchase is returned."""
        return np.asarray(
            np.where(self.consumed[self.kind[items]], 0.01, expit(-0.9 * self.quality[items] - 1.3))
        )

    def sale_probability(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the probability that a clicked product is bought."""
        return self.basket_probability(users, items, contexts) * self.purchase_probability(items, contexts)

    def expected_outcome(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the expected margin of a click."""
        sold, returned = self.sale_probability(users, items, contexts), self.return_probability(items)
        kept = (1 - returned) * self.margin[items]
        return np.asarray(sold * (kept - returned * RETURN_COST * self.price[items]))

    def draw_outcome(
        self, rng: np.random.Generator, users: IntArray, items: IntArray, contexts: IntArray
    ) -> FloatArray:
        """Draw the margin of clicks: 0 without a purchase, negative for a return."""
        sold = rng.random(len(items)) < self.sale_probability(users, items, contexts)
        returned = rng.random(len(items)) < self.return_probability(items)
        return np.asarray(sold * np.where(returned, -RETURN_COST * self.price[items], self.margin[items]))

    def update_needs(self, needs: FloatArray, users: IntArray, items: IntArray, outcomes: FloatArray) -> None:
        """Lower the need for what was bought, and raise the need for its complements."""
        bought = outcomes != 0
        buyers, kinds = users[bought], self.kind[items[bought]]
        np.add.at(needs, (buyers, kinds), np.where(self.consumed[kinds], -1.2, -2.5))
        np.add.at(needs, buyers, 1.4 * self.complements[kinds])
        np.clip(needs, -4.0, 2.5, out=needs)

    def outcome_events(self, rng: np.random.Generator, sessions: SessionBatch) -> list[OutcomeEvents]:
        """Draw clicks, baskets within minutes, purchases at once or within days, and returns within two weeks."""
        cells, users, items, contexts = sessions.choices()
        margin = sessions.outcomes.ravel()[cells]
        bought, returned = margin != 0, margin < 0
        basket = self.basket_probability(users, items, contexts)
        purchase = self.purchase_probability(items, contexts)
        # every bought product was in the basket; of the others a part was
        abandoned = basket * (1 - purchase) / np.maximum(1 - basket * purchase, 1e-9)
        carted = bought | (rng.random(len(cells)) < abandoned)
        n = len(cells)
        click, none = 5 + 8.0 * (cells % SLOTS) + rng.random(n) * 5, np.full(n, np.nan)
        added = click + rng.exponential(90, n)
        at_once = rng.random(n) < 0.7
        paid = added + np.where(at_once, rng.exponential(300, n), rng.exponential(DAY, n))
        sent_back = paid + 3 * DAY + rng.random(n) * 11 * DAY
        return [
            OutcomeEvents("click", cells, click, none),
            OutcomeEvents("cart", cells[carted], added[carted], none[carted]),
            OutcomeEvents("purchase", cells[bought], paid[bought], self.margin[items][bought]),
            OutcomeEvents("return", cells[returned], sent_back[returned], none[returned]),
        ]


def make_shop(
    users: int = 8_000,
    items: int = 3_000,
    sessions: int = 60_000,
    days: int = 60,
    seed: int = 0,
    later: int = 0,
) -> World:
    """Make the shop world and its log of about 12 events a session. The same seed makes the same world.

    Parameters
    ----------
    users, items, sessions, days : int
        Size and length of the log.
    seed : int, default 0
        Seed of all random numbers.
    later : int, default 0
        Number of days after the end of the log on which further products arrive.
    """
    rng = np.random.default_rng(seed)
    kind = rng.choice(len(KINDS), items, p=rng.dirichlet(np.full(len(KINDS), 6.0)))
    brand = rng.integers(0, BRANDS, items)
    quality = rng.normal(0, 1.0, items)
    price = np.round(np.array(PRICES, np.float64)[kind] * np.exp(rng.normal(0, 0.35, items)), 2)
    margin = np.round(price * rng.beta(3, 7, items), 2)
    arrival = draw_arrival_days(rng, items, days + later, share_old=0.7, oldest=900)
    taste = rng.dirichlet(np.full(len(KINDS), 0.3), users)
    loyalty = rng.normal(0, 0.8, (users, BRANDS))
    device_shares = rng.dirichlet([3.0, 2.0], users)
    model = ShopModel(taste, loyalty, kind, brand, quality, price, margin)
    population = _population(model, arrival, device_shares)
    preference = 2.5 * (group_means(taste, population.groups, 2 * len(KINDS)) @ population.item_topics.T)
    events, population = write_log(rng, population, preference, sessions, days)
    past, pending = split_at_day(events, days)
    user_ids, item_ids = row_ids("u", users), row_ids("p", items)
    products = Products(kind, brand, price, margin, model.consumed[kind], arrival)
    return World(
        name="shop",
        events=events_table(past, user_ids, item_ids),
        items=items_table(rng, item_ids, products),
        users=users_table(rng, user_ids),
        settings=settings(),
        truths={"click": population.average_over_contexts(model.choice_probability)},
        population=population,
        pending=events_table(pending, user_ids, item_ids),
    )


def _population(model: ShopModel, arrival: IntArray, device_shares: FloatArray) -> Population:
    """The users, with an empty log. device_shares: how often each user visits with each device, (n_users, n_devices)."""
    users, items = len(model.taste), len(arrival)
    return Population(
        model=model,
        item_topics=np.eye(len(KINDS))[model.kind],
        examination=EXAMINATION,
        context_probabilities=device_shares,
        choice_kind="click",
        outcome_kind="purchase",
        arrival_day=arrival,
        groups=group_by_taste(model.taste),
        logging_weights=np.empty((0, items)),
        activity=np.ones(users),
        context_columns={"device": DEVICES},
        outcome_unit="margin",
        satisfying_outcome=float(model.margin.mean()),
        disappointing_outcome=0.0,
        repeat_factor=np.where(model.consumed[model.kind], 1.6, 0.05),
    )

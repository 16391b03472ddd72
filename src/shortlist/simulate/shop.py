"""The shop world: what people need, what goes with it, what is used up, and what comes back in the post.

What is simulated: people care for a few kinds of products and a few brands; a product has a kind, a brand, a price, a margin and a quality. A
visit is a slate; what is looked at is clicked, put into the basket within minutes, bought within days, and sometimes sent back within
two weeks: each step keeps a part of the one before, as in the funnels that shops publish. What somebody needs moves: who has bought a tent needs no second
one, but a sleeping bag (complements: McAuley et al. 2015, "Inferring networks of substitutable and complementary products"); who has bought
coffee needs some again, most often the same (repeat consumption: Anderson et al. 2014; Bhagat et al. 2018, "Buy it again"). A product that
lets down is sent back, which costs the shop.

What is not: search, promotions, prices that move, several shops, stock that runs out by itself.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from shortlist.simulate.audience import Audience, Followed, Session
from shortlist.simulate.engine import write_log
from shortlist.simulate.shop_catalogue import (
    COMPLEMENTS,
    CONSUMED,
    KINDS,
    PRICES,
    items_table,
    settings,
    users_table,
)
from shortlist.simulate.world import World, events_table, taste_groups, until

SLOTS = 10
EXAMINED = 1.0 / (1.0 + 0.3 * np.arange(SLOTS))
BRANDS = 12
"""Of each kind."""
DEVICES = ("phone", "desktop")
SENT_BACK = 0.1
"""What a return costs the shop, as a share of the price."""
DAY = 86_400


def make_shop(
    users: int = 8_000,
    items: int = 3_000,
    sessions: int = 60_000,
    days: int = 60,
    seed: int = 0,
    later: int = 0,
) -> World:
    """The world and its log: about 12 events a session. The same seed gives the same world, to the bit.

    later: so many days of products are still to come when the log ends.
    """
    rng = np.random.default_rng(seed)
    kind = rng.choice(len(KINDS), items, p=rng.dirichlet(np.full(len(KINDS), 6.0)))
    brand = rng.integers(0, BRANDS, items)
    quality = rng.normal(0, 1.0, items)
    usual = np.array(PRICES, np.float64)
    price = np.round(usual[kind] * np.exp(rng.normal(0, 0.35, items)), 2)
    margin = np.round(price * rng.beta(3, 7, items), 2)
    dear = np.log(price / usual[kind])
    costly = np.log(usual / np.median(usual))  # what costs much is thought over longer
    arrival = np.where(
        rng.random(items) < 0.7, -rng.integers(1, 900, items), rng.integers(0, days + later, items)
    )
    taste = rng.dirichlet(np.full(len(KINDS), 0.3), users)
    loyal = rng.normal(0, 0.8, (users, BRANDS))
    lean = rng.dirichlet([3.0, 2.0], users)
    topic = np.eye(len(KINDS))[kind]
    consumed = np.array([name in CONSUMED for name in KINDS])
    partner = np.zeros((len(KINDS), len(KINDS)))
    for one, others in COMPLEMENTS.items():
        for other in others:
            partner[KINDS.index(one), KINDS.index(other)] = 1.0

    def click(who: np.ndarray, what: np.ndarray, device: np.ndarray) -> np.ndarray:
        wanted = taste[who, kind[what]] * 4.5 + 0.5 * loyal[who, brand[what]] + 0.25 * quality[what]
        return np.asarray(expit(wanted - 0.5 * dear[what] + np.array([0.0, 0.1])[device] - 2.9))

    def basket(who: np.ndarray, what: np.ndarray, device: np.ndarray) -> np.ndarray:
        liked = taste[who, kind[what]] * 2.0 + 0.4 * loyal[who, brand[what]] + 0.5 * quality[what]
        return np.asarray(
            expit(liked - 0.9 * dear[what] - 0.25 * costly[kind[what]] + np.array([-0.3, 0.2])[device] + 0.1)
        )

    def buy(who: np.ndarray, what: np.ndarray, device: np.ndarray) -> np.ndarray:
        return np.asarray(expit(0.4 * quality[what] - 0.5 * dear[what] + np.array([-0.2, 0.2])[device] + 0.4))

    def back(who: np.ndarray, what: np.ndarray) -> np.ndarray:
        """The chance that a purchase is sent back; nobody sends back what is eaten."""
        return np.asarray(np.where(consumed[kind[what]], 0.01, expit(-0.9 * quality[what] - 1.3)))

    def brings(who: np.ndarray, what: np.ndarray, device: np.ndarray) -> np.ndarray:
        """Margin expected of a click."""
        sold, returned = basket(who, what, device) * buy(who, what, device), back(who, what)
        return np.asarray(sold * ((1 - returned) * margin[what] - returned * SENT_BACK * price[what]))

    def realise(
        rng: np.random.Generator, who: np.ndarray, what: np.ndarray, device: np.ndarray
    ) -> np.ndarray:
        """Margin of a click: 0 without a purchase, below it for one that is sent back."""
        sold = rng.random(len(what)) < basket(who, what, device) * buy(who, what, device)
        returned = rng.random(len(what)) < back(who, what)
        return np.asarray(sold * np.where(returned, -SENT_BACK * price[what], margin[what]))

    def needs(state: np.ndarray, who: np.ndarray, what: np.ndarray, got: np.ndarray) -> None:
        bought = got != 0
        person, what = who[bought], kind[what[bought]]
        np.add.at(state, (person, what), np.where(consumed[what], -1.2, -2.5))
        np.add.at(state, person, 1.4 * partner[what])
        np.clip(state, -4.0, 2.5, out=state)

    def follows(rng: np.random.Generator, session: Session) -> list[Followed]:
        at, what = session.chosen()
        got = session.seconds.ravel()[at]
        bought, returned = got != 0, got < 0
        # who buys has had it in the basket; of the others some had
        unbought = basket(*what) * (1 - buy(*what)) / np.maximum(1 - basket(*what) * buy(*what), 1e-9)
        carted = bought | (rng.random(len(at)) < unbought)
        start, none = 5 + 8.0 * (at % SLOTS) + rng.random(len(at)) * 5, np.full(len(at), np.nan)
        into = start + rng.exponential(90, len(at))
        # most buy at once, some sleep on it
        paid = into + np.where(
            rng.random(len(at)) < 0.7, rng.exponential(300, len(at)), rng.exponential(DAY, len(at))
        )
        sent = paid + 3 * DAY + rng.random(len(at)) * 11 * DAY
        return [
            ("click", at, start, none),
            ("cart", at[carted], into[carted], none[carted]),
            ("purchase", at[bought], paid[bought], margin[what[1]][bought]),
            ("return", at[returned], sent[returned], none[returned]),
        ]

    def truth(who: np.ndarray, what: np.ndarray) -> np.ndarray:
        parts = [lean[who, d] * click(who, what, np.full(len(what), d)) for d in range(len(DEVICES))]
        return np.asarray(np.sum(parts, axis=0))

    group, centre, _ = taste_groups(taste, taste)
    audience = Audience(
        topic,
        EXAMINED,
        lean,
        click,
        brings,
        np.ones(users),
        group,
        np.empty((0, items)),
        ("click", "purchase"),
        follows,
        {"device": DEVICES},
        arrival,
        unit="margin",
        worth_it=float(margin.mean()),
        disappoints=0.0,
        again=np.where(consumed[kind], 1.6, 0.05),
        realise=realise,
        needs=needs,
    )
    events, audience = write_log(rng, audience, 2.5 * (centre @ topic.T), sessions, days)
    past, pending = until(events, days)
    ids = np.array([f"p{i:05d}" for i in range(items)])
    people = np.array([f"u{i:05d}" for i in range(users)])
    return World(
        "shop",
        events_table(past, people, ids),
        items_table(rng, ids, kind, brand, price, margin, consumed[kind], arrival),
        users_table(rng, people),
        settings(),
        {"click": truth},
        audience,
        events_table(pending, people, ids),
    )

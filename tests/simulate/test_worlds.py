"""Worlds: their logs have the properties that the documentation states, and the same seed makes the same world."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from shortlist.retrieve.together import Together
from shortlist.simulate.apps_catalogue import CATEGORIES
from shortlist.simulate.arrays import BoolArray
from shortlist.simulate.event_log import DAY, START
from shortlist.simulate.population import Population, PopulationState
from shortlist.simulate.registry import WORLDS, make_world
from shortlist.simulate.shop_catalogue import COMPLEMENTS, CONSUMED
from shortlist.simulate.world import World

ITEMS, DAYS, LATER = 1_000, 40, 10


@dataclass
class Logged:
    """A world and its log as row numbers."""

    world: World

    def __post_init__(self) -> None:
        e = self.world.events.to_pydict()
        self.kind, self.time, self.value = (
            np.array(e["kind"]),
            np.array(e["timestamp"]),
            np.array(e["value"], float),
        )
        self.item = np.array([int(i[1:]) for i in e["item_id"]])
        self.user = np.array([int(u[1:]) for u in e["user_id"]])
        self.position, self.slate = np.array(e["position"], float), np.array(e["slate"])
        self.propensity = np.array(e["propensity"], float)
        self.columns = e
        self.population: Population = self.world.population

    def of(self, kind: str) -> BoolArray:
        return np.asarray(self.kind == kind)


@pytest.fixture(scope="module")
def logged() -> Callable[[str], Logged]:
    made: dict[str, Logged] = {}

    def one(name: str) -> Logged:
        if name not in made:
            made[name] = Logged(
                make_world(name, users=2_000, items=ITEMS, sessions=20_000, seed=7, days=DAYS, later=LATER)
            )
        return made[name]

    return one


@pytest.mark.parametrize("name", WORLDS)
def test_properties_of_every_log(name: str, logged: Callable[[str], Logged]) -> None:
    found = logged(name)
    a, shown = found.population, found.of("impression")
    first = found.of(a.choice_kind)
    # slates are filled from the top, contain each item once, and have at most n_slots items
    order = np.lexsort((found.position[shown], found.slate[shown]))
    places, slates = found.position[shown][order], found.slate[shown][order]
    assert places.max() == a.n_slots - 1
    assert (np.diff(places)[np.diff(slates) == 0] == 1).all()
    assert np.bincount(slates).max() == a.n_slots
    pairs = found.slate[shown].astype(np.int64) * ITEMS + found.item[shown]
    assert len(np.unique(pairs)) == len(pairs)
    # impressions have positions, and propensities in (0, 1]; other events have neither
    assert np.isnan(found.position[~shown]).all()
    assert ((found.propensity[shown] > 0) & (found.propensity[shown] <= 1)).all()
    assert np.isnan(found.propensity[~shown]).all()
    # the ratio of choices to true choice probabilities falls by slot as the world's examination probability
    truth = found.world.truth(found.user[shown], found.item[shown])
    taken = np.isin(pairs, found.slate[first].astype(np.int64) * ITEMS + found.item[first])
    curve = np.array(
        [
            taken[found.position[shown] == p].sum() / truth[found.position[shown] == p].sum()
            for p in range(a.n_slots)
        ]
    )
    np.testing.assert_allclose(curve / curve[0], a.examination, atol=0.1)
    # activity of users and popularity of items are skewed
    visits = np.sort(np.bincount(found.user[shown], minlength=2_000))[::-1]
    assert 0.4 < visits[:200].sum() / visits.sum() < 0.7
    taken_of = np.sort(np.bincount(found.item[first], minlength=ITEMS))[::-1]
    slope = np.polyfit(np.log(np.arange(10, 200)), np.log(taken_of[10:200] + 0.5), 1)[0]
    assert -1.2 < slope < -0.2, slope
    # items are shown after their arrival only, events end with the log, and some items arrive after it
    day = (found.time[shown] - START) // DAY
    assert (a.arrival_day[found.item[shown]] <= day).all()
    assert found.time.max() < START + DAYS * DAY + 2 * DAY
    coming = a.arrival_day >= DAYS
    assert 0.01 < coming.mean() < 0.5
    assert not np.isin(np.flatnonzero(coming), found.item).any()
    # every event follows an impression of the item in the same slate
    assert np.isin(found.slate[~shown].astype(np.int64) * ITEMS + found.item[~shown], pairs).all()


@pytest.mark.parametrize("name", WORLDS)
def test_the_same_seed_gives_the_same_world(name: str) -> None:
    sizes = {"users": 120, "items": 80, "sessions": 600, "days": 12}
    one, two = (make_world(name, **sizes, seed=3) for _ in range(2))
    assert one.events.equals(two.events)
    assert one.items.equals(two.items)
    assert not one.events.equals(make_world(name, **sizes, seed=4).events)


def test_population_responds_as_in_the_log(logged: Callable[[str], Logged]) -> None:
    """Users choose from slates of `PopulationState` with the probabilities of the log."""
    for name in WORLDS:
        found = logged(name)
        a = found.population
        life = PopulationState.start(a, 5)
        rng = np.random.default_rng(0)
        who = rng.integers(0, a.n_users, 3_000)
        device = a.draw_contexts(rng, who)
        slates = np.argsort(rng.random((3_000, ITEMS)), axis=1)[:, : a.n_slots]
        session = life.respond(who, device, slates)
        person = np.repeat(who, a.n_slots)
        chance = (
            a.model.choice_probability(person, slates.ravel(), np.repeat(device, a.n_slots)).reshape(
                slates.shape
            )
            * a.examination
        )
        assert session.chosen.sum() == pytest.approx(chance.sum(), rel=0.12)
        # outcomes follow chosen items only
        for kind, at, delay, value in a.model.outcome_events(rng, session):
            assert session.chosen.ravel()[at].all(), kind
            assert (delay > 0).all()
            assert len(value) == len(at)


def test_apps_arrival_hype_and_daytime(logged: Callable[[str], Logged]) -> None:
    found = logged("apps")
    a = found.population
    assert 0.55 < (a.arrival_day >= 0).mean() < 0.75  # two in three apps arrive during the log or later
    installs, kept = found.of("install"), found.of("retained")
    # installs of the last week have no `retained` event yet
    early = installs & (found.time < START + (DAYS - 8) * DAY)
    own = found.user.astype(np.int64) * ITEMS + found.item
    share = np.isin(own[early], own[kept]).mean()
    assert 0.1 < share < 0.35
    assert found.world.pending is not None
    assert set(found.world.pending["kind"].to_pylist()) <= {"retained", "remove"}
    delay = (found.time[kept].mean() - found.time[installs].mean()) / DAY
    assert delay < 7
    loud = np.array(
        [
            t.split()[0] in {"MEGA", "Ultimate", "VIP", "Turbo", "Magic"}
            for t in found.world.items["title"].to_pylist()
        ]
    )

    def rate(kind: np.ndarray, per: np.ndarray, of: np.ndarray) -> float:
        return float(of[found.item[kind]].sum() / of[found.item[per]].sum())

    shown = found.of("impression")
    assert rate(installs, shown, loud) > 1.3 * rate(installs, shown, ~loud)  # hype increases installs
    assert rate(kept, installs, loud) < 0.6 * rate(kept, installs, ~loud)  # and decreases retention
    # the share of a category in the installs differs by daytime, at least by a factor of two
    main = np.array([CATEGORIES.index(c) for c in found.world.items["main"].to_pylist()])
    daytime = np.array(found.columns["daytime"])
    wanted = np.array(
        [
            np.bincount(main[found.item[installs & (daytime == t)]], minlength=16)
            / np.maximum(np.bincount(main[found.item[shown & (daytime == t)]], minlength=16), 1)
            for t in ("morning", "day", "evening", "night")
        ]
    )
    assert (wanted.max(0) / np.maximum(wanted.min(0), 1e-9)).max() > 2


def test_purchases_change_needs(logged: Callable[[str], Logged]) -> None:
    found = logged("shop")
    a = found.population
    click, cart, bought, back = (found.of(k) for k in ("click", "cart", "purchase", "return"))
    assert click.sum() > cart.sum() > bought.sum() > back.sum() > 0
    kinds = found.world.items["kind"].to_pylist()
    margin = np.array(found.world.items["margin"].to_pylist())
    np.testing.assert_allclose(found.value[bought], margin[found.item[bought]])
    assert not {kinds[i] for i in found.item[back]} & CONSUMED or (
        np.isin([kinds[i] for i in found.item[back]], list(CONSUMED)).mean() < 0.1
    )
    # after a camera, the need for a camera falls and the need for a tripod rises
    life = PopulationState.start(a, 1)
    cameras = np.flatnonzero(np.array(kinds) == "Camera")
    who = np.arange(50)
    a.model.update_needs(life.needs, who, np.full(50, cameras[0]), np.ones(50))
    names = sorted(set(kinds), key=lambda k: int(np.flatnonzero(a.item_topics[kinds.index(k)])[0]))
    state = dict(zip(names, life.needs[0], strict=True))
    assert state["Camera"] < -2
    assert all(state[other] > 1 for other in COMPLEMENTS["Camera"])
    assert {k for k, v in state.items() if v > 0} == set(COMPLEMENTS["Camera"])
    life.skip_round()
    assert -2.5 < life.needs[0].min() < life.needs[0].min() * 0.9  # needs fade
    # consumables are bought again, durable products are not
    assert isinstance(a.repeat_factor, np.ndarray)
    assert all((a.repeat_factor[i] > 1) == (kinds[i] in CONSUMED) for i in range(ITEMS))


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_can_be_copied_and_pickled(name: str) -> None:
    """Copies have the same tables, the same truths, and users who respond alike."""
    world = make_world(name, users=60, items=40, sessions=150, seed=3, days=10)
    users, items = np.arange(60), np.arange(60) % 40
    slates = np.tile(np.arange(world.population.n_slots), (20, 1))
    drawn = PopulationState.start(world.population, seed=5).respond(users[:20], np.zeros(20, int), slates)
    for twin in (pickle.loads(pickle.dumps(world)), copy.deepcopy(world)):
        assert twin.events.equals(world.events)
        assert twin.project() == world.project()
        assert twin.truths.keys() == world.truths.keys()
        for objective, truth in world.truths.items():
            np.testing.assert_array_equal(twin.truths[objective](users, items), truth(users, items))
        again = PopulationState.start(twin.population, seed=5).respond(users[:20], np.zeros(20, int), slates)
        np.testing.assert_array_equal(again.outcomes, drawn.outcomes)


def test_members_of_a_household_differ(logged: Callable[[str], Logged]) -> None:
    a = logged("movies").population
    sizes = (a.context_probabilities > 0).sum(1)
    np.testing.assert_allclose([(sizes == n).mean() for n in (1, 2, 3)], [0.55, 0.3, 0.15], atol=0.04)
    two = np.flatnonzero(sizes == 2)[:50]
    items = np.arange(200)
    apart = [
        np.corrcoef(
            a.model.choice_probability(np.full(200, u), items, np.zeros(200, np.int64)),
            a.model.choice_probability(np.full(200, u), items, np.ones(200, np.int64)),
        )[0, 1]
        for u in two
    ]
    assert np.median(apart) < 0.6


def test_together_finds_the_complements_of_a_shop() -> None:
    """Complements are found from kinds, although few users bought the same pair of products."""
    world = make_world("shop", users=4_000, items=600, sessions=40_000, days=50, seed=2)
    dataset = world.dataset()
    model = Together(event="purchase", basket="14d", apart="kind").fit(dataset)
    kind = dataset.items.attributes["kind"]
    hits, alike = [], []
    for code in range(len(dataset.items)):
        own = kind.show(code)
        scores = model.similar(code)
        assert scores is not None
        best = [int(i) for i in np.argsort(-scores)[:4] if scores[i] > 0]
        alike += [kind.show(i) == own for i in best]
        if own in COMPLEMENTS:
            hits += [kind.show(i) in COMPLEMENTS[own] for i in best]
    assert np.mean(hits) > 0.3  # below a tenth at random
    assert not any(alike)  # no substitutes

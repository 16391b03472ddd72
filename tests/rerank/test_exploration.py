"""Exploration: the chances that are logged are the chances that there were, and new items get their first audience."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.config.objectives import Objective
from shortlist.config.rerank import NewItemSettings
from shortlist.recommender import Recommender
from shortlist.rerank.cold_start import PRIOR_IMPRESSIONS, ColdStartExploration, ColdStartSlot
from shortlist.rerank.exploration import ExplorationMethod, ExplorationPolicy, explore
from shortlist.rerank.thompson import probability_of_maximum
from support.sizes import size

DAY = 86_400_000
DRAWS = size(5_000, 20_000)


def trial(share: float = 0.4, slot: int = 1) -> ColdStartSlot:
    """Two new items: one is a candidate already (row 2), one comes from outside (row 5)."""
    return ColdStartSlot(share, slot, np.array([2, 5]), np.array([0.10, 0.12]), np.array([0.03, 0.05]))


@pytest.mark.parametrize(
    ("way", "strength", "first", "new_item"),
    [
        ("epsilon", 0.3, 0, None),
        ("plackett_luce", 0.8, 1, None),
        ("plackett_luce", 0.8, 0, trial()),
        ("epsilon", 0.5, 1, trial()),
        ("plackett_luce", 0.0, 0, trial()),
        ("epsilon", 0.4, 0, trial(0.7, 0)),
        ("plackett_luce", 1.0, 0, trial(0.5, 9)),
    ],
)
def test_propensities_equal_observed_frequencies(
    way: ExplorationMethod, strength: float, first: int, new_item: ColdStartSlot | None
) -> None:
    """For each beginning of a slate: the frequency of each next item equals the logged propensity."""
    seen: dict[tuple[int, ...], int] = defaultdict(int)
    logged: dict[tuple[int, ...], float] = {}
    for seed in range(DRAWS):
        rows, chance = explore(5, 3, ExplorationPolicy(strength, way, first), seed, new_item)
        assert len(set(rows.tolist())) == len(rows) == 3
        for slot in range(3):
            key = tuple(rows[: slot + 1].tolist())
            seen[key] += 1
            assert logged.setdefault(key, float(chance[slot])) == pytest.approx(float(chance[slot]), abs=1e-9)
    checked = 0
    for key, p in logged.items():
        before = DRAWS if len(key) == 1 else seen[key[:-1]]
        if before >= 500:
            checked += 1
            assert abs(seen[key] / before - p) < 5 * np.sqrt(p * (1 - p) / before) + 1e-9, (key, p)
    assert checked >= 3


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(1, 12), st.floats(0, 3), st.integers(0, 10**6), st.integers(0, 5))
def test_explored_slates_are_complete_and_repeatable(
    ranked: int, n: int, strength: float, seed: int, first: int
) -> None:
    for way in ("plackett_luce", "epsilon"):
        for new_item in (
            None,
            ColdStartSlot(0.5, 2, np.array([0, ranked]), np.array([0.2, 0.1]), np.array([0.1, 0.1])),
        ):
            rows, chance = explore(ranked, n, ExplorationPolicy(strength, way, first), seed, new_item)
            assert len(set(rows.tolist())) == len(rows)
            assert min(ranked, n) <= len(rows) <= min(ranked + 1, n)
            assert ((chance >= 0) & (chance <= 1)).all()
            again, same = explore(ranked, n, ExplorationPolicy(strength, way, first), seed, new_item)
            assert rows.tolist() == again.tolist()
            assert chance.tolist() == same.tolist()
            if new_item is None:
                assert rows[: min(first, len(rows))].tolist() == list(range(min(first, len(rows))))


def test_the_probability_of_the_highest_draw() -> None:
    assert probability_of_maximum(np.array([0.3]), np.array([0.1])).tolist() == [1.0]
    assert probability_of_maximum(np.full(4, 0.2), np.full(4, 0.05)) == pytest.approx(
        np.full(4, 0.25), abs=1e-9
    )
    mean, deviation = np.array([0.1, 0.12, 0.05, 0.3]), np.array([0.05, 0.01, 0.2, 0.1])
    drawn = np.random.default_rng(0).normal(mean, deviation, (400_000, 4)).argmax(1)
    assert probability_of_maximum(mean, deviation) == pytest.approx(
        np.bincount(drawn, minlength=4) / 400_000, abs=0.004
    )
    # one that is known well beside one of whom nothing is known
    assert probability_of_maximum(np.array([0.1, 0.1]), np.array([5e-3, 0.1])) == pytest.approx(
        [0.5, 0.5], abs=0.01
    )


def test_posteriors_move_from_the_prediction_to_the_observed_rate() -> None:
    new = ColdStartExploration(
        NewItemSettings(share=1.0, budget=100),
        Objective(events=["play"], at_least=10.0),
        3,
    )
    new.record("impression", np.array([0] * 40 + [1] * 40), np.full(80, np.nan))
    new.record(
        "play", np.array([0] * 20 + [1] * 20), np.array([30.0] * 20 + [5.0] * 20)
    )  # the second ones are too short
    assert len(new) == 3
    mean, deviation = new.posterior(np.arange(3), np.full(3, 0.2))
    assert mean.tolist() == pytest.approx(
        [
            (PRIOR_IMPRESSIONS * 0.2 + 20) / (PRIOR_IMPRESSIONS + 40),
            PRIOR_IMPRESSIONS * 0.2 / (PRIOR_IMPRESSIONS + 40),
            0.2,
        ]
    )
    assert deviation[2] > deviation[1]
    # slates count as impressions unless impression events count them
    new.served(np.array([0, 2, -1]))
    assert new.impressions(slice(3)).tolist() == [40, 40, 1]


def test_new_items_that_are_liked_get_more_impressions_until_their_budget_is_spent() -> None:
    rng = np.random.default_rng(1)
    true = np.array([0.02, 0.02, 0.02, 0.30])
    new = ColdStartExploration(NewItemSettings(share=1.0, budget=400), Objective(events=["play"]), 4)
    shown = np.zeros(4, int)
    for round_number in range(1_000):
        now = new.new_items(np.full(4, 5 * DAY), 6 * DAY, None)
        if not len(now):
            break
        mean, deviation = new.posterior(now, np.full(len(now), 0.1))
        slot = ColdStartSlot(1.0, 0, np.arange(3, 3 + len(now)), mean, deviation)
        rows, _ = explore(3, 1, ExplorationPolicy(0.0), round_number, slot)
        item = int(now[rows[0] - 3])
        shown[item] += 1
        new.served(np.array([item]))
        if rng.random() < true[item]:
            new.record("play", np.array([item]), np.array([np.nan]))
    assert shown.max() == shown[3] == 400, shown  # no more than its budget
    assert (shown[:3] >= 5).all(), shown
    early = ColdStartExploration(
        NewItemSettings(share=1.0, budget=400, window="1d"), Objective(events=["play"]), 4
    )
    assert len(early.new_items(np.full(4, 5 * DAY), 7 * DAY, None)) == 0  # no longer new
    assert len(early.new_items(np.full(4, 5 * DAY), 4 * DAY, None)) == 0  # not out yet


def test_a_new_item_is_shown_until_its_budget_is_spent(bundle: Path) -> None:
    fresh = Recommender.load(bundle)  # with a catalogue of its own, which is changed here
    project = fresh.project
    rerank = project.rerank.model_copy(
        update={"new_items": NewItemSettings(share=0.5, slot=2, budget=30, window="2h")}
    )
    fresh = fresh.with_project(project.model_copy(update={"rerank": rerank}))
    by = str(rerank.freshness_by)
    today = {by: int(fresh.now())}
    fresh.change_item("m-new", {"title": "Quite new", "attributes": today})
    code = fresh.state.catalogue.items.ids.code("m-new")
    people = fresh.some_users(50)
    slots: list[int] = []
    chances = []
    for at in range(400):
        slate = fresh.recommend(user=people[at % len(people)], n=6, seed=at)
        fresh.state.record_served([slate])
        place = [i for i, r in enumerate(slate.items) if r.item == "m-new"]
        if place:
            slots += place
            chances.append(slate.items[place[0]].propensity)
            assert slate.items[place[0]].reason
        assert len({r.item for r in slate.items}) == 6
    assert fresh.state.cold_start is not None
    assert fresh.state.cold_start.impressions(slice(None))[code] == len(slots) == 30
    assert set(slots) == {2}
    assert all(0 < c <= 0.5 for c in chances)
    # rules hold for new items too, and a request without chance has none of them
    fresh.change_item("m-newer", {"title": "Newer", "attributes": today})
    for given_filters, strength in (({"items": {"none": ["m-newer"]}}, None), (None, 0.0)):
        slates = [
            fresh.recommend(user=u, n=6, filters=given_filters, explore=strength, seed=1) for u in people[:30]
        ]
        assert not any(r.item == "m-newer" for slate in slates for r in slate.items)
    fresh.change_item("m-newer", {"retired": True})
    assert not any(r.item == "m-newer" for u in people for r in fresh.recommend(user=u, n=6, seed=3).items)

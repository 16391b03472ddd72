"""Previews of settings against the slates that serving makes with them, also where rules hide items."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.cascade.clock import Clock
from shortlist.config.changes import changed_project
from shortlist.data.dataset import Dataset
from shortlist.recommender import Recommender

WEIGHTS = {"seconds": 0.0, "rating": 5.0}
RULES = [
    {"name": "no horror", "when": {"genres": {"any": ["Horror"]}}, "action": "hide"},
    {"name": "more comedy", "when": {"genres": {"any": ["Comedy"]}}, "action": "boost", "amount": 5.0},
]
N = 8


@pytest.fixture(autouse=True)
def clock(recommender: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still, so that a preview and the slates that it is compared with are of one moment."""
    moment = recommender.now()
    monkeypatch.setattr(Clock, "now", lambda _: moment)


def test_a_preview_is_what_serving_shows(recommender: Recommender, dataset: Dataset) -> None:
    """A rule that hides items lets retrieval propose others, whose ranks, and so predictions, change."""
    people = recommender.some_users(40)
    both, boosted = (
        changed_project(recommender.project, {"rules": rules}, WEIGHTS) for rules in (RULES, RULES[1:])
    )
    hiding, showing = (recommender.with_project(one) for one in (both, boosted))
    found = recommender.preview(both, people, N)
    for name, change in found.objectives.items():
        before, after = (
            np.mean([np.mean([r.predictions[name] for r in s]) for s in one.recommend(users=people, n=N)])
            for one in (recommender, hiding)
        )
        assert change.value == pytest.approx(after / before - 1, abs=1e-3)
        assert change.low <= change.value <= change.high
    without, ruled_out = (
        np.array([sum(r.score for r in s) for s in one.recommend(users=people, n=N)])
        for one in (showing, hiding)
    )
    [cost] = [part for part in found.parts if part.part == "rule: no horror"]
    assert cost.price.value == pytest.approx((without - ruled_out).mean() / np.abs(without).mean(), abs=2e-3)
    assert cost.changed > 0
    # what the present settings hide is shown by settings without the rule
    back = hiding.preview(boosted, people, N)
    titles, genres = list(dataset.items.titles), dataset.items.attributes["genres"]
    assert 0 < back.changed <= cost.changed  # other items; another order counts for the cost, too
    assert any("Horror" in genres.show(titles.index(title)) for title, _ in back.gains)


def test_a_hide_rule_of_a_placement(recommender: Recommender, dataset: Dataset) -> None:
    """A placement that the model's project does not have, whose rule hides: its slates are full and without the items."""
    rule = {"name": "short", "when": "minutes > 95", "action": "hide"}
    changed = changed_project(recommender.project, None, None, {"bed": {"n": 5, "rules": [rule]}})
    people = recommender.some_users(20)
    found = recommender.preview(changed, people, placement="bed")
    assert found.changed > 0.5
    assert [part.part for part in found.parts][-1] == "rule: short"
    assert sum(slates for _, slates in found.gains) > 0
    placed = recommender.with_project(changed)
    before = np.mean(
        [np.mean([r.predictions["play"] for r in s]) for s in recommender.recommend(users=people, n=5)]
    )
    slates = placed.recommend(users=people, placement="bed")
    assert {len(slate) for slate in slates} == {5}
    after = np.mean([np.mean([r.predictions["play"] for r in s]) for s in slates])
    assert found.objectives["play"].value == pytest.approx(after / before - 1, abs=1e-3)

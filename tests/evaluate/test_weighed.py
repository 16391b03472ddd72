"""The verdict judges what the project weighs: gains by value, computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.config.project import Project, parse_project
from shortlist.data.dataset import Dataset
from shortlist.evaluate.comparison import FoldSlates, compare_slates
from shortlist.evaluate.measures import CatalogueStatistics, RelevantItems
from shortlist.evaluate.report import Report
from shortlist.evaluate.weighed import utility_ndcg, weighed_items, weighs_more_than_relevant

COLUMNS = {"user": "user_id", "item": "item_id", "timestamp": "timestamp", "kind": "event", "value": "value"}
SCALES = {"play": 0.5, "seconds": 10.0, "skip": 0.1}


def project_of(**weights: float) -> Project:
    kinds: dict[str, dict[str, Any]] = {
        "play": {"events": ["play"]},
        "seconds": {"kind": "amount", "events": ["watch"]},
        "skip": {"events": ["skip"]},
    }
    objectives = {name: {**kinds[name], "weight": weight} for name, weight in weights.items()}
    return parse_project(
        {"name": "w", "data": {"events": "e.csv", "columns": COLUMNS}, "objectives": objectives}
    )


def test_only_what_differs_from_relevant_is_weighed() -> None:
    assert not weighs_more_than_relevant(project_of(play=1.0))
    assert not weighs_more_than_relevant(project_of(play=2.0, seconds=0.0))
    assert weighs_more_than_relevant(project_of(play=1.0, seconds=1.0))
    assert weighs_more_than_relevant(project_of(play=0.0, seconds=1.0))
    assert weighs_more_than_relevant(project_of(seconds=1.0))


def test_gains_by_hand() -> None:
    events = pa.table(
        {
            "user_id": ["a", "a", "a", "a", "b", "b"],
            "item_id": ["x", "x", "x", "y", "x", "y"],
            "timestamp": [1, 2, 3, 4, 5, 6],
            "event": ["play", "watch", "watch", "play", "play", "skip"],
            "value": [None, 30.0, 10.0, None, None, None],
        }
    )
    project = project_of(play=1.0, seconds=0.5, skip=-1.0)
    data = Dataset.from_frames(events, project=project)
    a, b = (data.users.ids.code(user) for user in "ab")
    x, y = (data.items.ids.code(item) for item in "xy")
    people = np.sort(np.array([a, b]))
    found = weighed_items(project, data.log, people, np.empty(0, np.int64), 2, SCALES)
    assert found.gain is not None
    gain = {(int(people[o]), int(i)): g for o, i, g in zip(found.owner, found.item, found.gain, strict=True)}
    # a: x was played, 1 / 0.5, and watched for 40 seconds, 0.5 · 40 / 10; b skipped y, which is no gain
    assert gain == {(a, x): pytest.approx(4.0), (a, y): pytest.approx(2.0), (b, x): pytest.approx(2.0)}
    slates = np.array([[y, x], [y, x]])
    ideal, backwards = 4 + 2 / np.log2(3), 2 + 4 / np.log2(3)
    expected = {a: backwards / ideal, b: 1 / np.log2(3)}
    assert utility_ndcg(slates, found, 2).tolist() == pytest.approx([expected[int(p)] for p in people])
    # what the person already has is no gain
    hidden = np.array([a * 2 + x])
    assert len(weighed_items(project, data.log, people, hidden, 2, SCALES).item) == 2


def report_of(**facts: object) -> Report:
    """`ours` finds the items that bring much, `popular` those that are relevant."""
    people = np.arange(200)
    relevant = RelevantItems(np.arange(0, 401, 2), np.tile([0, 1], 200))
    slates = {"ours": np.tile([2, 0], (200, 1)), "popular": np.tile([0, 1], (200, 1))}
    rng = np.random.default_rng(0)
    extra = {
        "ours": {"utility_ndcg@2": 0.9 + rng.normal(0, 0.05, 200)},
        "popular": {"utility_ndcg@2": 0.3 + rng.normal(0, 0.05, 200)},
    }
    fold = FoldSlates("f", slates, relevant, CatalogueStatistics(3), people, None, extra)
    compared = compare_slates([fold], "ours", 2, 200)
    return Report.from_comparison(
        compared, "ours", name="n", simulated=False, k=2, facts={"people": 200, **facts}
    )


def test_the_verdict_leads_with_the_utility() -> None:
    said = report_of(relevant="play", weighed={"play": 1.0, "seconds": 2.0}, logged_slates=True).verdict()
    assert said.startswith(
        "The project weighs play 1, seconds 2. On utility_ndcg@2, ours is better than popular"
    )
    assert "On ndcg@2, ours is lower than popular" in said
    assert "This metric counts play alone, which is not what is weighed." in said
    assert "metrics of what they took favour recommenders that show the same items" in said
    plain = report_of(relevant="play", weighed={}, logged_slates=False).verdict()
    assert plain.startswith("On ndcg@2, ours is worse than popular")
    assert "favours" not in plain

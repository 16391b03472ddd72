"""Pareto fronts of two objectives in a small world."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shortlist.data.dataset import Dataset
from shortlist.errors import ProjectError
from shortlist.evaluate.pareto import pareto
from shortlist.evaluate.pareto_page import pareto_page
from shortlist.simulate.video import make_video
from support.sizes import size
from support.worlds import quick


@pytest.fixture(scope="module")
def video() -> Any:
    return quick(
        make_video(users=300, items=200, sessions=size(3_000, 6_000), days=20, seed=2), size(20, 100)
    )


def test_the_front_trades_clicks_for_seconds_and_the_truth_agrees(video: Any) -> None:
    dataset = video.dataset()
    front = pareto(video.project(), dataset, ("click", "seconds"), 5, truths=video.truths)
    assert len(front.points) == 5
    assert front.views() == ["replayed", "predicted", "true"]
    clicks, seconds = front.points[0], front.points[-1]
    for view in front.views():
        assert clicks.values[view]["click"].value > seconds.values[view]["click"].value, view
        assert clicks.values[view]["seconds"].value < seconds.values[view]["seconds"].value, view
        estimate = seconds.values[view]["seconds"]
        assert estimate.low < estimate.value < estimate.high
        assert any(front.best(view))
    told = json.loads(json.dumps(front.to_json()))
    assert told["points"][0]["weights"]["click"] == 1
    page = pareto_page(front)
    assert page.count("<circle") == 15
    assert "the people are not real" in page
    assert "http" not in page.replace("http-equiv", "")


def test_invalid_objectives_of_a_front_are_named(video: Any, dataset: Dataset) -> None:
    project, whole = video.project(), video.dataset()
    with pytest.raises(ProjectError, match="no objective 'sleep'"):
        pareto(project, whole, ("click", "sleep"))
    lonely = project.model_copy(update={"objectives": {"click": project.objectives["click"]}})
    with pytest.raises(ProjectError, match="a trade-off needs two"):
        pareto(lonely, whole)

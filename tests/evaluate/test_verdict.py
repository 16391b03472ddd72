"""The verdict judges what the project weighs, and what the log of another engine can say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shortlist.evaluate.protocol import evaluate
from shortlist.evaluate.report import Report
from shortlist.simulate.video import make_video
from shortlist.simulate.world import World
from support.worlds import quick


@pytest.fixture(scope="module")
def world() -> World:
    made = quick(make_video(users=500, items=300, sessions=5_000, days=40, seed=2), trees=40)
    return replace(made, settings={**made.settings, "evaluate": {"bootstrap": 200}})


@pytest.fixture(scope="module")
def report(world: World) -> Report:
    return evaluate(world.project(), world.dataset(), truth=world.truths)


def test_the_verdict_leads_with_what_is_weighed_among_what_was_shown(report: Report) -> None:
    said = report.verdict()
    # click-bait wins clicks: by the clicks of the log alone, popular items would be chosen
    assert report.metrics["popular"]["ndcg@10"].value > report.metrics["shortlist"]["ndcg@10"].value
    seconds = {name: metrics["true_seconds@10"].value for name, metrics in report.metrics.items()}
    assert seconds["shortlist"] > 2 * seconds["popular"]
    assert said.startswith(
        "The project weighs click 0.2, seconds 1, like 0.3, dismiss -0.1. By that utility, "
    )
    assert report.shown is not None
    assert report.shown.decides("popular")[1].verdict == "better"
    assert " more than popular (+" in said
    assert "worse than" not in said
    assert not any("not significantly better than a list of popular items" in one for one in report.warnings)
    assert "On ndcg@10, shortlist is lower than popular" in said
    assert "counts click alone, which is not what is weighed" in said
    assert "People could only take what the engine of this log had shown them" in said


def test_the_numbers_are_in_the_json(report: Report) -> None:
    shown = report.to_json()["shown"]
    assert set(shown["order"]["values"]) == set(report.metrics)
    assert set(shown["decided_by"]) == set(report.metrics) - {"shortlist"}
    assert set(shown["predictions"]["click"]) == {"shortlist"}
    assert set(shown["overlap"]) == set(report.metrics)  # the world's log has propensities
    covered = set(report.metrics) - set(shown["refused"])
    assert "random" not in covered
    assert shown["chance"] is None or set(shown["chance"]["values"]) == covered


def test_without_slates_the_utility_of_what_people_took_leads(world: World) -> None:
    events = world.events.filter([kind != "impression" for kind in world.events["kind"].to_pylist()])
    columns = {
        name: column
        for name, column in world.settings["data"]["columns"].items()
        if name not in {"slate", "position", "propensity"}
    }
    settings = {**world.settings, "data": {**world.settings["data"], "columns": columns}}
    settings |= {"rank": {"trees": 5, "heads": "joint"}, "features": []}
    plain = replace(world, events=events, settings=settings)
    report = evaluate(plain.project(), plain.dataset())
    assert report.shown is None
    assert report.to_json()["shown"] is None
    assert {one.metric for one in report.weighed} == {"utility_ndcg@10"}
    said = report.verdict()
    assert said.startswith(
        "The project weighs click 0.2, seconds 1, like 0.3, dismiss -0.1. On utility_ndcg@10, "
    )
    assert "People could only take" not in said

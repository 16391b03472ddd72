"""Reports about the features of a ranker, and the leaks that they name."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

import shortlist
from shortlist.data.dataset import Dataset
from shortlist.evaluate.feature_report import features_page, inspect_features
from shortlist.recommender import Recommender
from shortlist.simulate.video import make_video
from support.sizes import size
from support.worlds import quick


@pytest.fixture(scope="module")
def video() -> Any:
    return quick(make_video(users=300, items=200, sessions=size(3_000, 6_000), days=20, seed=2))


def test_features_are_inspected(recommender: Recommender, dataset: Dataset) -> None:
    report = inspect_features(recommender)
    assert [f.name for f in report.features] == recommender.model.ranker.feature_names_
    assert report.rows_now > 0
    assert all(f.known_now is not None and f.drift is not None for f in report.features)
    assert not [w for w in report.warnings if "leak" in w]  # an honest world is not accused
    page = features_page(report)
    charts = 1 + len(recommender.model.objectives)  # the distribution, and the importance for each objective
    assert page.count("<svg") == charts * len(report.features)
    shares = sum(f.importance["play"] for f in report.features)
    assert shares == pytest.approx(1, abs=1e-6)


def test_a_planted_leak_is_named(video: Any) -> None:
    """A column of the events that says how it went: known in the log, unknown when it is asked for."""
    clicked = set(
        zip(
            *(
                video.events.filter(pa.compute.equal(video.events["kind"], "click"))[c].to_pylist()
                for c in ("user_id", "item_id", "slate")
            ),
            strict=True,
        )
    )
    rows = zip(*(video.events[c].to_pylist() for c in ("user_id", "item_id", "slate")), strict=True)
    answers = pa.array([1.0 if row in clicked else 0.0 for row in rows])
    settings = video.settings | {
        "data": video.settings["data"] | {"context": {"device": "category", "outcome": "number"}},
        "features": [
            *video.settings["features"],
            {"name": "outcome", "kind": "attribute", "of": "context.outcome"},
        ],
        # the slate's first event speaks for the request, so one item a slate makes the plant exact
    }
    events = video.events.append_column("outcome", answers)
    first = pa.compute.or_kleene(
        pa.compute.not_equal(video.events["kind"], "impression"),
        pa.compute.equal(video.events["position"], 0),
    )
    project = shortlist.Project.model_validate(settings)
    dataset = Dataset.from_frames(events.filter(first), video.items, video.users, project)
    report = inspect_features(Recommender(project).fit(dataset))
    leaks = [w for w in report.warnings if "may be a leak" in w]
    assert any(w.startswith("outcome may be a leak: alone it predicts 'click'") for w in leaks)
    assert not [w for w in leaks if not w.startswith("outcome")]

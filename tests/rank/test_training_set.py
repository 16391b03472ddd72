"""Training sets: leaks, shown slates, unshown candidates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.config.project import Project, parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.split import stage_cuts
from shortlist.errors import DataError, LeakError
from shortlist.features.feature_set import FeatureSet
from shortlist.rank.choose_inputs import judging_settings
from shortlist.rank.example_settings import ExampleSettings
from shortlist.rank.registry import make_ranker
from shortlist.rank.training_set import TrainingSet, Window, make_training_set
from shortlist.recommender import Recommender
from shortlist.retrieve import Popular


def test_retrievers_that_were_fitted_on_the_window_are_refused(
    dataset: Dataset, project: Project, recommender: Recommender
) -> None:
    cuts = stage_cuts(dataset.log, project.evaluate)
    with pytest.raises(LeakError, match="would contain the labels"):
        make_training_set(
            dataset,
            recommender.model.retrievers,
            FeatureSet.from_project(project, dataset),
            Window(cuts.ranker, cuts.validation, cuts.end),
            ExampleSettings.of(project),
        )


def make_from_slates(
    rows: list[tuple[str, str, int, str, int, int]],
    rank: dict[str, Any],
    rerank: dict[str, Any],
    candidates: int = 500,
) -> TrainingSet:
    """Examples of the log after its 500th second; rows: user, item, second, kind, slate, position."""
    names = ("user_id", "item_id", "timestamp", "kind", "slate", "position")
    late = [(user, item, 1_700_000_000 + at, *rest) for user, item, at, *rest in rows]
    events = pa.table({n: list(column) for n, column in zip(names, zip(*late, strict=True), strict=True)})
    settings = {
        "data": {"columns": {name: name for name in names[2:]}},
        "items": {"id": "item_id", "attributes": {"used_up": "number"}},
        "objectives": {"play": {"events": ["play"], "window": "1m"}},
        "retrieve": {"sources": [{"model": "popular"}], "candidates": candidates},
        "rank": {"examples": "impressions", **rank},
        "rerank": rerank,
        "features": [{"name": "slot", "kind": "position"}],
    }
    items = pa.table({"item_id": ["a", "b", "c", "d"], "used_up": [1.0] * 4})
    project = parse_project(settings)
    dataset = Dataset.from_frames(events, items, None, project)
    start = int(dataset.log.time[0]) + 500_000
    past = dataset.before(start)
    sources = {"popular": Popular().fit(past)}
    return make_training_set(
        dataset,
        sources,
        FeatureSet.from_project(project, dataset).fit(past),
        Window(start, start + 1_000_000, start),
        ExampleSettings.of(project),
    )


@pytest.mark.parametrize(
    ("rerank", "left_out"),
    [({}, {("u", "a")}), ({"show_seen": True}, set()), ({"show_again": "used_up"}, set())],
)
def test_seen_items_that_requests_exclude_are_no_examples(
    rerank: dict[str, Any], left_out: set[tuple[str, str]]
) -> None:
    """A repeated item that the user ignores says nothing about items that are new to the user."""
    shown = [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b")]
    rows = [("u", "a", 10, "play", -1, -1), ("v", "c", 11, "play", -1, -1)]
    rows += [
        (user, item, 1_000 + 10 * n, "impression", 1 + n // 2, n % 2) for n, (user, item) in enumerate(shown)
    ]
    rows += [("u", "b", 1_020, "play", -1, -1), ("w", "a", 2_000, "play", -1, -1)]
    found = make_from_slates(rows, {}, rerank)
    expected = [pair for pair in shown if pair not in left_out]
    assert len(found.weights) == len(expected)
    assert found.labels["play"].sum() == 1  # u took b
    slots = found.matrix[:, found.names.index("slot")].tolist()
    assert sorted(slots) == sorted(float(shown.index(pair) % 2) for pair in expected)


def test_unshown_candidates_are_added_to_slates() -> None:
    rows = [("u", "a", 10, "play", -1, -1), ("v", "d", 11, "play", -1, -1), ("w", "c", 12, "play", -1, -1)]
    rows += [("u", "b", 1_000, "impression", 1, 0), ("u", "c", 1_020, "play", -1, -1)]
    rows += [("w", "a", 2_000, "play", -1, -1)]
    found = make_from_slates(rows, {"unshown": 5}, {})
    # u had a; b was shown; c and d were not, and c was played nevertheless
    assert sorted(found.labels["play"].tolist()) == [0, 0, 1]
    assert found.request.tolist() == [0, 0, 0]
    assert found.weights.tolist() == [1, 1, 1]
    assert len(make_from_slates(rows, {"unshown": 1}, {}).weights) == 2


def test_a_window_without_impressions_is_named() -> None:
    """As on the first day on which lists are logged: they are newer than the window."""
    rows = [
        ("u", "a", 10, "impression", 1, 0),
        ("u", "a", 20, "play", -1, -1),
        ("v", "b", 600, "play", -1, -1),
    ]
    with pytest.raises(
        DataError,
        match=r"none in the ranker's window, 2023-11-14T22:21 to .*validation let the window begin later",
    ):
        make_from_slates(rows, {}, {})


def test_users_who_have_had_everything_are_named_as_the_reason() -> None:
    """No larger window would help."""
    rows = [("u", item, at, "play", -1, -1) for at, item in enumerate("abcd")]
    rows += [
        ("u", "a", 1_000, "impression", 1, 0),
        ("u", "a", 1_010, "play", -1, -1),
        ("u", "b", 2_000, "play", -1, -1),
    ]
    for rank in ({}, {"examples": "candidates"}):
        found = make_from_slates(rows, rank, {})
        assert not len(found)
        with pytest.raises(
            DataError, match=r"no source proposes an item that the user has not had.*show_seen = true"
        ) as error:
            make_ranker(parse_project({"objectives": {"play": {"events": ["play"], "window": "1m"}}})).fit(
                found, found
            )
        assert error.value.field == "rerank.show_seen"
    assert len(make_from_slates(rows, {}, {"show_seen": True}))


def test_showings_without_positions_are_shown() -> None:
    rows = [("u", "a", 10, "play", -1, -1), ("v", "d", 11, "play", -1, -1), ("w", "c", 12, "play", -1, -1)]
    rows += [("u", item, 1_000, "impression", -1, -1) for item in "bc"]
    rows += [("u", "c", 1_020, "play", -1, -1), ("w", "a", 2_000, "play", -1, -1)]
    found = make_from_slates(rows, {}, {})
    assert found.shown.tolist() == [True, True]
    assert found.matrix[:, found.names.index("slot")].tolist() == [0, 0]


def test_a_slate_may_be_longer_than_the_list_of_candidates() -> None:
    rows = [("u", "a", 10, "play", -1, -1), ("v", "d", 11, "play", -1, -1)]
    rows += [("w", item, 1_000, "impression", 1, slot) for slot, item in enumerate("dcba")]
    rows += [("w", "c", 1_020, "play", -1, -1), ("x", "a", 2_000, "play", -1, -1)]
    found = make_from_slates(rows, {"unshown": 2}, {}, candidates=2)
    slots = found.matrix[:, found.names.index("slot")]
    assert sorted(slots.tolist()) == [0, 1, 2, 3]
    assert slots[found.labels["play"] > 0].tolist() == [1]  # c


def test_all_users_who_come_can_be_requests_at_once() -> None:
    """At one moment, at most so many, with all candidates; where the log has contexts, at moments of action."""
    for context in (False, True):
        events = pa.table(
            {
                "user_id": [f"u{n % 40}" for n in range(400)],
                "item_id": [f"i{n % 13}" for n in range(400)],
                "timestamp": [1_700_000_000_000 + n * 60_000 for n in range(400)],
                "device": ["tv", "phone"] * 200,
            }
        )
        data = {"columns": {"timestamp": "timestamp"}, "context": {"device": "category"} if context else {}}
        project = parse_project(
            {
                "data": data,
                "objectives": {"take": {"events": ["event"], "window": "1d"}},
                "rerank": {"show_seen": True},
                "features": [],
            }
        )
        log = Dataset.from_frames(events, project=project)
        start = int(log.log.time[300])
        past = log.before(start)
        made = make_training_set(
            log,
            {"popular": Popular().fit(past)},
            FeatureSet.from_project(project, log).fit(past),
            Window(start, int(log.log.time[-1]) + 1, start),
            replace(judging_settings(ExampleSettings.of(project)), at_once=15),
        )
        requests, sizes = np.unique(made.request, return_counts=True)
        assert len(requests) == 15
        assert set(sizes.tolist()) == {13}
        assert (made.weights == 1).all()
        positives = np.bincount(made.request, made.labels["take"])
        # 100 events of 40 users follow the first moment, 2 or 3 of each user; fewer follow moments of action
        assert (positives.min() >= 2) is not context

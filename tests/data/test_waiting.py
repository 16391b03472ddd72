"""A shop with orders only declares clicks: they are taken at once, and their objective is learnt once there are enough."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import shortlist
from shortlist.config.project import Project, parse_project
from shortlist.data.waiting import leave_out_waiting
from shortlist.errors import DataError, RequestError, TrainingWarning
from shortlist.store.event_store import EventStore
from shortlist.store.merge import merge_store
from shortlist.store.records import StoredEvent

START = 1_760_000_000


def orders(clicks: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    rows = []
    for k, user in enumerate(rng.integers(0, 60, 1_500).tolist()):
        item = 10 * (user % 4) + min(int(rng.exponential(3)), 9)
        rows.append(
            {"user_id": f"u{user}", "item_id": f"i{item}", "timestamp": START + 600 * k, "kind": "order"}
        )
    for at in rng.integers(0, len(rows), clicks).tolist():
        row = rows[at]
        rows.append({**row, "timestamp": row["timestamp"] - 60, "kind": "click"})
    return sorted(rows, key=lambda row: row["timestamp"])


def shop(**changes: Any) -> Project:
    settings = {
        "data": {
            "columns": {"timestamp": "timestamp", "kind": "kind"},
            "kinds": {"click": "opened the page of a product"},
        },
        "objectives": {"order": {"events": ["order"]}, "click": {"events": ["click"], "weight": 0.5}},
        "retrieve": {"sources": [{"model": "popular"}, {"model": "neighbours"}]},
        "rank": {"trees": 10, "heads": "joint"},
    }
    return parse_project({**settings, **changes})


def fitted(events: Any, project: Project) -> tuple[shortlist.Recommender, list[str]]:
    with pytest.warns() as caught:
        recommender = shortlist.Recommender(project).fit(events)
    return recommender, [str(one.message) for one in caught if one.category is TrainingWarning]


def test_events_of_declared_kinds_and_impressions_are_taken(tmp_path: Path) -> None:
    recommender, said = fitted(orders(), shop())
    assert "objective 'click' waits: 0 of 50 events that it needs are there" in said
    assert recommender.model.objectives == ["order"]
    assert list(recommender.project.waiting) == ["click"]
    for kind in ("click", "impression", "order"):
        recommender.observe("u1", "i3", kind)
    with pytest.raises(RequestError, match="there is no event kind 'clik'; did you mean 'click'"):
        recommender.observe("u1", "i3", "clik")
    loaded = shortlist.Recommender.load(recommender.save(tmp_path / "bundle"))
    loaded.observe("u1", "i3", "click")
    assert list(loaded.project.waiting) == ["click"]


def test_the_objective_is_learnt_once_there_are_enough(tmp_path: Path) -> None:
    recommender, _ = fitted(orders(), shop())
    store = EventStore(tmp_path / "events.sqlite")
    times = np.linspace(START, START + 600 * 1_500, 800).astype(np.int64) * 1_000
    rng = np.random.default_rng(1)
    store.write(
        [
            StoredEvent(f"e{k}", f"u{k % 60}", f"i{10 * (k % 4) + rng.integers(10)}", "click", int(times[k]))
            for k in range(800)
        ]
    )
    # from the bundle: the settings of the model remember what waits
    merged = merge_store(recommender.dataset, store, recommender.project.data, recommender.model.position)
    assert merged.new == 800
    again = shortlist.Recommender(recommender.project)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*waits.*")
        again.fit(merged)
    assert again.model.objectives == ["order", "click"]
    assert again.project.waiting == {}


def test_what_is_enough_is_counted_in_every_part_of_the_log() -> None:
    project = shop()
    for clicks, learnt in ((20, False), (400, True)):
        dataset = shortlist.Dataset.from_frames(orders(clicks), project=project)
        ready = leave_out_waiting(project, dataset.log)
        assert ("click" in ready.project.objectives) is learnt
    early = [row for row in orders(400) if row["kind"] == "order" or row["timestamp"] < START + 300_000]
    dataset = shortlist.Dataset.from_frames(early, project=project)
    assert "in the ranker's window" in leave_out_waiting(project, dataset.log).waiting["click"]


def test_settings_that_need_it_are_named() -> None:
    for changes, field in (
        ({"evaluate": {"relevant": "click"}}, "evaluate.relevant"),
        ({"utility": {"at_least": {"click": 0.1}}}, "utility.at_least"),
        ({"objectives": {"click": {"events": ["click"]}}}, "objectives"),
    ):
        with pytest.raises(DataError, match="wait") as error:
            shortlist.Recommender(shop(**changes)).fit(orders())
        assert error.value.field == field


def test_a_kind_that_is_not_declared_is_still_an_error() -> None:
    project = shop(data={"columns": {"timestamp": "timestamp", "kind": "kind"}})
    with pytest.raises(DataError, match=r"no event is of kind click; .* declared in \[data.kinds\]"):
        shortlist.Recommender(project).fit(orders())


def test_it_is_evaluated_without_what_waits() -> None:
    project = shop()
    report = shortlist.evaluate(project, shortlist.Dataset.from_frames(orders(), project=project))
    assert "better" in report.verdict() or "different" in report.verdict() or "worse" in report.verdict()

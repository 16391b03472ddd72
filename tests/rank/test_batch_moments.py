"""Requests of whole batches."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from shortlist.config.project import parse_project
from shortlist.config.rank import RankSettings
from shortlist.data.dataset import Dataset
from shortlist.rank.batch_moments import with_batches
from shortlist.rank.past_requests import PastRequests, moments_of_action
from shortlist.rank.request_context import request_contexts

START = 1_750_000_000_000
HOUR = 3_600_000
#        hours after the start
ACTED = [("a", 0.0), ("a", 5.0), ("b", 2.0), ("c", 9.0)]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    events = pa.table(
        {
            "user_id": [user for user, _ in ACTED],
            "item_id": ["x"] * len(ACTED),
            "timestamp": [START + int(hours * HOUR) for _, hours in ACTED],
            "device": ["tv"] * len(ACTED),
        }
    )
    project = parse_project(
        {"data": {"columns": {"timestamp": "timestamp"}, "context": {"device": "category"}}}
    )
    return Dataset.from_frames(events, project=project)


def pairs(dataset: Dataset, past: PastRequests) -> list[tuple[str, float]]:
    ids = dataset.users.ids.ids(past.users)
    return [(str(u), (int(m) - START) / HOUR) for u, m in zip(ids, past.moments, strict=True)]


def batches(
    dataset: Dataset, horizon: float, settings: RankSettings, past: PastRequests | None = None
) -> PastRequests:
    none = PastRequests(np.empty(0, np.int32), np.empty(0, np.int64))
    span = START, START + 10 * HOUR
    return with_batches(past or none, dataset, span, int(horizon * HOUR), settings, np.random.default_rng(0))


def test_users_who_come_within_the_horizon_are_requests(dataset: Dataset) -> None:
    assert pairs(dataset, batches(dataset, 3, RankSettings(batches=1))) == [("a", 0), ("b", 0)]
    assert pairs(dataset, batches(dataset, 24, RankSettings(batches=1))) == [("a", 0), ("b", 0), ("c", 0)]
    assert pairs(dataset, batches(dataset, 4.5, RankSettings(batches=2))) == [
        ("a", 0),
        ("b", 0),
        ("a", 5),
        ("c", 5),
    ]


def test_they_are_added_to_moments_of_action(dataset: Dataset) -> None:
    rank = RankSettings(batches=1)
    past = moments_of_action(dataset, START, START + 10 * HOUR, rank, np.random.default_rng(0))
    found = batches(dataset, 24, rank, past)
    # the first action of a is at the moment of the batch: one request
    assert pairs(dataset, found) == [("a", 0), ("b", 0), ("c", 0), ("b", 2), ("a", 5), ("c", 9)]
    context = request_contexts(dataset, found)["device"]
    assert [context.show(row) for row in range(6)] == ["tv", None, None, "tv", "tv", "tv"]


def test_the_number_of_examples_is_limited(dataset: Dataset) -> None:
    settings = RankSettings(batches=5, negatives=1_200, max_rows=1_000)
    assert len(batches(dataset, 24, settings)) == 3  # 300 negatives and 10 other rows each

"""The context of past requests: read from their events, and taken away from a share of them in training."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.rank.past_requests import PastRequests
from shortlist.rank.request_context import request_contexts

N = 400


@pytest.fixture(scope="module")
def log() -> Dataset:
    """One event a second, each with its own pair of devices and hours."""
    events = pa.table(
        {
            "user_id": [f"u{n % 7}" for n in range(N)],
            "item_id": [f"i{n % 5}" for n in range(N)],
            "timestamp": [1_700_000_000 + n for n in range(N)],
            "device": ["phone" if n % 2 else "tablet" for n in range(N)],
            "hour": [float(n) for n in range(N)],
        }
    )
    settings = {
        "data": {
            "columns": {"timestamp": "timestamp"},
            "context": {"device": "category", "hour": "number"},
        },
        "items": {"id": "item_id"},
        "objectives": {"take": {"events": ["event"], "window": "1m"}},
        "retrieve": {"sources": [{"model": "popular"}]},
    }
    return Dataset.from_frames(events, None, None, parse_project(settings))


def requests(log: Dataset) -> PastRequests:
    return PastRequests(log.log.user, log.log.time)


def test_the_context_of_the_event_is_read(log: Dataset) -> None:
    found = request_contexts(log, requests(log))
    assert [found["device"].show(row) for row in (0, 1, 2)] == ["tablet", "phone", "tablet"]
    assert [found["hour"].show(row) for row in (0, 1, N - 1)] == [0, 1, N - 1]


def test_a_share_of_the_requests_loses_all_columns_or_one(log: Dataset) -> None:
    found = request_contexts(log, requests(log), without=0.4, seed=3)
    lost = np.array([[found[name].show(row) is None for name in ("device", "hour")] for row in range(N)])
    assert 0.3 < lost.any(1).mean() < 0.5
    both = lost.all(1).sum() / lost.any(1).sum()
    assert 0.35 < both < 0.65
    assert lost[:, 0].sum() > both * 20
    assert lost[:, 1].sum() > both * 20
    kept = np.flatnonzero(~lost[:, 1]).tolist()
    assert [found["hour"].show(row) for row in kept] == kept


def test_the_draw_depends_on_the_seed_alone(log: Dataset) -> None:
    one, two, other = (
        [request_contexts(log, requests(log), 0.4, seed)["hour"].show(row) for row in range(N)]
        for seed in (3, 3, 4)
    )
    assert one == two != other

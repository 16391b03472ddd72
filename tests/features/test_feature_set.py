"""Features computed offline and online are equal, to the bit, on replayed logs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shortlist
from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories, as_of
from shortlist.errors import NotFittedError
from shortlist.simulate.video import make_video
from shortlist.simulate.world import World
from support.feature_cases import assert_equal, feature_set, make, replay, requests_for_all_items
from support.sizes import FULL, size


def test_priors_are_learned_before_a_matrix_is_computed() -> None:
    """Without them, means and rates would be drawn to 0 without a word."""
    dataset = make([("u", "a", 100.0, "show", None), ("u", "a", 101.0, "play", 2.0)])
    features = feature_set(dataset)
    users, moments = np.array([0], np.int32), np.array([200_000], np.int64)
    rows = requests_for_all_items(dataset, users, moments, as_of(dataset.histories, users, moments))
    counters, items = features.counters(dataset), features.item_features(dataset.items)
    with pytest.raises(NotFittedError, match="call fit"):
        features.offline_matrix(rows, dataset)
    with pytest.raises(NotFittedError, match="call fit"):
        features.online_matrix(rows, counters, items)
    features.fit(dataset).offline_matrix(rows, dataset)


def test_by_hand() -> None:
    dataset = make(
        [
            ("u", "a", 100.0, "show", None),
            ("u", "a", 101.0, "play", 2.0),
            ("v", "b", 110.0, "play", 4.0),
            ("u", "a", 200.0, "play", 1.0),
        ]
    )
    features = feature_set(dataset, {"rate": 0.5, "mean": 3.0})
    users, moments = np.array([0], np.int32), np.array([200_000], np.int64)
    matrix = features.offline_matrix(
        requests_for_all_items(dataset, users, moments, as_of(dataset.histories, users, moments)), dataset
    )
    a, b, c = (dict(zip(features.names([]), row.tolist(), strict=True)) for row in matrix)
    assert (a["n"], b["n"], c["n"]) == (1, 1, 0)  # the event at the very moment is not known yet
    assert (a["n_tag"], b["n_tag"], c["n_tag"]) == (1.5, 2, 0)  # x: 1, y: 2 within two minutes
    assert a["n_1m"] == 0  # 99 seconds ago
    assert a["n_big"] == 2
    assert a["rate"] == pytest.approx((1 + 20 * 0.5) / (1 + 20))
    assert a["last"] == pytest.approx(90 / 86_400, rel=1e-5)  # the latest of x and y
    assert (a["likes_tag"], b["likes_tag"], c["likes_tag"]) == (1, 1, 0)  # one past event, on {x, y}
    assert b["age"] == pytest.approx(200 / 86_400 - 1, rel=1e-5)
    assert np.isnan(c["age"])


event = st.tuples(
    st.sampled_from(["u", "v", "w"]),
    st.sampled_from(["a", "b", "c"]),
    st.one_of(st.integers(1_000, 1_060), st.integers(1_000, 5_000)).map(
        float
    ),  # bursts and ties, and gaps past every window
    st.sampled_from(["play", "play", "show"]),
    st.one_of(st.none(), st.floats(-5, 5, width=32)),
)


@settings(max_examples=size(12, 60), deadline=None)
@given(
    st.lists(
        st.tuples(
            event, st.sampled_from(["tv", "phone", None]), st.sampled_from([0.0, 0.0, 1.0, 90.0, 4000.0])
        ),
        min_size=1,
        max_size=60,
    ),
    st.lists(st.tuples(st.integers(0, 2), st.integers(990, 9_100)), min_size=1, max_size=8),
    st.booleans(),
)
def test_online_equals_offline(events: list[Any], asked: list[tuple[int, int]], late: bool) -> None:
    """Ties in time, bursts, gaps longer than every window, and events that arrive long after they happened."""
    rows, devices, delays = zip(*events, strict=True)
    more = [("u", "a", 900.0, "show", 1.0), ("v", "a", 901.0, "play", 1.0), ("w", "b", 902.0, "play", 1.0)]
    dataset = make(
        [*rows, *more], [*devices, "tv", "phone", None], [*delays, 0.0, 0.0, 0.0] if late else None
    )
    asked = sorted(asked, key=lambda a: a[1])
    users, moments = (
        np.array([a[0] for a in asked], np.int32),
        np.array([a[1] * 1000 for a in asked], np.int64),
    )
    assert_equal(*replay(dataset, users, moments))


@pytest.mark.parametrize("name", ["movies", "video"])
def test_online_equals_offline_in_worlds(name: str, world: World) -> None:
    """Pairs of (row, feature) of each world, no mismatch; a million in the long form."""
    if name == "video":
        world = make_video(users=400, items=300, sessions=3_000, days=20, seed=3)
    dataset = world.dataset()
    rng = np.random.default_rng(0)
    requests = size(70, 200)
    moments = np.sort(rng.choice(dataset.log.time[len(dataset.log) // 4 :], requests))
    users = rng.integers(0, len(dataset.users), requests).astype(np.int32)
    offline, online, names = replay(dataset, users, moments, world.project())
    assert offline.size >= size(350_000, 1_000_000)
    assert_equal(offline, online, names)


def test_online_equals_offline_on_movielens(movielens: Path) -> None:
    """Pairs of (row, feature) of real ratings, no mismatch; a million in the long form."""
    events, items, users = (pq.read_table(movielens / f"{n}.parquet") for n in ("events", "items", "users"))
    project = shortlist.guess_project(events, items, users)
    if not FULL:  # the replay adds one event after the other
        first = np.argsort(events["timestamp"].to_numpy(), kind="stable")[:10_000]
        events = events.take(np.sort(first))
    dataset = Dataset.from_frames(events, items, users, project)
    rated = dataset.log.kinds[0]
    more = [
        {"name": "user_genre", "kind": "mean", "by": "user*item.genres", "event": rated},
        {
            "name": "people_30d",
            "kind": "distinct",
            "of": "user",
            "by": "item",
            "event": rated,
            "window": "30d",
        },
        {"name": "rising", "kind": "trend", "by": "item", "event": rated, "window": "3d", "against": "30d"},
        {"name": "least_7d", "kind": "minimum", "by": "item.genres", "event": rated, "window": "7d"},
        {"name": "newest", "kind": "latest", "by": "item", "event": rated},
        {
            "name": "by_job",
            "kind": "mean",
            "by": "user.occupation*item.genres",
            "event": rated,
            "window": "60d",
        },
    ]
    project = project.model_copy(update={"features": [*project.features, *more]})
    rng = np.random.default_rng(0)
    requests = size(12, 30)
    moments = np.sort(rng.choice(dataset.log.time[len(dataset.log) // 4 :], requests))
    people = rng.integers(0, len(dataset.users), requests).astype(np.int32)
    offline, online, names = replay(dataset, people, moments, project)
    assert offline.size >= size(400_000, 1_000_000)
    assert_equal(offline, online, names)


def test_a_visitor_counts_like_a_user(dataset: Dataset, project: Project) -> None:
    """The history and the impressions of a visitor give the same features by user as the same events in the log."""
    features = feature_set(dataset, project=project).fit(dataset)
    counters, items = features.counters(dataset), features.item_features(dataset.items)
    user = int(np.diff(dataset.histories.indptr).argmax())
    moments = np.array([int(dataset.log.time[-1]) + 1])
    counters.advance(int(moments[0]))
    history = as_of(dataset.histories, np.array([user]), moments)
    log = dataset.log.rows((dataset.log.user == user) & ~dataset.log.acted)
    shown = Histories.of(np.zeros(len(log), np.int32), 1, log.item, log.time, log.kind, log.value)
    names = [f.name for f in features.features if getattr(f, "by", "") == "user"]
    columns = [features.names([]).index(n) for n in names]
    known, visitor = (
        features.online_matrix(
            replace(
                requests_for_all_items(dataset, np.array([code], np.int32), moments, history), shown=shown
            ),
            counters,
            items,
        )[:, columns]
        for code in (user, -1)
    )
    np.testing.assert_array_equal(known, visitor)
    assert len(columns) >= 3
    assert features.counts_shown
    assert len(log)

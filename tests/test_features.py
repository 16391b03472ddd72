"""Features: the offline and the live side are equal, to the bit, on replayed logs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories, as_of
from shortlist.errors import ProjectError
from shortlist.features.live import LiveCounts
from shortlist.features.matrix import FeatureSet, Rows
from shortlist.features.spec import parse_features
from shortlist.project import parse_project

ITEMS = pa.table(
    {
        "item_id": ["a", "b", "c"],
        "tags": [["x", "y"], ["y"], []],
        "made": pa.array([0, 86_400_000, None], pa.timestamp("ms")),
    }
)
FEATURES: list[dict[str, Any]] = [
    {"name": "n", "kind": "count", "by": "item", "event": "play"},
    {"name": "n_1m", "kind": "count", "by": "item", "event": "play", "window": "1m"},
    {"name": "n_user", "kind": "count", "by": "user", "event": "play", "window": "5m"},
    {"name": "n_tag", "kind": "count", "by": "item.tags", "event": "play", "window": "2m"},
    {"name": "n_big", "kind": "count", "by": "all", "event": "play", "at_least": 2.0},
    {"name": "rate", "kind": "rate", "by": "item", "event": "play", "per": "show", "window": "10m"},
    {"name": "mean", "kind": "mean", "by": "item", "event": "play", "window": "1m"},
    {"name": "last", "kind": "recency", "by": "item.tags", "event": "play"},
    {"name": "last_1m", "kind": "recency", "by": "user", "event": "play", "window": "1m"},
    {"name": "likes_tag", "kind": "affinity", "of": "item.tags", "last": 3},
    {"name": "age", "kind": "age", "of": "item.made"},
    {"name": "hour", "kind": "moment", "of": "hour"},
]


def make(
    events: list[tuple[str, str, float, str, float | None]], features: list[dict[str, Any]] = FEATURES
) -> Dataset:
    columns = list(map(list, zip(*events, strict=True)))
    table = pa.table(dict(zip(["user_id", "item_id", "timestamp", "kind", "value"], columns, strict=True)))
    project = parse_project(
        {
            "data": {
                "duplicates": "keep",
                "columns": {"timestamp": "timestamp", "kind": "kind", "value": "value"},
            },
            "items": {"id": "item_id", "attributes": {"tags": "list", "made": "time"}},
            "objectives": {"play": {"events": ["play"]}},
            "features": features,
        }
    )
    return Dataset.from_frames(table, ITEMS, None, project)


def ask(dataset: Dataset, users: np.ndarray, moments: np.ndarray, histories: Histories) -> Rows:
    n = len(dataset.items)
    request = np.repeat(np.arange(len(users)), n)
    none = np.empty((len(request), 0), np.float32)
    return Rows(
        users, moments, histories, request, np.tile(np.arange(n, dtype=np.int32), len(users)), [], none, none
    )


def test_by_hand() -> None:
    dataset = make(
        [
            ("u", "a", 100.0, "show", None),
            ("u", "a", 101.0, "play", 2.0),
            ("v", "b", 110.0, "play", 4.0),
            ("u", "a", 200.0, "play", 1.0),
        ]
    )
    features = FeatureSet(dataset, {"rate": 0.5, "mean": 3.0})
    users, moments = np.array([0], np.int32), np.array([200_000], np.int64)
    matrix = features.offline(ask(dataset, users, moments, as_of(dataset.histories, users, moments)), dataset)
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


def replay(dataset: Dataset, users: np.ndarray, moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same requests answered by SQL over the whole log, and live, with events added one by one in between."""
    features = FeatureSet(dataset).fit(dataset)
    past = as_of(dataset.histories, users, moments)
    rows = ask(dataset, users, moments, past)
    offline = features.offline(rows, dataset)
    live = LiveCounts(features.aggregates, features.keys, dataset.log.kinds)
    log, at, parts = dataset.log, 0, []
    for number in range(len(users)):
        while at < len(log) and log.time[at] < moments[number]:
            live.add(
                int(log.user[at]),
                int(log.item[at]),
                int(log.time[at]),
                log.kinds[log.kind[at]],
                float(log.value[at]),
            )
            at += 1
        one = as_of(dataset.histories, users[[number]], moments[[number]])
        parts.append(features.live(ask(dataset, users[[number]], moments[[number]], one), live))
    return offline, np.concatenate(parts)


event = st.tuples(
    st.sampled_from(["u", "v", "w"]),
    st.sampled_from(["a", "b", "c"]),
    st.one_of(st.integers(1_000, 1_060), st.integers(1_000, 5_000)).map(
        float
    ),  # bursts and ties, and gaps past every window
    st.sampled_from(["play", "play", "show"]),
    st.one_of(st.none(), st.floats(-5, 5, width=32)),
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(event, min_size=1, max_size=60),
    st.lists(st.tuples(st.integers(0, 1), st.integers(990, 5_100)), min_size=1, max_size=8),
)
def test_live_equals_offline(events: list[Any], asked: list[tuple[int, int]]) -> None:
    dataset = make(
        [
            *events,
            ("u", "a", 900.0, "show", 1.0),
            ("v", "a", 901.0, "play", 1.0),
            ("u", "a", 902.0, "play", 1.0),
        ]
    )
    asked = sorted(asked, key=lambda a: a[1])
    users, moments = (
        np.array([a[0] for a in asked], np.int32),
        np.array([a[1] * 1000 for a in asked], np.int64),
    )
    offline, live = replay(dataset, users, moments)
    np.testing.assert_array_equal(offline, live)


def test_live_equals_offline_in_the_movies_world(dataset: Dataset) -> None:
    """Half a million (row, feature) pairs, no mismatch."""
    rng = np.random.default_rng(0)
    moments = np.sort(rng.choice(dataset.log.time[len(dataset.log) // 4 :], 100))
    users = rng.integers(0, len(dataset.users), 100).astype(np.int32)
    offline, live = replay(dataset, users, moments)
    assert offline.size >= 500_000
    np.testing.assert_array_equal(offline, live)


def test_restart_rebuilds_the_same_counters(dataset: Dataset) -> None:
    features = FeatureSet(dataset).fit(dataset)
    log = dataset.log.rows(slice(0, 8_000))
    at_once = LiveCounts.of(log, features.aggregates, features.keys)
    one_by_one = LiveCounts(features.aggregates, features.keys, log.kinds)
    for i in range(len(log)):
        one_by_one.add(
            int(log.user[i]), int(log.item[i]), int(log.time[i]), log.kinds[log.kind[i]], float(log.value[i])
        )
    now = int(log.time[-1]) + 1
    for aggregate, counter in at_once.counters.items():
        other = one_by_one.counters[aggregate]
        counter.advance(now)
        other.advance(now)
        for name in ("n", "total", "last"):
            np.testing.assert_array_equal(getattr(counter, name), getattr(other, name), str(aggregate))


def test_a_visitor_counts_like_a_user(dataset: Dataset) -> None:
    """A history sent with a request gives the same features by user as the same events in the log."""
    features = FeatureSet(dataset).fit(dataset)
    live = LiveCounts.of(dataset.log, features.aggregates, features.keys)
    user = int(np.diff(dataset.histories.indptr).argmax())
    moments = np.array([int(dataset.log.time[-1]) + 1])
    history = as_of(dataset.histories, np.array([user]), moments)
    names = [f.name for f in features.features if getattr(f, "by", "") == "user" and f.kind != "rate"]
    columns = [features.names([]).index(n) for n in names]
    known = features.live(ask(dataset, np.array([user], np.int32), moments, history), live)[:, columns]
    visitor = features.live(ask(dataset, np.array([-1], np.int32), moments, history), live)[:, columns]
    np.testing.assert_array_equal(known, visitor)
    assert len(columns) >= 2


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ({"name": "x", "kind": "count", "by": "item", "event": "buy"}, "no event is of kind 'buy'"),
        ({"name": "x", "kind": "count", "by": "item.colour", "event": "play"}, "by = 'item.colour'"),
        ({"name": "x", "kind": "attribute", "of": "item.colour"}, "item has: tags (list), made (time)"),
        ({"name": "x", "kind": "count", "by": "item", "event": "play", "window": "0d"}, "is not a duration"),
        ({"name": "n", "kind": "moment", "of": "hour"}, "two features are called 'n'"),
    ],
)
def test_errors_name_the_feature(feature: dict[str, Any], words: str) -> None:
    dataset = make([("u", "a", 1.0, "play", 1.0), ("u", "a", 2.0, "show", 1.0)])
    project = dataset.project.model_copy(update={"features": [FEATURES[0], feature]})
    with pytest.raises(ProjectError) as error:
        parse_features(replace(dataset, project=project).project, dataset.log.kinds)
    assert words in str(error.value)

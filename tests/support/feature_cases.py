"""A small data set with features of every kind, and the same requests computed offline and online."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

import shortlist
from shortlist.config.project import Project, parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories, as_of
from shortlist.data.log import Log
from shortlist.features.feature_set import FeatureSet
from shortlist.features.keys import KeyRows, RequestKeys
from shortlist.features.online import OnlineCounters
from shortlist.features.rows import FeatureRows

ITEMS = pa.table(
    {
        "item_id": ["a", "b", "c"],
        "tags": [["x", "y"], ["y"], []],
        "shop": ["s", "t", None],
        "price": [1.5, 2.5, None],
        "words": ["red shoe", "red hat", ""],
        "vector": pa.array([[1.0, 0.0], [0.6, 0.8], None], pa.list_(pa.float32())),
        "made": pa.array([0, 86_400_000, None], pa.timestamp("ms")),
    }
)
USERS = pa.table({"user_id": ["u", "v", "w"], "land": ["DE", "FR", None], "likes": [["x"], ["x", "y"], []]})


@shortlist.feature("half")
def half(price: pa.Array, plays: pa.Array) -> pa.Array:
    return pc.add(pc.divide(pc.fill_null(price, 0.0), 2.0), plays)


FEATURES: list[dict[str, Any]] = [
    {"name": "n", "kind": "count", "by": "item", "event": "play"},
    {"name": "n_1m", "kind": "count", "by": "item", "event": "play", "window": "1m"},
    {"name": "n_user", "kind": "count", "by": "user", "event": "play", "window": "5m"},
    {"name": "n_tag", "kind": "count", "by": "item.tags", "event": "play", "window": "2m"},
    {"name": "n_big", "kind": "count", "by": "all", "event": "play", "at_least": 2.0},
    {"name": "n_user_tag", "kind": "count", "by": "user*item.tags", "event": "play", "window": "10m"},
    {"name": "n_land_shop", "kind": "count", "by": "user.land*item.shop", "event": "play"},
    {"name": "n_device", "kind": "count", "by": "item*context.device", "event": "play", "window": "30m"},
    {"name": "rate", "kind": "rate", "by": "item", "event": "play", "per": "show", "window": "10m"},
    {"name": "user_tag_rate", "kind": "rate", "by": "user*item.tags", "event": "play", "per": "show"},
    {"name": "mean", "kind": "mean", "by": "item", "event": "play", "window": "1m"},
    {"name": "latest", "kind": "latest", "by": "item", "event": "play", "window": "20m"},
    {"name": "latest_tag", "kind": "latest", "by": "item.tags", "event": "play"},
    {"name": "low", "kind": "minimum", "by": "item", "event": "play", "window": "3m"},
    {"name": "high", "kind": "maximum", "by": "item.tags", "event": "play", "window": "7m"},
    {"name": "high_all", "kind": "maximum", "by": "user", "event": "play"},
    {"name": "users", "kind": "distinct", "of": "user", "by": "item", "event": "play", "window": "2m"},
    {"name": "tags", "kind": "distinct", "of": "item.tags", "by": "user", "event": "play"},
    {"name": "items_10m", "kind": "distinct", "of": "item", "by": "user", "event": "play", "window": "10m"},
    {"name": "trend", "kind": "trend", "by": "item", "event": "play", "window": "2m", "against": "20m"},
    {"name": "last", "kind": "recency", "by": "item.tags", "event": "play"},
    {"name": "last_1m", "kind": "recency", "by": "user", "event": "play", "window": "1m"},
    {"name": "last_tag", "kind": "recency", "by": "user*item.tags", "event": "play"},
    {"name": "likes_tag", "kind": "affinity", "of": "item.tags", "last": 3},
    {"name": "likes_shop", "kind": "affinity", "of": "item.shop", "last": 2, "event": "play"},
    {"name": "near", "kind": "similarity", "of": "item.vector", "last": 5},
    {"name": "alike", "kind": "similarity", "of": "item.words"},
    {"name": "age", "kind": "age", "of": "item.made"},
    {"name": "hour", "kind": "moment", "of": "hour"},
    {"name": "price", "kind": "attribute", "of": "item.price"},
    {"name": "shop", "kind": "attribute", "of": "item.shop"},
    {"name": "tag", "kind": "attribute", "of": "item.tags"},
    {"name": "text", "kind": "attribute", "of": "item.words", "dims": 2},
    {"name": "vector", "kind": "attribute", "of": "item.vector", "dims": 2},
    {"name": "land", "kind": "attribute", "of": "user.land"},
    {"name": "likes", "kind": "attribute", "of": "user.likes"},
    {"name": "device", "kind": "attribute", "of": "context.device"},
    {"name": "wide", "kind": "cross", "of": ["context.device", "item.shop", "hour"]},
    {"name": "own", "kind": "custom", "function": "half", "inputs": ["item.price", "n"]},
]

Row = tuple[str, str, float, str, float | None]


def case_project(arrival: bool = False) -> Project:
    """The project of `make`: features of every kind."""
    columns = ["timestamp", "kind", "value", *(["arrival"] if arrival else [])]
    return parse_project(
        {
            "data": {
                "duplicates": "keep",
                "columns": {name: name for name in columns},
                "context": {"device": "category"},
            },
            "items": {
                "id": "item_id",
                "attributes": {
                    "tags": "list",
                    "shop": "category",
                    "price": "number",
                    "words": "text",
                    "vector": "embedding",
                    "made": "time",
                },
            },
            "users": {"id": "user_id", "attributes": {"land": "category", "likes": "list"}},
            "objectives": {"play": {"events": ["play"]}},
            "features": FEATURES,
        }
    )


def make(
    events: Sequence[Row],
    devices: list[str | None] | None = None,
    late: list[float] | None = None,
) -> Dataset:
    """A data set of (user, item, second, kind, value) rows, with a device each, and how late each became known."""
    columns = list(map(list, zip(*events, strict=True)))
    table = pa.table(dict(zip(["user_id", "item_id", "timestamp", "kind", "value"], columns, strict=True)))
    table = table.append_column("device", pa.array(devices or ["tv"] * len(events), pa.string()))
    if late is not None:
        arrival = np.array(columns[2]) + np.array(late)
        table = table.append_column("arrival", pa.array(arrival))
    return Dataset.from_frames(table, ITEMS, USERS, case_project(arrival=late is not None))


def feature_set(
    dataset: Dataset, priors: dict[str, float] | None = None, project: Project | None = None
) -> FeatureSet:
    """The features that a project (default: `case_project()`) declares."""
    return FeatureSet.from_project(project or case_project(), dataset, priors)


def requests_for_all_items(
    dataset: Dataset, users: NDArray[np.int32], moments: NDArray[np.int64], histories: Histories
) -> FeatureRows:
    """Every item as a candidate of every request, each on the device of the log's first event."""
    n = len(dataset.items)
    request = np.repeat(np.arange(len(users)), n)
    none = np.empty((len(request), 0), np.float32)
    first = np.zeros(len(users), np.int64)
    keys = RequestKeys(
        users,
        {name: a.take(first) for name, a in dataset.log.context.items()},
        {name: a.take(users) for name, a in dataset.users.attributes.items()},
    )
    item = np.tile(np.arange(n, dtype=np.int32), len(users))
    return FeatureRows(keys, moments, histories, request, item, [], none, none)


def add_event(counters: OnlineCounters, log: Log, row: int, dataset: Dataset) -> None:
    """Count one event of a log."""
    rows = np.array([row])
    events = KeyRows.of_events(log, rows, dataset.items.attributes)
    counters.add_many(log.kinds[log.kind[row]], events, log.time[rows], log.value[rows])


def replay(
    dataset: Dataset, users: NDArray[np.int32], moments: NDArray[np.int64], project: Project | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[str]]:
    """The same requests by SQL over the whole log, and online, with events added one by one as they arrive."""
    features = feature_set(dataset, project=project).fit(dataset)
    rows = requests_for_all_items(dataset, users, moments, as_of(dataset.histories, users, moments))
    items = features.item_features(dataset.items)
    offline = features.offline_matrix(rows, dataset)
    counters = features.empty_counters()
    log, at, parts = dataset.log, 0, []
    arrivals = np.argsort(log.arrived, kind="stable")
    for number in range(len(users)):
        while at < len(log) and log.arrived[arrivals[at]] < moments[number]:
            add_event(counters, log, int(arrivals[at]), dataset)
            at += 1
        one = slice(number, number + 1)
        history = as_of(dataset.histories, users[one], moments[one])
        counters.advance(int(moments[number]))
        request = requests_for_all_items(dataset, users[one], moments[one], history)
        parts.append(features.online_matrix(request, counters, items))
    return offline, np.concatenate(parts), features.names([])


def assert_equal(one: NDArray[np.float32], other: NDArray[np.float32], names: list[str]) -> None:
    """Both matrices have the same bits; the error names the columns that differ."""
    differ = [n for n, a, b in zip(names, one.T, other.T, strict=True) if not np.array_equal(a, b, True)]
    assert not differ, differ

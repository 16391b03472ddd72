"""Features: the offline and the live side are equal, to the bit, on replayed logs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shortlist
from shortlist.bundle.format import read_manifest
from shortlist.config.project import parse_project
from shortlist.data import mapped
from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories, as_of
from shortlist.errors import BundleError, ProjectError
from shortlist.features.keys import Asked, Keys
from shortlist.features.matrix import FeatureSet, Rows
from shortlist.features.online import LiveCounts
from shortlist.features.saved import load_counts, save_counts
from shortlist.features.spec import Aggregate
from shortlist.features.validate import parse_features
from shortlist.recommender import Recommender
from shortlist.simulate.video import make_video
from support.bundles import copy_bundle

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


def make(
    events: list[Row],
    features: list[dict[str, Any]] = FEATURES,
    devices: list[str | None] | None = None,
    late: list[float] | None = None,
) -> Dataset:
    """A data set of (user, item, second, kind, value) rows, with a device each, and how late each became known."""
    columns = list(map(list, zip(*events, strict=True)))
    table = pa.table(dict(zip(["user_id", "item_id", "timestamp", "kind", "value"], columns, strict=True)))
    table = table.append_column("device", pa.array(devices or ["tv"] * len(events), pa.string()))
    names = {"timestamp": "timestamp", "kind": "kind", "value": "value"}
    if late is not None:
        arrival = np.array(columns[2]) + np.array(late)
        table, names = table.append_column("arrival", pa.array(arrival)), {**names, "arrival": "arrival"}
    project = parse_project(
        {
            "data": {"duplicates": "keep", "columns": names, "context": {"device": "category"}},
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
            "features": features,
        }
    )
    return Dataset.from_frames(table, ITEMS, USERS, project)


def ask(dataset: Dataset, users: np.ndarray, moments: np.ndarray, histories: Histories) -> Rows:
    """Every item as a candidate of every request, each on the device of the log's first event."""
    n = len(dataset.items)
    request = np.repeat(np.arange(len(users)), n)
    none = np.empty((len(request), 0), np.float32)
    first = np.zeros(len(users), np.int64)
    return Rows(
        users,
        moments,
        histories,
        request,
        np.tile(np.arange(n, dtype=np.int32), len(users)),
        [],
        none,
        none,
        {name: a.take(users) for name, a in dataset.users.attributes.items()},
        {name: a.take(first) for name, a in dataset.log.context.items()},
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


def replay(
    dataset: Dataset, users: np.ndarray, moments: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The same requests answered by SQL over the whole log, and live, with events added one by one as they arrive."""
    features = FeatureSet(dataset).fit(dataset)
    past = as_of(dataset.histories, users, moments)
    rows = ask(dataset, users, moments, past)
    offline = features.offline(rows, dataset)
    live = LiveCounts(features.aggregates, features.keys, dataset.log.kinds, features.summed)
    log, at, parts = dataset.log, 0, []
    arrivals = np.argsort(log.arrived, kind="stable")
    for number in range(len(users)):
        while at < len(log) and log.arrived[arrivals[at]] < moments[number]:
            row = int(arrivals[at])
            live.add(
                int(log.user[row]),
                int(log.item[row]),
                int(log.time[row]),
                log.kinds[log.kind[row]],
                float(log.value[row]),
                {name: a.take(np.array([row])) for name, a in log.context.items()},
            )
            at += 1
        one = as_of(dataset.histories, users[[number]], moments[[number]])
        parts.append(features.live(ask(dataset, users[[number]], moments[[number]], one), live))
    return offline, np.concatenate(parts), features.names([])


def assert_equal(offline: np.ndarray, live: np.ndarray, names: list[str]) -> None:
    differ = [n for n, a, b in zip(names, offline.T, live.T, strict=True) if not np.array_equal(a, b, True)]
    assert not differ, differ


event = st.tuples(
    st.sampled_from(["u", "v", "w"]),
    st.sampled_from(["a", "b", "c"]),
    st.one_of(st.integers(1_000, 1_060), st.integers(1_000, 5_000)).map(
        float
    ),  # bursts and ties, and gaps past every window
    st.sampled_from(["play", "play", "show"]),
    st.one_of(st.none(), st.floats(-5, 5, width=32)),
)


@settings(max_examples=30, deadline=None)
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
def test_live_equals_offline(events: list[Any], asked: list[tuple[int, int]], late: bool) -> None:
    """Ties in time, bursts, gaps longer than every window, and events that arrive long after they happened."""
    rows, devices, delays = zip(*events, strict=True)
    more = [("u", "a", 900.0, "show", 1.0), ("v", "a", 901.0, "play", 1.0), ("w", "b", 902.0, "play", 1.0)]
    dataset = make(
        [*rows, *more], FEATURES, [*devices, "tv", "phone", None], [*delays, 0.0, 0.0, 0.0] if late else None
    )
    asked = sorted(asked, key=lambda a: a[1])
    users, moments = (
        np.array([a[0] for a in asked], np.int32),
        np.array([a[1] * 1000 for a in asked], np.int64),
    )
    assert_equal(*replay(dataset, users, moments))


@pytest.mark.parametrize("name", ["movies", "video"])
def test_live_equals_offline_in_worlds(name: str, dataset: Dataset) -> None:
    """A million (row, feature) pairs of each world, no mismatch."""
    if name == "video":
        dataset = make_video(users=400, items=300, sessions=3_000, days=20, seed=3).dataset()
    rng = np.random.default_rng(0)
    moments = np.sort(rng.choice(dataset.log.time[len(dataset.log) // 4 :], 200))
    users = rng.integers(0, len(dataset.users), 200).astype(np.int32)
    offline, live, names = replay(dataset, users, moments)
    assert offline.size >= 1_000_000
    assert_equal(offline, live, names)


def test_live_equals_offline_on_movielens(movielens: Path) -> None:
    """A million (row, feature) pairs of real ratings, no mismatch."""
    events, items, users = (pq.read_table(movielens / f"{n}.parquet") for n in ("events", "items", "users"))
    dataset = Dataset.from_frames(events, items, users)
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
    project = dataset.project.model_copy(update={"features": [*dataset.project.features, *more]})
    dataset = replace(dataset, project=project)
    rng = np.random.default_rng(0)
    moments = np.sort(rng.choice(dataset.log.time[len(dataset.log) // 4 :], 30))
    people = rng.integers(0, len(dataset.users), 30).astype(np.int32)
    offline, live, names = replay(dataset, people, moments)
    assert offline.size >= 1_000_000
    assert_equal(offline, live, names)


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
        if counter.directory is None:
            keys = np.arange(features.keys.size(aggregate.by))
        else:
            keys = np.union1d(counter.directory.slots.listing(), other.directory.slots.listing())
        for name in ("n", "total", "last"):
            one, two = (getattr(c, name)[c.at(keys)] for c in (counter, other))
            there = counter.n[counter.at(keys)] > 0  # an empty window may have been forgotten
            np.testing.assert_array_equal(one[there], two[there], str(aggregate))
        np.testing.assert_array_equal(counter.n[counter.at(keys)], other.n[other.at(keys)])
        assert counter.n.sum() > 0 or not log.is_kind([aggregate.event]).any()


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
        ({"name": "x", "kind": "attribute", "of": "item.colour"}, "item has: tags (list), shop (category)"),
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


def test_kept_counters_are_the_counted_ones(recommender: Recommender, bundle: Path, tmp_path: Path) -> None:
    """Read from a bundle, and counted from its log: the same, before and after more events."""
    kept = Recommender.load(bundle)
    counted = kept.features.counters(kept.dataset)
    moment = int(kept.dataset.log.time[-1]) + 1
    rng = np.random.default_rng(0)

    def same(one: LiveCounts, other: LiveCounts, moment: int) -> None:
        for aggregate, counter in one.counters.items():
            keys = np.arange(-1, min(one.keys.size(aggregate.by), 50_000))
            a, b = counter.view(keys, moment), other.counters[aggregate].view(keys, moment)
            for name in ("n", "total", "last", "value", *(("low", "high") if aggregate.extremes else ())):
                if name != "total" or counter.sums:
                    np.testing.assert_array_equal(getattr(a, name), getattr(b, name), f"{aggregate} {name}")

    fresh = kept.features.counters(kept.dataset, bundle / "counters")
    same(counted, fresh, moment)
    n, log = 4_000, kept.dataset.log
    users, items = rng.integers(0, len(kept.dataset.users), n), rng.integers(0, len(kept.dataset.items), n)
    times = moment + rng.integers(0, 20 * 86_400_000, n)
    for kind in log.kinds:
        for live in (counted, fresh):
            context = {name: a.take(np.zeros(n, np.int64)) for name, a in log.context.items()}
            asked = Asked(users.astype(np.int32), context)
            live.add_many(kind, asked, items.astype(np.int32), times, np.full(n, 7, np.float32))
    same(counted, fresh, int(times.max()) + 1)
    # events that were only observed are not in the log, so they are not kept with it either
    other = Recommender.load(bundle)
    other.observe(other.dataset.users.ids.id(0), other.dataset.items.ids.id(0), "play", value=100.0)
    again = Recommender.load(other.save(tmp_path / "again"))
    same(again.counts, Recommender.load(bundle).counts, moment)


def test_kept_counters_are_mapped_and_stay_what_they_were(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process counts is its own: the files of the bundle do not change under it."""
    monkeypatch.setattr(mapped, "SMALL", 0)
    one = Recommender.load(bundle)
    counter = next(iter(one.counts.counters.values()))
    assert isinstance(counter.n.base, np.memmap)
    assert type(counter.n) is np.ndarray
    rng = np.random.default_rng(0)
    ids, now = one.dataset.items.ids, one.now()
    for item in rng.integers(0, len(ids), 200):
        one.observe(one.dataset.users.ids.id(0), ids.id(int(item)), "play", value=60.0)
    assert one.counts.counters.keys()
    assert one.now() >= now
    read_manifest(bundle)  # by its checksums
    other = Recommender.load(bundle)
    changed = [
        not np.array_equal(a.n, b.n)
        for a, b in zip(one.counts.counters.values(), other.counts.counters.values(), strict=True)
    ]
    assert any(changed)


EDITS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "too few places": lambda a: a[:-3],
    "another type": lambda a: a.astype(np.float64),
    "another shape": lambda a: a[None],
}


@pytest.mark.parametrize("edit", EDITS)
def test_hostile_counters_are_refused(bundle: Path, tmp_path: Path, edit: str) -> None:
    def change(folder: Path) -> None:
        file = folder / "counters" / "0" / "n.npy"
        np.save(file, EDITS[edit](np.load(file)))

    with pytest.raises(BundleError, match="counter"):
        Recommender.load(copy_bundle(bundle, tmp_path / "bad", "bad", 1, change))


TABLES: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "a slot outside": ("slots", lambda a: a + 10**9),
    "a slot below": ("slots", lambda a: a - 10**6),
    "a slot twice": ("slots", np.zeros_like),
    "no free place, where a search would end": ("keys", lambda a: np.arange(len(a))),
    "keys below zero": ("keys", lambda a: a - 5),
    "no power of two": ("keys", lambda a: a[:-1]),
    "more than there are": ("count", lambda a: a + 1),
    "far more than there are": ("count", lambda a: a + 10**15),
    "a count below zero": ("count", lambda a: a * 0 - 1),
}


@pytest.mark.parametrize("edit", TABLES)
def test_hostile_tables_of_keys_are_refused(tmp_path: Path, edit: str) -> None:
    dataset = make([(f"u{n % 7}", "abcdef"[n % 6], float(n), "play", 1.0) for n in range(60)])
    keys = Keys(len(dataset.users), len(dataset.items))
    aggregates = [
        Aggregate("user*item", "play", None, None),
        Aggregate("user", "play", None, None, distinct="item"),
    ]

    def counts() -> LiveCounts:
        return LiveCounts(aggregates, keys, dataset.log.kinds)

    full = LiveCounts.of(dataset.log, aggregates, keys)
    save_counts(full, tmp_path)
    assert load_counts(counts(), tmp_path)
    name, change = TABLES[edit]
    for file in (tmp_path / "keys-0" / f"{name}.npy", tmp_path / "1" / f"pairs.{name}.npy"):
        was = np.load(file)
        np.save(file, change(was))
        with pytest.raises(BundleError, match="counter"):
            load_counts(counts(), tmp_path)
        np.save(file, was)
    assert load_counts(counts(), tmp_path)

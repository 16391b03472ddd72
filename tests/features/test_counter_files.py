"""Saved counters: equal to counted ones, and validated before use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shortlist.bundle.format import read_manifest
from shortlist.data import mapped
from shortlist.errors import BundleError
from shortlist.features.aggregates import Aggregate
from shortlist.features.keys import KeyEncoder, KeyRows, RequestKeys
from shortlist.features.online import OnlineCounters
from shortlist.recommender import Recommender
from support.bundles import copy_bundle
from support.feature_cases import make


def test_saved_counters_equal_counted_ones(bundle: Path, tmp_path: Path) -> None:
    """Read from a bundle, and counted from its log: equal, before and after more events."""
    kept = Recommender.load(bundle)
    counted = kept.model.features.counters(kept.dataset)
    moment = int(kept.dataset.log.time[-1]) + 1
    rng = np.random.default_rng(0)

    def same(one: OnlineCounters, other: OnlineCounters, moment: int) -> None:
        one.advance(moment)
        other.advance(moment)
        for aggregate, counter in one.counters.items():
            keys = np.arange(-1, min(one.encoder.size(aggregate.by), 50_000))
            a, b = counter.lookup(keys), other.lookup(aggregate, keys)
            for name in ("n", "total", "last", "value", *(("low", "high") if aggregate.extremes else ())):
                if name != "total" or counter.sums:
                    np.testing.assert_array_equal(getattr(a, name), getattr(b, name), f"{aggregate} {name}")

    fresh = kept.model.features.counters(kept.dataset, bundle / "counters")
    same(counted, fresh, moment)
    n, log = 4_000, kept.dataset.log
    users, items = rng.integers(0, len(kept.dataset.users), n), rng.integers(0, len(kept.dataset.items), n)
    times = moment + rng.integers(0, 20 * 86_400_000, n)
    for kind in log.kinds:
        for counters in (counted, fresh):
            context = {name: a.take(np.zeros(n, np.int64)) for name, a in log.context.items()}
            requests = RequestKeys(users.astype(np.int32), context)
            events = KeyRows.one_each(requests, items.astype(np.int32), kept.dataset.items.attributes)
            counters.add_many(kind, events, times, np.full(n, 7, np.float32))
    same(counted, fresh, int(times.max()) + 1)
    # events that were only observed are not in the log, so they are not kept with it either
    other = Recommender.load(bundle)
    other.observe(other.dataset.users.ids.id(0), other.dataset.items.ids.id(0), "play", value=100.0)
    again = Recommender.load(other.save(tmp_path / "again"))
    same(again.state.counters, Recommender.load(bundle).state.counters, moment)


def test_saved_counters_are_mapped_and_files_never_change(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process counts in its own memory: the files of the bundle do not change."""
    monkeypatch.setattr(mapped, "SMALL", 0)
    one = Recommender.load(bundle)
    counter = next(iter(one.state.counters.counters.values()))
    assert isinstance(counter.n.base, np.memmap)
    assert type(counter.n) is np.ndarray
    rng = np.random.default_rng(0)
    ids, now = one.dataset.items.ids, one.now()
    for item in rng.integers(0, len(ids), 200):
        one.observe(one.dataset.users.ids.id(0), ids.id(int(item)), "play", value=60.0)
    assert one.state.counters.counters.keys()
    assert one.now() >= now
    read_manifest(bundle)  # by its checksums
    other = Recommender.load(bundle)
    changed = [
        not np.array_equal(a.n, b.n)
        for a, b in zip(
            one.state.counters.counters.values(), other.state.counters.counters.values(), strict=True
        )
    ]
    assert any(changed)


EDITS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
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


TABLES: dict[str, tuple[str, Callable[[NDArray[Any]], NDArray[Any]]]] = {
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
    encoder = KeyEncoder(dataset)
    aggregates = [
        Aggregate("user*item", "play", None, None),
        Aggregate("user", "play", None, None, distinct="item"),
    ]

    def empty() -> OnlineCounters:
        return OnlineCounters(aggregates, encoder, dataset.log.kinds)

    full = empty()
    full.add_log(dataset.log, dataset.items.attributes)
    full.save(tmp_path)
    assert empty().load(tmp_path)
    name, change = TABLES[edit]
    for file in (tmp_path / "keys-0" / f"{name}.npy", tmp_path / "1" / f"pairs.{name}.npy"):
        was = np.load(file)
        np.save(file, change(was))
        with pytest.raises(BundleError, match="counter"):
            empty().load(tmp_path)
        np.save(file, was)
    assert empty().load(tmp_path)

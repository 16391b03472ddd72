"""Online counters: the order of events does not matter, lookups change nothing."""

from __future__ import annotations

import gc
import pickle
import weakref
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.features.aggregates import FOREVER, Aggregate
from shortlist.features.keys import KeyEncoder, KeyRows, RequestKeys
from shortlist.features.online import OnlineCounters
from support.feature_cases import add_event, feature_set, make

MINUTE = 60_000


def test_a_restart_rebuilds_the_same_counters(dataset: Dataset, project: Project) -> None:
    features = feature_set(dataset, project=project).fit(dataset)
    log = dataset.log.rows(slice(0, 8_000))
    at_once, one_by_one = features.empty_counters(), features.empty_counters()
    at_once.add_log(log, dataset.items.attributes)
    for row in range(len(log)):
        add_event(one_by_one, log, row, dataset)
    now = int(log.time[-1]) + 1
    at_once.advance(now)
    one_by_one.advance(now)
    for aggregate, counter in at_once.counters.items():
        other = one_by_one.counters[aggregate]
        if counter.index is None or other.index is None:
            keys = np.arange(features.encoder.size(aggregate.by))
        else:
            keys = np.union1d(counter.index.table.keys_by_slot(), other.index.table.keys_by_slot())
        one, two = counter.lookup(keys), other.lookup(keys)
        there = one.n > 0  # a key whose window is empty may have been removed
        for name in ("total", "last") if counter.sums else ("last",):
            np.testing.assert_array_equal(
                getattr(one, name)[there], getattr(two, name)[there], str(aggregate)
            )
        np.testing.assert_array_equal(one.n, two.n)
        assert counter.n.sum() > 0 or not log.is_kind([aggregate.event]).any()


def counters_of(dataset: Dataset, *aggregates: Aggregate) -> OnlineCounters:
    return OnlineCounters(aggregates, KeyEncoder(dataset), dataset.log.kinds)


def add(counters: OnlineCounters, dataset: Dataset, times: list[int]) -> None:
    n = len(times)
    requests = RequestKeys(np.zeros(n, np.int32))
    events = KeyRows.one_each(requests, np.zeros(n, np.int32), dataset.items.attributes)
    counters.add_many("play", events, np.array(times, np.int64), np.ones(n, np.float32))


@pytest.fixture(scope="module")
def small() -> Dataset:
    return make([("u", "a", 1.0, "play", 1.0), ("v", "b", 2.0, "show", 1.0)])


def test_lookups_never_move_a_window(small: Dataset) -> None:
    window = Aggregate("item", "play", None, 24 * MINUTE)
    counters = counters_of(small, window)
    add(counters, small, [0, MINUTE])
    key = np.array([0])
    assert counters.lookup(window, key).n.tolist() == [2]
    head = counters.counters[window].head
    assert counters.lookup(window, key).n.tolist() == [2]
    assert counters.counters[window].head == head
    counters.advance(24 * MINUTE)
    assert counters.lookup(window, key).n.tolist() == [1]
    counters.advance(0)  # a window never moves back
    assert counters.lookup(window, key).n.tolist() == [1]
    counters.advance(1000 * MINUTE)
    assert counters.lookup(window, key).n.tolist() == [0]


def shared_keys(dataset: Dataset) -> OnlineCounters:
    """Two counters of one key, which no array has a slot for."""
    by = "user*item"
    return counters_of(dataset, Aggregate(by, "play", None, None), Aggregate(by, "play", None, 24 * MINUTE))


def test_counters_are_freed_without_the_collector(small: Dataset) -> None:
    """A server takes what it has loaded out of the collector's rounds: a cycle would keep the files of a replaced model mapped."""
    counters = shared_keys(small)
    add(counters, small, [1, 2])
    assert len({counter.index for counter in counters.counters.values()}) == 1
    members = [weakref.ref(counter) for counter in counters.counters.values()]
    gc.disable()
    try:
        del counters
        assert [member() for member in members] == [None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize("copied", [deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_of_counters_share_keys_among_themselves(small: Dataset, copied: Any) -> None:
    counters = shared_keys(small)
    add(counters, small, [1])
    other = copied(counters)
    add(other, small, [2, 3])
    both = [list(one.counters.values()) for one in (counters, other)]
    indexes = [{id(counter.index) for counter in found} for found in both]
    assert len(indexes[0]) == len(indexes[1]) == 1
    assert indexes[0] != indexes[1]
    assert [[int(c.n.sum()) for c in found] for found in both] == [[1, 1], [3, 3]]


def test_next_step_at_is_the_first_moment_that_changes_a_window(small: Dataset) -> None:
    short, long = (Aggregate("item", "play", None, minutes * 24 * MINUTE) for minutes in (1, 60))
    counters = counters_of(small, short, long)
    add(counters, small, [90_000])
    assert counters.next_step_at == 2 * MINUTE
    counters.advance(2 * MINUTE - 1)
    assert counters.next_step_at == 2 * MINUTE
    counters.advance(2 * MINUTE)
    assert counters.next_step_at == 3 * MINUTE
    endless = counters_of(small, Aggregate("item", "play", None, None))
    endless.advance(0)
    assert endless.next_step_at == FOREVER


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.lists(st.integers(0, 60), max_size=6)), min_size=1, max_size=12)
)
def test_counters_are_never_negative_and_count_the_window(small: Dataset, steps: list[Any]) -> None:
    """Events in any order, late ones too, and advances in between: the count is that of the window's events."""
    window = Aggregate("item", "play", None, 24 * MINUTE)
    users = Aggregate("item", "play", None, 24 * MINUTE, distinct="user")
    counters = counters_of(small, window, users)
    seen: list[int] = []
    head = 0
    for moment, minutes in steps:
        counters.advance(moment * MINUTE)
        add(counters, small, [minute * MINUTE for minute in minutes])
        seen += minutes
        head = max([head, moment, *minutes])
        inside = sum(head - 24 < minute <= head for minute in seen)
        assert counters.lookup(window, np.array([0])).n.tolist() == [inside]
        assert counters.lookup(users, np.array([0])).n.tolist() == [int(inside > 0)]
        for counter in counters.counters.values():
            assert counter.n.min() >= 0
            assert counter.ring_n.min() >= 0

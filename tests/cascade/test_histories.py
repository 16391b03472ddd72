"""Histories while serving, with and without a limit of what is kept since training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.cascade.histories import HistoryEvent, LiveHistories
from shortlist.data.histories import Histories

Added = list[tuple[int, int]]


def histories(limit: int | None, since: Mapping[Any, list[HistoryEvent]] | None = None) -> LiveHistories:
    return LiveHistories(Histories.empty(0), since, limit)


def test_those_who_acted_least_recently_are_dropped() -> None:
    live = histories(4)
    for at, user in enumerate([1, 2, 1, 3]):
        live.add(user, HistoryEvent(at, at, 0))
    live.add(3, HistoryEvent(9, 9, 0))  # the fifth: user 2 goes, because 1 came back
    assert live.users_since() == [1, 3]
    assert [event.item for event in live.since(1)] == [0, 2]
    assert live.of(np.array([-1], np.int32), [2]).item.tolist() == []


@pytest.mark.parametrize("limit", [1, 3])
def test_of_one_user_the_oldest_events_go(limit: int) -> None:
    live = histories(limit)
    for at in (5, 1, 4, 2, 3):
        live.add("u", HistoryEvent(at, at, 0))
    assert len(live.since("u")) == limit
    assert live.since("u")[-1].item == 5


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=40),
    st.integers(1, 12),
    st.sets(st.integers(0, 4), max_size=2),
)
def test_the_limit_holds_and_the_rest_is_as_without_it(added: Added, limit: int, erased: set[int]) -> None:
    live, all_of_them = histories(limit), histories(None)
    for item, (user, time) in enumerate(added):
        for one in (live, all_of_them):
            one.add(user, HistoryEvent(item, time, 0))
    for user in erased:
        live.forget(user, -1)
        all_of_them.forget(user, -1)
    kept = {user: live.since(user) for user in live.users_since()}
    assert sum(map(len, kept.values())) <= limit
    assert not erased & set(kept)
    if len(added) <= limit:
        assert kept == {user: all_of_them.since(user) for user in all_of_them.users_since()}
    for user, events in kept.items():
        whole = {event.item: event for event in all_of_them.since(user)}
        assert all(whole[event.item] == event for event in events)
        assert [event.time for event in events] == sorted(event.time for event in events)
    live.add(9, HistoryEvent(0, 0, 0))
    assert live.since(9)


def test_what_is_known_already_is_limited_too() -> None:
    since = {user: [HistoryEvent(at, at, 0) for at in range(3)] for user in "abc"}
    live = histories(7, since)
    assert live.users_since() == ["b", "c"]
    assert [len(since[user]) for user in "abc"] == [3, 3, 3]

"""Inputs, windows and held-out events, by hand and as invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.retrieve.deep.batches import Windows, held_users, hold_out
from shortlist.retrieve.deep.inputs import EventInputs, event_inputs, gap_buckets, usual_values
from support.deep import histories


def events_of(*users: list[int]) -> EventInputs:
    h = histories(*users)
    return event_inputs(h, np.ones(len(h.item), np.float32), np.zeros(1, np.float32), 1000)


def test_gaps_by_hand() -> None:
    """No event before; 0 s → bucket 1; 1 s → 2; 3 s → 3; an hour → 12. A second history begins anew."""
    time = np.array([5_000, 5_000, 6_000, 9_000, 3_609_000, 0], np.int64)
    assert gap_buckets(time, np.array([0, 5, 6])).tolist() == [0, 1, 2, 3, 12, 0]


def test_values_are_against_the_usual_one_of_their_kind() -> None:
    h = histories([0, 1, 2, 3])
    h.value[:] = [2, 8, 4, np.nan]
    usual = usual_values(h, 2)
    assert usual.tolist() == [4, 0]
    found = event_inputs(h, np.ones(4, np.float32), usual, 9).value
    np.testing.assert_allclose(found, [np.log(0.5), np.log(2), 0, 0], rtol=1e-6)


def test_events_without_weight_or_item_are_left_out() -> None:
    h = histories([0, 9, 2], [9], [1, 3])
    found = event_inputs(h, np.array([1, 1, 0, 1, 1, 1], np.float32), np.zeros(1, np.float32), 9)
    assert (found.indptr.tolist(), found.item.tolist()) == ([0, 1, 1, 3], [0, 1, 3])


def test_the_latest_events_are_read() -> None:
    h = histories([0, 1, 2, 3], [4], [])
    found = event_inputs(h, np.ones(5, np.float32), np.zeros(1, np.float32), 9, most=2)
    assert (found.indptr.tolist(), found.item.tolist()) == ([0, 2, 3, 3], [2, 3, 4])
    assert found.gap.tolist()[0] == 0


def test_windows_by_hand() -> None:
    """Five events and at most two targets: (2, 3, 4) and (0, 1, 2); one event has no target."""
    windows = Windows.of(events_of([10, 11, 12, 13, 14], [20], [30, 31]), history=2)
    found = sorted(zip(windows.start.tolist(), windows.end.tolist(), strict=True))
    assert found == [(0, 3), (2, 5), (6, 8)]
    batch = windows.padded(np.flatnonzero(windows.start >= 2))
    order = np.argsort(batch.item[:, 0])
    assert batch.item[order].tolist() == [[12, 13], [30, 0]]
    assert batch.target[order].tolist() == [[13, 14], [31, 0]]
    assert batch.weight[order].tolist() == [[1, 1], [1, 0]]
    assert batch.gap[order].tolist() == [[0, 6], [0, 0]]  # a minute: 1 + ⌊log₂ 61⌋


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=15),
    st.integers(1, 9),
    st.integers(1, 40),
    st.integers(0, 9),
)
@settings(max_examples=50, deadline=None)
def test_each_event_but_the_first_is_a_target_once(
    lengths: list[int], history: int, size: int, seed: int
) -> None:
    ends = np.cumsum(lengths)
    users = [list(range(end - n, end)) for end, n in zip(ends, lengths, strict=True)]
    windows = Windows.of(events_of(*users), history)
    if not len(windows.start):
        assert max(lengths) < 2
        return
    targets: list[int] = []
    for rows in windows.batches(size, np.random.default_rng(seed)):
        batch = windows.padded(rows)
        there = batch.weight > 0
        assert batch.item.shape[1] <= history
        assert there.sum() < size + history
        np.testing.assert_array_equal(batch.target[there], batch.item[there] + 1)
        targets += batch.target[there].tolist()
    assert sorted(targets) == sorted(i for user in users for i in user[1:])


def test_held_out_events_are_the_last_ones_and_not_trained_on() -> None:
    events = events_of([1, 2, 3, 4], [5, 6], [7, 8, 9])
    rest, held = hold_out(events, 0.99, 2, np.random.default_rng(0))
    assert len(held.target) == 1  # a share of two users is rounded down
    rest, held = hold_out(events, 1.0, 2, np.random.default_rng(0))
    assert (rest.indptr.tolist(), rest.item.tolist()) == ([0, 3, 5, 7], [1, 2, 3, 5, 6, 7, 8])
    assert held.target.tolist() == [4, 9]
    batch, lengths = held.padded(0, 2)
    assert (batch.item.tolist(), lengths.tolist()) == ([[2, 3], [7, 8]], [2, 2])
    assert (batch.gap[:, 0] == 0).all()


@pytest.mark.parametrize(
    ("able", "share", "held"),
    [
        (100, 0.05, 50),
        (4_000, 0.05, 1_000),
        (30_000, 0.05, 1_500),
        (90_000, 0.05, 2_000),
        (100, 0.9, 90),
        (100, 0, 0),
    ],
)
def test_how_many_are_held_out(able: int, share: float, held: int) -> None:
    """Users with two events, every third one, keep them."""
    sizes = np.tile([3, 2, 4], able // 2)
    users = held_users(sizes.astype(np.int64), share, np.random.default_rng(0))
    assert len(users) == held
    assert (np.diff(users) > 0).all()
    assert (sizes[users] >= 3).all()

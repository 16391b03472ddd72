"""The decay of popularity that is found in a log."""

from __future__ import annotations

import numpy as np

from shortlist.retrieve.kernels.decay import DAY, LEAST_EVENTS, OLDER, Decay, best_decay

N = 6_000


def drawn(offset: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A log of 200 days. Popularity moves on by `offset` items a day."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.integers(0, 200 * DAY, N))
    item = (rng.geometric(0.1, N) + (offset * time / DAY).astype(int)).astype(np.int64)
    return rng.integers(0, 500, N), item, time


def test_weights_by_hand() -> None:
    age = np.array([0, DAY, 2 * DAY, 3 * DAY])
    assert Decay().weights(age).tolist() == [1, 1, 1, 1]
    assert Decay(half_life=DAY).weights(age).tolist() == [1, 0.5, 0.25, 0.125]
    assert Decay(window=2 * DAY, older=0.1).weights(age).tolist() == [1, 1, 0.1, 0.1]
    assert Decay(DAY, 2 * DAY).weights(age).tolist() == [1, 0.5, 0, 0]


def test_lasting_popularity_has_no_decay() -> None:
    assert best_decay(*drawn(0.0)) == Decay()


def test_the_faster_items_come_and_go_the_shorter_it_is() -> None:
    slow, fast = (best_decay(*drawn(offset), windows=()) for offset in (0.02, 0.2))
    assert slow == Decay(half_life=14 * DAY)
    assert fast == Decay(half_life=2 * DAY)


def test_a_window_is_found_where_each_item_is_taken_for_some_days() -> None:
    """Every week has its own ten items, all alike: an event of the week says as much on its first day as on its last."""
    rng = np.random.default_rng(0)
    time = np.sort(rng.integers(0, 140 * DAY, N))
    item = time // (14 * DAY) * 10 + rng.choice(10, N, p=np.arange(10, 0, -1) / 55)
    found = best_decay(rng.integers(0, 500, N), item, time)
    assert found.window is not None
    assert (found.half_life, found.older) == (None, OLDER)
    assert found.window <= 14 * DAY


def test_a_small_log_cannot_tell() -> None:
    user, item, time = (column[: LEAST_EVENTS - 1] for column in drawn(3.0))
    assert best_decay(user, item, time) == Decay()

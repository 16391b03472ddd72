"""The half-life of popularity that is found in a log."""

from __future__ import annotations

import numpy as np

from shortlist.retrieve.kernels.half_life import DAY, LEAST_EVENTS, best_half_life

N = 6_000


def drawn(offset: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A log of 200 days. Popularity moves on by `offset` items a day."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.integers(0, 200 * DAY, N))
    item = (rng.geometric(0.1, N) + (offset * time / DAY).astype(int)).astype(np.int64)
    return rng.integers(0, 500, N), item, time


def test_lasting_popularity_has_no_half_life() -> None:
    assert best_half_life(*drawn(0.0)) is None


def test_the_faster_items_come_and_go_the_shorter_it_is() -> None:
    slow, fast = (best_half_life(*drawn(offset)) for offset in (0.02, 0.2))
    assert slow == 30 * DAY
    assert fast == DAY


def test_a_small_log_cannot_tell() -> None:
    user, item, time = (column[: LEAST_EVENTS - 1] for column in drawn(3.0))
    assert best_half_life(user, item, time) is None

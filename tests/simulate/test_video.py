"""The video world."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from shortlist.simulate.movies import make_movies
from shortlist.simulate.video import make_video
from shortlist.simulate.world import World


@pytest.mark.parametrize("make", [make_movies, make_video])
def test_the_same_seed_gives_the_same_log(make: Callable[..., World]) -> None:
    small = {"users": 200, "items": 150, "sessions": 500, "days": 10, "seed": 4}
    assert make(**small).events.equals(make(**small).events)


def test_clickbait_wins_clicks_and_loses_watch_time() -> None:
    world = make_video(users=400, items=600, sessions=500, days=10)
    users, items = np.repeat(np.arange(400), 600), np.tile(np.arange(600), 400)
    click, seconds = (world.truths[o](users, items).reshape(400, 600) for o in ("click", "seconds"))
    bait = np.array(
        [
            t.startswith(("You won't", "Gone", "They don't", "Number 7", "Must"))
            for t in world.items["title"].to_pylist()
        ]
    )
    per_click = seconds / click
    assert click[:, bait].mean() > 1.5 * click[:, ~bait].mean()
    assert per_click[:, bait].mean() < 0.5 * per_click[:, ~bait].mean()

"""A system clock that goes back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from shortlist.recommender import Recommender


def test_recommendations_continue_when_the_clock_goes_back(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch, bundle: Path
) -> None:
    fresh = Recommender.load(bundle)
    start = fresh.now()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 86_400)
    assert fresh.now() >= start
    item = fresh.recommend(user="late", n=1).items[0].item
    fresh.observe("late", item, "play", value=9.0)
    assert item not in {r.item for r in fresh.recommend(user="late", n=5).items}
    monkeypatch.setattr(time, "time", lambda: real() + 86_400)
    assert fresh.now() > start
    assert fresh.recommend(user="late", n=3).items

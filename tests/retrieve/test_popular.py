"""Popular, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.retrieve import Popular, popular
from shortlist.retrieve.kernels.decay import DAY, OLDER, Decay
from support.interactions import make_requests
from support.retrievers import small_dataset


def test_popular_by_hand() -> None:
    small = small_dataset()
    np.testing.assert_allclose(
        Popular().fit(small).score(make_requests([])), [[2 / 6, 2 / 6, 2 / 6, -np.inf]]
    )
    decayed = Popular(half_life="1d").fit(small).score(make_requests([]))[0]
    ages = np.arange(5, -1, -1.0)
    total = (2**-ages).sum()
    np.testing.assert_allclose(
        decayed[:3], [(2**-5 + 2**-3) / total, (2**-4 + 2**-2) / total, (2**-1 + 1) / total], rtol=1e-6
    )


def test_only_events_of_the_window_count() -> None:
    """One event a day: those of the last two days are of the third item; an event that is exactly as old as the window is out."""
    recent = Popular(window="2d").fit(small_dataset()).score(make_requests([]))[0]
    np.testing.assert_allclose(recent, [-np.inf, -np.inf, 1, -np.inf])
    mixed = Popular(window="3d", half_life="1d").fit(small_dataset()).score(make_requests([]))[0]
    np.testing.assert_allclose(mixed, [-np.inf, 0.25 / 1.75, 1.5 / 1.75, -np.inf])


def test_popular_by_segment() -> None:
    small = small_dataset()
    model = Popular(by="sex", prior=0.0).fit(small)
    women = model.score(
        make_requests([], attributes={"sex": small.users.attributes["sex"].take(np.array([0]))})
    )
    np.testing.assert_allclose(women, [[0.5, 0.5, -np.inf, -np.inf]])
    unknown = model.score(
        make_requests([], attributes={"sex": small.users.attributes["sex"].take(np.array([-1]))})
    )
    np.testing.assert_allclose(unknown[0, :3], 1 / 3)


def test_events_with_small_values_do_not_count() -> None:
    events = pa.table({"user_id": ["u", "v", "w"], "item_id": ["a", "a", "b"], "rating": [2.0, 9.0, 8.0]})
    project = parse_project({"data": {"columns": {"value": "rating"}}})
    dataset = Dataset.from_frames(events, project=project)
    scores = Popular(at_least=8.0, half_life="auto").fit(dataset).score(make_requests([]))
    np.testing.assert_allclose(scores, [[1 / 2, 1 / 2]])


def test_a_window_that_is_found_keeps_older_items_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """One event a day: those of the last two days are of the third item; the others come after it, by how often they were taken."""
    small = small_dataset()
    monkeypatch.setattr(popular, "best_decay", lambda *_, **__: Decay(window=2 * DAY, older=OLDER))
    scores = Popular(half_life="auto").fit(small).score(make_requests([]))[0]
    np.testing.assert_allclose(scores[2], 2 / (2 + 4 * OLDER), rtol=1e-6)
    np.testing.assert_allclose(scores[:2], 2 * OLDER / (2 + 4 * OLDER), rtol=1e-3)
    assert scores[3] == -np.inf


def test_with_a_window_only_half_lives_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def search(user: Any, *_: Any, windows: Any) -> Decay:
        asked.append((len(user), len(windows)))
        return Decay(half_life=DAY)

    monkeypatch.setattr(popular, "best_decay", search)
    small = small_dataset()
    assert Popular(half_life="auto", window="3d").decay_on(small.log) == Decay(DAY, 3 * DAY)
    assert asked == [(3, 0)]

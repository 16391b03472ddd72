"""Training says what it could not learn."""

from __future__ import annotations

import warnings

import numpy as np

import shortlist
from shortlist.errors import TrainingWarning


def log_of(buys: int) -> list[dict[str, object]]:
    """People who view items of their own taste, and buy at random."""
    rng = np.random.default_rng(0)
    rows = []
    for k in range(3_000):
        user = int(rng.integers(80))
        item = 10 * (user % 4) + int(rng.integers(10))
        rows.append((f"u{user}", f"i{item}", 1_760_000_000 + 600 * k, "view"))
    for k in rng.integers(0, 3_000, buys).tolist():
        rows.append((rows[k][0], f"i{rng.integers(40)}", rows[k][2] + 60, "buy"))
    return [
        dict(zip(("user_id", "item_id", "timestamp", "kind"), row, strict=True))
        for row in sorted(rows, key=lambda row: row[2])
    ]


def test_an_objective_that_is_hardly_learnt_is_named() -> None:
    events = log_of(buys=40)
    project = shortlist.guess_project(events)
    dataset = shortlist.Dataset.from_frames(events, project=project)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        shortlist.Recommender(project).fit(dataset)
    said = [str(one.message) for one in caught if issubclass(one.category, TrainingWarning)]
    assert len(said) == 1
    assert said[0].startswith("objective 'buy' is hardly learnt: its prediction is ")
    assert "examples fulfil it; it needs more events" in said[0]


def test_what_is_learnt_gives_no_warning(recommender: shortlist.Recommender) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrainingWarning)
        shortlist.Recommender(recommender.project).fit(recommender.dataset)

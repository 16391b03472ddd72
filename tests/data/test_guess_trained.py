"""A recommender that is trained by a guess does not recommend what everybody hated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.data.dataset import Dataset
from shortlist.data.guess.project import guess_project
from shortlist.recommender import Recommender

USERS, EVENTS = 100, 3000


def log(column: str, good: Any, bad: Any) -> pa.Table:
    """Two tastes; half of the items that each takes are bait, which all of them turn down."""
    rng = np.random.default_rng(0)
    user = rng.integers(USERS, size=EVENTS)
    is_good = rng.random(EVENTS) < 0.5
    number = rng.integers(25, size=EVENTS)
    return pa.table(
        {
            "user_id": [f"u{u}" for u in user],
            "item_id": [
                f"{'good' if g else 'bait'}{u % 2}_{n}" for g, u, n in zip(is_good, user, number, strict=True)
            ],
            "timestamp": 1_750_000_000 + 600 * np.arange(EVENTS),
            column: [good if g else bad for g in is_good],
        }
    )


def bought_and_returned() -> pa.Table:
    """Everything is bought; the bait is returned a minute later."""
    bought = log("kind", "purchase", "purchase")
    bait = pa.array([item.startswith("bait") for item in bought.column("item_id").to_pylist()])
    back = bought.filter(bait)
    back = back.set_column(2, "timestamp", pa.array(back.column("timestamp").to_numpy() + 60))
    back = back.set_column(3, "kind", pa.array(["return"] * len(back)))
    return pa.concat_tables([bought, back])


def negative_lines() -> pa.Table:
    """Everything is bought; the bait comes back the next day, as a line with a negative quantity."""
    bought = log("quantity", 2, 2)
    bait = pa.array([item.startswith("bait") for item in bought.column("item_id").to_pylist()])
    back = bought.filter(bait)
    back = back.set_column(2, "timestamp", pa.array(back.column("timestamp").to_numpy() + 86_400))
    back = back.set_column(3, "quantity", pa.array([-2] * len(back)))
    return pa.concat_tables([bought, back])


@pytest.mark.parametrize(
    "events",
    [log("rating", 1, -1), log("kind", "like", "dislike"), bought_and_returned(), negative_lines()],
    ids=["thumbs", "kinds", "returns", "lines"],
)
def test_hated_items_are_not_in_the_top_five(events: pa.Table) -> None:
    guessed = guess_project(events)
    project = guessed.model_copy(
        update={"rank": guessed.rank.model_copy(update={"trees": 40, "heads": "joint"})}
    )
    recommender = Recommender(project).fit(Dataset.from_frames(events, project=project))
    slates = recommender.recommend(users=[f"u{u}" for u in range(60)], n=5)
    items = slates.to_arrow().column("item").to_pylist()
    assert len(items) == 300
    assert np.mean([item.startswith("bait") for item in items]) <= 0.03

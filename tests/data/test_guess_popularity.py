"""How fast popularity passes, as a guess reads it from a log."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from shortlist.data.guess.popularity import popularity_half_life
from shortlist.data.guess.project import guess

DAY = 86_400
COLUMNS = {"user": "user_id", "item": "item_id", "timestamp": "timestamp", "kind": None}


def log(drift: float, n: int = 6_000, items: int = 400, days: int = 100) -> pa.Table:
    """Events whose most frequent items move on by `drift` items a day."""
    rng = np.random.default_rng(0)
    day = np.sort(rng.random(n)) * days
    rank = np.minimum(rng.zipf(1.6, n), items) - 1
    item = (rank + np.floor(day * drift).astype(int)) % items
    return pa.table(
        {
            "user_id": [f"u{u}" for u in rng.integers(0, 2_000, n)],
            "item_id": [f"i{i}" for i in item],
            "timestamp": (1_400_000_000 + day * DAY).astype(np.int64),
        }
    )


def test_popularity_that_stays_has_no_half_life() -> None:
    assert popularity_half_life(log(0.0), COLUMNS, "") is None
    assert "retrieve" not in guess(log(0.0)).notes


def test_popularity_that_moves_on_has_one_and_the_faster_the_shorter() -> None:
    slow, fast = (popularity_half_life(log(drift), COLUMNS, "") for drift in (0.2, 2.0))
    assert slow is not None
    assert fast is not None
    assert int(slow[:-1]) > int(fast[:-1])
    found = guess(log(2.0))
    sources = {source["model"]: source for source in found.project.retrieve.sources}
    assert sources["popular"]["half_life"] == fast
    assert "half-life" in found.notes["retrieve"]


@pytest.mark.parametrize("rows", [0, 30])
def test_a_log_too_short_to_tell_has_none(rows: int) -> None:
    assert popularity_half_life(log(2.0).slice(0, rows), COLUMNS, "") is None


def test_a_log_without_times_has_none() -> None:
    assert popularity_half_life(log(2.0), COLUMNS | {"timestamp": None}, "") is None


def test_only_the_main_kind_counts() -> None:
    moving, still = log(2.0), log(0.0)
    both = pa.concat_tables(
        [
            moving.append_column("kind", pa.array(["view"] * len(moving))),
            still.append_column("kind", pa.array(["purchase"] * len(still))),
        ]
    ).sort_by("timestamp")
    columns = COLUMNS | {"kind": "kind"}
    assert popularity_half_life(both, columns, "purchase") is None
    assert popularity_half_life(both, columns, "view") is not None

"""Whether users take the same item again, as a guess reads it from a log; and numbers that count up with time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.data.guess.project import guess
from shortlist.data.guess.repeats import LONGEST_HISTORY, Repeats, find_repeats

DAY = 86_400
START = 1_400_000_000
COLUMNS = {"user": "user_id", "item": "item_id", "timestamp": "timestamp", "kind": "kind"}


def log(rows: Sequence[tuple[str, str, float]], kinds: list[str] | None = None) -> pa.Table:
    return pa.table(
        {
            "user_id": [user for user, _, _ in rows],
            "item_id": [item for _, item, _ in rows],
            "timestamp": [int(START + day * DAY) for _, _, day in rows],
            "kind": kinds or ["purchase"] * len(rows),
        }
    )


def test_share_by_hand() -> None:
    # x again on day 3 and day 9; y twice within one day; z by another user
    events = log([("a", "x", 0), ("a", "y", 1), ("a", "y", 1.2), ("a", "x", 3), ("a", "x", 9), ("b", "x", 9)])
    found = find_repeats(events, COLUMNS, "purchase")
    assert found.share == pytest.approx(2 / 6)
    assert found.usual
    assert found.long == 5  # most events are of the user with five
    # without times, each later row of the pair counts
    untimed = find_repeats(events, COLUMNS | {"timestamp": None}, "purchase")
    assert untimed.share == pytest.approx(3 / 6)


def test_only_the_main_kind_counts() -> None:
    rows = [("a", "x", day) for day in range(10)]
    events = log(rows, ["view"] * 9 + ["purchase"])
    assert find_repeats(events, COLUMNS, "purchase").share == 0
    assert find_repeats(events, COLUMNS, "view").share == pytest.approx(8 / 9)
    assert find_repeats(events, COLUMNS, "return") == Repeats()


def test_histories_are_as_long_as_those_of_typical_events() -> None:
    assert Repeats(0.19, 5_000).note() == ""
    assert not Repeats(0.19, 5_000).usual
    assert [Repeats(0.5, long).history for long in (120, 310, 99_999)] == [200, 400, LONGEST_HISTORY]


def groceries(**more: Any) -> pa.Table:
    rng = np.random.default_rng(0)
    rows = []
    for user in range(40):
        own = rng.integers(0, 200, 5)
        for day in range(0, 120, 4):
            rows += [(f"u{user}", f"i{i}", day + user / 100) for i in rng.permutation(own)[:3]]
            rows.append((f"u{user}", f"i{rng.integers(200)}", day + user / 100))
    table = log(sorted(rows, key=lambda row: row[2]))
    days = (np.array(table.column("timestamp")) - START) // DAY
    for name, of in more.items():
        table = table.append_column(name, pa.array(of(days)))
    return table


def test_a_log_of_groceries_shows_what_was_bought_before() -> None:
    found = guess(groceries())
    assert found.project.rerank.show_seen
    assert next(source["model"] for source in found.project.retrieve.sources) == "again"
    own = {
        feature["name"]: feature["by"]
        for feature in found.project.features
        if feature["name"].startswith("own_")
    }
    assert own == dict.fromkeys(("own_purchases_30d", "own_purchases_all", "own_last_seen"), "user*item")
    assert "taken before" in found.notes["rerank"]


def test_a_log_of_films_hides_what_was_seen() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"u{user}", f"i{i}", k) for user in range(40) for k, i in enumerate(rng.permutation(200)[:30])]
    found = guess(log(rows))
    assert not found.project.rerank.show_seen
    assert not any(feature["name"].startswith("own_") for feature in found.project.features)
    assert "rerank" not in found.notes


def test_the_number_of_the_week_is_no_context_but_the_weekday_is() -> None:
    events = groceries(week=lambda days: days // 7, weekday=lambda days: days % 7)
    found = guess(events)
    assert set(found.project.data.context) == {"weekday"}
    assert "goes on with time" in found.notes["data.columns"]

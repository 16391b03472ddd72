"""Whether people of a log come back for the same items, and what a guess makes of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.data.guess.project import guess
from shortlist.data.guess.repeats import LEAST_EVENTS, Repeats, repeats_of

DAY = 86_400
START = 1_750_000_000


def counted(rows: list[tuple[str, str, int]]) -> Repeats:
    """Repeats of (user, item, seconds after the start)."""
    user, item, time = zip(*rows, strict=True)
    return repeats_of(pa.table({"u": user, "i": item, "t": [START + s for s in time]}), "u", "i", "t")


def test_shares_of_a_small_log() -> None:
    found = counted([("a", "x", 0), ("a", "x", DAY), ("a", "y", DAY), ("b", "x", 0)])
    assert found.events == 4
    assert found.share == 1 / 4
    # of three draws, a user is expected to meet x (3/4) and y (1/4) 1 − (1/4)³ + 1 − (3/4)³ times
    distinct = (1 - (1 / 4) ** 3) + (1 - (3 / 4) ** 3) + 1
    assert found.chance == pytest.approx(1 - distinct / 4)


def test_rows_of_one_session_count_once() -> None:
    found = counted([("a", "x", 0), ("a", "x", 60), ("a", "x", 0), ("a", "x", 2 * DAY), ("a", "y", 5)])
    assert found.events == 3
    assert found.share == pytest.approx(1 / 3)


def test_without_times_every_row_counts() -> None:
    found = repeats_of(pa.table({"u": ["a", "a", "b", None], "i": ["x", "x", "x", "x"]}), "u", "i", None)
    assert found.events == 3
    assert found.share == pytest.approx(1 / 3)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=60))
def test_share_and_chance_are_shares(rows: list[tuple[int, int]]) -> None:
    user, item = zip(*rows, strict=True)
    found = repeats_of(pa.table({"u": user, "i": item}), "u", "i", None)
    assert found.share == pytest.approx(1 - len(set(rows)) / len(rows))
    assert -1e-9 <= found.chance < 1


def test_the_chance_is_what_users_without_favourites_show() -> None:
    rng = np.random.default_rng(0)
    popularity = 1 / np.arange(1, 301) ** 1.2
    item = rng.choice(300, 20_000, p=popularity / popularity.sum())
    found = repeats_of(pa.table({"u": rng.integers(0, 400, 20_000), "i": item}), "u", "i", None)
    assert found.share == pytest.approx(found.chance, abs=0.01)
    assert found.share > 0.2
    assert not found.usual


def test_a_large_log_is_judged_by_some_users_with_all_their_events() -> None:
    # each item comes once in the first half and once in the second: the first rows have no repeat
    user = np.tile(np.arange(1_000), 300)
    item = np.repeat(np.tile(np.arange(150), 2), 1_000)
    found = repeats_of(pa.table({"u": user, "i": item}), "u", "i", None)
    assert found.share == 0.5
    assert found.events <= 200_000


def weekly(bought: int, week: bool = True) -> pa.Table:
    """Forty users who buy from `bought` own items a few times a week."""
    rng = np.random.default_rng(1)
    n = 1_200
    user, time = rng.integers(0, 40, n), np.sort(START + rng.integers(0, 60 * DAY, n))
    item = 7 * user + rng.integers(0, bought, n)
    columns = {"user_id": user, "item_id": item, "timestamp": time, "place": rng.integers(0, 3, n)}
    return pa.table(columns | ({"week": time // (7 * DAY) - START // (7 * DAY)} if week else {}))


def test_what_is_taken_again_is_shown_again() -> None:
    found = guess(weekly(8))
    project = found.project
    assert project.rerank.show_seen
    assert project.retrieve.sources[0] == {"model": "again"}
    by = {feature["name"]: feature.get("by") for feature in project.features}
    assert {name for name, key in by.items() if key == "user*item"} == {
        "own_events_30d",
        "own_events_90d",
        "own_events_all",
        "own_last_seen",
    }
    assert "People come back for the same items" in found.notes["rerank"]
    few = guess(weekly(2_000)).project
    assert not few.rerank.show_seen
    assert "again" not in [source["model"] for source in few.retrieve.sources]


def test_amounts_are_counted_for_items_users_and_what_is_taken_again() -> None:
    rng = np.random.default_rng(4)
    paid = weekly(8).append_column("price", pa.array(rng.gamma(2.0, 3.0, 1_200)))
    means = {
        f["name"]: (f["by"], f.get("prior")) for f in guess(paid).project.features if f["kind"] == "mean"
    }
    assert means == {"item_mean": ("item", None), "user_mean": ("user", None), "own_mean": ("user*item", 0.0)}
    few = weekly(2_000).append_column("price", pa.array(rng.gamma(2.0, 3.0, 1_200)))
    assert "own_mean" not in {feature["name"] for feature in guess(few).project.features}


def test_a_small_log_cannot_tell() -> None:
    assert not guess(weekly(8).slice(0, LEAST_EVENTS - 1)).project.rerank.show_seen


def test_the_number_of_the_week_is_no_context() -> None:
    found = guess(weekly(8))
    assert dict(found.project.data.context) == {"place": "number"}
    assert "Not used: week (it follows from the time" in found.notes["data.columns"]
    without_times = guess(weekly(8).drop_columns(["timestamp"]))
    assert "week" not in without_times.project.data.context
    assert "Not used: week (it counts the time" in without_times.notes["data.columns"]


def test_numbers_of_weekdays_and_cities_are_categories() -> None:
    rng = np.random.default_rng(2)
    numbers = {"weekday": rng.integers(0, 7, 600), "city": rng.integers(0, 200, 600)}
    events = {"user_id": rng.integers(0, 30, 600), "item_id": rng.integers(0, 50, 600), **numbers}
    project = guess(pa.table(events)).project
    assert dict(project.data.context) == {"weekday": "category", "city": "category"}
    assert {f["name"] for f in project.features if str(f.get("by", "")).startswith("item*context")} == {
        "item_events_in_weekday",
        "item_events_in_city",
    }


def test_each_row_of_a_log_with_a_context_and_no_time_is_a_request() -> None:
    rng = np.random.default_rng(3)
    columns = {"user_id": rng.integers(0, 40, 1_200), "device": rng.choice(["tv", "phone"], 1_200)}
    events = pa.table({**columns, "item_id": 7 * columns["user_id"] + rng.integers(0, 8, 1_200)})
    project = guess(events.append_column("mood", pa.array(rng.choice(["calm", "busy"], 1_200)))).project
    assert project.objectives["event"].window == "1s"
    assert project.evaluate.requests == "events"
    assert project.evaluate.ranker_window == 0.4
    assert "own_events_in_situation" in {feature["name"] for feature in project.features}
    timed = guess(events.append_column("timestamp", pa.array(START + 600 * np.arange(1_200)))).project
    assert timed.objectives["event"].window == "7d"
    assert timed.evaluate.requests == "people"

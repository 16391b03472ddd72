"""A guessed project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from shortlist.cli.main import app
from shortlist.config.project import read_project
from shortlist.config.toml import write_toml
from shortlist.data.dataset import Dataset
from shortlist.data.guess.project import guess, guess_project
from shortlist.data.public import find_plain_files
from shortlist.engines.duckdb import read_table


def test_guess_is_a_working_project(movielens: Path) -> None:
    tables = {role: read_table(file) for role, file in find_plain_files(str(movielens)).items()}
    guess = guess_project(tables["events"], tables["items"], tables["users"])
    assert guess.data.columns.value == "rating"
    assert guess.items is not None
    assert guess.items.attributes == {"title": "text", "released": "time", "genres": "list"}
    assert guess.relevant == "like"


def test_a_guess_takes_frames_of_any_library() -> None:
    events = pd.DataFrame({"user_id": ["u"], "item_id": ["i"], "kind": ["play"]})
    items = [{"item_id": "i", "title": "Heat", "genres": ["Crime"]}]
    project = guess_project(events, items)
    assert list(project.objectives) == ["play"]
    assert project.items is not None
    assert project.items.attributes == {"title": "text", "genres": "list"}
    assert repr(Dataset.from_frames(events, items, project=project)) == "Dataset(1 users, 1 items, 1 events)"


def table(kinds: dict[str, int] | None = None, **columns: list[Any]) -> pa.Table:
    """A log with this many events of each kind, or of 60 events; further columns repeat the given values."""
    names = [kind for kind, count in (kinds or {}).items() for _ in range(count)]
    n = len(names) or 60
    made: dict[str, Any] = {"user_id": [k % 7 for k in range(n)], "item_id": [k % 11 for k in range(n)]}
    if names:
        made["kind"] = names
    return pa.table(
        {**made, **{name: [values[k % len(values)] for k in range(n)] for name, values in columns.items()}}
    )


def objectives(events: pa.Table) -> dict[str, tuple[list[str], float | None, float]]:
    """Name → kinds of events, at_least and weight of the guessed objectives."""
    guessed = guess_project(events).objectives
    return {name: (one.events, one.at_least, one.weight) for name, one in guessed.items()}


@pytest.mark.parametrize(
    ("column", "values", "least"),
    [
        ("rating", [1, -1], 1),
        ("rating", [0, 1], 1),
        ("liked", [True, False], 1),
        ("rating", ["True", "False"], 1),
        ("rating", ["4,5", "1,0"], 4),
        ("rating", [1, 10], 8),
        ("rating", [5, 100], 75),
        ("Book-Rating", [0, 5, 10], 8),
        ("overall", [1.0, 5.0], 4),
        ("EVENT_VALUE", [1, 5], 4),
        ("voted_up", [True, False], 1),
        ("action", [1, 0], 1),
        ("vote", [1, -1], 1),
    ],
)
def test_values_say_what_was_wanted(column: str, values: list[Any], least: float) -> None:
    events = table(None, **{column: values})
    project = guess_project(events)
    assert project.data.columns.value == column
    assert next(iter(project.objectives.values())).at_least == least
    assert not project.data.context
    assert not Dataset.from_frames(events).check.problems


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("plays", [1, 40, 889]),
        ("weight", [1, 300]),
        ("ms_played", [200, 30_000]),
        ("EVENT_VALUE", [0, 6, 3]),
        ("price", [9.5, 2]),
    ],
)
def test_amounts_are_the_value_and_limit_nothing(column: str, values: list[float]) -> None:
    project = guess_project(table(None, **{column: values}))
    assert project.data.columns.value == column
    assert next(iter(project.objectives.values())).at_least is None
    assert not project.data.context


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (
            {"view": 900, "remove_from_cart": 60, "cart": 200, "purchase": 60},
            {"purchase": 1.0, "cart": 0.5, "view": 0.1},
        ),
        (
            {"view": 900, "addtocart": 70, "transaction": 60},
            {"transaction": 1.0, "addtocart": 0.5, "view": 0.1},
        ),
        ({"click": 300, "install": 60, "uninstall": 60}, {"install": 1.0, "click": 0.25, "uninstall": -1.0}),
        ({"like": 60, "dislike": 60}, {"like": 1.0, "dislike": -0.5}),
        ({"Purchase": 100, "Return": 60}, {"Purchase": 1.0, "Return": -1.0}),
        ({"play": 300, "skip": 200, "search": 90}, {"play": 1.0, "skip": -0.5}),
        ({"play": 300, "skip": 100, "ban": 60}, {"play": 1.0, "unwanted": -0.5}),
        (
            {"view_item_list": 500, "view_item": 300, "add_to_cart": 90},
            {"add_to_cart": 1.0, "view_item": 0.2},
        ),
        (
            {"view": 800, "click": 400, "like": 90, "cart": 200, "order": 100},
            {"order": 1.0, "cart": 0.5, "view": 0.1},
        ),
        (
            {"view": 2000, "purchase": 3},
            {"view": 0.1, "purchase": 1.0},
        ),  # too few purchases for an evaluation
        ({"foo": 60, "bar": 80}, {"bar": 1.0, "foo": 1.0}),
    ],
)
def test_funnels_and_unwanted_kinds(kinds: dict[str, int], expected: dict[str, float]) -> None:
    project = guess_project(table(kinds))
    assert {name: one.weight for name, one in project.objectives.items()} == expected
    assert list(project.objectives) == list(expected)  # the first is what an evaluation calls relevant
    bad = {"remove_from_cart", "uninstall", "dislike", "Return", "skip", "ban", "view_item_list"}
    assert dict(project.retrieve.weights) == dict.fromkeys(
        sorted(bad & set(kinds), key=list(project.retrieve.weights).index), 0.0
    )


def test_what_purchases_bring_in_counts_half_as_much_as_a_purchase() -> None:
    found = guess_project(table({"view": 900, "purchase": 90}, price=[9.5, 2, 7.25])).objectives
    assert {name: (one.kind, one.weight) for name, one in found.items()} == {
        "purchase": ("probability", 1.0),
        "view": ("probability", 0.1),
        "revenue": ("amount", 0.5),
    }
    assert (found["revenue"].events, found["revenue"].window) == (["purchase"], found["purchase"].window)
    for kinds, column in (
        ({"view": 900}, "price"),
        ({"purchase": 90}, "quantity"),
        ({"purchase": 90}, "rating"),
    ):
        assert "revenue" not in guess_project(table(kinds, **{column: [5, 2, 3]})).objectives


def test_texts_of_an_answer_are_kinds() -> None:
    project = guess_project(table(feedback=["good", "bad"]))
    assert (project.data.columns.kind, project.data.columns.value) == ("feedback", None)
    assert objectives(table(feedback=["good", "bad"]))["good"] == (["good"], None, 1.0)


def test_returns_are_seen_in_whichever_column_has_them() -> None:
    project = guess_project(table(UnitPrice=[2.5, 3.0, 7.25], Quantity=[1, 2, -1]))
    columns = project.data.columns
    assert (columns.value, columns.quantity) == ("UnitPrice", "Quantity")
    assert project.data.negative_kind == "return"


def test_what_came_of_an_event_is_no_context() -> None:
    events = table(
        value=[3.5, 120.25],
        like=[1, 0],
        hate=[0, 1],
        coupon_disc=[0.5, 0],
        hour=[1, 2, 3],
        device=["a", "b", "c"],
    )
    project = guess_project(events)
    assert dict(project.data.context) == {"hour": "number", "device": "category"}
    assert project.data.columns.value == "like"  # where hate is a column, seconds say less than likes


def test_ratings_beside_views() -> None:
    events = table({"view": 100, "rating": 60}, value=[5.0, 1.0, 4.0])
    assert objectives(events)["rating"][1] == 4.0


@pytest.mark.parametrize(
    "columns",
    [
        ("visitorid", "itemid", "event"),  # RetailRocket
        ("USER_ID", "ITEM_ID", "EVENT_TYPE"),  # Amazon Personalize
        ("user_pseudo_id", "item_id", "event_name"),  # Google Analytics 4
        ("Customer ID", "StockCode", "type"),  # an online shop
        ("User-ID", "ISBN", "action"),
        ("reviewerID", "asin", "interaction"),  # Amazon reviews
        ("userId", "movieId", "kind"),
        ("steamid", "appid", "verb"),
    ],
)
def test_names_of_columns_of_common_exports(columns: tuple[str, str, str]) -> None:
    user, item, kind = columns
    found = guess_project(pa.table({user: ["u"], item: ["i"], kind: ["view"]})).data.columns
    assert (found.user, found.item, found.kind) == columns


def test_the_reasons_are_comments_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    events = table(
        {"view": 100, "purchase": 60, "refund": 55, "remove_from_cart": 5}, price=[2.5, 7.25, 3], city=[[1]]
    )
    pq.write_table(events, "events.parquet")
    done = CliRunner().invoke(app, ["init", "events.parquet"])
    assert done.exit_code == 0, done.exception
    text = Path("shortlist.toml").read_text()
    for comment, section in (
        (
            "# purchase (60 events): it was bought, installed or booked. Its value is an amount",
            "[objectives.purchase]",
        ),
        ("# view (100 events): it was looked at.", "[objectives.view]"),
        ("# refund (55 events): the item was turned down, so the weight is negative.", "[objectives.refund]"),
        ("# price is the value of an event: an amount of money from 2.5 to 7.25.", "[data.columns]"),
        ("# Not used: city (of type list<", "[data.columns]"),
        (
            "left out of the histories that retrieval learns from: refund, remove_from_cart.",
            "[retrieve.weights]",
        ),
        ("# Undoes an earlier event, and is no objective: remove_from_cart (5).", "[objectives]"),
    ):
        assert comment in text
        assert "\n\n" not in text[text.index(comment) : text.index(section)]
        assert comment.lstrip("# ")[:30] in " ".join(done.output.split())
    assert not CliRunner().invoke(app, ["check"]).exception


def test_a_name_with_a_line_break_stays_inside_its_comment(tmp_path: Path) -> None:
    events = table({"like": 60, "a\n[rank]\x1b[31m": 60})
    guessed = guess(events)
    text = write_toml(guessed.project.model_dump(exclude_unset=True), "x\n[rank]", guessed.notes)
    (tmp_path / "shortlist.toml").write_text(text)
    assert read_project(tmp_path).objectives == guessed.project.objectives


def test_a_guess_of_frames_says_its_reasons() -> None:
    notes = Dataset.from_frames(table(rating=[1, 5])).check.notes
    assert "guessed: rating is a scale from 1 to 5: 4 or more counts as wanted." in notes


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            {"skipped": [False, True], "ms_played": [200, 9000, 30]},
            {"event": (None, 1.0), "skipped": (1.0, -1.0)},
        ),
        ({"is_hate": [0, 1]}, {"event": (None, 1.0), "hate": (1.0, -1.0)}),
        ({"returned": ["no", "yes"], "price": [9.5, 2.25]}, {"event": (None, 1.0), "returned": (1.0, -1.0)}),
        ({"is_click": [1, 0], "is_like": [0]}, {"click": (None, 1.0)}),
        ({"is_click": [1, 0], "is_like": [1, 1, 0]}, {"like": (None, 1.0), "click": (None, 0.5)}),
        ({"rating": [1, 5], "returned": [0, 1]}, {"like": (4.0, 1.0), "rating": (None, 0.0)}),
    ],
)
def test_columns_of_0_and_1(
    columns: dict[str, list[Any]], expected: dict[str, tuple[float | None, float]]
) -> None:
    made = {name: [values[n // 3 % len(values)] for n in range(240)] for name, values in columns.items()}
    events = pa.table(
        {**made, "user_id": [n % 7 for n in range(240)], "item_id": [n % 11 for n in range(240)]}
    )
    assert {name: rest for name, (_, *rest) in objectives(events).items()} == {
        name: list(rest) for name, rest in expected.items()
    }
    warnings = Dataset.from_frames(events).check.problems
    assert [problem.column for problem in warnings] == (["returned"] if "rating" in columns else [])


def test_a_returned_purchase_of_a_funnel() -> None:
    events = table({"view": 120, "purchase": 120}, refunded=[0, 1])
    assert objectives(events) == {
        "purchase": (["purchase"], None, 1.0),
        "view": (["view"], None, 0.1),
        "refunded": (["purchase", "view"], 1.0, -1.0),
    }
    assert not Dataset.from_frames(events).check.problems


def test_what_describes_the_item_or_the_time_is_no_context() -> None:
    made: dict[str, list[Any]] = {
        "user_id": [n % 7 for n in range(240)],
        "item_id": [n % 12 for n in range(240)],
        "brand": [f"b{n % 12 % 5}" for n in range(240)],
        "release_date": [f"2025-01-{n % 20 + 1:02}" for n in range(240)],
        "device": [n % 5 % 2 for n in range(240)],
    }
    guessed = guess(pa.table(made))
    assert dict(guessed.project.data.context) == {"device": "number"}
    assert guessed.project.items is not None
    assert guessed.project.items.from_events
    assert guessed.project.items.attributes == {"brand": "category"}
    assert "Not used: release_date (a time)." in guessed.notes["data.columns"]


@pytest.mark.parametrize(("kinds", "kind"), [(None, "event"), ({"order": 60}, "order")])
def test_negative_quantities_are_returns(kinds: dict[str, int] | None, kind: str) -> None:
    events = table(kinds, quantity=[2, 1, -1])
    project = guess_project(events)
    assert project.data.negative_kind == "return"
    assert objectives(events) == {kind: ([kind], None, 1.0), "return": (["return"], None, -1.0)}
    assert dict(project.retrieve.weights) == {"return": 0.0}
    log = Dataset.from_frames(events).log
    counts = dict(zip(log.kinds, np.bincount(log.kind, minlength=len(log.kinds)).tolist(), strict=True))
    assert counts == {kind: 40, "return": 20, "impression": 0}
    assert not (log.value[log.is_kind([kind])] < 0).any()


@pytest.mark.parametrize(
    ("item", "columns", "key"),
    [
        ("item_id", ["artist", "title", "item_id"], "item_id"),
        ("track_id", ["id", "artist", "title"], "id"),
        ("item_id", ["title", "movieId"], "movieId"),
        ("item_id", ["code", "title"], "code"),
        ("song", ["album_id", "SONG"], "SONG"),
    ],
)
def test_the_id_of_an_items_table(item: str, columns: list[str], key: str) -> None:
    events = pa.table({"user_id": ["u"], item: ["i"]})
    settings = guess_project(events, pa.table({name: ["i"] for name in columns})).items
    assert settings is not None
    assert settings.id == key


def test_networks_are_proposed_where_the_log_is_large_enough() -> None:
    """They stay a comment: training tries them where the lines are used, and takes them where they are better."""
    n = 50_000
    columns = {
        "user_id": np.arange(n) % 500,
        "item_id": np.arange(n) % 77,
        "timestamp": 1.6e9 + 60.0 * np.arange(n),
    }
    large, small = (guess(pa.table({k: v[:rows] for k, v in columns.items()})) for rows in (n, n - 1))
    assert "retrieve" not in small.notes
    assert 'model = "auto"\n    deep = true' in large.notes["retrieve"]
    assert large.project.retrieve.sources == small.project.retrieve.sources
    text = write_toml(large.project.model_dump(exclude_unset=True), "A title", large.notes)
    assert '#     model = "auto"\n#     deep = true\n' in text


def test_a_line_of_totals_says_nothing_about_the_others() -> None:
    events = {"user_id": ["u1", "u2", "Total"], "item_id": ["i1", "i2", None], "rating": [5, 1, 900]}
    assert guess_project(pa.table(events)).objectives["like"].at_least == 4


def test_an_answer_in_mixed_words_is_no_context() -> None:
    events = {"user_id": ["u1", "u2", "u3"], "item_id": ["i1", "i2", "i3"], "liked": ["true", "1", "0"]}
    found = guess(pa.table(events))
    assert dict(found.project.data.context) == {}
    assert (
        "Not used: liked (what came of the event, which a request cannot know)."
        in found.notes["data.columns"]
    )


def test_the_context_is_named() -> None:
    events = {
        "user_id": ["u1", "u2"],
        "item_id": ["i1", "i2"],
        "device": ["web", "tv"],
        "price": [np.inf, np.inf],
    }
    lines = guess(pa.table(events)).notes["data.columns"].splitlines()
    assert "Context of an event, which a request gives, too: device (category)." in lines
    assert "Not used: price (without a finite number)." in lines


def test_the_id_of_an_items_table_has_the_exact_name_first() -> None:
    events = pa.table({"user_id": ["u1"], "item_id": ["i1"]})
    items = guess_project(events, pa.table({"item_id": ["i1"], "Item_ID": ["x"]})).items
    assert items is not None
    assert items.id == "item_id"

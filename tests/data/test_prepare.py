"""Rows of an export become events as the project declares it; nothing is lost without a count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.config.project import parse_project
from shortlist.config.rows import FilledDown
from shortlist.data.check import Check
from shortlist.data.dataset import Dataset
from shortlist.data.prepare.rows import fill_down
from shortlist.errors import DataError, ProjectError

BASE = 1_750_000_000


def read(events: Any, columns: dict[str, str] | None = None, items: Any = None, **data: Any) -> Dataset:
    """Read events under a project with these settings of `[data]`; every kind of event is an objective."""
    named = {"user": "u", "item": "i", "timestamp": "t", **(columns or {})}
    kinds = {rule["kind"] for rule in data.get("derive", [])} - {"impression"} or {
        data.get("default_kind", "event")
    }
    settings: dict[str, Any] = {
        "data": {"columns": named, **data},
        "objectives": {kind: {"events": [kind]} for kind in kinds},
    }
    if items is not None:
        settings["items"] = items
    return Dataset.from_frames(events, project=parse_project(settings))


def told(dataset: Dataset) -> list[tuple[str, str, str, int, float]]:
    """User, item, kind, time after the base in ms, and value of each event."""
    log = dataset.log
    return [
        (str(user), str(item), log.kinds[kind], int(time) - BASE * 1000, round(float(value), 3))
        for user, item, kind, time, value in zip(
            dataset.users.ids.ids(log.user),
            dataset.items.ids.ids(log.item),
            log.kind,
            log.time,
            log.value,
            strict=True,
        )
    ]


WIDE = {
    "u": ["a", "a", "b"],
    "i": ["x", "y", "x"],
    "t": [BASE, BASE, BASE + 60],
    "clicked": [1, 0, 1],
    "seconds": [12.5, None, 0.0],
    "slot": [1, 2, 1],
    "list": ["l1", "l1", "l2"],
}
RULES = [
    {"kind": "impression", "position": "slot", "slate": "list"},
    {"kind": "click", "when": "clicked"},
    {"kind": "watch", "value": "seconds"},
]


def test_a_wide_row_makes_an_impression_and_what_followed_it() -> None:
    dataset = read(WIDE_TABLE, derive=RULES, first_position=1)
    nan = pytest.approx(float("nan"), nan_ok=True)
    assert told(dataset) == [
        ("a", "x", "impression", 0, nan),
        ("a", "y", "impression", 0, nan),
        ("a", "x", "click", 1, nan),
        ("a", "x", "watch", 1, 12.5),
        ("b", "x", "impression", 60_000, nan),
        ("b", "x", "click", 60_001, nan),
    ]
    shown = dataset.log.is_kind(["impression"])
    assert dataset.log.position[shown].tolist() == [0, 1, 0]
    assert dataset.log.slate[shown].tolist() == [0, 0, 1]
    assert (dataset.log.position[~shown] == -1).all()
    assert "events: 3 rows make 6 events (data.derive): 3 impression, 2 click, 1 watch" in dataset.check.notes


WIDE_TABLE = pa.table(WIDE)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(WIDE),
        pl.DataFrame(WIDE),
        [dict(zip(WIDE, row, strict=True)) for row in zip(*WIDE.values(), strict=True)],
    ],
)
def test_frames_are_read_as_tables_are(frame: Any) -> None:
    assert str(told(read(frame, derive=RULES))) == str(told(read(WIDE_TABLE, derive=RULES)))


def test_rows_without_an_event_are_counted_with_their_row() -> None:
    dataset = read(WIDE_TABLE, derive=RULES[1:])
    assert dataset.check.set_aside == {"without a derived event": 1}
    assert dataset.check.read == dataset.check.kept + 1
    (problem,) = dataset.check.problems
    assert problem.examples == ["row 2: clicked=0, seconds=None"]


def test_later_messages_name_the_row_of_the_file() -> None:
    table = pa.table({**WIDE, "t": [BASE, None, BASE]})
    problems = read(table, derive=RULES).check.problems
    assert problems[0].examples[0].startswith("row 2: ")


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ({"kind": "paid", "when": "status", "values": ["Paid", " sent "]}, ["x", "y"]),
        ({"kind": "long", "when": "seconds", "at_least": 10.0}, ["x"]),
        ({"kind": "big", "when": "pieces", "values": ["2"]}, ["y"]),
        ({"kind": "seen", "timestamp": "seen_at"}, ["y"]),
    ],
)
def test_conditions(rule: dict[str, Any], kept: list[str]) -> None:
    table = pa.table(
        {
            "u": ["a", "a", "a"],
            "i": ["x", "y", "z"],
            "t": [BASE, BASE, BASE],
            "status": ["PAID", "sent", "void"],
            "seconds": [10.0, 9.5, None],
            "pieces": [1.0, 2.0, None],
            "seen_at": [None, BASE + 7, None],
        }
    )
    events = told(read(table, derive=[rule]))
    assert [event[1] for event in events] == kept
    if rule.get("timestamp"):
        assert events[0][3] == 7000


def test_a_rule_that_cannot_be_read_names_row_and_way_out() -> None:
    table = pa.table({**WIDE, "clicked": ["angeklickt", "-", "angeklickt"]})
    with pytest.raises(
        DataError, match=r'clicked: the value is no number.*row 1: clicked=angeklickt.*values = \["…"\]'
    ):
        read(table, derive=RULES)
    with pytest.raises(DataError, match=r"did you mean 'clicked'\? Set data.derive.0"):
        read(WIDE_TABLE, derive=[{"kind": "click", "when": "cliked"}])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"derive": [{"kind": "click", "position": "slot"}]}, "only impressions have a position"),
        ({"derive": [{"kind": "click", "values": ["1"]}]}, "name the column that has these values"),
        ({"derive": [{"kind": "a", "when": "b", "values": ["1"], "at_least": 2}]}, "not both"),
        ({"columns": {"kind": "k"}, "derive": [{"kind": "click"}]}, "remove one of the two"),
        ({"time_format": "dd.mm.yyyy"}, "is no format of dates"),
    ],
)
def test_impossible_settings_are_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ProjectError, match=message):
        parse_project({"data": data})


LINES = {
    "u": ["c1", None, None, None, "c2"],
    "i": ["x", "y", "POST", "x", "y"],
    "t": ["2025-01-13 10:00", None, None, "2025-01-14 11:00", "2025-01-15 12:00"],
    "order": ["#1", "#1", "#1", "#2", "#3"],
    "price": [2.5, 4.0, 3.0, 2.5, 4.0],
    "pieces": [2, 1, 1, 1, -1],
}
SHOP: dict[str, Any] = {
    "fill_down": {"columns": ["u", "t"], "by": "order"},
    "exclude": [{"column": "i", "values": ["post"], "reason": "postage"}],
    "guests": "order",
    "default_kind": "purchase",
    "negative_kind": "return",
}


def test_order_lines() -> None:
    dataset = read(pa.table(LINES), {"value": "price", "quantity": "pieces"}, **SHOP)
    assert [(user, item, kind, value) for user, item, kind, _, value in told(dataset)] == [
        ("c1", "x", "purchase", 5.0),
        ("c1", "y", "purchase", 4.0),
        ("guest-#2", "x", "purchase", 2.5),
        ("c2", "y", "return", -4.0),
    ]
    assert dataset.check.set_aside == {"excluded as postage": 1}
    assert dataset.check.read == 5
    assert (
        "events: 1 rows without u belong to 1 guests, one for each order, such as guest-#2"
        in dataset.check.notes
    )


def test_guests_beside_whole_numbers_need_texts() -> None:
    table = pa.table({**LINES, "u": pa.array([17850.0, None, None, None, 13047.0])})
    with pytest.raises(DataError, match='add user_ids = "text"'):
        read(table, **SHOP)
    users = read(table, **SHOP, user_ids="text").users.ids.values.to_pylist()
    assert set(users) == {"17850", "guest-#2", "13047"}


def test_whole_ids_are_read_as_numbers_or_refused() -> None:
    table = pa.table({"u": ["17850.0", " 13047.0", "9"], "i": ["x", "y", "x"], "t": [BASE] * 3})
    assert sorted(read(table, whole_ids=["u"]).users.ids.values.to_pylist()) == [9, 13047, 17850]
    bad = table.set_column(0, "u", pa.array(["17850.0", "A7", "9"]))
    with pytest.raises(DataError, match="row 2: u=A7"):
        read(bad, whole_ids=["u"])


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from(["1", "2", "", None])), max_size=12)
)
def test_a_cell_is_filled_from_the_last_earlier_line_of_its_order(
    rows: list[tuple[str | None, str | None]],
) -> None:
    table = pa.table(
        {
            "by": pa.array([by for by, _ in rows], pa.string()),
            "x": pa.array([x for _, x in rows], pa.string()),
        }
    )
    filled = fill_down(table, FilledDown(columns=["x"], by="by"), "f", Check()).column("x").to_pylist()
    last: dict[str, str] = {}
    expected: list[str | None] = []
    for by, x in rows:
        if x:
            expected.append(x)
            if by is not None:
                last[by] = x
        else:
            expected.append(last.get(by) if by is not None else None)
    assert [value or None for value in filled] == expected


def test_a_price_below_0_or_a_return_makes_the_value_negative() -> None:
    table = pa.table(
        {"u": ["a"] * 3, "i": ["x", "y", "z"], "t": [BASE] * 3, "p": [-5.0, 5.0, -5.0], "q": [1, -2, -1]}
    )
    dataset = read(table, {"value": "p", "quantity": "q"})
    assert dataset.log.value.tolist() == [-5.0, -10.0, -5.0]


def test_items_of_the_events_have_their_most_frequent_title() -> None:
    table = pa.table(
        {
            "u": ["a", "b", "c"],
            "i": ["x", "x", "x"],
            "t": [BASE, BASE + 1, BASE + 2],
            "name": ["Mug", "Mug", "damaged"],
        }
    )
    items = {"id": "i", "title": "name", "from_events": True}
    assert list(read(table, items=items).items.titles) == ["Mug"]
    with pytest.raises(DataError, match=r'Set id = "i" in \[items\]'):
        read(table, items={**items, "id": "sku"})


@pytest.mark.parametrize(
    ("texts", "form", "moment"),
    [
        (["04/05/2025 10:30", "05/05/2025 00:00"], "%d/%m/%Y %H:%M", "2025-05-04T10:30"),
        (["04/05/2025 10:30", "05/05/2025 00:00"], "%m/%d/%Y %H:%M", "2025-04-05T10:30"),
        (["4/5/25 1:05 PM", "5/5/25 12:00 AM"], "%d/%m/%y %I:%M %p", "2025-05-04T13:05"),
        (["2025-05-04", "2025-05-05"], "%Y-%d-%m", "2025-04-05T00:00"),
        (["04 May 2025", "05 May 2025"], "%d %b %Y", "2025-05-04T00:00"),
        (["2025-05-04T12:00:00+0200", "2025-05-05T12:00:00+0200"], "%Y-%m-%dT%H:%M:%S%z", "2025-05-04T10:00"),
        ([20250504, 20250505], "%Y%m%d", "2025-05-04T00:00"),
    ],
)
def test_a_format_of_dates(texts: list[Any], form: str, moment: str) -> None:
    table = pa.table({"u": ["a", "b"], "i": ["x", "y"], "t": texts})
    for data in (form, {"t": form}):
        assert read(table, time_format=data).log.time[0] == np.datetime64(moment, "ms").astype(np.int64)


def test_dates_in_another_form_are_set_aside() -> None:
    table = pa.table({"u": ["a", "b"], "i": ["x", "y"], "t": ["04/05/2025", "2025-05-04"]})
    check = read(table, time_format="%d/%m/%Y").check
    assert check.set_aside == {"with unreadable time": 1}
    assert "its format is not %d/%m/%Y" in check.problems[0].what


def test_times_with_a_zone_of_four_digits() -> None:
    table = pa.table({"u": ["a"], "i": ["x"], "t": ["2025-01-01 02:21:18 +0200"]})
    assert read(table).log.time.tolist() == [np.datetime64("2025-01-01T00:21:18", "ms").astype(np.int64)]


def test_ids_of_nobody_are_guests() -> None:
    table = pa.table({"u": [0, 0, 17], "i": ["x", "y", "x"], "t": [BASE] * 3, "order": ["a", "b", "c"]})
    dataset = read(table, guests="order", guest_ids=["0"], user_ids="text")
    assert set(dataset.users.ids.values.to_pylist()) == {"guest-a", "guest-b", "17"}
    with pytest.raises(ProjectError, match="name the column that tells guests apart"):
        parse_project({"data": {"guest_ids": ["0"]}})


@pytest.mark.parametrize(
    "clock", [["10:15:30", "1:05 PM", ""], pa.array([36_930, 47_100, None], pa.time32("s"))]
)
def test_a_date_and_its_time_of_day(clock: Any) -> None:
    table = pa.table({"u": ["a"] * 3, "i": ["x", "y", "z"], "t": ["2025-03-14"] * 3, "at": clock})
    day = np.datetime64("2025-03-14", "ms").astype(np.int64)
    assert (read(table, {"clock": "at"}).log.time - day).tolist() == [0, 36_930_000, 47_100_000]


def test_a_time_of_day_that_is_none_is_set_aside() -> None:
    table = pa.table({"u": ["a", "b"], "i": ["x", "y"], "t": ["2025-03-14"] * 2, "at": ["25:00", "10:00"]})
    check = read(table, {"clock": "at"}).check
    assert check.set_aside == {"with unreadable time": 1}
    assert "at=25:00" in check.problems[0].examples[0]


NESTED = [
    {
        "u": "a",
        "t": BASE,
        "device": {"kind": "tv", "os": {"name": "x"}},
        "items": [{"id": "p1", "n": 2}, {"id": "p2", "n": 1}],
    },
    {"u": "b", "t": BASE + 1, "device": {"kind": "web", "os": {"name": "y"}}, "items": []},
    {
        "u": "c",
        "t": BASE + 2,
        "device": {"kind": "tv", "os": {"name": "y"}},
        "items": [{"id": "p1", "n": None}],
    },
]


def test_elements_of_a_list_are_rows_and_fields_of_structs_are_columns() -> None:
    context = {"device.kind": "category", "device.os.name": "category"}
    columns = {"user": "u", "item": "items.id", "timestamp": "t", "value": "items.n"}
    dataset = read(NESTED, columns, unnest="items", context=context)
    nan = pytest.approx(float("nan"), nan_ok=True)
    assert [(user, item, value) for user, item, _, _, value in told(dataset)] == [
        ("a", "p1", 2),
        ("a", "p2", 1),
        ("c", "p1", nan),
    ]
    assert dataset.check.set_aside == {"without items": 1}
    assert dataset.check.problems[0].examples == ["row 2"]
    assert list(dataset.log.context) == list(context)
    with pytest.raises(DataError, match=r"data\.unnest needs lists of structs"):
        read(NESTED, columns, unnest="device")
    with pytest.raises(DataError, match="did you mean 'items'"):
        read(NESTED, columns, unnest="item")

"""Faults in an events table are counted and named."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from shortlist.config.project import Project, parse_project
from shortlist.data.event_check import check_events

EVENTS = pa.table(
    {
        "user_id": ["a", "b", "a"],
        "item_id": [1, 2, 2],
        "timestamp": [1_700_000_000, 1_700_000_100, 1_700_000_050],
    }
)
NOW = 1_800_000_000_000


def project(**columns: str) -> Project:
    return parse_project({"data": {"events": "e", "columns": {"timestamp": "timestamp", **columns}}})


def mess() -> pa.Table:
    rows = [
        ("u1", "i1", 1_700_000_000, "play", 1.0),
        ("u1", "i1", 1_700_000_000, "play", 1.0),  # twice
        (None, "i1", 1_700_000_001, "play", 1.0),
        ("u2", None, 1_700_000_002, "play", 1.0),
        ("u2", "i9", 1_700_000_003, "play", 1.0),  # unknown item
        ("u2", "i2", 1_900_000_000, "play", 1.0),  # the future
        ("u2", "i2", 1_700_000_004_000, "play", 1.0),  # milliseconds
        ("u3", "i2", None, "play", 1.0),
        ("u3", "i2", 1_700_000_005, None, 1.0),
        ("u4", "i2", 1_700_000_007, "play", None),
        ("", "i2", 1_700_000_008, "play", 1.0),
    ]
    return pa.table(
        dict(
            zip(
                ["user_id", "item_id", "timestamp", "kind", "value"],
                map(list, zip(*rows, strict=True)),
                strict=True,
            )
        )
    )


def test_every_problem_is_counted() -> None:
    log, check = check_events(
        mess(), project(kind="kind", value="value"), "events.csv", pa.array(["i1", "i2"]), None, NOW
    )
    assert log is not None
    assert check.read == check.kept + sum(check.set_aside.values()) == 11
    assert check.kept == 2
    assert check.set_aside == {
        "without user_id": 1,
        "without item_id": 1,
        "with empty user_id": 1,
        "without time": 1,
        "with time in another unit": 1,
        "in the future": 1,
        "without kind": 1,
        "duplicates": 1,
        "of unknown items": 1,
    }
    future = next(p for p in check.problems if "ahead of now" in p.what)
    assert (future.file, future.column, future.count) == ("events.csv", "timestamp", 1)
    assert future.examples[0].startswith("row 6: user_id=u2, item_id=i2, timestamp=1900000000")
    assert "events.csv: timestamp:" in str(future)


def test_missing_column_names_the_likely_one() -> None:
    _, check = check_events(
        EVENTS.rename_columns(["user_id", "item_id", "timestmp"]), project(), "e.parquet", None, None, NOW
    )
    assert "did you mean 'timestmp'?" in str(check.errors[0])
    assert "data.columns.timestamp" in str(check.errors[0])


def test_wrong_type_is_an_error_with_rows() -> None:
    table = EVENTS.append_column("value", pa.array(["1", "two", "3"]))
    _, check = check_events(table, project(value="value"), "e.csv", None, None, NOW)
    assert "row 2: value=two" in str(check.errors[0])


def findings(times: Sequence[object], kind: pa.DataType | None = None) -> tuple[dict[str, int], list[str]]:
    """What is set aside, and the warnings, of events at these times."""
    n = len(times)
    table = pa.table({"user_id": ["a"] * n, "item_id": list(range(n)), "timestamp": pa.array(times, kind)})
    _, check = check_events(table, project(), "e.csv", None, None, NOW)
    return check.set_aside, [problem.what for problem in check.problems if problem.level == "warning"]


def test_a_log_of_1970_is_warned_of() -> None:
    for numbers in ([29_166_700, 29_166_701], [20_179, 20_180], [250_401, 250_402], [2_460_766, 2_460_767]):
        [warning] = findings(numbers)[1]
        assert "read as seconds since 1970, and then lie between 1970-" in warning
    assert "day numbers of a spreadsheet" in findings([45_748, 45_749])[1][0]
    assert findings([0, 1, 2])[1] == []  # the steps of a synthetic log
    assert findings([1_743_508_800, 1_743_508_801])[1] == []


def test_dates_that_stand_for_none_are_set_aside() -> None:
    days = ["2025-04-01", "2025-04-02", "2025-04-03", "1970-01-01", "1900-01-01", "0001-01-01"]
    assert findings(days)[0] == {"with a time long before the others": 3}
    assert findings(["1960-04-01", "1961-04-02"])[0] == {}


def test_times_that_lost_their_order_are_warned_of() -> None:
    [warning] = findings([1_743_508_800.0, 1_743_508_900.0], pa.float32())[1]
    assert "floating-point numbers of too few bits, 128 seconds apart" in warning


def test_a_moment_that_python_has_no_type_for_is_shown_as_its_number() -> None:
    moments = pa.array([1_743_508_800_000_000, 2**63 - 1]).cast(pa.timestamp("us"))
    table = pa.table({"user_id": ["a", "a"], "item_id": [1, 2], "timestamp": moments})
    _, check = check_events(table, project(), "e.csv", None, None, NOW)
    assert check.set_aside == {"with unreadable time": 1}
    assert check.problems[0].examples == [
        "row 2: user_id=a, item_id=2, timestamp=9223372036854775807 (timestamp[us])"
    ]


def test_the_reasons_are_part_of_the_error_where_no_event_is_left() -> None:
    table = EVENTS.set_column(2, "timestamp", pa.array(["soon"] * 3))
    events, check = check_events(table, project(), "e.csv", None, None, NOW)
    assert events is None
    assert (
        "no usable event is left (3 rows). Rows are set aside:\ne.csv: timestamp: not a time (3 rows)"
        in str(check.errors[0])
    )

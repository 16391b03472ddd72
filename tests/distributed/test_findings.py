"""Findings of parts of a table are those of the whole table."""

from __future__ import annotations

import pyarrow as pa
import pytest

from shortlist.config.project import parse_project
from shortlist.data.event_check import check_events
from shortlist.distributed.findings import Findings
from shortlist.errors import DataError

PROJECT = parse_project({"data": {"columns": {"timestamp": "t", "value": "value"}}})
DAY = 86_400
NOW = 1_700_000_000_000


def events(users: list[str | None], times: list[int | None]) -> pa.Table:
    n = len(users)
    return pa.table({"user_id": users, "item_id": ["i"] * n, "t": times, "value": [1.0] * n})


def found(table: pa.Table, name: str) -> Findings:
    usable, check = check_events(table, PROJECT, name, None, None, NOW)
    return Findings.of(check, usable)


def test_parts_add_up_to_the_table() -> None:
    times: list[int | None] = [1_600_000_000 + DAY * day for day in range(6)]
    users = ["u", None, "v", "w", None, None]
    whole = found(events(users, times), "log")
    parts = Findings()
    for low, high in ((0, 2), (2, 5), (5, 6)):
        part = found(events(users[low:high], times[low:high]), f"log/part-{low}.parquet")
        parts.add(Findings.from_json(part.to_json()))
    one, other = whole.check("log", "t"), parts.check("log", "t")
    assert (other.read, other.kept, other.set_aside) == (6, 3, {"without user_id": 3})
    assert (one.read, one.kept, one.set_aside) == (other.read, other.kept, other.set_aside)
    [a], [b] = one.problems, other.problems
    assert (a.column, a.what, a.fix, a.count) == (b.column, b.what, b.fix, b.count)
    assert b.file == "log"
    assert b.examples[0].startswith("part-0.parquet row 2: user_id=None")
    assert one.notes == other.notes == ["times read as seconds: 2020-09-13 to 2020-09-16"]


def test_a_part_without_a_usable_event_is_no_error_and_a_table_is() -> None:
    good, empty = events(["u"], [1_600_000_000]), events([None], [1_600_000_000])
    both = found(good, "log/a")
    both.add(found(empty, "log/b"))
    assert both.check("log", "t").kept == 1
    with pytest.raises(DataError, match=r"no usable event is left.*\n.*the id is missing"):
        found(empty, "log/b").check("log", "t")


def test_parts_that_read_times_in_different_ways_are_an_error() -> None:
    both = found(events(["u"], [1_600_000_000]), "log/a")
    both.add(found(events(["u"], [1_600_000_000_000]), "log/b"))
    with pytest.raises(
        DataError, match=r"different ways: seconds \(1 parts\), milliseconds \(1 parts\).*time_format"
    ):
        both.check("log", "t")

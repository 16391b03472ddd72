"""Warnings where the values or kinds of a log contradict what the project takes them for."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from shortlist.config.project import parse_project, read_project
from shortlist.data.dataset import Dataset

N = 60


def events(**columns: list[Any]) -> pa.Table:
    """A log of 60 events whose further columns repeat the given values."""
    return pa.table(
        {
            "user_id": [n % 6 for n in range(N)],
            "item_id": [n % 10 for n in range(N)],
            "timestamp": [1_750_000_000 + n for n in range(N)],
            **{name: [values[n % len(values)] for n in range(N)] for name, values in columns.items()},
        }
    )


def warnings(table: pa.Table, columns: dict[str, str], **objectives: dict[str, Any]) -> list[str]:
    settings = {"data": {"columns": {"timestamp": "timestamp", **columns}}, "objectives": objectives}
    check = Dataset.from_frames(table, project=parse_project(settings)).check
    assert all(problem.level == "warning" for problem in check.problems)
    return [str(problem) for problem in check.problems]


EVERY = {"events": ["event"]}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            [1, -1],
            "below 0 stand for what was undone, returned or disliked, and objective o takes every event as wanted (30 rows)",
        ),
        (
            [1, 0],
            "the values are 0 and 1, and 0 says no, and objective o takes every event as wanted (30 rows)",
        ),
        ([True, False], "0 says no"),
        (["yes", "no"], "0 says no"),
        (
            [1, 2, 3, 4, 5],
            "a scale from 1 to 5, and these are in its lower half, and objective o takes every event as wanted (24 rows)",
        ),
        (["1,0", "4,5"], "a scale from 1 to 5, and these are in its lower half"),
        ([1, 10], "a scale from 1 to 10, and these are in its lower half"),
        ([5, 100], "a scale from 0 to 100, and these are in its lower half"),
    ],
)
def test_values_that_say_no_count_as_wanted(values: list[Any], words: str) -> None:
    table = events(rating=values)
    (found,) = warnings(table, {"value": "rating"}, o=EVERY)
    assert words in found
    assert "et at_least = " in found
    wanted = float(found.split("et at_least = ")[1].split()[0])
    assert not warnings(table, {"value": "rating"}, o={**EVERY, "at_least": wanted})


def test_a_limit_in_the_lower_half() -> None:
    (found,) = warnings(events(stars=[1, 2, 3, 4, 5]), {"value": "stars"}, o={**EVERY, "at_least": 2})
    assert "objective o takes every event from 2 on as wanted (12 rows)" in found


@pytest.mark.parametrize("values", [[1, 5, 300], [1, 1], [0.0, 61.5]])
def test_amounts_are_no_contradiction(values: list[float]) -> None:
    assert not warnings(events(seconds=values), {"value": "seconds"}, o=EVERY)


def test_returns_are_subtracted_from_an_amount() -> None:
    assert not warnings(events(amount=[9.5, -9.5]), {"value": "amount"}, o={**EVERY, "kind": "amount"})


def test_an_unwanted_kind_with_a_positive_weight() -> None:
    table = events(kind=["like", "dislike"])
    both = {"events": ["like", "dislike"]}
    (found,) = warnings(table, {"kind": "kind"}, o=both)
    assert (
        "'dislike' says that the item was not wanted, and objective o has a weight above 0 (30 rows)" in found
    )
    assert not warnings(
        table, {"kind": "kind"}, o={"events": ["like"]}, d={"events": ["dislike"], "weight": -1}
    )


@pytest.mark.parametrize("name", ["rating", "plays", "EVENT_VALUE", "ms_played", "liked"])
def test_a_value_that_nobody_reads(name: str) -> None:
    values = [1, 0] if name == "liked" else [1, 3, 5]
    settings = {"data": {"columns": {"timestamp": "timestamp"}, "context": {name: "number"}}}
    (found,) = Dataset.from_frames(events(**{name: values}), project=parse_project(settings)).check.problems
    assert found.column == name
    assert (
        "no column is taken as the value of an event, and this one looks like it (data.context has it as number)"
        in found.what
    )
    assert f'data.columns.value = "{name}"' in found.fix


def test_a_column_of_hate_that_nobody_reads() -> None:
    table = events(seconds=[10, 20], hate=[0, 0, 0, 1])
    (found,) = warnings(table, {"value": "seconds"}, o=EVERY)
    assert "the item was not wanted" in found
    assert "(15 rows)" in found


def test_hate_that_no_objective_counts() -> None:
    table = events(like=[1, 0], hate=[0, 1])
    assert not warnings(table, {"value": "like"}, o={**EVERY, "at_least": 1})


def test_a_warning_names_the_line_of_the_objective(tmp_path: Any) -> None:
    (tmp_path / "e.csv").write_text(
        "user_id,item_id,rating\n" + "".join(f"u{n % 5},i{n % 3},{n % 2}\n" for n in range(20))
    )
    (tmp_path / "shortlist.toml").write_text(
        '[data]\nevents = "e.csv"\n[data.columns]\nvalue = "rating"\n[objectives.o]\nevents = ["event"]\n'
    )
    (problem,) = Dataset.from_project(read_project(tmp_path)).check.problems
    assert "shortlist.toml, line 5: set at_least = 1 in objectives.o" in problem.fix

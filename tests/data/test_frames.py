"""Frames of every library: the same table from each, and errors that name the column and the value."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from shortlist.data.dataset import Dataset
from shortlist.data.frames import to_arrow
from shortlist.data.guess.project import guess_project
from shortlist.errors import DataError

ROWS = 40
EVENTS: dict[str, list[Any]] = {
    "user_id": [f"u{k % 5}" for k in range(ROWS)],
    "item_id": [f"i{k % 7}" for k in range(ROWS)],
    "timestamp": [1_750_000_000 + 600 * k for k in range(ROWS)],
    "device": [("web", "app", "tv")[k % 3] for k in range(ROWS)],
}
TWICE = {name: [*values, values[0]] for name, values in EVENTS.items()}
WORDS = ("user_id", "item_id", "device")


def as_arrow(kind: pa.DataType) -> pa.Table:
    return pa.table({name: pa.array(v, kind) if name in WORDS else v for name, v in TWICE.items()})


FRAMES: dict[str, Any] = {
    "rows": [dict(zip(TWICE, row, strict=True)) for row in zip(*TWICE.values(), strict=True)],
    "pandas": pd.DataFrame(TWICE),
    "pandas categories": pd.DataFrame(TWICE).astype(dict.fromkeys(WORDS, "category")),
    "pandas index": pd.DataFrame(TWICE).set_index("user_id"),
    "polars": pl.DataFrame(TWICE),
    "polars categories": pl.DataFrame(TWICE).with_columns(pl.col(*WORDS).cast(pl.Categorical)),
    "string_view": as_arrow(pa.string_view()),
    "large_string": as_arrow(pa.large_string()),
    "dictionary": as_arrow(pa.dictionary(pa.int32(), pa.string())),
}


@pytest.mark.parametrize("name", FRAMES)
def test_every_frame_gives_the_same_data_set_findings_and_guess(name: str) -> None:
    dataset = Dataset.from_frames(FRAMES[name])
    assert dataset.users.ids.values.to_pylist() == [f"u{k}" for k in range(5)]
    assert dataset.check.set_aside == {"duplicates": 1}
    assert dict(guess_project(FRAMES[name]).data.context) == {"device": "category"}


def test_every_key_of_rows_is_a_column() -> None:
    table = to_arrow([{"user_id": "a"}, {"user_id": "b", "device": "web"}])
    assert table.to_pydict() == {"user_id": ["a", "b"], "device": [None, "web"]}


def test_periods_and_sparse_columns_of_pandas_are_read() -> None:
    frame = pd.DataFrame({"day": pd.period_range("2025-04-01", periods=2, freq="D")})
    frame["n"] = pd.arrays.SparseArray([0, 7])
    table = to_arrow(frame)
    assert [str(day) for day in table.column("day").to_pylist()] == [
        "2025-04-01 00:00:00",
        "2025-04-02 00:00:00",
    ]
    assert table.column("n").to_pylist() == [0, 7]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ([{"user_id": "a"}, {"user_id": 5}], r"user_id: .* several types: row 1: 'a' \(str\); row 2: 5 \(int\)"),
        (pd.DataFrame({"user_id": ["a", 5]}), r"user_id: .* several types: row 1: 'a' \(str\); row 2: 5 \(int\)"),
        ([{"user_id": 2**70}], "user_id: .* that Arrow cannot hold .*row 1: 1180591620717411303424"),
        ([{"user_id": 0}, {"user_id": 2**63}], "row 2: 9223372036854775808"),
        ([{"user_id": "a"}, {"user_id": "\ud800"}], "user_id: .* that Arrow cannot hold .*surrogates.*row 2"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "t: there are 2 columns 'a'; rename or remove"),
        ([{1: "a", "1": "b"}], "there are two keys '1': a text and a int"),
        ([[1, 2]], "row 1 is a list; each row must be a dictionary"),
        (np.zeros((2, 2)), "t: a ndarray is no table"),
        (pd.Series([1]), "a pandas Series is no table; give a DataFrame"),
        (pl.DataFrame({"a": [1]}).lazy(), r"a LazyFrame is no table; call collect\(\) on it"),
        (pl.Series("a", [1]), "a Series is no table"),
        (pa.table({"a": [1]}).to_reader(), "can be read only once"),
        (pl.DataFrame({"a": pl.Series([object()], dtype=pl.Object)}), "column a holds Python objects"),
        (pl.DataFrame({"a": pl.Series([1], dtype=pl.Int128)}), "column a of type Int128"),
        (pd.DataFrame({"a": [1, 2]}, index=pd.Index([3, 4], name="a")), "index and a column are both called 'a'"),
        (pd.DataFrame({"b": [1]}, index=pd.MultiIndex.from_tuples([(1, 2)], names=["a", "a"])), "several levels of one name"),
        ({"a": [1]}, "a dict is no table; give a pandas, Polars or Arrow table or a list of dictionaries"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_table_is_refused(frame: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        to_arrow(frame, "t")


NOON = datetime(2025, 4, 1, 12)


@pytest.mark.parametrize("values", [[NOON.date(), NOON], [NOON, 5], [NOON.date(), 5], [0.5, True]])
@pytest.mark.parametrize(
    "make", [lambda v: [{"x": one} for one in v], lambda v: pd.DataFrame({"x": pd.Series(v, dtype=object)})]
)
def test_types_that_arrow_would_make_one_of_in_silence_are_refused(
    values: list[Any], make: Callable[[list[Any]], Any]
) -> None:
    with pytest.raises(DataError, match=r"x: the column holds values of several types: row 1: .*row 2: "):
        to_arrow(make(values), "t")


def test_a_column_of_texts_that_are_not_utf8_is_refused() -> None:
    bad = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.array([0, 1], pa.int32()).buffers()[1], pa.py_buffer(b"\xff")]
    )
    with pytest.raises(DataError, match=r"t: x: the column is damaged .*UTF"):
        to_arrow(pa.table({"x": bad}), "t")


def test_what_pandas_writes_for_missing_is_missing_in_rows() -> None:
    rows = [{"x": pd.NA, "y": "a"}, {"x": 1, "y": float("nan")}, {"x": pd.NaT, "y": None}]
    assert to_arrow(rows).to_pydict() == {"x": [None, 1, None], "y": ["a", None, None]}


def test_categories_that_are_periods_are_moments() -> None:
    days = pd.Series(pd.period_range("2025-04-01", periods=2, freq="D")).astype("category")
    assert to_arrow(pd.DataFrame({"day": days})).column("day").to_pylist()[1] == datetime(2025, 4, 2)

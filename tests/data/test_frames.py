"""Frames of every library: the same table from each, and errors that name the column and the value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from shortlist.data.dataset import Dataset
from shortlist.data.frames import to_arrow
from shortlist.data.guess import guess_project
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
        ([{"user_id": "\ud800"}], "user_id: .* that Arrow cannot hold .*surrogates"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "t: there are 2 columns 'a'; rename or remove"),
        ([{1: "a", "1": "b"}], "there are two keys '1': a text and a int"),
        ([[1, 2]], "row 1 is a list; each row must be a dictionary"),
        (np.zeros((2, 2)), "t: a ndarray is no table"),
        (pd.Series([1]), "a pandas Series is no table; give a DataFrame"),
        (pl.DataFrame({"a": [1]}).lazy(), r"a LazyFrame is no table; call collect\(\) on it"),
        ({"a": [1]}, "a dict is no table; give a pandas, Polars or Arrow table or a list of dictionaries"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_table_is_refused(frame: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        to_arrow(frame, "t")

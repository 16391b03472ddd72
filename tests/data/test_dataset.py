"""A data set from frames, files and queries."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.config.project import read_project
from shortlist.data.dataset import Dataset
from shortlist.errors import DataError

EVENTS = pa.table(
    {
        "user_id": ["a", "b", "a"],
        "item_id": [1, 2, 2],
        "timestamp": [1_700_000_000, 1_700_000_100, 1_700_000_050],
    }
)


def test_order_by_time_and_ids_come_back() -> None:
    dataset = Dataset.from_frames(EVENTS)
    assert dataset.users.ids.ids(dataset.log.user) == ["a", "a", "b"]
    assert dataset.items.ids.ids(dataset.log.item) == [1, 2, 2]
    assert dataset.log.time.tolist() == [1_700_000_000_000, 1_700_000_050_000, 1_700_000_100_000]


@pytest.mark.parametrize("make", [lambda t: t, lambda t: t.to_pandas(), pl.from_arrow])
def test_frames_of_any_library(make: object) -> None:
    dataset = Dataset.from_frames(make(EVENTS))  # type: ignore[operator]
    assert len(dataset.log) == 3
    assert isinstance(dataset.items.ids.id(0), int)


def test_pandas_integers_with_gaps_stay_integers() -> None:
    frame = pd.DataFrame({"user_id": [1.0, None, 2.0], "item_id": [5, 6, 7]})
    dataset = Dataset.from_frames(frame)
    assert sorted(dataset.users.ids.values.to_pylist()) == [1, 2]
    assert dataset.check.set_aside == {"without user_id": 1}


def test_nothing_usable_is_an_error() -> None:
    with pytest.raises(DataError, match="no usable event"):
        Dataset.from_frames(pa.table({"user_id": pa.array([None], pa.string()), "item_id": ["a"]}))


def test_file_kinds_agree(tmp_path: Path) -> None:
    pq.write_table(EVENTS, tmp_path / "e.parquet")
    EVENTS.to_pandas().to_csv(tmp_path / "e.csv", index=False)
    EVENTS.to_pandas().to_csv(tmp_path / "e.tsv", index=False, sep="\t")
    (tmp_path / "e.inter").write_text(
        "user_id:token\titem_id:token\ttimestamp:float\n"
        + "\n".join("\t".join(map(str, r.values())) for r in EVENTS.to_pylist())
    )
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        connection.execute(f"CREATE TABLE log AS SELECT * FROM '{tmp_path}/e.parquet'")
    cases = [
        {"events": "e.parquet"},
        {"events": "e.csv"},
        {"events": "e.tsv"},
        {"events": "e.inter"},
        {"events": "log", "database": "shop.duckdb"},
        {"events": "SELECT * FROM log WHERE item_id > 0", "database": "shop.duckdb"},
    ]
    for number, case in enumerate(cases):
        text = "\n".join(f'{k} = "{v}"' for k, v in case.items())
        (tmp_path / "shortlist.toml").write_text(f'[data]\n{text}\n[data.columns]\ntimestamp = "timestamp"\n')
        dataset = Dataset.from_project(read_project(tmp_path))
        assert [str(i) for i in dataset.items.ids.ids(dataset.log.item)] == ["1", "2", "2"], number

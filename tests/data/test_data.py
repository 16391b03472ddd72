"""Reading, checking, coding: every kind of source, and every kind of mess."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.config.evaluate import EvaluateSettings
from shortlist.config.project import parse_project, read_project
from shortlist.data.attributes import encode
from shortlist.data.dataset import Dataset
from shortlist.data.event_check import check_events
from shortlist.data.guess import guess_project
from shortlist.data.histories import Histories, as_of
from shortlist.data.public import read_public
from shortlist.data.split import cut_for_test, stage_cuts
from shortlist.data.times import NO_TIME, to_milliseconds
from shortlist.errors import DataError

EVENTS = pa.table(
    {
        "user_id": ["a", "b", "a"],
        "item_id": [1, 2, 2],
        "timestamp": [1_700_000_000, 1_700_000_100, 1_700_000_050],
    }
)
NOW = 1_800_000_000_000


def project(**columns: str) -> object:
    return parse_project({"data": {"events": "e", "columns": {"timestamp": "timestamp", **columns}}})


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


def test_every_problem_is_counted_and_nothing_is_lost() -> None:
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
    assert "row 2: 'two'" in str(check.errors[0])


def test_nothing_usable_is_an_error() -> None:
    with pytest.raises(DataError, match="no usable event"):
        Dataset.from_frames(pa.table({"user_id": pa.array([None], pa.string()), "item_id": ["a"]}))


@pytest.mark.parametrize(
    ("values", "unit", "expected"),
    [
        ([1_700_000_000], "seconds", 1_700_000_000_000),
        ([1_700_000_000_123], "milliseconds", 1_700_000_000_123),
        ([1_700_000_000_123_456], "microseconds", 1_700_000_000_123),
        ([1_700_000_000_123_456_789], "nanoseconds", 1_700_000_000_123),
        ([1_700_000_000.5], "seconds", 1_700_000_000_500),
        ([1994], "years", 757_382_400_000),
        (["2023-11-14T22:13:20Z"], "dates", 1_700_000_000_000),
        (["01-Jan-1995"], "dates", 788_918_400_000),
        (["1700000000"], "seconds", 1_700_000_000_000),
        ([7], "seconds", 7_000),
    ],
)
def test_times(values: list[object], unit: str, expected: int) -> None:
    times, reading = to_milliseconds(pa.array(values))
    assert (times.tolist(), reading.unit) == ([expected], unit)


def test_unreadable_times_are_told() -> None:
    times, reading = to_milliseconds(pa.array(["2023-11-14", "yesterday", None]))
    assert reading.unreadable.tolist() == [False, True, False]
    assert times[1] == times[2] == NO_TIME


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


def test_movielens_folder_and_recbole(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text("1\t10\t5\t874724710\n2\t11\t3\t874724711\n")
    (tmp_path / "u.item").write_bytes(
        "10|Amélie (2001)|01-Jan-2001||url|0|1|0|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n11|Heat (1995)|01-Jan-1995||url|0|0|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0\n".encode(
            "latin-1"
        )
    )
    (tmp_path / "u.user").write_text("1|24|M|technician|85711\n2|53|F|other|94043\n")
    tables = read_public(str(tmp_path))
    assert tables is not None
    assert tables.items is not None
    assert tables.items.to_pylist()[0] == {
        "item_id": 10,
        "title": "Amélie (2001)",
        "released": "01-Jan-2001",
        "genres": ["Action", "Comedy"],
    }
    folder = tmp_path / "recbole"
    folder.mkdir()
    (folder / "x.inter").write_text("user_id:token\titem_id:token\trating:float\n1\t2\t3.5\n")
    (folder / "x.item").write_text("item_id:token\tgenre:token_seq\n2\tA B\n")
    both = read_public(str(folder))
    assert both is not None
    assert both.items is not None
    assert both.items.to_pylist() == [{"item_id": "2", "genre": ["A", "B"]}]
    (folder / "x.inter").write_text("user_id\titem_id:token\n1\t2\n")
    with pytest.raises(DataError, match="name:type"):
        read_public(str(folder))


@given(st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "c"])), min_size=1))
def test_categories_round_trip_and_vocabulary_only_grows(words: list[str | None]) -> None:
    column = pa.array(words, pa.string())
    attribute = encode("x", "category", column, ["c"])
    assert attribute.vocabulary[0] == "c"
    assert [attribute.show(i) for i in range(len(words))] == words
    assert attribute.to_arrow().to_pylist() == words


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), max_size=40),
    st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 22)), min_size=1, max_size=20),
)
def test_as_of_is_strictly_before(events: list[tuple[int, int]], asked: list[tuple[int, int]]) -> None:
    events = sorted(events, key=lambda e: e[1])
    owner, time = np.array([e[0] for e in events], np.int64), np.array([e[1] for e in events], np.int64)
    item = np.arange(len(events), dtype=np.int32)
    histories = Histories.of(
        owner, 4, item, time, np.zeros(len(events), np.int16), np.zeros(len(events), np.float32)
    )
    past = as_of(histories, np.array([a[0] for a in asked]), np.array([a[1] for a in asked]))
    for row, (who, moment) in enumerate(asked):
        expected = [i for i, (u, t) in enumerate(events) if u == who and t < moment]
        assert past.item[past.indptr[row] : past.indptr[row + 1]].tolist() == expected


def test_cuts_are_in_order_and_split_no_instant(dataset: Dataset) -> None:
    cut = cut_for_test(dataset.log, dataset.project.evaluate)
    train = dataset.before(cut)
    cuts = stage_cuts(train.log, train.project.evaluate)
    assert train.log.time[-1] < cut <= dataset.between(cut, 2**62).log.time[0]
    assert cuts.ranker < cuts.validation < cuts.end <= cut


def test_too_short_a_log_is_refused() -> None:
    with pytest.raises(DataError, match="too few"):
        stage_cuts(Dataset.from_frames(EVENTS).log, EvaluateSettings())


def test_guess_is_a_working_project(movielens: Path) -> None:
    tables = read_public(str(movielens))
    assert tables is not None
    guess = guess_project(tables.events, tables.items, tables.users)
    assert guess.data.columns.value == "rating"
    assert guess.items is not None
    assert guess.items.attributes == {"title": "text", "released": "time", "genres": "list"}
    assert guess.relevant == "like"

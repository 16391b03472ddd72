"""Parquet folders: the columns of all files, with a line about each difference."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.engines.duckdb import read_source
from shortlist.errors import DataError


def write(folder: Path, **files: pa.Table) -> str:
    for name, table in files.items():
        path = folder / name.replace("__", "/").replace("_eq_", "=")
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, f"{path}.parquet")
    return str(folder)


def test_a_column_that_only_later_files_have_is_read_and_named(tmp_path: Path) -> None:
    early, late = pa.table({"user_id": ["a"]}), pa.table({"user_id": ["b"], "device": ["web"]})
    reading = read_source(write(tmp_path, day1=early, day2=late))
    assert reading.table.to_pydict() == {"user_id": ["a", "b"], "device": [None, "web"]}
    assert reading.notes == ("device: missing from 1 of 2 files (day1.parquet); no value in their rows",)


def test_a_column_of_several_types_gets_one_for_all_and_the_note_says_so(tmp_path: Path) -> None:
    reading = read_source(write(tmp_path, a=pa.table({"user_id": ["007"]}), b=pa.table({"user_id": [7]})))
    assert reading.table.to_pydict() == {"user_id": ["007", "7"]}
    assert reading.notes == (
        "user_id: has several types (string in a.parquet; int64 in b.parquet) and is read as string",
    )


def test_types_that_have_no_common_one_are_named(tmp_path: Path) -> None:
    source = write(tmp_path, a=pa.table({"t": [1]}), b=pa.table({"t": pa.array([1], pa.timestamp("us"))}))
    with pytest.raises(DataError, match=r"t: int64 in a\.parquet; timestamp\[us\] in b\.parquet"):
        read_source(source)


def test_names_of_folders_are_texts(tmp_path: Path) -> None:
    reading = read_source(write(tmp_path, user_id_eq_007__a=pa.table({"item_id": [1]})))
    assert reading.table.to_pydict() == {"item_id": [1], "user_id": ["007"]}


def test_files_that_are_not_read_are_named(tmp_path: Path) -> None:
    source = write(tmp_path, a=pa.table({"x": [1]}))
    (tmp_path / "b.csv").write_text("x\n2\n")
    (tmp_path / "_SUCCESS").touch()
    assert read_source(source).notes == (f"{source}: only .parquet files are read; not b.csv",)


@pytest.mark.parametrize("second", ["user_id", "User_ID"])
def test_a_column_twice_is_refused(tmp_path: Path, second: str) -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], ["user_id", second])
    with pytest.raises(DataError, match=f"'user_id' and '{second}'"):
        read_source(write(tmp_path, a=table))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    source = write(tmp_path, a=pa.table({"x": [1]}))
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"b\.parquet cannot be read"):
        read_source(source)
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"no \.parquet file in the folder"):
        read_source(str(tmp_path / "none"))


def test_a_query_over_a_text_file_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n1e2\n")
    assert "changes ids such as 007" in read_source(f"SELECT * FROM read_csv('{path}')").notes[0]
    kept = read_source(f"SELECT * FROM read_csv('{path}', all_varchar = true)")
    assert (kept.table.to_pydict(), kept.notes) == ({"a": ["1e2"]}, ())


def test_a_column_of_the_files_is_not_replaced_by_the_names_of_folders(tmp_path: Path) -> None:
    part = pa.table({"user_id": ["u1", "u2"]})
    reading = read_source(write(tmp_path, user_id_eq_5__a=part))
    assert reading.table.to_pydict() == {"user_id": ["u1", "u2"]}
    assert reading.notes == ("user_id: read from the files, and not from the names of folders",)
    source = write(tmp_path / "more", day_eq_1__user_id_eq_5__a=part)
    with pytest.raises(DataError, match=r"'user_id' is in the files and in the names of folders"):
        read_source(source)


def test_columns_that_differ_in_upper_and_lower_case_are_one(tmp_path: Path) -> None:
    reading = read_source(write(tmp_path, a=pa.table({"user_id": [1]}), b=pa.table({"User_ID": [2]})))
    assert (reading.table.to_pydict(), reading.notes) == ({"user_id": [1, 2]}, ())


def test_a_name_with_brackets_is_one_file(tmp_path: Path) -> None:
    source = write(tmp_path, **{"a[1]": pa.table({"x": [1]}), "a1": pa.table({"x": [2]})})
    assert read_source(f"{source}/a[1].parquet").table.to_pydict() == {"x": [1]}

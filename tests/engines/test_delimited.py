"""Text tables: values stay as they are written, bad lines are named, and what cannot be read is refused with the reason."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shortlist.engines.delimited import identifies
from shortlist.engines.duckdb import read_source, read_table
from shortlist.engines.reading import TableReading
from shortlist.errors import DataError

HEADER = "user_id,item_id,timestamp\n"
ROWS = "".join(f"u{k},i{k},{1_750_000_000 + k}\n" for k in range(20))


def read(folder: Path, content: str | bytes, name: str = "t.csv") -> TableReading:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_source(str(path))


def column(folder: Path, values: list[str], name: str = "user_id") -> list[object]:
    lines = [f"{name},x", *(f"{value},1" for value in values)]
    found: list[object] = read(folder, "\n".join(lines) + "\n").table.column(name).to_pylist()
    return found


@pytest.mark.parametrize(
    "ids",
    [
        ["1e2", "100"],
        ["10:15", "10:16"],
        ["True", "False"],
        ["007", "7"],
        ["2025-01-01", "2025-01-02"],
        ["1.0", "1"],
        ["+5", "5"],
        ["inf", "infinity"],
        ["0x1F", "31"],
        ["14200000000000000000", "14200000000000000001"],
        ["٣", "3"],
    ],
    ids=lambda ids: ids[0],
)
def test_ids_are_not_retyped(tmp_path: Path, ids: list[str]) -> None:
    assert column(tmp_path, ids) == ids


def test_whole_numbers_in_their_usual_form_are_numbers(tmp_path: Path) -> None:
    assert column(tmp_path, ["7", "-3", "1420000000000000001"]) == [7, -3, 1_420_000_000_000_000_001]


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=12),
        min_size=1,
        max_size=8,
    )
)
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_text_of_an_id_column_is_read_as_it_was_written(tmp_path: Path, ids: list[str]) -> None:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([["user_id", "item_id"], ["not a number", "i"], *([one, "i"] for one in ids)])
    assert read(tmp_path, file.getvalue()).table.column("user_id").to_pylist() == ["not a number", *ids]


def test_numbers_truth_values_and_dates_have_types_and_codes_do_not(tmp_path: Path) -> None:
    reading = read(tmp_path, "price,sale,day,zip\n1.5,true,2025-04-01,01234\n2,false,2025-04-02,99999\n")
    price, sale, day, code = (
        reading.table.column(name).to_pylist() for name in ("price", "sale", "day", "zip")
    )
    assert (price, sale, code) == ([1.5, 2.0], [True, False], ["01234", "99999"])
    assert [str(one) for one in day] == ["2025-04-01 00:00:00", "2025-04-02 00:00:00"]
    assert reading.notes == ()


def test_what_is_taken_for_missing_is_said(tmp_path: Path) -> None:
    reading = read(tmp_path, "user_id,rating\n1,5\nNULL,N/A\n 3 ,\\N\n4,\n")
    assert reading.table.to_pydict() == {"user_id": [1, None, 3, 4], "rating": [5, None, None, None]}
    assert reading.notes == (
        "user_id: 1 × 'NULL' taken for missing",
        "user_id: blanks around 1 ids are left out",
        "rating: 1 × 'N/A' taken for missing",
        "rating: 1 × '\\\\N' taken for missing",
    )


@pytest.mark.parametrize(
    ("bad", "line", "what"),
    [
        ("u9,i9", 22, "2 values where there are 3 columns: u9,i9"),
        ("u9,i9,1,2", 22, "more values than the 3 columns: u9,i9,1,2"),
        ("(20 rows)", 22, "1 value where there are 3 columns: (20 rows)"),
    ],
)
def test_a_line_that_cannot_be_read_is_left_out_and_named(
    tmp_path: Path, bad: str, line: int, what: str
) -> None:
    reading = read(tmp_path, f"{HEADER}{ROWS}{bad}\n")
    assert reading.table.column_names == ["user_id", "item_id", "timestamp"]
    assert reading.table.num_rows == 20
    assert [str(one) for one in reading.bad_lines] == [f"line {line}: {what}"]
    with pytest.raises(DataError, match=r"t\.csv: line 22: "):
        read_table(str(tmp_path / "t.csv"))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (HEADER + ROWS + "x\n", 22),
        (HEADER + '"a\nb",i,1750000000\n' + ROWS + "x", 24),
        ("\n\n" + HEADER + ROWS.replace("\n", "\n\n") + "x\n", 44),
        ("sep=,\n" + HEADER + ROWS + "x\n", 23),
        ((HEADER + ROWS + "x\n").replace("\n", "\r\n"), 22),
        ((HEADER + ROWS + "x\n").replace("\n", "\r"), 22),
    ],
    ids=["plain", "quoted line break", "empty lines", "sep", "crlf", "cr"],
)
def test_a_bad_line_has_the_number_that_an_editor_shows(tmp_path: Path, content: str, line: int) -> None:
    assert [bad.line for bad in read(tmp_path, content).bad_lines] == [line]


def test_many_bad_lines_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: 2 values where there are 3 columns: u1,i1;.*and 2 more"):
        read(tmp_path, HEADER + "u1,i1\n" * 5 + ROWS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ((HEADER + "é,i,1\n").encode("latin-1"), "line 2 is not UTF-8.*iconv"),
        ((HEADER + ROWS).encode("utf-16"), "the encoding is UTF-16 and must be UTF-8.*iconv"),
        ((HEADER + ROWS).encode("utf-16-le"), "must be UTF-8"),
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"PK\x03\x04 and so on", "a ZIP file, as spreadsheets are; save the table as CSV"),
        (b"PAR1 and so on", "a Parquet file"),
        (b"user_id,item_id\nu\0,i\n", "zero bytes"),
        ("My export\n" + HEADER + ROWS, "line 1 has one value .'My export'.*separated by commas"),
        (HEADER.replace("\n", "\r\n") + ROWS, "line 2 ends in another way"),
        (HEADER + 'u1,"i1,1\n' + ROWS, "a quote is opened and not closed"),
    ],
    ids=["latin", "utf-16", "utf-16 without mark", "empty", "blank", "zip", "parquet", "zeros", "title", "line ends", "quote"],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, content)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(tmp_path: Path, delimiter: str) -> None:
    table = read(tmp_path, (HEADER + ROWS).replace(",", delimiter)).table
    assert table.column_names == ["user_id", "item_id", "timestamp"]
    assert table.num_rows == 20


def test_marks_and_empty_lines_are_no_values(tmp_path: Path) -> None:
    wanted = read(tmp_path, HEADER + ROWS).table
    for content in (
        b"\xef\xbb\xbf" + (HEADER + ROWS).encode(),
        "\n\n" + HEADER + ROWS.replace("\n", "\n\n"),
        (HEADER + ROWS).replace("\n", "\r\n"),
        (HEADER + ROWS).replace("\n", "\r"),
        "sep=;\n" + (HEADER + ROWS).replace(",", ";"),
    ):
        assert read(tmp_path, content).table == wanted
    assert read(tmp_path, gzip.compress((HEADER + ROWS).encode()), "t.csv.gz").table == wanted


def test_quoted_values_can_hold_line_breaks_and_delimiters(tmp_path: Path) -> None:
    table = read(tmp_path, 'item_id,title\n1,"a\nb, ""c"""\n2,d\n').table
    assert table.column("title").to_pylist() == ['a\nb, "c"', "d"]


def test_a_file_without_names_gets_some(tmp_path: Path) -> None:
    reading = read(tmp_path, "1,2,1750000000\n3,4,1750000001\n")
    assert reading.table.column_names == ["column0", "column1", "column2"]
    assert reading.table.num_rows == 2
    assert "line 1 holds values such as 1 and no names" in reading.notes[0]


def test_identifiers_are_known_by_name() -> None:
    ids = ["user_id", "userId", "USERID", "product_id", "sku", "zip_code", "uuid", "customer", "Product"]
    assert [name for name in [*ids, "paid", "valid", "price", "rating", "day"] if identifies(name)] == ids


def test_types_do_not_depend_on_the_first_rows(tmp_path: Path) -> None:
    values = [*map(str, range(5_000)), "x"]
    assert column(tmp_path, values, "code")[-1] == "x"
    assert (
        read(tmp_path, "n\n" + "\n".join(map(str, range(5_000))) + "\n1.5\n").table.schema.field("n").type
        == pa.float64()
    )


def test_a_name_with_wildcards_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "log2.csv").write_text("x\n2\n")
    assert read(tmp_path, "x\n1\n", "log*.csv").table.to_pydict() == {"x": [1]}

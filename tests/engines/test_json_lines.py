"""JSON tables: every value as it is written, keys that some objects lack, objects within objects, lines that are none."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.engines.duckdb import read_source
from shortlist.errors import DataError


def written(folder: Path, *lines: str, name: str = "events.jsonl") -> str:
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(folder / name)


def rows(source: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_source(source).table.to_pylist()
    return found


def test_values_keep_their_form(tmp_path: Path) -> None:
    source = written(
        tmp_path,
        '{"user": "007", "item": 12, "at": "2025-01-02T10:00:00Z", "price": 4, "new": true}',
        '{"user": "8", "item": 123456789012345678, "at": "2025-01-03", "price": 2.5, "new": false}',
    )
    assert rows(source) == [
        {"user": "007", "item": 12, "at": "2025-01-02T10:00:00Z", "price": 4.0, "new": True},
        {"user": "8", "item": 123456789012345678, "at": "2025-01-03", "price": 2.5, "new": False},
    ]


def test_keys_may_be_missing_and_objects_become_columns(tmp_path: Path) -> None:
    source = written(
        tmp_path,
        '{"user": {"id": 1, "from": {"country": "DE"}}, "tags": ["a", "b"]}',
        '{"user": {"id": 2}, "tags": null, "it\'s a/b~\\"c\\"": "x"}',
    )
    assert rows(source) == [
        {"user.id": 1, "user.from.country": "DE", "tags": ["a", "b"], 'it\'s a/b~"c"': None},
        {"user.id": 2, "user.from.country": None, "tags": None, 'it\'s a/b~"c"': "x"},
    ]


def test_arrays_of_numbers_are_numbers(tmp_path: Path) -> None:
    """Vectors, and ids of other items; what is no number in all rows, or has an id's name, stays as it is written."""
    source = written(
        tmp_path,
        '{"vector": [1, 2.5], "codes": [3, -4, null], "mixed": [1], "large": [1], "item_id": [1, 2], "none": []}',
        '{"vector": [1e2, 0], "codes": null, "mixed": ["a"], "large": [9223372036854775808], "item_id": [3]}',
    )
    assert rows(source) == [
        {
            "vector": [1.0, 2.5],
            "codes": [3, -4, None],
            "mixed": ["1"],
            "large": ["1"],
            "item_id": ["1", "2"],
            "none": [],
        },
        {
            "vector": [100.0, 0.0],
            "codes": None,
            "mixed": ["a"],
            "large": ["9223372036854775808"],
            "item_id": ["3"],
            "none": None,
        },
    ]


def test_a_column_of_several_types_is_text_and_named(tmp_path: Path) -> None:
    reading = read_source(written(tmp_path, '{"item": 7, "value": 1}', '{"item": "7a", "value": 2.5}'))
    assert reading.table.to_pylist() == [{"item": "7", "value": 1.0}, {"item": "7a", "value": 2.5}]
    assert reading.notes == ("item: values of several types (UBIGINT, VARCHAR) are read as text",)


def test_lines_that_are_no_objects_are_set_aside(tmp_path: Path) -> None:
    reading = read_source(written(tmp_path, '{"item": 1}', '{"item": 2', "", "[3]", '{"item": 4}'))
    assert reading.table.column("item").to_pylist() == [1, 4]
    assert [(bad.line, bad.text) for bad in reading.bad_lines] == [(2, '{"item": 2'), (4, "[3]")]


def test_lines_may_end_in_different_ways(tmp_path: Path) -> None:
    """Programs of two systems have written to one file, the first with a byte order mark."""
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"a": 1}\r\nno object\n{"a": 2}\r\n\n{"a": 3}')
    reading = read_source(str(tmp_path / "a.jsonl"))
    assert reading.table.to_pylist() == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert [(line.line, line.text) for line in reading.bad_lines] == [(2, "no object")]


def test_arrays_and_compressed_files(tmp_path: Path) -> None:
    array = written(tmp_path, "[", ' {"item": 1},', ' {"item": 2, "kind": "play"}', "]", name="events.json")
    assert rows(array) == [{"item": 1, "kind": None}, {"item": 2, "kind": "play"}]
    compressed = tmp_path / "events.jsonl.gz"
    compressed.write_bytes(gzip.compress(b'{"item": 1}\n{"item": 2}\n'))
    assert rows(str(compressed)) == [{"item": 1}, {"item": 2}]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("",), "is empty"),
        (("item,user", "1,2"), "line 1: no JSON object: item,user"),
        (("[1, 2",), "cannot read it"),
    ],
)
def test_files_without_objects_are_refused(tmp_path: Path, lines: tuple[str, ...], said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read_source(written(tmp_path, *lines))
    assert "events.jsonl" in str(caught.value)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)


@settings(max_examples=30)
@given(st.lists(st.dictionaries(TEXT, TEXT | st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=5))
def test_any_flat_objects_come_back(objects: list[dict[str, Any]]) -> None:
    """Texts and whole numbers of 64 bits are the same after reading; a number among texts is its text."""
    keys = list(dict.fromkeys(key for one in objects for key in one))
    if len({key.lower() for key in keys}) < len(keys) or not keys:
        return
    with tempfile.TemporaryDirectory() as folder:
        source = written(Path(folder), *(json.dumps(one) for one in objects))
        table: pa.Table = read_source(source).table
    assert sorted(table.column_names) == sorted(keys)
    for key in keys:
        values = [one.get(key) for one in objects]
        if any(isinstance(value, str) for value in values):
            values = [None if value is None else str(value) for value in values]
        assert table.column(key).to_pylist() == values

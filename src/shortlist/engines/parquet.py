"""Parquet: a file, or a folder of files that can differ in their columns."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from shortlist.engines.plain_types import plain_array
from shortlist.engines.reading import TableReading
from shortlist.errors import DataError

SHOWN = 3
"""Files that a note names."""
_NO_DATA = {".crc", ".md", ".txt", ".json", ".log"}
"""Suffixes of files that exports write beside their tables."""


def read_parquet(connection: duckdb.DuckDBPyConnection, path: Path, source: str) -> TableReading:
    """Read a Parquet file, or all of a folder, with the columns of all of them.

    A column that some files lack has no value in their rows, and one that has several types gets a type for all of them; the notes
    say so. Names of folders such as `day=2025-01-01` are columns of texts.

    Raises
    ------
    DataError
        There is no such file, or it cannot be read.
    """
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{source}: there is no .parquet file in the folder")
    options = "union_by_name = true, hive_types_autocast = false"
    try:
        table = connection.sql(
            f"SELECT * FROM read_parquet(?, {options})",  # noqa: S608 - options are constants
            params=[[str(file) for file in files]],
        ).to_arrow_table()
        notes = [] if len(files) == 1 else _differences(table, path, files)
    except (duckdb.Error, pa.ArrowInvalid) as error:
        raise DataError(f"{source}: DuckDB cannot read it: {' '.join(str(error).split())}") from None
    others = _others(path) if path.is_dir() else []
    if others:
        notes.append(f"{source}: only .parquet files are read; not {_some(others)}")
    return TableReading(table, tuple(notes))


def _differences(table: pa.Table, folder: Path, files: list[Path]) -> list[str]:
    """Say which columns are missing from files, or have other types there."""
    types: dict[str, dict[pa.DataType, list[str]]] = defaultdict(lambda: defaultdict(list))
    for file in files:
        for field in pq.read_schema(file):
            types[field.name][_plain(field.type)].append(str(file.relative_to(folder)))
    notes = []
    for name, found in types.items():
        having = {file for names in found.values() for file in names}
        lacking = [
            str(file.relative_to(folder)) for file in files if str(file.relative_to(folder)) not in having
        ]
        if lacking:
            notes.append(
                f"{name}: missing from {len(lacking):,} of {len(files):,} files ({_some(lacking)}); no value in their rows"
            )
        if len(found) > 1:
            kinds = "; ".join(f"{kind} in {_some(names)}" for kind, names in found.items())
            notes.append(
                f"{name}: has several types ({kinds}) and is read as {_plain(table.schema.field(name).type)}"
            )
    return notes


def _plain(kind: pa.DataType) -> pa.DataType:
    return plain_array(pa.array([], kind)).type


def _others(folder: Path) -> list[str]:
    """Return files of a folder that could hold rows and are not read."""
    return sorted(
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and file.suffix not in {".parquet", *_NO_DATA} and file.name[0] not in "._"
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")

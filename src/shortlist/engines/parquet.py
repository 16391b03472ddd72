"""Parquet: a file, or a folder of files that can differ in their columns."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from shortlist.engines.confined import exact_name
from shortlist.engines.plain_types import plain_array
from shortlist.engines.reading import TableReading
from shortlist.errors import DataError

Types = dict[str, dict[pa.DataType, list[str]]]
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
    others = _others(path) if path.is_dir() else []
    files = sorted(file for file in path.rglob("*") if _is_parquet(file)) if path.is_dir() else [path]
    if not files:
        there = f"; there are {_some(others)}: name one file, or read several with a query" if others else ""
        raise DataError(f"{source}: there is no .parquet file in the folder{there}")
    types = _types(path, files, source)
    folders = _in_names_of_folders(files, types, source)
    options = "union_by_name = true, hive_types_autocast = false" + (
        ", hive_partitioning = false" if folders else ""
    )
    try:
        table = connection.sql(
            f"SELECT * FROM read_parquet(?, {options})",  # noqa: S608 - options are constants
            params=[[exact_name(file) for file in files]],
        ).to_arrow_table()
        notes = [] if len(files) == 1 else _differences(table, types, len(files))
        notes += [f"{name}: read from the files, and not from the names of folders" for name in folders]
    except (duckdb.Error, pa.ArrowInvalid) as error:
        several = "; ".join(f"{name}: {_kinds(found)}" for name, found in types.items() if len(found) > 1)
        fix = (
            f". Columns that have several types: {several}; write each with one type in all files"
            if several
            else ""
        )
        raise DataError(f"{source}: DuckDB cannot read it: {' '.join(str(error).split())}{fix}") from None
    if others:
        notes.append(f"{source}: only .parquet files are read; not {_some(others)}")
    return TableReading(table, tuple(notes))


def _in_names_of_folders(files: list[Path], types: Types, source: str) -> list[str]:
    """Return the columns that the files hold and the names of folders give, too, such as `day=2025-01-01`.

    Raises `DataError` where other columns are only in names of folders: DuckDB reads those of all or of none, and prefers them.
    """
    folders = {part.partition("=")[0] for file in files for part in file.parts[:-1] if "=" in part}
    known = {name.lower() for name in types}
    both = sorted(name for name in folders if name.lower() in known)
    if both and len(both) < len(folders):
        raise DataError(
            f"{source}: the column {both[0]!r} is in the files and in the names of folders ({both[0]}=…), and they can differ; rename the "
            "folders, or leave the column out of the files",
            field=both[0],
        )
    return both


def _is_parquet(file: Path) -> bool:
    return file.suffix.lower() == ".parquet" and file.is_file()


def _types(path: Path, files: list[Path], source: str) -> Types:
    """Return column → its types → the files. Raises `DataError` where a file has a column twice, which DuckDB would rename."""
    types: Types = defaultdict(lambda: defaultdict(list))
    spelled: dict[
        str, str
    ] = {}  # DuckDB takes columns of several files for one where only upper and lower case differ
    for file in files:
        name = str(file.relative_to(path)) if file != path else file.name
        try:
            schema = pq.read_schema(file)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{source}: {name} cannot be read: {' '.join(str(error).split())}") from None
        known: dict[str, str] = {}
        for field in schema:
            other = known.setdefault(field.name.lower(), field.name)
            column = types[spelled.setdefault(field.name.lower(), field.name)]
            column[_plain(field.type)].append(name)
            if column[_plain(field.type)].count(name) > 1 or other != field.name:
                raise DataError(
                    f"{source}: {name}: the columns {other!r} and {field.name!r} have the same name but for upper and lower case; "
                    "rename or remove one",
                    field=field.name,
                )
    return types


def _differences(table: pa.Table, types: Types, count: int) -> list[str]:
    """Say which columns are missing from some of the files, or have several types."""
    every = dict.fromkeys(file for found in types.values() for names in found.values() for file in names)
    notes = []
    for name, found in types.items():
        having = {file for names in found.values() for file in names}
        lacking = [file for file in every if file not in having]
        if lacking:
            notes.append(
                f"{name}: missing from {len(lacking):,} of {count:,} files ({_some(lacking)}); no value in their rows"
            )
        if len(found) > 1 and name in table.column_names:
            read_as = _plain(table.schema.field(name).type)
            notes.append(f"{name}: has several types ({_kinds(found)}) and is read as {read_as}")
    return notes


def _kinds(found: dict[pa.DataType, list[str]]) -> str:
    return "; ".join(f"{kind} in {_some(names)}" for kind, names in found.items())


def _plain(kind: pa.DataType) -> pa.DataType:
    return plain_array(pa.array([], kind)).type


def _others(folder: Path) -> list[str]:
    """Return files of a folder that could hold rows and are not read."""
    return sorted(
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and file.suffix.lower() not in {".parquet", *_NO_DATA} and file.name[0] not in "._"
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")

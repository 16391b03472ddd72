"""Parquet of an object store as a frame of Spark.

Spark needs a package of Hadoop and settings of its own for each kind of store. Here executors read a store as one machine does: by the
same addresses, and with the credentials of their environment.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from shortlist.distributed.described_files import DescribedFile, described
from shortlist.distributed.parquet_pieces import ParquetFile, opened, read_pieces, type_of
from shortlist.distributed.table_frame import TableFrame
from shortlist.engines.object_store import ObjectStore
from shortlist.errors import DataError

MOST_TASKS = 64
"""Tasks that read the columns of files, which takes a moment each."""
NOTHING = "__HIVE_DEFAULT_PARTITION__"
"""The name of a folder whose column has no value."""


def stored_parquet(session: Any, source: str, name: str) -> TableFrame:
    """Return Parquet objects of a store as a frame, with the columns of all of them.

    A column that some files lack has no value in their rows. Names of folders such as `day=2025-01-01` are columns of texts.

    Parameters
    ----------
    session
        The Spark session.
    source
        The address of an object, of a folder, or a pattern.
    name
        What to call the table.

    Raises
    ------
    DataError
        There is no such object, one cannot be read, or a column has several types.
    """
    store = ObjectStore.of(source)
    objects = [one for one in store.objects() if one.path.lower().endswith(".parquet")]
    if not objects:
        raise DataError(
            f"{source}: there is no such .parquet object, folder, or object of this pattern",
            field="data.events",
        )
    scheme = source.partition("://")[0]
    files = [ParquetFile(f"{scheme}://{one.path}", one.size, _folders(store.name_of(one))) for one in objects]
    found = described(session, [one.file for one in files], _describe, min(len(files), MOST_TASKS))
    columns, notes = _columns(source, found)
    of_folders = dict.fromkeys(column for one in files for column in one.values)
    notes += [
        f"{column}: read from the files, and not from the names of folders"
        for column in of_folders
        if column in columns.names
    ]
    added = [pa.field(one, pa.string()) for one in of_folders if one not in columns.names]
    return TableFrame(read_pieces(session, files, pa.schema([*columns, *added])), name, tuple(notes))


def _folders(name: str) -> dict[str, str | None]:
    """Return the columns that names of folders give: `day=2025-01-01/a.parquet` is {"day": "2025-01-01"}."""
    parts = [part.partition("=") for part in name.split("/")[:-1] if "=" in part]
    return {column: None if value == NOTHING else unquote(value) for column, _, value in parts}


def _describe(file: str) -> tuple[pa.Schema, list[str]]:
    """Read the columns of a file. Runs on an executor."""
    return pa.schema([pa.field(one.name, type_of(file, one)) for one in opened(file).schema_arrow]), []


def _columns(source: str, found: list[DescribedFile]) -> tuple[pa.Schema, list[str]]:
    """Return the columns of all files, and notes. Raises `DataError` where a column has several types, or two names differ in case only."""
    columns: dict[str, dict[pa.DataType, list[str]]] = {}
    for one in found:
        for field in one.schema:
            columns.setdefault(field.name, {}).setdefault(field.type, []).append(one.file.rpartition("/")[2])
    spelled: dict[str, str] = {}
    for column, kinds in columns.items():
        if (other := spelled.setdefault(column.lower(), column)) != column:
            raise DataError(
                f"{source}: the columns {other!r} and {column!r} have the same name but for upper and lower case; rename or remove one",
                field=column,
            )
        if len(kinds) > 1:
            several = "; ".join(f"{kind} in {names[0]}" for kind, names in kinds.items())
            raise DataError(
                f"{source}: its files differ in the type of a column ({column}: {several}); write each column with one type in all files",
                field=column,
            )
    having = {column: sum(map(len, kinds.values())) for column, kinds in columns.items()}
    notes = [
        f"{column}: missing from {len(found) - n:,} of {len(found):,} files; no value in their rows"
        for column, n in having.items()
        if n < len(found)
    ]
    return pa.schema([(column, next(iter(kinds))) for column, kinds in columns.items()]), notes

"""Parquet of an object store as a frame of Spark: executors read it with pyarrow, in pieces of large files.

Spark needs a package of Hadoop and settings of its own for each kind of store. Here executors read a store as one machine does: by the
same addresses, and with the credentials of their environment.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from shortlist.distributed.described_files import DescribedFile, described
from shortlist.distributed.on_executors import on_executors
from shortlist.distributed.table_frame import BATCH, FILE, ROW, TableFrame, frame_schema
from shortlist.engines.object_store import ObjectStore
from shortlist.engines.plain_types import plain_array, plain_table
from shortlist.errors import DataError

PIECE = 128 << 20
"""Bytes of a file that one task reads, as Spark divides files."""
MOST_TASKS = 64
"""Tasks that read the columns of files, which takes a moment each."""
NOTHING = "__HIVE_DEFAULT_PARTITION__"
"""The name of a folder whose column has no value."""
_SIGNED = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20),
}
"""Types that Spark does not have → those that hold their values."""


class _Piece(NamedTuple):
    """The row groups of a file that one task reads: those of part `number` of `of`; and the columns that names of its folders give."""

    file: str
    number: int
    of: int
    folders: dict[str, str | None]


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
    folders = {f"{scheme}://{one.path}": _folders(store.name_of(one)) for one in objects}
    found = described(session, list(folders), _describe, min(len(folders), MOST_TASKS))
    files, notes = _columns(source, found)
    of_folders = dict.fromkeys(column for own in folders.values() for column in own)
    notes += [
        f"{column}: read from the files, and not from the names of folders"
        for column in of_folders
        if column in files.names
    ]
    schema = pa.schema(
        [*files, *(pa.field(one, pa.string()) for one in of_folders if one not in files.names)]
    )
    pieces = [
        _Piece(file, number, of, own)
        for (file, own), size in zip(folders.items(), (one.size for one in objects), strict=True)
        for of in [max(1, -(-size // PIECE))]
        for number in range(of)
    ]
    whole = schema.append(pa.field(FILE, pa.string())).append(pa.field(ROW, pa.int64()))
    tasks = session.range(0, len(pieces), 1, len(pieces))
    return TableFrame(
        tasks.mapInArrow(on_executors(partial(_read, pieces, whole)), frame_schema(whole)), name, tuple(notes)
    )


def _folders(name: str) -> dict[str, str | None]:
    """Return the columns that names of folders give: `day=2025-01-01/a.parquet` is {"day": "2025-01-01"}."""
    parts = [part.partition("=") for part in name.split("/")[:-1] if "=" in part]
    return {column: None if value == NOTHING else unquote(value) for column, _, value in parts}


def _opened(file: str) -> pq.ParquetFile:
    """Open an object. Raises `DataError`."""
    store = ObjectStore.of(file)
    try:
        return pq.ParquetFile(store.files.open_input_file(store.path))
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{file} cannot be read: {' '.join(str(error).split())[:300]}", "data.events"
        ) from None


def _describe(file: str) -> tuple[pa.Schema, list[str]]:
    """Read the columns of a file. Runs on an executor."""
    return pa.schema([pa.field(one.name, _type(file, one)) for one in _opened(file).schema_arrow]), []


def _type(file: str, field: pa.Field) -> pa.DataType:
    """Return the type of a column as Spark has it."""
    kind = plain_array(pa.array([], field.type)).type
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz and "UTC")
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        raise DataError(
            f"{file}: {field.name}: a column of type {kind} cannot be read by executors; write it as a number or a text",
            field=field.name,
        )
    return _SIGNED.get(kind, kind)


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


def _read(
    pieces: list[_Piece], schema: pa.Schema, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Read pieces of files. Runs on an executor."""
    for batch in batches:
        for number in batch.column("id").to_pylist():
            yield from _rows(pieces[number], schema)


def _rows(piece: _Piece, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    file = _opened(piece.file)
    groups, name = file.metadata.num_row_groups, piece.file.rpartition("/")[2]
    own = range(piece.number * groups // piece.of, (piece.number + 1) * groups // piece.of)
    at = sum(file.metadata.row_group(group).num_rows for group in range(own.start))
    for group in own:
        for rows in file.iter_batches(BATCH, [group]):
            table = plain_table(pa.Table.from_batches([rows]), name)
            n = table.num_rows
            given = {column: pa.array([value] * n, pa.string()) for column, value in piece.folders.items()}
            given |= {column: table.column(column) for column in table.column_names}
            given |= {FILE: pa.array([name] * n, pa.string()), ROW: pa.array(range(at, at + n), pa.int64())}
            columns = [
                given[field.name].cast(field.type, safe=False)
                if field.name in given
                else pa.nulls(n, field.type)
                for field in schema
            ]
            yield from pa.table(columns, schema=schema).to_batches()
            at += n

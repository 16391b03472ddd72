"""Parquet files as a frame of Spark: executors read them with pyarrow, large ones in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from shortlist.distributed.on_executors import on_executors
from shortlist.distributed.table_frame import BATCH, FILE, ROW, frame_schema
from shortlist.engines.object_store import ObjectStore
from shortlist.engines.plain_types import plain_array, plain_table
from shortlist.errors import DataError

PIECE = 128 << 20
"""Bytes of a file that one task reads, as Spark divides files."""
FIELD_ID = b"PARQUET:field_id"
"""Where Arrow keeps the id of a field of a Parquet file."""
_SIGNED = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20),
}
"""Types that Spark does not have → those that hold their values."""


class ParquetFile(NamedTuple):
    """A file of a table.

    Attributes
    ----------
    file
        A path that all executors see, or the address of an object.
    size
        Its bytes.
    values
        Columns that have one value in all of its rows, where the file does not have them.
    names
        Id of a field in the file → name of its column in the table, where a table knows its columns by ids, as those of Iceberg (default:
        columns have the names of the file).
    """

    file: str
    size: int
    values: Mapping[str, Any]
    names: Mapping[int, str] | None = None


class _Piece(NamedTuple):
    """The row groups of a file that one task reads: those of part `number` of `of`."""

    file: ParquetFile
    number: int
    of: int


def read_pieces(session: Any, files: Sequence[ParquetFile], columns: pa.Schema) -> Any:
    """Return the rows of some files, at least one, with `FILE` and `ROW`.

    Parameters
    ----------
    session
        The Spark session.
    files
        What is read. A column that a file lacks has no value in its rows.
    columns
        The columns, of the types of `type_of`.
    """
    pieces = [
        _Piece(one, number, of)
        for one in files
        for of in [max(1, -(-one.size // PIECE))]
        for number in range(of)
    ]
    schema = columns.append(pa.field(FILE, pa.string())).append(pa.field(ROW, pa.int64()))
    tasks = session.range(0, len(pieces), 1, len(pieces))
    return tasks.mapInArrow(on_executors(partial(_read, pieces, schema)), frame_schema(schema))


def opened(file: str) -> pq.ParquetFile:
    """Open a file. Raises `DataError`."""
    try:
        if "://" not in file:
            return pq.ParquetFile(file)
        store = ObjectStore.of(file)
        return pq.ParquetFile(store.files.open_input_file(store.path))
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{file} cannot be read: {' '.join(str(error).split())[:300]}", "data.events"
        ) from None


def type_of(file: str, field: pa.Field) -> pa.DataType:
    """Return the type of a column of a file as Spark has it. Raises `DataError` where it has none."""
    kind = plain_array(pa.array([], field.type)).type
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz and "UTC")
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        raise DataError(
            f"{file}: {field.name}: a column of type {kind} cannot be read by executors; write it as a number or a text",
            field=field.name,
        )
    return _SIGNED.get(kind, kind)


def _read(
    pieces: Sequence[_Piece], schema: pa.Schema, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Read pieces of files. Runs on an executor."""
    for batch in batches:
        for number in batch.column("id").to_pylist():
            yield from _rows(pieces[number], schema)


def _rows(piece: _Piece, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    file = opened(piece.file.file)
    groups, name = file.metadata.num_row_groups, piece.file.file.rpartition("/")[2]
    own = range(piece.number * groups // piece.of, (piece.number + 1) * groups // piece.of)
    renamed = _renamed(file.schema_arrow, piece.file.names)
    at = sum(file.metadata.row_group(group).num_rows for group in range(own.start))
    for group in own:
        for rows in file.iter_batches(BATCH, [group]):
            table = plain_table(pa.Table.from_batches([rows]).select(list(renamed)), name)
            table = table.rename_columns(list(renamed.values()))
            n = table.num_rows
            given = {column: pa.array([value] * n) for column, value in piece.file.values.items()}
            given |= {column: table.column(column) for column in table.column_names}
            given |= {FILE: pa.array([name] * n), ROW: pa.array(range(at, at + n), pa.int64())}
            none = pa.nulls(n)
            columns = [given.get(field.name, none).cast(field.type, safe=False) for field in schema]
            yield from pa.table(columns, schema=schema).to_batches()
            at += n


def _renamed(columns: pa.Schema, names: Mapping[int, str] | None) -> dict[int, str]:
    """Return place in the file → name in the table, of the columns that the table has."""
    by_id = {
        at: int(field.metadata[FIELD_ID])
        for at, field in enumerate(columns)
        if names is not None and FIELD_ID in (field.metadata or {})
    }
    if names is None or not by_id:
        return dict(enumerate(columns.names))
    return {at: names[number] for at, number in by_id.items() if number in names}

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
_SIGNED = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20),
}
"""Types that Spark does not have → those that hold their values."""


class ParquetFile(NamedTuple):
    """A file: a path that all executors see, or the address of an object; its bytes; and columns that have one value in all of its rows."""

    file: str
    size: int
    values: Mapping[str, Any]


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
    at = sum(file.metadata.row_group(group).num_rows for group in range(own.start))
    for group in own:
        for rows in file.iter_batches(BATCH, [group]):
            table = plain_table(pa.Table.from_batches([rows]), name)
            n = table.num_rows
            given = {column: pa.array([value] * n) for column, value in piece.file.values.items()}
            given |= {column: table.column(column) for column in table.column_names}
            given |= {FILE: pa.array([name] * n), ROW: pa.array(range(at, at + n), pa.int64())}
            none = pa.nulls(n)
            columns = [given.get(field.name, none).cast(field.type, safe=False) for field in schema]
            yield from pa.table(columns, schema=schema).to_batches()
            at += n

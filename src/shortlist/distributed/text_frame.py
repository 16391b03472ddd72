"""Text files as a frame of Spark: executors read them with the reader of one machine, one file a task."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from shortlist.config.project import Project
from shortlist.data.tables import verbatim_columns
from shortlist.distributed.described_files import described
from shortlist.distributed.on_executors import on_executors
from shortlist.distributed.table_frame import BATCH, FILE, ROW, TableFrame, frame_schema
from shortlist.engines.confined import is_file
from shortlist.engines.duckdb import read_source
from shortlist.engines.object_store import ObjectStore, is_object_store
from shortlist.engines.plain_types import plain_table
from shortlist.errors import DataError


def text_frame(session: Any, project: Project, source: str, name: str) -> TableFrame:
    """Return text files as a frame.

    Parameters
    ----------
    session
        The Spark session.
    project
        Settings.
    source
        A file, or objects of a store.
    name
        What to call the table.

    Raises
    ------
    DataError
        There is no such file, one cannot be read, or their columns differ.
    """
    files = _names(source)
    if len(files) == 1 and "://" not in files[0] and not is_file(files[0]):
        raise DataError(f"{source}: no such file")
    found = described(session, files, partial(_describe, project), len(files))
    first, *others = found
    for other in others:
        if not other.schema.equals(first.schema):
            raise DataError(
                f"{source}: {Path(other.file).name} and {Path(first.file).name} differ in their columns or types "
                f"({_difference(first.schema, other.schema)}); write each column with one type in all files, or convert them to Parquet",
                field="data.events",
            )
    schema = first.schema.append(pa.field(FILE, pa.string())).append(pa.field(ROW, pa.int64()))
    notes = [note for one in found for note in one.notes]
    tasks = session.createDataFrame(pa.table({"file": files})).repartition(len(files))
    read = tasks.mapInArrow(on_executors(partial(_read, project)), frame_schema(schema))
    return TableFrame(read, name, tuple(notes[:100]))


def _names(source: str) -> list[str]:
    """Return the files of a source: objects of a store, or one path that all executors see."""
    if not is_object_store(source):
        return [str(Path(source).expanduser().absolute())]
    scheme = source.partition("://")[0]
    return [f"{scheme}://{one.path}" for one in ObjectStore.of(source).objects()]


def _difference(one: pa.Schema, other: pa.Schema) -> str:
    names = dict.fromkeys([*one.names, *other.names])
    kinds = [
        [str(schema.field(name).type) if name in schema.names else "missing" for schema in (one, other)]
        for name in names
    ]
    return "; ".join(f"{name}: {a}, {b}" for name, (a, b) in zip(names, kinds, strict=True) if a != b)


def _table(project: Project, file: str) -> tuple[pa.Table, list[str]]:
    """Read one file as on one machine. A line that cannot be read is an error: nothing is left out silently."""
    reading = read_source(file, None, None, verbatim_columns(project), project.data.encoding)
    return plain_table(reading.complete(file), file), list(reading.notes)


def _describe(project: Project, file: str) -> tuple[pa.Schema, list[str]]:
    """Find out columns and types of a file. Runs on an executor."""
    table, notes = _table(project, file)
    return table.schema, notes


def _read(project: Project, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Read files. Runs on an executor."""
    for batch in batches:
        for file in batch.column("file").to_pylist():
            table, _ = _table(project, file)
            table = table.append_column(FILE, pa.array([Path(file).name] * table.num_rows, pa.string()))
            table = table.append_column(ROW, pa.array(range(table.num_rows), pa.int64()))
            yield from table.to_batches(BATCH)

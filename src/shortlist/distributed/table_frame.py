"""Tables of a project as frames of Spark, read by the executors.

Parquet, tables of lakes and of databases are read by Spark itself, which divides large files. Text files are read by Shortlist's own
reader, one file a task, by the same rules and with the same messages as on one machine: Spark's reader would change ids such as 007.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from shortlist.config.data import is_query
from shortlist.config.project import Project
from shortlist.data.tables import verbatim_columns
from shortlist.distributed.jdbc_table import jdbc_frame
from shortlist.distributed.on_executors import on_executors
from shortlist.engines.confined import is_file
from shortlist.engines.databases import is_database
from shortlist.engines.delta import is_delta
from shortlist.engines.duckdb import read_source
from shortlist.engines.job_error import first_line, job_error
from shortlist.engines.object_store import ObjectStore, is_object_store
from shortlist.engines.plain_types import plain_table
from shortlist.errors import DataError, ProjectError

FILE, ROW = "__shortlist_file", "__shortlist_row"
"""Columns with the file of a row, and with its number in it, from 0."""
TEXT = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".arrow", ".arrows", ".feather", ".ipc")
JARS = {
    "delta": "io.delta:delta-spark_2.13:4.0.0",
    "iceberg": "org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:1.10.0",
    "jdbc": "org.postgresql:postgresql:42.7.4",
    "s3a": "org.apache.hadoop:hadoop-aws:3.4.1",
}
"""Format → the package that reads it, where Spark comes without it."""
BATCH = 50_000
"""Rows of a text file that a task passes on at a time."""


@dataclass(frozen=True, repr=False)
class TableFrame:
    """A table on the executors.

    Attributes
    ----------
    frame
        A `pyspark.sql.DataFrame` with the columns of the table, `FILE` and `ROW`.
    name
        What to call the table in messages.
    notes
        What was not taken as it was written.
    rows
        The number of its rows; None where they were not counted.
    """

    frame: Any
    name: str
    notes: tuple[str, ...] = ()
    rows: int | None = None

    def __repr__(self) -> str:
        return f"TableFrame({self.name!r})"


def read_frame(session: Any, project: Project, role: Literal["events", "users"]) -> TableFrame:
    """Return a table of a project as a frame.

    Raises
    ------
    ProjectError
        The setting of `[data]` that names the table is empty.
    DataError
        The table is of a kind that executors cannot read, or cannot be read.
    """
    source, field = getattr(project.data, role), f"data.{role}"
    if not source:
        raise ProjectError(f"{field} is not set: name the table", field=field)
    if is_query(source) or source.lower().endswith(".sql") or project.data.database:
        raise DataError(
            f"{project.where(field)}{field}: a query and a table of a DuckDB file run on one machine; "
            "write the result as Parquet, and name that folder",
            field=field,
        )
    name = Path(source.partition("?")[0]).name or source
    if source.lower().removesuffix(".gz").endswith(TEXT):
        return _text_files(session, project, source, name)
    try:
        return TableFrame(_with_rows(_opened(session, source), not is_database(source)), name)
    except (DataError, ProjectError):
        raise
    except Exception as error:  # noqa: BLE001 - errors of the JVM and of gRPC have no class of their own here
        raise _reading_error(source, error) from None


def _opened(session: Any, source: str) -> Any:
    """Return a table that Spark itself reads."""
    reader = session.read
    if is_database(source):
        return jdbc_frame(session, source)
    if source.startswith("iceberg:"):
        return session.table(source.removeprefix("iceberg:"))
    local = "://" not in source
    path = str(Path(source).expanduser().absolute()) if local else source
    if source.startswith("s3://"):
        path = f"s3a://{source.removeprefix('s3://')}"
    if source.startswith("az://"):
        raise DataError(
            f"{source}: Spark reads Azure as abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH",
            "data.events",
        )
    if source.startswith("delta:") or (local and is_delta(Path(path))):
        return reader.format("delta").load(path.removeprefix("delta:"))
    if local and not is_file(path) and "*" not in path:
        raise DataError(f"{source}: no such file")
    # names of folders such as day=2025-01-01 are columns of texts, as on one machine
    session.conf.set("spark.sql.sources.partitionColumnTypeInference.enabled", "false")
    session.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    if local and Path(path).is_dir():
        reader = reader.option("pathGlobFilter", "*.parquet")
    return reader.option("mergeSchema", "true").parquet(path)


def arrow_schema(frame: Any) -> pa.Schema:
    """Return the columns of a frame as Arrow has them; times with a zone are moments, here in UTC."""
    from pyspark.sql.pandas.types import to_arrow_schema

    return to_arrow_schema(frame.schema, timezone="UTC")


def frame_schema(schema: pa.Schema) -> Any:
    """Return columns as Spark has them."""
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)


def _with_rows(frame: Any, in_files: bool = True) -> Any:
    """Add the file of each row and its number in the file; where Spark does not know them, a number that rises with the rows."""
    from pyspark.sql import functions as sql

    unknown = frame.select("*", sql.lit("").alias(FILE), sql.monotonically_increasing_id().alias(ROW))
    if not in_files:
        return unknown
    try:
        numbered = frame.select(
            "*", sql.col("_metadata.file_name").alias(FILE), sql.col("_metadata.row_index").alias(ROW)
        )
        numbered.schema  # noqa: B018 - an unknown column is an error of the analysis, which Spark Connect postpones
    except Exception:  # noqa: BLE001 - a table without files
        return unknown
    return numbered


def _reading_error(source: str, error: BaseException) -> DataError:
    """Say why Spark cannot read a table, and which package is missing."""
    text = str(error)
    wanted = {"delta": "delta", "iceberg": "iceberg", "suitable driver": "jdbc", "S3AFileSystem": "s3a"}
    for words, jar in wanted.items():
        if words in text and ("ClassNotFound" in text or "DATA_SOURCE_NOT_FOUND" in text or jar == "jdbc"):
            return DataError(
                f"{source}: Spark lacks the package that reads it; set spark.jars.packages = {JARS[jar]} in spark-defaults.conf "
                "(the version that fits your Spark)",
                field="data.events",
            )
    if "CANNOT_MERGE" in text:
        return DataError(
            f"{source}: its files differ in the type of a column{_differing(text)}; write each column with one type in all files",
            field="data.events",
        )
    return DataError(f"{source}: Spark cannot read it: {first_line(error)}", field="data.events")


def _differing(text: str) -> str:
    """Return the columns that differ in two schemas, of which an error of Spark shows both."""
    schemas = [
        dict(re.findall(r"`?([\w.]+)`?: ([A-Z][A-Z_0-9]*)", one)) for one in re.findall(r"STRUCT<(.*)>", text)
    ][:2]
    if len(schemas) < 2:
        return ""
    one, other = schemas
    found = [f"{name}: {kind}, {other[name]}" for name, kind in one.items() if other.get(name, kind) != kind]
    return f" ({'; '.join(found)})" if found else ""


# ---------------------------------------------------------------- text files


def _text_files(session: Any, project: Project, source: str, name: str) -> TableFrame:
    """Return text files as a frame, one file a task."""
    files = _names(source)
    if len(files) == 1 and "://" not in files[0] and not is_file(files[0]):
        raise DataError(f"{source}: no such file")
    tasks = session.createDataFrame(pa.table({"file": files})).repartition(len(files))
    try:
        found = tasks.mapInArrow(
            on_executors(partial(_describe, project)), "file string, schema binary, notes string"
        ).toArrow()
    except Exception as error:  # noqa: BLE001 - the error of a task
        if said := re.findall(r"DataError: (.+)", str(error)):
            raise DataError(said[-1], field="data.events") from None
        raise job_error(error) from None
    first, *others = found.to_pylist()
    schema = pa.ipc.read_schema(pa.py_buffer(first["schema"]))
    for other in others:
        own = pa.ipc.read_schema(pa.py_buffer(other["schema"]))
        if not own.equals(schema):
            raise DataError(
                f"{source}: {Path(other['file']).name} and {Path(first['file']).name} differ in their columns or types "
                f"({_difference(schema, own)}); write each column with one type in all files, or convert them to Parquet",
                field="data.events",
            )
    from pyspark.sql.pandas.types import from_arrow_schema
    from pyspark.sql.types import LongType, StringType

    of_spark = from_arrow_schema(schema).add(FILE, StringType()).add(ROW, LongType())
    notes = [note for one in (first, *others) for note in json.loads(one["notes"])]
    return TableFrame(
        tasks.mapInArrow(on_executors(partial(_read, project)), of_spark), name, tuple(notes[:100])
    )


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


def _describe(project: Project, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Find out columns and types of files. Runs on an executor."""
    for batch in batches:
        for file in batch.column("file").to_pylist():
            table, notes = _table(project, file)
            content = {
                "file": [file],
                "schema": [table.schema.remove_metadata().serialize().to_pybytes()],
                "notes": [json.dumps(notes)],
            }
            yield pa.RecordBatch.from_pydict(
                content, pa.schema([("file", "string"), ("schema", "binary"), ("notes", "string")])
            )


def _read(project: Project, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Read files. Runs on an executor."""
    for batch in batches:
        for file in batch.column("file").to_pylist():
            table, _ = _table(project, file)
            table = table.append_column(FILE, pa.array([Path(file).name] * table.num_rows, pa.string()))
            table = table.append_column(ROW, pa.array(range(table.num_rows), pa.int64()))
            yield from table.to_batches(BATCH)

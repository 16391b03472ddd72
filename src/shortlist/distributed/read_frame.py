"""Tables of a project as frames of Spark, read by the executors.

Spark itself reads Parquet of a disk or of Hadoop's file systems and databases, and divides large files. Text files, Parquet of object
stores, and Delta and Iceberg tables where Spark lacks their packages, are read by Shortlist's own readers on the executors, by the same rules and with
the same messages as on one machine: Spark's reader of texts would change ids such as 007, and for stores and lakes it needs packages.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from shortlist.config.data import is_query
from shortlist.config.project import Project
from shortlist.distributed.delta_frame import PACKAGE, delta_frame, has_delta
from shortlist.distributed.iceberg_frame import BEGIN, has_iceberg, iceberg_frame
from shortlist.distributed.iceberg_frame import PACKAGE as ICEBERG
from shortlist.distributed.jdbc_table import jdbc_frame
from shortlist.distributed.stored_parquet import stored_parquet
from shortlist.distributed.table_frame import FILE, ROW, TableFrame
from shortlist.distributed.text_frame import text_frame
from shortlist.engines.confined import is_file
from shortlist.engines.databases import is_database
from shortlist.engines.delta import is_delta
from shortlist.engines.job_error import first_line
from shortlist.engines.object_store import is_object_store
from shortlist.errors import DataError, ProjectError

TEXT = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".arrow", ".arrows", ".feather", ".ipc")
JARS = {
    "delta": PACKAGE,
    "iceberg": ICEBERG,
    "jdbc": "org.postgresql:postgresql:42.7.4",
    "s3a": "org.apache.hadoop:hadoop-aws:3.4.1",
}
"""Format → the package that reads it, where Spark comes without it."""


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
        return text_frame(session, project, source, name)
    folder = source.removeprefix("delta:")
    if (folder != source or is_delta(Path(folder).expanduser())) and not has_delta(session):
        return delta_frame(
            session, folder if "://" in folder else str(Path(folder).expanduser().absolute()), name
        )
    if source.startswith(BEGIN) and not has_iceberg(session, source):
        return iceberg_frame(session, source, name)
    if is_object_store(source):
        return stored_parquet(session, source, name)
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
    if source.startswith(BEGIN):
        return session.table(source.removeprefix(BEGIN))
    local = "://" not in source
    path = str(Path(source).expanduser().absolute()) if local else source
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

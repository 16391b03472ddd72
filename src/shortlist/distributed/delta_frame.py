"""Delta tables as frames of Spark."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from shortlist.distributed.parquet_pieces import ParquetFile, read_pieces, type_of
from shortlist.distributed.table_frame import TableFrame
from shortlist.errors import DataError, import_extra

UNDERSTOOD = {"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"}
"""Features of a Delta table that need nothing of the reader of its files."""
PACKAGE = "io.delta:delta-spark_2.13:4.0.0"
EXTENSION = "io.delta.sql.DeltaSparkSessionExtension"


def has_delta(session: Any) -> bool:
    """Return whether a session reads Delta tables by itself."""
    return EXTENSION in str(session.conf.get("spark.sql.extensions", ""))


def delta_frame(session: Any, path: str, name: str) -> TableFrame:
    """Return the latest version of a Delta table, whose files executors read: its log says on the driver which they are.

    Parameters
    ----------
    session
        The Spark session.
    path
        The folder, a path that all executors see, or the address of one in an object store.
    name
        What to call the table.

    Raises
    ------
    MissingExtraError
        The library `deltalake` is not installed.
    DataError
        The table cannot be read, has no rows, or has features that need the package of Spark.
    """
    deltalake = import_extra("deltalake", "delta")
    try:
        table = deltalake.DeltaTable(path)
        files, columns = pa.table(table.get_add_actions(flatten=True)), pa.schema(table.schema().to_arrow())
    except (deltalake.exceptions.DeltaError, OSError, ValueError) as error:
        raise DataError(
            f"{path}: the Delta table cannot be read: {' '.join(str(error).split())}", field="data.events"
        ) from None
    protocol = table.protocol()
    features = {*(protocol.reader_features or ())} - UNDERSTOOD
    if protocol.min_reader_version == 2:
        features.add("columnMapping")
    if features:
        raise DataError(
            f"{path}: the Delta table has {', '.join(sorted(features))}, which the package of Spark reads; set spark.jars.packages = {PACKAGE} "
            f"and spark.sql.extensions = {EXTENSION} in spark-defaults.conf (the version that fits your Spark)",
            field="data.events",
        )
    if not files.num_rows:
        raise DataError(f"{path}: the Delta table has no rows", field="data.events")
    root, begin = path.rstrip("/"), "partition."
    given = [
        ParquetFile(
            f"{root}/{unquote(one['path'])}",
            one["size_bytes"],
            {column.removeprefix(begin): value for column, value in one.items() if column.startswith(begin)},
        )
        for one in files.to_pylist()
    ]
    schema = pa.schema([(field.name, type_of(path, field)) for field in columns])
    note = f"{path}: version {table.version()} of the Delta table"
    return TableFrame(read_pieces(session, given, schema), name, (note,))

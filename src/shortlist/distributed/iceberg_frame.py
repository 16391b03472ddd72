"""Iceberg tables as frames of Spark."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from shortlist.distributed.parquet_pieces import ParquetFile, read_pieces, type_of
from shortlist.distributed.table_frame import TableFrame
from shortlist.errors import DataError, import_extra

BEGIN = "iceberg:"
PACKAGE = "org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:1.10.0"
VERSIONS = (1, 2)
"""Versions of the format that are understood."""
SCHEMES = {"file": "", "s3": "s3://", "s3a": "s3://", "gs": "gs://", "abfss": "az://", "az": "az://"}
"""Scheme of a file in the catalogue → what Shortlist's reader calls it."""
PLAIN = (str, int, bool)
"""Values of a partition that are those of its column."""


def has_iceberg(session: Any, source: str) -> bool:
    """Return whether the session of Spark has the catalogue of a table."""
    catalog = source.removeprefix(BEGIN).partition(".")[0]
    return bool(session.conf.get(f"spark.sql.catalog.{catalog}", ""))


def iceberg_frame(session: Any, source: str, name: str) -> TableFrame:
    """Return the latest snapshot of an Iceberg table, whose files executors read: its catalogue says on the driver which they are.

    Parameters
    ----------
    session
        The Spark session.
    source
        `iceberg:CATALOG.NAMESPACE.TABLE`. PyIceberg finds the catalogue, by `.pyiceberg.yaml` or `PYICEBERG_CATALOG__NAME__URI`.
    name
        What to call the table.

    Raises
    ------
    MissingExtraError
        The library `pyiceberg` is not installed.
    DataError
        The table cannot be read, has no rows, or has what only the package of Spark reads.
    """
    catalogs = import_extra("pyiceberg.catalog", "iceberg")
    catalog, _, path = source.removeprefix(BEGIN).partition(".")
    try:
        table = catalogs.load_catalog(catalog).load_table(path)
        scan = table.scan()
        tasks = list(scan.plan_files())
    except Exception as error:  # noqa: BLE001 - each kind of catalogue has errors of its own
        said = " ".join(str(error).split())[:300]
        if "equality delete" in said:
            raise _only_by_spark(source, "equality deletes") from None
        raise DataError(f"{source}: the Iceberg table cannot be read: {said}", field="data.events") from None
    _check(source, table, tasks)
    names = {field.field_id: field.name for field in scan.projection().fields}
    columns = [(one.name, type_of(source, one)) for one in scan.projection().as_arrow()]
    files = [
        ParquetFile(
            _place(source, task.file.file_path),
            task.file.file_size_in_bytes,
            _values(table, task.file),
            names,
        )
        for task in tasks
    ]
    note = f"{source}: snapshot {scan.snapshot().snapshot_id} of the Iceberg table"
    return TableFrame(read_pieces(session, files, pa.schema(columns)), name, (note,))


def _check(source: str, table: Any, tasks: list[Any]) -> None:
    """Raise `DataError` for a table without rows, and for what pieces of Parquet do not say."""
    if table.format_version not in VERSIONS:
        raise _only_by_spark(source, f"version {table.format_version} of the format")
    if not tasks:
        raise DataError(f"{source}: the Iceberg table has no rows", field="data.events")
    if deleted := sum(bool(task.delete_files) for task in tasks):
        raise _only_by_spark(source, f"deletes that are not merged with the rows of {deleted:,} files")
    other = {str(task.file.file_format).rpartition(".")[2] for task in tasks} - {"PARQUET"}
    if other:
        raise _only_by_spark(source, f"files of {', '.join(sorted(other))}")


def _only_by_spark(source: str, what: str) -> DataError:
    return DataError(
        f"{source}: the Iceberg table has {what}, which the package of Spark reads: set spark.jars.packages = {PACKAGE} and the "
        "catalogue (spark.sql.catalog.NAME) in spark-defaults.conf (the version that fits your Spark). Deletes can also be merged by the "
        "procedure rewrite_data_files",
        field="data.events",
    )


def _place(source: str, path: str) -> str:
    """Return the path or the address of a file as Shortlist's reader takes it."""
    scheme, found, rest = path.partition("://")
    if not found:
        return path.removeprefix("file:")
    if scheme not in SCHEMES:
        raise _only_by_spark(source, f"files of {scheme}://")
    if scheme == "abfss":  # container@account.dfs.core.windows.net/path
        container, _, rest = rest.partition("@")
        rest = f"{container}/{rest.partition('/')[2]}"
    return f"{SCHEMES[scheme]}{rest}"


def _values(table: Any, file: Any) -> dict[str, Any]:
    """Return the columns that a partition gives to its rows: a file that was added to the table may lack them."""
    fields = table.specs()[file.spec_id].fields
    schema = table.schema()
    found = {}
    for at, field in enumerate(fields):
        column = schema.find_column_name(field.source_id)
        if (
            str(field.transform) == "identity"
            and column is not None
            and isinstance(file.partition[at], PLAIN)
        ):
            found[column] = file.partition[at]
    return found

"""Delta tables: a folder of Parquet files with a log that says which of them are the table now."""

from __future__ import annotations

from pathlib import Path

from shortlist.engines.reading import TableReading
from shortlist.errors import DataError, import_extra


def is_delta(path: Path) -> bool:
    """Return whether a folder is a Delta table."""
    return (path / "_delta_log").is_dir()


def read_delta(path: Path, source: str) -> TableReading:
    """Read the latest version of a Delta table (extra `delta`).

    Its Parquet files are not read by themselves: those of rows that were deleted or replaced are still there.

    Raises
    ------
    MissingExtraError
        The library `deltalake` is not installed.
    DataError
        The table cannot be read.
    """
    deltalake = import_extra("deltalake", "delta")
    try:
        table = deltalake.DeltaTable(str(path))
        read = table.to_pyarrow_table()
    except (deltalake.exceptions.DeltaError, OSError, ValueError) as error:
        raise DataError(f"{source}: the Delta table cannot be read: {' '.join(str(error).split())}") from None
    return TableReading(read, (f"{source}: version {table.version()} of the Delta table",))

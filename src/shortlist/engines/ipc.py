"""Arrow IPC: files (.arrow, .feather) and streams (.arrows) of record batches."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa

from shortlist.engines.reading import TableReading
from shortlist.errors import DataError

SUFFIXES = (".arrow", ".feather", ".arrows", ".ipc")
_FILE = b"ARROW1"
"""A file begins with these bytes, and a stream does not."""
_FEATHER_1 = b"FEA1"


def is_ipc(path: Path) -> bool:
    """Return whether a file is Arrow IPC by its name."""
    return path.suffix.lower() in SUFFIXES


def read_ipc(path: Path, source: str) -> TableReading:
    """Read an Arrow IPC file or stream. Raises `DataError` where it is neither, or has two columns of one name."""
    try:
        with pa.OSFile(str(path)) as file:
            start = file.read(len(_FILE))
            file.seek(0)
            reader = pa.ipc.open_file(file) if start == _FILE else pa.ipc.open_stream(file)
            table = reader.read_all()
    except (pa.ArrowException, OSError) as error:
        old = start[:4] == _FEATHER_1
        what = "it is Feather of version 1; write it as version 2" if old else " ".join(str(error).split())
        raise DataError(f"{source}: Arrow cannot read it: {what}") from None
    for name, count in Counter(name.lower() for name in table.column_names).items():
        if count > 1:
            raise DataError(
                f"{source}: {count} columns have the name {name!r} but for upper and lower case; rename or remove all but one",
                field=name,
            )
    return TableReading(table)

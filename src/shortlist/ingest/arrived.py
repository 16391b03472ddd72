"""A file that arrived, as a table, before its rows are looked at."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from shortlist.config.project import Project
from shortlist.data.tables import verbatim_columns
from shortlist.engines.delimited import identifies
from shortlist.engines.duckdb import connect, read_source
from shortlist.engines.json_lines import is_json, read_json
from shortlist.engines.plain_types import plain_table
from shortlist.engines.reading import TableReading
from shortlist.store.intake import RejectedRecord


def read_arrived(
    path: Path, name: str, project: Project | None, whole: frozenset[str] | None = None
) -> tuple[TableReading, list[RejectedRecord]]:
    """Return a file as a table, and its lines that are no rows. Raises `DataError` where it cannot be read.

    `name`: what to call it. `whole`: columns of a JSON file whose objects stay JSON texts; the reading then says which keys each row has.
    """
    verbatim = identifies if project is None else verbatim_columns(project)
    encoding = None if project is None else project.data.encoding
    if whole is not None and is_json(path):
        with connect() as connection:
            reading = read_json(connection, path, name, verbatim, whole)
        reading = replace(reading, table=plain_table(reading.table, name))
    else:
        reading = read_source(str(path), verbatim=verbatim, encoding=encoding)
    now = int(time.time() * 1000)
    lines = [
        RejectedRecord(name, 0, f"line {line.line}: {line.what}", "", line.text, None, now)
        for line in reading.bad_lines
    ]
    return reading, lines

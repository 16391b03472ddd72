"""Columns and types of files that executors read with Shortlist's own readers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa

from shortlist.distributed.on_executors import on_executors
from shortlist.engines.job_error import job_error
from shortlist.errors import DataError

DESCRIPTION = pa.schema([("file", pa.string()), ("schema", pa.binary()), ("notes", pa.string())])


class DescribedFile(NamedTuple):
    """A file, its columns, and what was not taken as it was written."""

    file: str
    schema: pa.Schema
    notes: list[str]


Describe = Callable[[str], tuple[pa.Schema, list[str]]]
"""A file → its columns, and notes. Runs on an executor."""


def described(session: Any, files: list[str], describe: Describe, tasks: int) -> list[DescribedFile]:
    """Describe files on the executors. The driver gets one row a file.

    Raises
    ------
    DataError
        A file cannot be read.
    EngineError
        The job failed.
    """
    given = session.createDataFrame(pa.table({"file": files})).repartition(tasks)
    try:
        found = given.mapInArrow(
            on_executors(partial(_describe, describe)), "file string, schema binary, notes string"
        ).toArrow()
    except Exception as error:  # noqa: BLE001 - the error of a task
        if said := re.findall(r"DataError: (.+)", str(error)):
            raise DataError(said[-1], field="data.events") from None
        raise job_error(error) from None
    place = {file: number for number, file in enumerate(files)}
    return sorted(
        (
            DescribedFile(
                one["file"], pa.ipc.read_schema(pa.py_buffer(one["schema"])), json.loads(one["notes"])
            )
            for one in found.to_pylist()
        ),
        key=lambda one: place[one.file],
    )


def _describe(describe: Describe, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for file in batch.column("file").to_pylist():
            schema, notes = describe(file)
            content = {
                "file": [file],
                "schema": [schema.remove_metadata().serialize().to_pybytes()],
                "notes": [json.dumps(notes)],
            }
            yield pa.RecordBatch.from_pydict(content, DESCRIPTION)

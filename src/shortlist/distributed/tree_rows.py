"""The rows of a job of boosting on their way to executors: divided by whole requests, as blocks of compressed columns.

The driver keeps the features as one matrix, of 4 bytes a row and feature. They travel as Arrow tables of about `BLOCK` bytes, compressed,
and in each of them the rows of whole requests of one worker: Java moves blocks and never looks into them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.rank.gbdt.boosting_data import BinnedFeatures
from shortlist.rank.gbdt.tree_job import JobRows

BLOCK = 16_000_000
"""Bytes of features in a block, before compression."""
NAMES = ["worker", "validation", "place", "rows"]
"""Of a block: the key of the worker that gets it, the side, its place among the blocks of that side, and an Arrow table."""
REQUEST, PARENT = "request", "parent"


def parts_of(request: NDArray[np.int64], parts: int) -> list[slice]:
    """Divide rows into parts of about the same number of rows, each of whole requests; rows of a request are adjacent.

    Some parts are empty where there are fewer requests than parts.
    """
    starts = np.append(np.flatnonzero(np.diff(request, prepend=-1)), len(request))
    wanted = np.arange(parts + 1) * len(request) // parts
    ends = starts[np.searchsorted(starts, wanted)]
    return [slice(int(begin), int(end)) for begin, end in itertools.pairwise(ends)]


def blocks_of_rows(rows: JobRows, validation: bool, workers: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """Yield rows as blocks of `NAMES`. workers: the key of each worker that gets a part."""
    most = max(BLOCK // (4 * max(len(rows.features.types), 1)), 1)
    for key, part in zip(workers, parts_of(rows.request, len(workers)), strict=True):
        size = part.stop - part.start
        for place, own in enumerate(parts_of(rows.request[part], -(-size // most)) if size else ()):
            here = slice(part.start + own.start, part.start + own.stop)
            if here.start < here.stop:
                yield _block(rows, here, (key, validation, place))


def _block(rows: JobRows, part: slice, name: tuple[int, bool, int]) -> pa.RecordBatch:
    columns = {str(at): column for at, column in enumerate(rows.features.values[part].T)}
    columns |= {f"label {at}": label[part] for at, label in enumerate(rows.labels)}
    columns |= {f"factor {at}": factor[part] for at, factor in enumerate(rows.factors)}
    columns[REQUEST] = rows.request[part]
    if rows.parent is not None:
        columns[PARENT] = rows.parent[part]
    table = pa.table({key: np.ascontiguousarray(column) for key, column in columns.items()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    key, validation, place = name
    return pa.RecordBatch.from_arrays(
        [
            pa.array([key], pa.int32()),
            pa.array([validation], pa.bool_()),
            pa.array([place], pa.int32()),
            pa.array([sink.getvalue().to_pybytes()], pa.binary()),
        ],
        names=NAMES,
    )


@dataclass(frozen=True)
class RowShape:
    """What blocks do not say of the rows in them.

    Attributes
    ----------
    types, signs
        Of the features.
    heads
        How many the model has.
    parent
        Whether another model predicts the objective that the head requires.
    """

    types: list[str]
    signs: tuple[int, ...] | None
    heads: int
    parent: bool

    @classmethod
    def of(cls, rows: JobRows) -> RowShape:
        """Return the shape of rows."""
        features = rows.features
        return cls(list(features.types), features.signs, len(rows.labels), rows.parent is not None)

    def no_rows(self) -> JobRows:
        """Return no rows of this shape."""
        return self._joined({})

    def rows(self, batches: Iterator[pa.RecordBatch]) -> tuple[JobRows, JobRows]:
        """Put the blocks of one worker together: its training and its validation rows. Runs on an executor."""
        found: dict[bool, dict[int, pa.Buffer]] = {False: {}, True: {}}
        for batch in batches:
            _, validation, place, rows = batch.columns
            for side, at, block in zip(validation.to_pylist(), place.to_pylist(), rows, strict=True):
                found[side][at] = block.as_buffer()
        return self._joined(found[False]), self._joined(found[True])

    def _joined(self, blocks: dict[int, pa.Buffer]) -> JobRows:
        tables = [pa.ipc.open_stream(blocks.pop(place)).read_all() for place in sorted(blocks)]
        size = sum(table.num_rows for table in tables)
        values = np.empty((size, len(self.types)), np.float32)
        for at in range(len(self.types)):
            values[:, at] = _column(tables, str(at), np.float32)
        return JobRows(
            BinnedFeatures(values, self.types, self.signs),
            _column(tables, REQUEST, np.int64),
            tuple(_column(tables, f"label {at}", np.float32) for at in range(self.heads)),
            tuple(_column(tables, f"factor {at}", np.float32) for at in range(self.heads)),
            _column(tables, PARENT, np.float32) if self.parent else None,
        )


def _column(tables: Sequence[pa.Table], name: str, empty: type[np.generic]) -> NDArray[Any]:
    """Return a column of tables that follow one another, of their own type; where there is no table, of another one."""
    if not tables:
        return np.empty(0, empty)
    return np.concatenate([table.column(name).to_numpy() for table in tables])

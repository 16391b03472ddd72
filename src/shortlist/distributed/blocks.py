"""Sums of many keys that tasks add up in blocks: a block travels as one row, whose bytes are an Arrow table.

A shuffle of Spark that adds up one row a key takes Java some microseconds for each row, again on every side. Here tasks divide their
keys into blocks, the shuffle moves a row a task and block, and the task that gets all rows of a block adds them up in Python.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pyarrow as pa

from shortlist.distributed.on_executors import on_executors
from shortlist.distributed.whole_log import collected

BLOCKS = "block int, rows binary"
ROWS_AT_ONCE = 1_000_000
"""About so many rows of a block wait to be added up, or as many as its sums have."""
Merge = Callable[[Iterator[pa.Table]], pa.Table]
"""The tables of one block → their sum. Runs on an executor."""


def block_batch(block: int, table: pa.Table) -> pa.RecordBatch:
    """Return a table as the row of a block."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content = pa.array([sink.getvalue().to_pybytes()], pa.binary())
    return pa.RecordBatch.from_arrays([pa.array([block], pa.int32()), content], names=["block", "rows"])


def blocks_of(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, pa.Table]]:
    """Yield the number and the table of each row of `BLOCKS`."""
    for batch in batches:
        for block, rows in zip(batch.column("block"), batch.column("rows"), strict=True):
            yield block.as_py(), pa.ipc.open_stream(rows.as_buffer()).read_all()


def merged(parts: Any, merge: Merge) -> Any:
    """Return a frame of `BLOCKS` with one row a block, from one with those of all tasks."""
    divided = parts.repartition("block").sortWithinPartitions("block")
    return divided.mapInArrow(on_executors(partial(merge_blocks, merge)), BLOCKS)


def merge_blocks(merge: Merge, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Merge the rows of each block, which follow one another. Runs on an executor."""
    for block, rows in itertools.groupby(blocks_of(batches), key=lambda row: row[0]):
        yield block_batch(block, merge(table for _, table in rows))


def added_up(add: Callable[[pa.Table], pa.Table], tables: Iterator[pa.Table]) -> pa.Table:
    """Add up the tables of a block, some at a time. Runs on an executor.

    Each task of the log sends one: there are as many as the log is long, and all of them would not fit the memory of a task. Together, the sums
    are added up about as often as the logarithm of the number of tables.

    Parameters
    ----------
    add
        The rows of some tables, or of sums → their sums.
    tables
        At least one.
    """
    waiting, rows = list[pa.Table](), 0
    for table in tables:
        waiting.append(table)
        rows += table.num_rows
        if rows >= max(ROWS_AT_ONCE, 2 * waiting[0].num_rows) and len(waiting) > 1:
            waiting = [add(pa.concat_tables(waiting))]
            rows = waiting[0].num_rows
    return add(pa.concat_tables(waiting))


def collected_blocks(frame: Any) -> pa.Table | None:
    """Return the rows of all blocks, of which the caller knows that they are few; None where there is no block."""
    tables = [table for _, table in blocks_of(iter(collected(frame).to_batches()))]
    return pa.concat_tables(tables) if tables else None

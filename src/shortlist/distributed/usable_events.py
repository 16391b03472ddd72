"""Validation on the executors: the rules and messages of one machine, applied to the part of a table that a task reads."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.config.project import Project
from shortlist.config.short_repr import ShortRepr
from shortlist.data.check import Check
from shortlist.data.event_check import UsableEvents, check_events
from shortlist.data.prepare import prepare_events
from shortlist.data.row_marks import ROW as ROW_MARK
from shortlist.data.row_marks import row_numbers
from shortlist.distributed.findings import Findings
from shortlist.distributed.table_frame import FILE, ROW
from shortlist.engines.plain_types import plain_table
from shortlist.errors import DataError

USER, ITEM, TIME, KIND = "__shortlist_user", "__shortlist_item", "__shortlist_time", "__shortlist_kind"
VALUE, ARRIVAL = "__shortlist_value", "__shortlist_arrival"
FIRST, FOUND = "__shortlist_first", "__shortlist_found"
"""Columns of usable events: what an event is, whether it is the first of its row, and, in the last row of a task, what was found."""
AT_ONCE = 250_000
"""Rows that are checked together. A part decides how its times are written; the parts must agree (`Findings.check`)."""


@dataclass(frozen=True, repr=False)
class PartCheck(ShortRepr):
    """The settings by which a task checks its part of the events.

    Attributes
    ----------
    project
        Settings.
    name
        What to call the table.
    columns
        The columns of the table that the project uses.
    items
        The ids of the items table in the order of their codes; None where there is none. With them, events get codes of items, and else ids.
    users
        The type of the ids of the users table; None where there is none.
    schema
        What a task returns.
    now
        The present, ms: the same in all tasks, and where a task is done again.
    """

    project: Project
    name: str
    columns: tuple[str, ...]
    items: pa.Array | None
    users: pa.DataType | None
    schema: pa.Schema
    now: int

    def rows(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the usable events of a part, and what was found in it. Runs on an executor."""
        found = Findings()
        for table in tables_of_files(batches, AT_ONCE):
            usable, events, own = self._check(table)
            found.add(own)
            if usable is not None and events is not None:
                yield from self._rows(table, events, usable).to_batches()
        last = {name: [None] for name in self.schema.names} | {FOUND: [found.to_json()]}
        yield pa.RecordBatch.from_pydict(last, self.schema)

    def _check(self, table: pa.Table) -> tuple[UsableEvents | None, pa.Table | None, Findings]:
        file = table.column(FILE)[0].as_py() or ""
        name = self.name if file in {"", self.name} else f"{self.name}/{file}"
        about = Check()
        try:
            rows = plain_table(table.drop_columns([FILE, ROW]), name).append_column(
                ROW_MARK, table.column(ROW)
            )
            project, events = prepare_events(self.project, rows, name, about)
            users = None if self.users is None else pa.array([], self.users)
            usable, check = check_events(events, project, name, self.items, users, self.now)
        except DataError as error:
            about.problems = [problem for problem in about.problems if problem.level != "error"]
            about.add_error(name, error.field or "", error.message.removeprefix(f"{name}: "))
            return None, None, Findings.of(about, None)
        check.begin_with(about)
        return usable, events, Findings.of(check, usable)

    def _rows(self, table: pa.Table, events: pa.Table, usable: UsableEvents) -> pa.Table:
        """Return usable events with the columns of their rows."""
        given = table.column(ROW).to_numpy()
        numbers = row_numbers(events)[usable.rows]
        rows = np.searchsorted(given, numbers)
        first = np.zeros(len(rows), bool)
        first[np.unique(rows, return_index=True)[1]] = True
        taken = table.select([*self.columns, FILE, ROW]).take(pa.array(rows))
        added: dict[str, Any] = {
            USER: usable.user,
            ITEM: usable.item,
            TIME: pa.array(usable.time),
            KIND: usable.kind,
            VALUE: pa.array(usable.value),
            ARRIVAL: pa.array(usable.time if usable.arrival is None else usable.arrival),
            FIRST: pa.array(first),
            FOUND: pa.nulls(len(rows), pa.string()),
        }
        for name, column in added.items():
            taken = taken.append_column(name, column)
        if self.items is not None:
            codes = pc.index_in(usable.item, value_set=self.items.cast(usable.item.type))
            taken = taken.set_column(taken.column_names.index(ITEM), ITEM, codes)
        return taken.select(self.schema.names).cast(self.schema)


def check_part(part: PartCheck, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the usable events of a part, and what was found in it. Runs on an executor."""
    yield from part.rows(batches)


def join_findings(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the findings of all parts as one row: there are as many parts as the table is long. Runs on an executor."""
    found = Findings()
    for batch in batches:
        for text in batch.column(FOUND).to_pylist():
            found.add(Findings.from_json(text))
    yield pa.RecordBatch.from_pydict({FOUND: [found.to_json()]})


def is_kind(kinds: Sequence[str], at_least: float | None = None) -> Any:
    """Return the condition of Spark by which events are of these kinds, with at least this value; as `Log.is_kind`."""
    from pyspark.sql import functions as sql

    mine = sql.col(KIND).isin(list(kinds))
    if at_least is None:
        return mine
    # values have 32 bits, and are compared as such on one machine
    return mine & ~sql.isnan(VALUE) & (sql.col(VALUE).cast("double") >= float(np.float32(at_least)))


def tables_of_files(batches: Iterator[pa.RecordBatch], size: int) -> Iterator[pa.Table]:
    """Join batches to tables of about `size` rows, each of one file."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        for part in _by_file(batch):
            same = not waiting or waiting[-1].column(FILE)[0] == part.column(FILE)[0]
            if waiting and (not same or sum(map(len, waiting)) + len(part) > size):
                yield pa.Table.from_batches(waiting)
                waiting = []
            waiting.append(part)
    if waiting:
        yield pa.Table.from_batches(waiting)


def _by_file(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Divide a batch where the file of its rows changes."""
    if not len(batch):
        return
    codes = batch.column(FILE).dictionary_encode().indices.to_numpy(zero_copy_only=False)
    edges = [0, *(1 + np.flatnonzero(np.diff(codes))).tolist(), len(batch)]
    for low, high in itertools.pairwise(edges):
        yield batch.slice(low, high - low)

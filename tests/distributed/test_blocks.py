"""Blocks of sums are added up a few at a time, however many tasks have sent one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.distributed import blocks
from shortlist.distributed.blocks import added_up
from shortlist.features.past_events import SummedEvents

Rows = list[tuple[int, int, int]]
SUMS = ("mark", "last", "value", "n", "total")


def summed(table: pa.Table) -> pa.Table:
    return SummedEvents.of(*(table.column(name).to_numpy() for name in SUMS)).table()


def events(rows: Rows) -> pa.Table:
    """Events before a mark (mark, time, value), each as the sum of itself."""
    mark, time, value = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    return SummedEvents.of(mark, time, value, np.ones(len(mark), np.int64), value).table()


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=8),
        min_size=1,
        max_size=60,
    )
)
def test_the_sums_are_those_of_all_rows_and_few_rows_are_held(tasks: list[Rows]) -> None:
    held = []

    def add(table: pa.Table) -> pa.Table:
        held.append(table.num_rows)
        return summed(table)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blocks, "ROWS_AT_ONCE", 12)
        found = added_up(add, (events(rows) for rows in tasks))
    assert found.equals(events([row for rows in tasks for row in rows]))
    # ten marks have at most ten sums: twice as many, and one more table
    assert max(held) <= 20 + 8

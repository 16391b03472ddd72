"""Running sums of events at marks."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.engines.duckdb import DuckDBEngine
from shortlist.features.running import Marks, running_sums
from support.sizes import size

ENGINE = DuckDBEngine()
pair = st.tuples(st.integers(0, 3), st.integers(0, 9))
event = st.tuples(
    pair, st.sampled_from([1, 1, -1]), st.integers(-5, 5), st.one_of(st.none(), st.integers(0, 99))
)


@settings(max_examples=size(25, 200), deadline=None)
@given(st.lists(event, max_size=30), st.lists(pair, min_size=1, max_size=12))
def test_sums_are_of_the_events_strictly_before_each_mark(
    events: list[tuple[tuple[int, int], int, int, int | None]], asked: list[tuple[int, int]]
) -> None:
    keys, times = np.array([e[0] for e in events], np.int64).reshape(-1, 2).T
    table = pa.table(
        {
            "key": keys,
            "t": times,
            "n": pa.array([e[1] for e in events], pa.int64()),
            "v": pa.array([e[2] for e in events], pa.int64()),
            "place": pa.array([e[3] for e in events], pa.int64()),
        }
    )
    marks = Marks.of(*np.array(asked, np.int64).T)
    found = running_sums(ENGINE, table, marks)
    for (key, moment), at in zip(asked, marks.inverse.tolist(), strict=True):
        before = [e for e in events if e[0][0] == key and e[0][1] < moment]
        assert found.n[at] == sum(e[1] for e in before)
        assert found.total[at] == sum(e[2] for e in before)
        assert found.place[at] == max((e[3] for e in before if e[3] is not None), default=-1)

"""Histories as of a moment."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shortlist.data.histories import Histories, as_of


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), max_size=40),
    st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 22)), min_size=1, max_size=20),
)
def test_as_of_is_strictly_before(events: list[tuple[int, int]], asked: list[tuple[int, int]]) -> None:
    events = sorted(events, key=lambda e: e[1])
    owner, time = np.array([e[0] for e in events], np.int64), np.array([e[1] for e in events], np.int64)
    item = np.arange(len(events), dtype=np.int32)
    histories = Histories.of(
        owner, 4, item, time, np.zeros(len(events), np.int16), np.zeros(len(events), np.float32)
    )
    past = as_of(histories, np.array([a[0] for a in asked]), np.array([a[1] for a in asked]))
    for row, (who, moment) in enumerate(asked):
        expected = [i for i, (u, t) in enumerate(events) if u == who and t < moment]
        assert past.item[past.indptr[row] : past.indptr[row + 1]].tolist() == expected

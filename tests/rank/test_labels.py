"""Labels of objectives."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shortlist.config.objectives import Objective
from shortlist.data.log import Log
from shortlist.rank.labels import ObjectiveEvents, labels


def log_of(rows: list[tuple[int, int, int, float]]) -> Log:
    user, item, time, value = (np.array(c) for c in zip(*rows, strict=True))
    n = len(rows)
    return Log(
        ["play"],
        user.astype(np.int32),
        item.astype(np.int32),
        time.astype(np.int64),
        np.zeros(n, np.int16),
        value.astype(np.float32),
        np.full(n, -1, np.int32),
        np.full(n, -1, np.int16),
        np.full(n, np.nan, np.float32),
    )


LOG = log_of([(0, 0, 1_000, 2.0), (0, 0, 5_000, 4.0), (0, 1, 90_000, 1.0), (1, 0, 2_000, 5.0)])


def test_labels_computed_by_hand() -> None:
    users, items, moments = (
        np.array([0, 0, 0, 1, 1]),
        np.array([0, 0, 1, 0, 1]),
        np.array([500, 1_000, 500, 2_500, 0]),
    )
    minute = {"events": ["play"], "window": "1m"}
    assert labels(LOG, Objective(**minute), users, items, moments).tolist() == [1, 1, 0, 0, 0]
    assert labels(LOG, Objective(kind="amount", **minute), users, items, moments).tolist() == [6, 4, 0, 0, 0]
    grades = labels(LOG, Objective(kind="grade", **minute), users, items, moments)
    assert grades[:2].tolist() == [2, 4]
    assert np.isnan(grades[2:]).all()
    assert labels(
        LOG, Objective(events=["play"], window="1m", at_least=3.0), users, items, moments
    ).tolist() == [1, 1, 0, 0, 0]


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 100), st.integers(-3, 5)),
        min_size=1,
        max_size=30,
    ),
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(-5, 105),
)
def test_labels_equal_those_of_a_loop(
    rows: list[tuple[int, int, int, int]], user: int, item: int, moment: int
) -> None:
    rows = sorted(rows, key=lambda r: r[2])
    log = log_of([(u, i, t * 1000, float(v)) for u, i, t, v in rows])
    followed = [v for u, i, t, v in rows if (u, i) == (user, item) and moment < t <= moment + 30]
    row = np.array([user]), np.array([item]), np.array([moment * 1000])
    assert labels(log, Objective(events=["play"], window="30s"), *row)[0] == float(bool(followed))
    assert labels(log, Objective(kind="amount", events=["play"], window="30s"), *row)[0] == max(
        0, sum(followed)
    )


def test_sorted_events_answer_several_batches() -> None:
    """One object for all batches; users, items and moments that the log does not have are followed by nothing."""
    events = ObjectiveEvents.of(LOG, Objective(events=["play"], window="1m", kind="amount"))
    first = events.followed(np.array([0, 1]), np.array([0, 0]), np.array([500, 1_999]))
    assert first.label.tolist() == [6, 5]
    assert first.delay.tolist() == [500, 1]
    moments = np.array([-(10**12), 10**13, 2_000, 1_500, 0])
    second = events.followed(np.array([0, 0, 1, 7, 0]), np.array([0, 0, 0, 0, 9]), moments)
    assert second.label.tolist() == [0] * 5
    assert second.delay.tolist() == [-1] * 5
    none = ObjectiveEvents.of(LOG, Objective(events=["buy"], window="1m"))
    assert none.followed(np.array([0]), np.array([0]), np.array([0])).label.tolist() == [0]

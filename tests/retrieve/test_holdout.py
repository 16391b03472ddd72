"""When the requests of a hold-out are made: at its beginning, or just after what each user is known to have done."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.retrieve.fusion.holdout import after_history, hold_out


def dataset() -> Dataset:
    """Return two users: `a` at 0, 10, 20, 30 and 40 s, `b` at 5, 15, 25, 35 and 45 s."""
    rows = [(user, f"i{at}", 1.6e9 + 10.0 * at + 5 * (user == "b")) for user in "ab" for at in range(5)]
    names = ("user_id", "item_id", "timestamp")
    return Dataset.from_frames(pa.table({name: [row[n] for row in rows] for n, name in enumerate(names)}))


def seconds(moments: NDArray[np.int64]) -> list[float]:
    found: list[float] = ((moments - 1_600_000_000_000) / 1000).tolist()
    return found


def test_each_user_is_asked_for_after_the_last_event_that_is_known() -> None:
    """The last event of each is held out, so that those before it, at 30 and 35 s, are the last ones known."""
    found = hold_out(dataset(), "last", 0.2)
    assert seconds(found.moments) == [30.001, 35.001]


def test_a_hold_out_in_time_is_asked_for_at_its_beginning() -> None:
    """The last three events: at 35, 40 and 45 s."""
    found = hold_out(dataset(), "time", 0.3)
    assert seconds(found.moments) == [35, 35]


def test_users_without_events_are_asked_for_at_the_end() -> None:
    known = dataset()
    assert seconds(after_history(known, np.array([0, -1, 1]))) == [40.001, 45.001, 45.001]


def test_the_least_hold_out_is_one_event_of_each_user() -> None:
    """A fifth of the events of a user with ten of them are two; a share of 0 is one."""
    found = [hold_out(of_ten(), "last", share) for share in (0.2, 0.0)]
    assert [[len(items) for items in one.truth] for one in found] == [[2, 2], [1, 1]]
    assert [len(one.train.log) for one in found] == [16, 18]


def of_ten() -> Dataset:
    """Return two users with ten events each."""
    rows = [(user, f"i{at}", 1.6e9 + 10.0 * at) for user in "ab" for at in range(10)]
    names = ("user_id", "item_id", "timestamp")
    return Dataset.from_frames(pa.table({name: [row[n] for row in rows] for n, name in enumerate(names)}))

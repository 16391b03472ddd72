"""Whether users take the same item again: groceries, music and apps, unlike films, hotels and jobs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.data.event_columns import flat
from shortlist.data.event_times import DAY_MS
from shortlist.data.guess.evidence import SAMPLE, Evidence

AGAIN = 0.2
"""From this share of repeated events on, users come back for the same items."""
LONGEST_HISTORY = 1_000
"""The most events of a history that a guess proposes to use."""
USUAL_HISTORY = 200


@dataclass(frozen=True)
class Repeats:
    """How often users take an item again.

    Attributes
    ----------
    share
        The share of the events of the main kind whose user had taken the item on an earlier day (without times: in an earlier row).
    long
        The number of events that three quarters of the users do not exceed, counted by event: the history of a typical event.
    """

    share: float = 0.0
    long: int = 0

    @property
    def usual(self) -> bool:
        """Whether users come back for the same items."""
        return self.share >= AGAIN

    @property
    def history(self) -> int:
        """The length of histories that covers a typical user."""
        return min(max(100 * math.ceil(self.long / 100), USUAL_HISTORY), LONGEST_HISTORY)

    def note(self) -> str:
        """Say why seen items are shown."""
        if not self.usual:
            return ""
        return (
            f"{self.share:.0%} of the events are of an item that the user had taken before, so seen items are shown again (show_seen), "
            "and the source `again` proposes them. Remove both where users should find what is new to them."
        )


def find_repeats(events: pa.Table, columns: Mapping[str, str | None], kind: str) -> Repeats:
    """Count how often users take an item again.

    Parameters
    ----------
    events
        One event a row.
    columns
        Role → column: `user`, `item`, `timestamp` and `kind`; the last two can be None.
    kind
        The kind of events that is counted; all of them where there is no column of kinds.
    """
    user, item, time = (columns.get(role) for role in ("user", "item", "timestamp"))
    assert user is not None
    assert item is not None
    if (of_kind := columns.get("kind")) is not None:
        events = events.filter(pc.fill_null(pc.equal(events.column(of_kind).cast(pa.string()), kind), False))
    names = [name for name in (user, item, time) if name is not None]
    evidence = Evidence(_some_users(events.select(list(dict.fromkeys(names))), user))
    owner, taken = evidence.codes(user).astype(np.int64), evidence.codes(item).astype(np.int64)
    moment = evidence.times(time) if time is not None else None
    days = np.arange(len(owner)) if moment is None else moment // DAY_MS
    known = (owner >= 0) & (taken >= 0)
    if not known.any():
        return Repeats()
    owner, taken, days = owner[known], taken[known], days[known]
    _, pair = np.unique(owner * (taken.max() + 1) + taken, return_inverse=True)
    first = np.full(int(pair.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, pair, days)
    sizes = np.bincount(owner)[owner]
    return Repeats(float((days > first[pair]).mean()), int(np.quantile(sizes, 0.75)))


def _some_users(events: pa.Table, user: str) -> pa.Table:
    """Return all events of so many users that a table of evidence holds them."""
    step = math.ceil(events.num_rows / SAMPLE)
    if step <= 1:
        return events
    codes: NDArray[np.int64] = np.asarray(
        pc.fill_null(flat(events.column(user)).dictionary_encode().indices, 0), np.int64
    )
    return events.filter(pa.array(codes % step == 0))

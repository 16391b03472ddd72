"""How fast popularity passes, as a log shows it: the half-life with which popular items of the past are most of what follows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.data.event_times import DAY_MS
from shortlist.data.guess.evidence import SAMPLE, Evidence

HALF_LIVES = (2, 4, 7, 14, 30, 90)
"""Half-lives that are compared, days."""
CUTS = (0.6, 0.7, 0.8, 0.9)
"""Shares of the events before the moments at which popular items are compared with what follows."""
AHEAD = 7 * DAY_MS
"""What follows: the events of a week."""
LISTED = 20
"""Length of the list of popular items."""
GAIN = 1.05
"""A half-life has to list so many times as many of the following events as counts without age."""
NEARLY = 0.97
"""Half-lives with this share of the best one's events count as equal."""
FEWEST = 500
"""Events that have to follow, all moments together."""


def popularity_half_life(events: pa.Table, columns: Mapping[str, str | None], kind: str) -> str | None:
    """Return the half-life for popular items, a duration; None where age does not matter or the log is too short to tell.

    At several moments, items are ordered by their events before it, weighted by 2^(−age / half-life); the best half-life is the one
    whose top items have the most of the events of the week that follows.

    Parameters
    ----------
    events
        One event a row.
    columns
        Role → column: `user`, `item`, `timestamp` and `kind`.
    kind
        The kind of events that is counted; all of them where there is no column of kinds.
    """
    item, time, of_kind = (columns.get(role) for role in ("item", "timestamp", "kind"))
    if item is None or time is None:
        return None
    if of_kind is not None:
        events = events.filter(pc.fill_null(pc.equal(events.column(of_kind).cast(pa.string()), kind), False))
    # every n-th event, so that the whole time is covered
    some = np.arange(0, events.num_rows, -(-events.num_rows // SAMPLE) or 1)
    evidence = Evidence(events.select(list(dict.fromkeys([item, time]))).take(pa.array(some)))
    codes, moments = evidence.codes(item), evidence.times(time)
    if moments is None:
        return None
    order = np.argsort(moments, kind="stable")
    order = order[(codes[order] >= 0)]
    return _best(codes[order], moments[order])


def _best(codes: NDArray[np.int32], moments: NDArray[np.int64]) -> str | None:
    """Compare the half-lives on events in the order of time."""
    if not len(codes):
        return None
    found: dict[int | None, int] = dict.fromkeys((None, *HALF_LIVES), 0)
    followed = 0
    for share in CUTS:
        cut = int(moments[min(int(len(moments) * share), len(moments) - 1)])
        start, end = np.searchsorted(moments, [cut, cut + AHEAD])
        followed += int(end - start)
        after = np.bincount(codes[start:end], minlength=int(codes.max()) + 1)
        age = (cut - moments[:start]) / DAY_MS
        for days in found:
            weight = None if days is None else np.exp2(-age / days)
            before = np.bincount(codes[:start], weight, len(after))
            found[days] += int(after[np.argsort(-before, kind="stable")[:LISTED]].sum())
    most = max(found.values())
    if followed < FEWEST or most < GAIN * found[None]:
        return None
    # of nearly equal ones, the longest: it also serves where a model is not trained every day
    return f"{max(days for days in HALF_LIVES if found[days] >= NEARLY * most)}d"

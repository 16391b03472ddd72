"""Whether people of a log come back for the same items: bread and apps are taken again, films are not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.data.event_columns import flat
from shortlist.data.guess.evidence import SAMPLE, Evidence
from shortlist.data.no_time import NO_TIME

APART = 12 * 3_600_000
"""Events of a user with an item that are closer than this (ms) count once: rows of one session or one order, or a day without a clock."""
LEAST_SHARE = 0.2
"""People come back for items where at least this share of the events is on an item that the user had before."""
TIMES_CHANCE = 2.0
"""The share has to be so many times what popular items alone bring about."""
LEAST_EVENTS = 200
"""A log with fewer events is too small to tell."""


@dataclass(frozen=True)
class Repeats:
    """How often people come back for the same items.

    Attributes
    ----------
    share
        Share of the events that are on an item that the user had before.
    chance
        The share to be expected if every user drew as many events at random by the popularity of the items: where a few items get most of
        the events, people meet them again without liking them more than others.
    events
        Events that were counted.
    """

    share: float
    chance: float
    events: int

    @property
    def usual(self) -> bool:
        """Whether people come back for the same items."""
        return self.events >= LEAST_EVENTS and self.share >= max(LEAST_SHARE, TIMES_CHANCE * self.chance)


def repeats_of(events: pa.Table, user: str, item: str, time: str | None) -> Repeats:
    """Count the repeats of a log.

    Parameters
    ----------
    events
        The events, without the rows of kinds that say nothing of a wish. Of a large log, some of the users are looked at, each with all
        events: the first rows alone would hold few repeats.
    user, item
        The columns of the ids.
    time
        The column of the times; None, or without readable times: every row is an event of its own.

    Returns
    -------
    Repeats
        Share and chance, over the rows that have both ids.
    """
    evidence = Evidence(_some_users(events, user))
    users, items = evidence.codes(user), evidence.codes(item)
    known = (users >= 0) & (items >= 0)
    times = None if time is None else evidence.times(time)
    if times is not None:
        known &= times != NO_TIME
    users, items = users[known].astype(np.int64), items[known].astype(np.int64)
    if not len(users):
        return Repeats(0.0, 0.0, 0)
    pair = users * (int(items.max()) + 1) + items
    if times is not None:
        kept = _sessions(pair, times[known])
        users, items, pair = users[kept], items[kept], pair[kept]
    share = 1 - len(np.unique(pair)) / len(pair)
    return Repeats(float(share), _chance(np.bincount(users), np.bincount(items)), len(pair))


def _some_users(events: pa.Table, user: str) -> pa.Table:
    """Return the rows of users drawn at random, as many as `Evidence` reads."""
    if len(events) <= SAMPLE:
        return events
    codes = flat(events.column(user)).dictionary_encode().indices
    rows = np.bincount(pc.fill_null(codes, 0).to_numpy())
    drawn = np.random.default_rng(0).permutation(len(rows))
    kept = np.zeros(len(rows), np.bool_)
    kept[drawn[: max(1, int(np.searchsorted(np.cumsum(rows[drawn]), SAMPLE, side="right")))]] = True
    return events.filter(pa.array(kept[pc.fill_null(codes, 0).to_numpy()]))


def _sessions(pair: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return one row for each run of events of a pair, in which no event is `APART` from the one before."""
    order = np.lexsort([times, pair])
    first = np.diff(pair[order], prepend=-1) != 0
    gap = np.diff(times[order], prepend=times[order[0]])
    return np.asarray(order[first | (gap >= APART)])


def _chance(of_users: NDArray[np.int64], of_items: NDArray[np.int64]) -> float:
    """Return the expected share of repeats where each user draws events by popularity: 1 − Σ_users E[distinct items] ÷ events.

    A user with n events is expected to draw Σ_items 1 − (1 − p)^n distinct items. Users of one n, and items of one p, are computed once.
    """
    events = int(of_items.sum())
    sizes, users = np.unique(of_users[of_users > 0], return_counts=True)
    counts, items = np.unique(of_items[of_items > 0], return_counts=True)
    stay = np.log1p(-np.minimum(counts / events, 1 - 1e-12))
    distinct = np.array([items @ -np.expm1(size * stay) for size in sizes])
    return float(1 - (users @ distinct) / events)

"""Labels of objectives: what followed a request, for each candidate, and how long after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shortlist.config.objectives import Objective
from shortlist.data.log import Log


@dataclass(frozen=True, eq=False, repr=False)
class Outcomes:
    """Outcomes of some requests in the attribution window of an objective: (moment, moment + window].

    Parameters
    ----------
    label : ndarray of shape (rows,), float32
        A probability is 1 if an event of the objective followed. An amount is the sum of what followed, 0 if nothing
        did or if more was returned than taken. A grade is the value of the first event that followed, and NaN if none did, so that it is learnt only from
        what was graded.
    delay : ndarray of shape (rows,), int64
        Time from the request to the first event that followed, ms; −1 if none did.
    """

    label: NDArray[np.float32]
    delay: NDArray[np.int64]

    def __repr__(self) -> str:
        return f"Outcomes({len(self.label):,} rows, {int((self.delay >= 0).sum()):,} followed)"


@dataclass(frozen=True, eq=False, repr=False)
class ObjectiveEvents:
    """The events of an objective, sorted once by user, item and time.

    Every (user, item) pair has a range of a line of times, one range after the other: pair number × `span` + time − `base`.
    What followed a request is then between two places of one sorted array.

    Cost: sorting the objective's events to make it; two binary searches a request.

    Parameters
    ----------
    objective
        Kind, attribution window and events.
    pairs : ndarray of shape (pairs,), int64
        The (user, item) pairs with events: user · `n_items` + item, rising.
    line : ndarray of shape (events,), int64
        Place of each event on the line, rising.
    time : ndarray of shape (events,), int64
        Times, ms, in the order of the line.
    value : ndarray of shape (events,), float32
        Values, 0 where there is none, in the order of the line.
    n_items, base, span
        How pairs and places are computed.
    """

    objective: Objective
    pairs: NDArray[np.int64]
    line: NDArray[np.int64]
    time: NDArray[np.int64]
    value: NDArray[np.float32]
    n_items: int
    base: int
    span: int

    def __repr__(self) -> str:
        return f"ObjectiveEvents({len(self.line):,} events, {len(self.pairs):,} pairs)"

    @classmethod
    def of(cls, log: Log, objective: Objective) -> Self:
        """Sort the events of an objective."""
        chosen = np.flatnonzero(log.is_kind(objective.events, objective.at_least))
        n_items = int(log.item.max(initial=0)) + 1
        pair, time = log.user[chosen].astype(np.int64) * n_items + log.item[chosen], log.time[chosen]
        order = np.lexsort((time, pair))
        pair, time = pair[order], time[order]
        first = np.flatnonzero(np.diff(pair, prepend=-1))
        number = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(pair))))
        # one place before the first time, for requests before it
        base = int(time.min(initial=np.iinfo(np.int64).max)) - 1 if len(time) else 0
        span = int(time.max()) - base + 1 if len(time) else 1
        value = np.nan_to_num(log.value[chosen][order])
        return cls(objective, pair[first], number * span + (time - base), time, value, n_items, base, span)

    def followed(
        self, users: NDArray[np.int32], items: NDArray[np.int32], moments: NDArray[np.int64]
    ) -> Outcomes:
        """Return what followed each (user, item, moment)."""
        kind, window = self.objective.kind, self.objective.window_ms
        label = np.full(len(users), np.nan if kind == "grade" else 0.0, np.float32)
        delay = np.full(len(users), -1, np.int64)
        wanted = users.astype(np.int64) * self.n_items + items
        at = np.searchsorted(self.pairs, wanted)
        known = np.flatnonzero((items < self.n_items) & (np.append(self.pairs, -1)[at] == wanted))
        start, moment = at[known] * self.span, moments[known]
        first, after = (
            np.searchsorted(self.line, start + np.clip(to - self.base, 0, self.span - 1), side="right")
            for to in (moment, moment + window)
        )
        came = after > first
        rows, first, after = known[came], first[came], after[came]
        delay[rows] = self.time[first] - moment[came]
        if kind == "probability":
            label[rows] = 1.0
        elif kind == "amount":
            sums = np.concatenate([[0.0], np.cumsum(self.value, dtype=np.float64)])
            # values below 0 are returns, which are subtracted; one cannot keep less than nothing
            label[rows] = np.maximum(sums[after] - sums[first], 0.0)
        else:
            label[rows] = self.value[first]
        return Outcomes(label, delay)


def outcomes(
    log: Log,
    objective: Objective,
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    moments: NDArray[np.int64],
) -> Outcomes:
    """Return what followed each (user, item, moment); see `ObjectiveEvents`, which is sorted once for several calls."""
    return ObjectiveEvents.of(log, objective).followed(users, items, moments)


def labels(
    log: Log,
    objective: Objective,
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    moments: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Return the label of each (user, item, moment), float32 (rows,)."""
    return outcomes(log, objective, users, items, moments).label

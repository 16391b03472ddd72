"""Labels of objectives: what followed a request, for each candidate, and how long after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.config.objectives import Objective
from shortlist.data.log import Log


@dataclass(frozen=True, eq=False, repr=False)
class Outcomes:
    """What followed some requests in the attribution window of an objective: (moment, moment + window].

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


def outcomes(
    log: Log,
    objective: Objective,
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    moments: NDArray[np.int64],
) -> Outcomes:
    """Return what followed each (user, item, moment).

    Cost: sorting the objective's events, and two binary searches a row.
    """
    chosen = np.flatnonzero(log.is_kind(objective.events, objective.at_least))
    label = np.full(len(users), np.nan if objective.kind == "grade" else 0.0, np.float32)
    delay = np.full(len(users), -1, np.int64)
    if not len(chosen) or not len(users):
        return Outcomes(label, delay)
    n_items = int(max(log.item.max(), items.max())) + 1
    pair = log.user[chosen].astype(np.int64) * n_items + log.item[chosen]
    order = np.lexsort((log.time[chosen], pair))
    pair, time, value = pair[order], log.time[chosen][order], np.nan_to_num(log.value[chosen][order])
    wanted = users.astype(np.int64) * n_items + items
    unique = np.unique(pair)
    ranks = np.searchsorted(unique, wanted)
    known = (ranks < len(unique)) & (unique[np.minimum(ranks, len(unique) - 1)] == wanted)
    # one sorted key of (pair, time): the pair's rank times the span of all times, plus the time
    base = int(min(time.min(), moments.min()))
    span = int(max(time.max(), moments.max())) + objective.window_ms + 2 - base
    line = np.searchsorted(unique, pair) * span + (time - base)
    start = ranks * span + (moments - base)
    first = np.searchsorted(line, start, side="right")
    after = np.searchsorted(line, start + objective.window_ms, side="right")
    followed = known & (after > first)
    at = np.minimum(first, len(value) - 1)
    delay[followed] = (time[at] - moments)[followed]
    if objective.kind == "probability":
        label[followed] = 1.0
    elif objective.kind == "amount":
        sums = np.concatenate([[0.0], np.cumsum(value, dtype=np.float64)])
        # values below 0 are returns, which are subtracted; one cannot keep less than nothing
        label[followed] = np.maximum(sums[after] - sums[first], 0.0)[followed]
    else:
        label[followed] = value[at][followed]
    return Outcomes(label, delay)


def labels(
    log: Log,
    objective: Objective,
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    moments: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Return the label of each (user, item, moment), float32 (rows,)."""
    return outcomes(log, objective, users, items, moments).label

"""Objectives as labels: what followed a request, for each candidate, and how long after.

A label looks only at the attribution window after its request: (moment, moment + window]. A probability is 1 where an
event of the objective followed, an amount is the sum of what followed (0 where nothing did), a grade is the value of
the first event that followed and unknown (NaN) where none did, so that it is learnt only from what was graded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.config.objectives import Objective
from shortlist.data.log import Log


@dataclass(frozen=True)
class Outcomes:
    """`label` float32 (rows,); `delay` int64 ms (rows,): from the request to the first event that followed, −1: none."""

    label: np.ndarray
    delay: np.ndarray


def outcomes(
    log: Log, objective: Objective, users: np.ndarray, items: np.ndarray, moments: np.ndarray
) -> Outcomes:
    """What followed each (user, item, moment). Two binary searches a row over the objective's events."""
    chosen = np.flatnonzero(log.is_kind(objective.events, objective.at_least))
    answer = np.full(len(users), np.nan if objective.kind == "grade" else 0.0, np.float32)
    delay = np.full(len(users), -1, np.int64)
    if not len(chosen) or not len(users):
        return Outcomes(answer, delay)
    n_items = int(max(log.item.max(), items.max())) + 1
    pair = log.user[chosen].astype(np.int64) * n_items + log.item[chosen]
    order = np.lexsort([log.time[chosen], pair])
    pair, time, value = pair[order], log.time[chosen][order], np.nan_to_num(log.value[chosen][order])
    wanted = users.astype(np.int64) * n_items + items
    # one sorted key of (pair, time): offsets of times fit beside the pair's rank
    ranks = np.searchsorted(np.unique(pair), wanted)
    unique = np.unique(pair)
    known = (ranks < len(unique)) & (unique[np.minimum(ranks, len(unique) - 1)] == wanted)
    base, span = int(min(time.min(), moments.min())), 0
    span = int(max(time.max(), moments.max())) + objective.window_ms + 2 - base
    line = np.searchsorted(unique, pair) * span + (time - base)
    first = np.searchsorted(line, ranks * span + (moments - base), side="right")
    after = np.searchsorted(line, ranks * span + (moments - base) + objective.window_ms, side="right")
    followed = known & (after > first)
    at = np.minimum(first, len(value) - 1)
    delay[followed] = (time[at] - moments)[followed]
    if objective.kind == "probability":
        answer[followed] = 1.0
    elif objective.kind == "amount":
        sums = np.concatenate([[0.0], np.cumsum(value, dtype=np.float64)])
        answer[followed] = (sums[after] - sums[first])[followed]
    else:
        answer[followed] = value[at][followed]
    return Outcomes(answer, delay)


def labels(
    log: Log, objective: Objective, users: np.ndarray, items: np.ndarray, moments: np.ndarray
) -> np.ndarray:
    """float32 (rows,): the label of each (user, item, moment)."""
    return outcomes(log, objective, users, items, moments).label

"""Loops of a window counter: events that are added to the totals of a window and to the ring of its steps."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.features.aggregates import NEVER, STEPS


@numba.njit(cache=True, nogil=True)
def add_events(
    slots: NDArray[np.int64],
    times: NDArray[np.int64],
    values: NDArray[np.int64],
    step: int,
    head: int,
    totals: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    rings: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> None:
    """Add events one by one. step: length of a step, ms, 0 without a window; head: the newest step."""
    n, total, value, last = totals
    ring_n, ring_total, ring_low, ring_high = rings
    extremes = ring_low.shape[0] > 0
    sums = ring_total.shape[0] > 0
    for i in range(len(slots)):
        s, t, v = slots[i], times[i], values[i]
        if t > last[s] or (t == last[s] and v > value[s]):
            last[s] = t
            value[s] = v
        place = 0
        if step > 0:
            now = t // step
            if now <= head - STEPS:
                continue
            place = now % STEPS
            ring_n[place, s] += 1
            if sums:
                ring_total[place, s] += v
        if extremes:
            ring_low[place, s] = min(ring_low[place, s], v)
            ring_high[place, s] = max(ring_high[place, s], v)
        n[s] += 1
        total[s] += v


@numba.njit(cache=True, nogil=True)
def add_summed_events(
    slots: NDArray[np.int64],
    events: tuple[NDArray[np.int64], ...],
    window: tuple[int, int],
    totals: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    rings: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> None:
    """Add sums of events by slot and step; see `StepSums`. window: length of a step, ms, and the newest step."""
    steps, counts, sums, times, values, lows, highs = events
    length, head = window
    n, total, value, last = totals
    ring_n, ring_total, ring_low, ring_high = rings
    for i in range(len(slots)):
        s = slots[i]
        if times[i] > last[s] or (times[i] == last[s] and values[i] > value[s]):
            last[s] = times[i]
            value[s] = values[i]
        place = 0
        if length > 0:
            if steps[i] <= head - STEPS:
                continue
            place = steps[i] % STEPS
            ring_n[place, s] += counts[i]
            if ring_total.shape[0] > 0:
                ring_total[place, s] += sums[i]
        if ring_low.shape[0] > 0:
            ring_low[place, s] = min(ring_low[place, s], lows[i])
            ring_high[place, s] = max(ring_high[place, s], highs[i])
        n[s] += counts[i]
        total[s] += sums[i]


@numba.njit(cache=True, nogil=True)
def add_pair_events(
    slots: NDArray[np.int64],
    pairs: NDArray[np.int64],
    times: NDArray[np.int64],
    window: tuple[int, int],
    arrays: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]],
) -> None:
    """Add events of a distinct count: a pair counts in the step in which it was last seen."""
    step, head = window
    n, last, ring_n, seen = arrays
    for i in range(len(slots)):
        s, p, t = slots[i], pairs[i], times[i]
        last[s] = max(last[s], t)
        before_t = seen[p]
        if t <= before_t:
            continue
        seen[p] = t
        if step == 0:
            if before_t == NEVER:
                n[s] += 1
            continue
        now, before = t // step, before_t // step
        if now <= head - STEPS or now == before:
            continue
        if before > head - STEPS and before_t != NEVER:
            ring_n[before % STEPS, s] -= 1
            n[s] -= 1
        ring_n[now % STEPS, s] += 1
        n[s] += 1

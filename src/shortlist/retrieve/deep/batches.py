"""Batches of training: windows of histories, in batches of similar length."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.retrieve.deep.inputs import EventInputs

MOST_HELD = 2_000
"""At most this many users are held out for early stopping."""
LEAST_HELD = 1_000
"""At least this many are, or a half of them: what fewer say is chance, and one event less of each costs training little."""
POOL = 50
"""Batches whose windows are sorted by length together: many enough to save padding, few enough to stay random."""


@dataclass(frozen=True, repr=False)
class Padded(ShortRepr):
    """A batch of windows, shape (B, L) each; padding comes last.

    Attributes
    ----------
    item, gap, kind, value
        The events that are read.
    target
        int64: the item that follows each event.
    weight
        float32: how much the target counts; 0 for padding.
    """

    item: NDArray[np.int64]
    gap: NDArray[np.int64]
    kind: NDArray[np.int64]
    value: NDArray[np.float32]
    target: NDArray[np.int64]
    weight: NDArray[np.float32]


@dataclass(frozen=True, repr=False)
class Windows(ShortRepr):
    """Runs of events of one user each: every event but the last is read, every event but the first is a target.

    Attributes
    ----------
    events
        The events of all users.
    start, end
        int64 (W,): the events of each window are those from `start` up to `end`.
    """

    events: EventInputs
    start: NDArray[np.int64]
    end: NDArray[np.int64]

    @classmethod
    def of(cls, events: EventInputs, history: int) -> Windows:
        """Cut histories into windows of at most `history` targets, from the end, so that each event but the first is a target once."""
        starts, ends = [], []
        begin, end = events.indptr[:-1], events.indptr[1:].copy()
        while (open_ := end - begin >= 2).any():
            begin, end = begin[open_], end[open_]
            start = np.maximum(begin, end - history - 1)
            starts.append(start)
            ends.append(end)
            end = start + 1
        if not starts:
            return cls(events, np.empty(0, np.int64), np.empty(0, np.int64))
        return cls(events, np.concatenate(starts), np.concatenate(ends))

    @property
    def targets(self) -> NDArray[np.int64]:
        """Number of targets of each window, int64 (W,)."""
        return self.end - self.start - 1

    def batches(self, size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
        """Return the windows in random batches of similar length, each of about `size` targets."""
        order, targets = rng.permutation(len(self.start)), self.targets
        pool = max(1, int(POOL * size / max(float(targets.mean()), 1)))
        found = []
        for at in range(0, len(order), pool):
            rows = order[at : at + pool]
            rows = rows[np.argsort(targets[rows], kind="stable")]
            batch = (np.cumsum(targets[rows]) - 1) // size
            found += np.split(rows, np.flatnonzero(np.diff(batch)) + 1)
        return [found[at] for at in rng.permutation(len(found))]

    def padded(self, rows: NDArray[np.int64]) -> Padded:
        """Return some windows as a batch."""
        return _padded(self.events, self.start[rows], self.targets[rows], with_targets=True)


@dataclass(frozen=True, repr=False)
class Held(ShortRepr):
    """Events that are held out for early stopping: the last one of some users.

    Attributes
    ----------
    past
        The events before, of each of these users.
    target
        int32 (B,): the item that followed.
    """

    past: EventInputs
    target: NDArray[np.int32]

    def padded(self, low: int, high: int) -> tuple[Padded, NDArray[np.int64]]:
        """Return the events before the targets low ≤ row < high as a batch without targets, and their number, int64 (rows,)."""
        start, end = self.past.indptr[low:high], self.past.indptr[low + 1 : high + 1]
        return _padded(self.past, start, end - start, with_targets=False), end - start


def held_users(sizes: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the users whose last event is held out, of those with 3 events or more; rising.

    Parameters
    ----------
    sizes
        int64 (users,): their number of events.
    share
        Share of the users; 0: none.
    """
    able = np.flatnonzero(sizes >= 3)
    wanted = max(int(share * len(able)), min(LEAST_HELD, len(able) // 2)) if share else 0
    return np.sort(rng.permutation(able)[: min(wanted, MOST_HELD)])


def hold_out(
    events: EventInputs, share: float, history: int, rng: np.random.Generator
) -> tuple[EventInputs, Held]:
    """Return the events without the last one of some users, and what was held out. Users with fewer than 3 events keep theirs."""
    sizes = np.diff(events.indptr)
    users = held_users(sizes, share, rng)
    kept = np.ones(len(events.item), np.bool_)
    last = events.indptr[1:][users] - 1
    kept[last] = False
    sizes[users] -= 1
    rest = _selected(events, np.concatenate([[0], np.cumsum(sizes)]), np.flatnonzero(kept))
    start = np.maximum(events.indptr[:-1][users], last - history)
    lengths = last - start
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    rows = np.arange(indptr[-1]) - np.repeat(indptr[:-1], lengths) + np.repeat(start, lengths)
    past = _selected(events, indptr, rows)
    past.gap[indptr[:-1]] = 0
    return rest, Held(past, events.item[last])


def _selected(events: EventInputs, indptr: NDArray[np.int64], rows: NDArray[np.int64]) -> EventInputs:
    return replace(
        events,
        indptr=indptr,
        item=events.item[rows],
        gap=events.gap[rows],
        kind=events.kind[rows],
        value=events.value[rows],
        weight=events.weight[rows],
    )


def _padded(
    events: EventInputs, start: NDArray[np.int64], length: NDArray[np.int64], *, with_targets: bool
) -> Padded:
    """Return runs of events as a batch; the targets are the events after each, or nothing."""
    place = np.arange(int(length.max()))
    there = place < length[:, None]
    at = np.where(there, start[:, None] + place, 0)
    after = at + 1 if with_targets else at
    gap = np.where(there, events.gap[at], 0)
    gap[:, 0] = 0  # as for a history that begins here
    return Padded(
        np.where(there, events.item[at], 0).astype(np.int64),
        gap,
        np.where(there, events.kind[at], 0),
        np.where(there, events.value[at], 0).astype(np.float32),
        np.where(there, events.item[after], 0).astype(np.int64),
        np.where(there & with_targets, events.weight[after], 0).astype(np.float32),
    )

"""People as the recommender knows them: histories of the log, and what they have done since.

Events that arrive after training are laid over the log's histories, so that the next request sees them. People the
log did not know are kept by their id: they have a history at once and a code only after the next training.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from shortlist.data.histories import Histories


@dataclass(frozen=True)
class Event:
    """One event in codes: item int, time ms, kind int, value (NaN: none)."""

    item: int
    time: int
    kind: int
    value: float = float("nan")


class People:
    def __init__(self, histories: Histories) -> None:
        self.histories = histories
        self.since: defaultdict[Any, list[Event]] = defaultdict(list)
        self.hidden: set[int] = set()
        """Codes of people who were erased since training: what the log holds of them is not read."""

    def add(self, user: Any, event: Event) -> None:
        self.since[user].append(event)

    def forget(self, user: Any, code: int) -> None:
        """Whatever is known of a person is not any more; what they do from now on is a stranger's."""
        self.since.pop(user, None)
        if code >= 0:
            self.hidden.add(code)

    def knows(self, user: Any) -> bool:
        return user in self.since

    def of(self, codes: np.ndarray, ids: list[Any]) -> Histories:
        """Histories of some people: what the log holds (code −1: nothing) and what came since, by time."""
        known = codes >= 0
        if self.hidden:
            known &= ~np.isin(codes, list(self.hidden))
        safe = np.where(known, codes, 0)
        n = len(self.histories)
        starts = self.histories.indptr[safe] if n else np.zeros(len(codes), np.int64)
        ends = np.where(known, self.histories.indptr[np.minimum(safe + 1, n)], starts) if n else starts
        base = self.histories.pick(starts, ends)
        extra = [sorted(self.since[i], key=lambda e: e.time) if i in self.since else [] for i in ids]
        return base if not any(extra) else joined(base, extra)


def joined(base: Histories, extra: list[list[Event]]) -> Histories:
    """Histories with later events at their ends."""
    sizes = np.diff(base.indptr)
    owner = np.concatenate([base.owner, np.repeat(np.arange(len(extra)), [len(e) for e in extra])])
    flat = [event for events in extra for event in events]
    arrays = [
        np.concatenate(
            [getattr(base, name), np.array([getattr(e, name) for e in flat], getattr(base, name).dtype)]
        )
        for name in ("item", "time", "kind", "value")
    ]
    order = np.lexsort([np.arange(len(owner)), arrays[1], owner])
    assert len(sizes) == len(extra)
    return Histories.of(owner[order], len(extra), *(array[order] for array in arrays))

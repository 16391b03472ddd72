"""Histories while serving: those of the log, and what has happened since."""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist.data.histories import Histories


class HistoryEvent(NamedTuple):
    """One event of a history, in codes.

    `item` and `kind` are codes, `time` is in milliseconds since 1970, `value` is NaN where the event has none.
    """

    item: int
    time: int
    kind: int
    value: float = float("nan")


class LiveHistories:
    """The history of every user: the log's, followed by the events since training.

    New events are laid over the arrays of the log, so that the next request sees them and nothing is copied. A user
    whom the log does not contain is kept by id: the history exists at once, a code only after the next training.
    `LiveState` owns the object and is the only one that changes it.

    Parameters
    ----------
    base
        Histories of the log.
    since
        User id → events since training, in the order of time, that are known already.
    limit
        Events since training that are kept at most; None: all. Beyond it, those of the users who acted least recently are dropped.

    Attributes
    ----------
    base
        Histories of the log.
    """

    def __init__(
        self,
        base: Histories,
        since: Mapping[Any, Sequence[HistoryEvent]] | None = None,
        limit: int | None = None,
    ) -> None:
        self.base = base
        # ordered where the least recent are dropped: the first entry of a plain dictionary takes long to find after many were removed
        self._since: dict[Any, list[HistoryEvent]] = {} if limit is None else OrderedDict()
        self._since.update((user, list(events)) for user, events in (since or {}).items())
        self._limit = limit
        self._size = sum(map(len, self._since.values()))
        self._erased: set[int] = set()
        self._drop()

    def add(self, user: Any, event: HistoryEvent) -> None:
        """Append an event to a user's history, in the order of time."""
        insort(self._since.setdefault(user, []), event, key=lambda e: e.time)
        self._size += 1
        if isinstance(self._since, OrderedDict):
            self._since.move_to_end(user)
            self._drop()

    def _drop(self) -> None:
        """Drop the events of the users who acted least recently, down to the limit; of the last one, the oldest events."""
        while self._limit is not None and self._size > self._limit:
            user, events = next(iter(self._since.items()))
            if len(self._since) == 1:
                del events[: self._size - self._limit]
                self._size = len(events)
            else:
                self._size -= len(self._since.pop(user))

    def forget(self, user: Any, code: int) -> None:
        """Erase a user: the events since training and, for a code of the log, those of the log."""
        self._size -= len(self._since.pop(user, ()))
        if code >= 0:
            self._erased.add(code)

    def has_new_events(self, user: Any) -> bool:
        """Return whether the user has acted since training."""
        return user in self._since

    def users_since(self) -> list[Any]:
        """Return the ids of the users who have acted since training, in the order of their first event."""
        return list(self._since)

    def since(self, user: Any) -> Sequence[HistoryEvent]:
        """Return the events of a user since training, by time."""
        return tuple(self._since.get(user, ()))

    def known_codes(self, codes: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return user codes with −1 for users who were erased."""
        if not self._erased:
            return codes
        erased = np.fromiter(self._erased, np.int32, len(self._erased))
        return np.where(np.isin(codes, erased), -1, codes).astype(np.int32)

    def of(
        self,
        codes: NDArray[np.int32],
        ids: Sequence[Any],
        extra: Sequence[Sequence[HistoryEvent]] | None = None,
    ) -> Histories:
        """Return the histories of some users.

        Parameters
        ----------
        codes
            int32 (users,), −1 for users who are not in the log.
        ids
            Their ids, which find events since training; None for a visitor.
        extra
            Events that follow each history, for this answer only.
        """
        codes = self.known_codes(codes)
        known = codes >= 0
        n, bounds = len(self.base), self.base.indptr
        if known.all():  # most batches
            starts, ends = bounds[codes], bounds[codes + 1]
        else:
            safe = np.where(known, codes, 0)
            starts = bounds[safe] if n else np.zeros(len(codes), np.int64)
            ends = np.where(known, bounds[np.minimum(safe + 1, n)], starts) if n else starts
        chosen = self.base.pick(starts, ends)
        later: list[Sequence[HistoryEvent]] = [self._since.get(user, ()) for user in ids]
        if extra is not None:
            later = [[*since, *given] for since, given in zip(later, extra, strict=True)]
        return followed_by(chosen, later) if any(later) else chosen

    def __repr__(self) -> str:
        return f"LiveHistories({len(self.base):,} users of the log, {len(self._since):,} with new events)"


def followed_by(base: Histories, later: Sequence[Sequence[HistoryEvent]]) -> Histories:
    """Return histories with later events added, each history in the order of time."""
    owner = np.concatenate([base.owner, np.repeat(np.arange(len(later)), [len(e) for e in later])])
    flat = [event for events in later for event in events]
    columns = list(zip(*flat, strict=True)) if flat else [(), (), (), ()]
    old: tuple[NDArray[Any], ...] = (base.item, base.time, base.kind, base.value)
    arrays = [np.concatenate([a, np.array(c, a.dtype)]) for a, c in zip(old, columns, strict=True)]
    order = np.lexsort([np.arange(len(owner)), arrays[1], owner])
    return Histories.of(owner[order], len(later), *(array[order] for array in arrays))

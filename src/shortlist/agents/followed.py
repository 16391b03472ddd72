"""A recommender that follows the event store of a running server, and writes nothing to it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from shortlist.recommender import Recommender
from shortlist.serve.live_models import LoadedModel
from shortlist.store.event_store import EventStore


class FollowedRecommender:
    """A bundle, with everything that a server has stored since training if a store is given.

    New rows are folded in before a request, at most once a second, as the replicas of a server do it. Without a store the
    recommender knows what the bundle knows.

    Parameters
    ----------
    recommender
        The loaded bundle.
    path
        Where the bundle is.
    store
        The event store of the server; it is only read.
    """

    FOLLOW = 1.0
    """Least seconds between two reads of the store."""

    def __init__(self, recommender: Recommender, path: Path, store: EventStore | None = None) -> None:
        self.store = store
        position = recommender.model.position.within(store) if store is not None else None
        self.loaded = LoadedModel(
            recommender, path, *((position.row, position.operation) if position else ())
        )
        self._lock, self._read = threading.Lock(), 0.0

    def current(self) -> Recommender:
        """Return the recommender, with what the store holds. Any thread may call it. Raises `StoreError`."""
        with self._lock:
            if self.store is not None and (not self._read or time.monotonic() - self._read >= self.FOLLOW):
                self.loaded.read(self.store.rows_since)
                self._read = time.monotonic()
        return self.loaded.recommender

    def __repr__(self) -> str:
        return f"FollowedRecommender({self.loaded.recommender!r}, {self.store!r})"

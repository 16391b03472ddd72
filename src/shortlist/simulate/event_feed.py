"""Simulated events in the form and the order in which a server receives them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from shortlist.simulate.arrays import FloatArray, IdArray
from shortlist.simulate.event_log import events_table, session_events
from shortlist.simulate.population import Population
from shortlist.simulate.user_model import SessionBatch
from shortlist.store.records import StoredEvent


def stored_events(table: pa.Table, population: Population) -> list[StoredEvent]:
    """Turn rows of a log into the events that a server receives, sorted by time.

    Parameters
    ----------
    table : pyarrow.Table
        Rows of a world's log; timestamps are in seconds.
    population : Population
        The users of the world, which knows its context columns.
    """
    found = []
    for position, row in enumerate(table.to_pylist()):
        context = {name: row[name] for name in population.context_columns}
        moment = row["timestamp"] * 1000
        found.append(
            StoredEvent(
                str(position), row["user_id"], row["item_id"], row["kind"], moment, row["value"], context
            )
        )
    return sorted(found, key=lambda event: event.time)


class EventFeed:
    """The events of simulated sessions, delivered when they have happened.

    Parameters
    ----------
    population : Population
        The users.
    user_ids, item_ids : ndarray of str
        The ids of the row numbers.

    Attributes
    ----------
    delivered : list of StoredEvent
        The events that were delivered.
    """

    def __init__(self, population: Population, user_ids: IdArray, item_ids: IdArray) -> None:
        self.population, self.user_ids, self.item_ids = population, user_ids, item_ids
        self.delivered: list[StoredEvent] = []
        self._pending: list[StoredEvent] = []
        self._slates = 0

    def __repr__(self) -> str:
        return f"EventFeed({len(self.delivered):,} events delivered, {len(self._pending):,} pending)"

    def add(self, rng: np.random.Generator, sessions: SessionBatch, start: FloatArray) -> None:
        """Add the impressions of some sessions and the events that follow; start: seconds, float (n_sessions,)."""
        propensity = np.full(sessions.slates.shape, np.nan)
        columns = session_events(rng, self.population, sessions, self._slates, start, propensity)
        self._slates += len(sessions.users)
        table = events_table(columns, self.user_ids, self.item_ids)
        self._pending += stored_events(table, self.population)

    def deliver_until(self, moment: int) -> list[StoredEvent]:
        """Return the events before a moment (ms) that were not delivered yet."""
        events = sorted((e for e in self._pending if e.time < moment), key=lambda event: event.time)
        self._pending = [event for event in self._pending if event.time >= moment]
        self.delivered += events
        return events

"""The log of a closed loop: the events of the logging policy, then the events that the policy causes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.data.dataset import Dataset
from shortlist.simulate.arrays import BoolArray, Columns, IntArray
from shortlist.simulate.event_feed import stored_events
from shortlist.simulate.event_log import DAY, START, events_table
from shortlist.simulate.world import World
from shortlist.store.records import StoredEvent


class LoopRecord:
    """All events of one policy in one world, including those that are still to come.

    Parameters
    ----------
    world : World
        The world; its log and its pending events are the start of the record.
    """

    def __init__(self, world: World) -> None:
        self.world, self.population = world, world.population
        self.item_ids = np.array(world.items["item_id"].to_pylist())
        self.user_ids = np.array(world.users["user_id"].to_pylist())
        self.row_of = {item: row for row, item in enumerate(self.item_ids.tolist())}
        self._tables = [world.events, *([] if world.pending is None else [world.pending])]

    def __repr__(self) -> str:
        return f"LoopRecord({self.world.name!r}, {sum(t.num_rows for t in self._tables):,} events)"

    @property
    def next_slate(self) -> int:
        """The first slate number that is free."""
        return max(int(pc.max(table["slate"]).as_py() or 0) for table in self._tables) + 1

    def add(self, events: Columns) -> None:
        """Append events, as columns of row numbers."""
        table = events_table(events, self.user_ids, self.item_ids)
        self._tables.append(table.select(self.world.events.column_names))

    def available(self, day: int) -> BoolArray:
        """Return which items are in the catalogue on a day, bool (n_items,)."""
        return np.asarray(self.population.arrival_day <= day)

    def dataset(self, day: int) -> Dataset:
        """Return the data that a company could train on in the morning of a day."""
        events = pa.concat_tables(self._tables)
        events = events.filter(pc.less(events["timestamp"], START + day * DAY)).sort_by("timestamp")
        items = self.world.items.filter(pa.array(self.available(day)))
        return Dataset.from_frames(events, items, self.world.users, self.world.project())

    def events_between(self, day: int, later: int) -> list[StoredEvent]:
        """Return the events from one morning to another, as a server receives them."""
        low, high = START + day * DAY, START + later * DAY
        events = pa.concat_tables(self._tables)
        time = events["timestamp"]
        happened = pc.and_(pc.greater_equal(time, low), pc.less(time, high))
        return stored_events(events.filter(happened), self.population)

    def chosen_pairs(self) -> IntArray:
        """Return what users had chosen when the first log ended, as `Population.pair_codes`."""
        events = self.world.events
        chosen = events.filter(pc.equal(events["kind"], self.population.choice_kind))
        users = {user: row for row, user in enumerate(self.user_ids.tolist())}
        who = np.array([users[user] for user in chosen["user_id"].to_pylist()], np.int64)
        what = np.array([self.row_of[item] for item in chosen["item_id"].to_pylist()], np.int64)
        return self.population.pair_codes(who, what)

"""What serves at the moment: the recommender, beside it perhaps a canary and a shadow, all fed with the same rows of the store.

A recommender comes in by `load`, off the event loop: it is loaded, the store is replayed into it, it is warmed and checked
(`check.py`). Then, on the event loop and between two requests, it is given the rows it has missed and takes its place; requests
that are being answered keep the one they began with. So nobody waits and nothing fails while models change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortlist.experiments.assign import unit_hash
from shortlist.recommender import Recommender
from shortlist.serve.writer import News
from shortlist.store.event_store import EventStore
from shortlist.store.records import Operation, StoredEvent

CANARY_SALT = "canary"


@dataclass
class Loaded:
    """A recommender and how far into the store it has read. `lost`: stored events that it does not know the item of."""

    recommender: Recommender
    path: Path
    row: int = 0
    operation: int = 0
    lost: int = 0

    @property
    def version(self) -> str:
        return self.recommender.version

    def take(
        self, events: Iterable[tuple[int, StoredEvent]], operations: Iterable[tuple[int, Operation]]
    ) -> None:
        """Fold rows into the live state; those that it has already are passed over."""
        batch = [(row, e) for row, e in events if row > self.row]
        if batch:
            self.lost += self.recommender.observe_many([e for _, e in batch])
            self.row = batch[-1][0]
        for row, operation in operations:
            if row > self.operation:
                apply(self.recommender, operation)
                self.operation = row

    def catch_up(self, store: EventStore) -> None:
        """Take all that the store holds beyond what it has: items first, which events may be about."""
        self.take([], store.operations_since(self.operation))
        while page := store.events_since(self.row):
            self.take(page, [])


def apply(recommender: Recommender, operation: Operation) -> None:
    """Do what an operator asked for, in the live state."""
    if operation.what == "erase":
        recommender.forget(operation.about)
    elif operation.what == "item":
        recommender.change_item(operation.about, operation.body)


def load(path: Path, store: EventStore, warm: bool = True) -> Loaded:
    """A bundle with all that the store holds, ready to serve. Takes its time: call it off the event loop."""
    recommender = Recommender.load(path)
    mark = recommender.mark.within(store)  # what it was trained from is not counted again
    one = Loaded(recommender, path, mark.row, mark.operation)
    one.catch_up(store)
    if warm:  # compile and warm every stage before the first visitor
        some = one.recommender.some_users(3)
        for size in (1, 3):
            one.recommender.recommend(users=[None, *some][:size], n=10)
        one.recommender.recommend(history=[], n=1)
    return one


@dataclass
class Live:
    """Who answers. share: of the people that the canary answers, 0 to 1."""

    serving: Loaded
    canary: Loaded | None = None
    share: float = 0.0
    shadow: Loaded | None = None
    erased: int = 0
    """People who were erased since the serving recommender was loaded: its counters still hold their events."""

    @property
    def all(self) -> list[Loaded]:
        return [one for one in (self.serving, self.canary, self.shadow) if one is not None]

    def land(self, news: News) -> None:
        for one in self.all:
            one.take(news.events, news.operations)
        self.erased += sum(op.what == "erase" for _, op in news.operations)

    def of(self, user: Any) -> Recommender:
        """Who answers this person: the same on every server, as long as the share stays."""
        if self.canary is None or user is None:
            return self.serving.recommender
        point = unit_hash(CANARY_SALT, self.canary.version, user)
        return (self.canary if point < self.share else self.serving).recommender

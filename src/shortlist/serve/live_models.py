"""The recommenders that a server holds: the serving one, perhaps a canary and a shadow, all fed with the same rows.

A recommender comes in by `load_model`, off the event loop: it is loaded, the store is replayed into it, and it is
warmed. Then, on the event loop and between two requests, it is given the rows it has missed and takes its place;
requests that are being answered keep the one they began with. So no request waits or fails while models change.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.cascade.catalogue import ItemChange
from shortlist.cascade.state import PreparedChanges
from shortlist.config.project import Project
from shortlist.data.entities import EntityChange
from shortlist.data.texts import MANY
from shortlist.errors import ShortlistError
from shortlist.experiments.assign import unit_hash
from shortlist.recommender import Recommender
from shortlist.rerank.great_circle import arcs_of, squared_chords_to
from shortlist.rerank.text_search import TextSearch
from shortlist.serve.writer import StoreNews, Writer
from shortlist.store.event_store import PAGE, EventStore
from shortlist.store.records import Operation, StoredEvent

log = logging.getLogger("shortlist.serve")
NOT_APPLICABLE = (ShortlistError, ValueError, OverflowError, TypeError)
"""Errors of stored changes that this model cannot take: another version, model or project accepted them."""
SENT_AGAIN = "Send it again in the form that the model has now"
MOST_TOLD = 50
"""Lines of the log about changes that a model sets aside at most: after a training, all that are stored can be among them."""
CANARY_SALT = "canary"
NewRows = tuple[list[tuple[int, StoredEvent]], list[tuple[int, Operation]]]


@dataclass
class LoadedModel:
    """A recommender and how far into the store it has read.

    `row` and `operation` are the last rows it has taken; `not_replayed` counts events of items, kinds or contexts that
    it does not know, `not_applied` changes of items of which this model's catalogue cannot hold a part, `users_not_applied` changes of
    users' attributes of which it does not know a part. `edits` is the proposal of operators whose settings it answers with, 0 for none; `told`
    counts what the log was told of changes that were set aside.
    """

    recommender: Recommender
    path: Path
    row: int = 0
    operation: int = 0
    not_replayed: int = 0
    not_applied: int = 0
    users_not_applied: int = 0
    edits: int = 0
    told: int = 0

    def __post_init__(self) -> None:
        """Keep the project of the bundle: settings of operators are laid over it."""
        self.project = self.recommender.project

    def change_settings(self, project: Project, name: str, edits: int) -> None:
        """Answer with the settings of a proposal of operators; see `Recommender.change_settings`."""
        self.recommender.change_settings(project, name)
        self.edits = edits

    @property
    def version(self) -> str:
        """Version of the model."""
        return self.recommender.version

    @property
    def not_taken(self) -> dict[str, int]:
        """Counts of stored records that this model could not take, by the names that `/healthz` gives them."""
        return {
            "events_not_replayed": self.not_replayed,
            "item_changes_not_applied": self.not_applied,
            "user_changes_not_applied": self.users_not_applied,
        }

    def prepare(self, operations: Sequence[tuple[int, Operation]]) -> PreparedChanges | None:
        """Compute ahead, on any thread, what the item changes among some rows make of the catalogue."""
        changes = [
            ItemChange.of(o.about, o.body)
            for row, o in operations
            if row > self.operation and o.what == "item"
        ]
        if not changes:
            return None
        try:
            return self.recommender.state.prepare_changes(changes)
        except NOT_APPLICABLE:  # reported by `take`; another model of this server can take them
            return None

    def take(
        self,
        events: Iterable[tuple[int, StoredEvent]],
        operations: Iterable[tuple[int, Operation]],
        prepared: PreparedChanges | None = None,
    ) -> None:
        """Fold rows into the live state, in the order in which they were stored; rows that it has are passed over."""
        rows = [(row, event) for row, event in events if row > self.row]
        at = 0
        changes: list[tuple[int, ItemChange]] = []
        for row, operation in operations:
            if row <= self.operation:
                continue
            before = at
            while at < len(rows) and rows[at][0] <= operation.after:
                at += 1
            if at > before or operation.what != "item":  # successive changes of items are applied together
                self._change(changes, prepared)
                changes = []
            self._observe(rows[before:at])
            self.operation = row
            if operation.what == "item":
                changes.append((row, ItemChange.of(operation.about, operation.body)))
            elif operation.what == "user":
                self._change_user(row, operation)
            elif operation.what == "erase":
                self.recommender.state.forget(operation.about)
        self._change(changes, prepared)
        self._observe(rows[at:])

    def read(self, rows_since: Callable[[int, int], NewRows]) -> None:
        """Take what a store holds beyond the rows that were taken, by `EventStore.rows_since`."""
        more = True
        while more:
            events, operations = rows_since(self.row, self.operation)
            self.take(events, operations)
            more = len(events) == PAGE

    def _observe(self, rows: Sequence[tuple[int, StoredEvent]]) -> None:
        """Fold events in. One that was stored with a time in the future is set aside: it would empty every window."""
        if not rows:
            return
        state = self.recommender.state
        now = state.now()
        usable = [e for _, e in rows if e.time <= now or state.clock.accepts(e.time)]
        self.not_replayed += len(rows) - len(usable) + state.observe(usable)
        self.row = rows[-1][0]

    def _change(self, changes: Sequence[tuple[int, ItemChange]], prepared: PreparedChanges | None) -> None:
        """Change items, all at once. Fields that this model's catalogue cannot hold are set aside, and the rest is changed."""
        state, items = self.recommender.state, self.recommender.state.catalogue.items
        there = items.changeable
        if all(not one.attributes or there.issuperset(one.attributes) for _, one in changes):
            try:
                state.change_items([change for _, change in changes], prepared)
            except NOT_APPLICABLE:
                pass
            else:
                return
        kept, aside = list[tuple[int, ItemChange]](), set[int]()
        for row, change in changes:
            part, faults = items.usable_part(change.entity)
            if part is not None:
                kept.append((row, replace(change, title=part.title, attributes=part.attributes)))
            for fault in faults:
                aside.add(row)
                self._tell(row, f"item {change.item!r}: set aside: {fault}")
        self.not_applied += len(aside | self._change_each(kept))

    def _change_each(self, changes: Sequence[tuple[int, ItemChange]]) -> set[int]:
        """Change items, all at once, or one by one where one of them cannot be made. Returns the rows of those."""
        state, aside = self.recommender.state, set[int]()
        try:
            state.change_items([change for _, change in changes])
        except NOT_APPLICABLE:
            for row, change in changes:
                try:
                    state.change_items([change])
                except NOT_APPLICABLE as error:
                    aside.add(row)
                    self._tell(row, f"item {change.item!r}: set aside: {error}")
        return aside

    def _tell(self, row: int, what: str) -> None:
        """Log what is set aside of an operation; of many, the first ones."""
        self.told += 1
        if self.told <= MOST_TOLD:
            log.warning("operation %d of the store: %s. %s", row, what, SENT_AGAIN)
        if self.told == MOST_TOLD:
            log.warning(
                "what else is set aside is counted in /readyz, and `shortlist train --from-store` names it"
            )

    def _change_user(self, row: int, operation: Operation) -> None:
        """Change attributes of a user, as far as this model knows such attributes. The log names fields and no values: they are personal."""
        state = self.recommender.state
        try:
            change = EntityChange(operation.about, None, operation.body["attributes"])
            part, faults = state.model.dataset.users.usable_part(change, "user")
            if part is not None and part.attributes:
                state.change_users([part])
            fields = [fault.field for fault in faults]
        except (*NOT_APPLICABLE, KeyError) as error:
            fields = [getattr(error, "field", None) or "attributes"]
        self.users_not_applied += bool(fields)
        for field_at_fault in fields:
            self._tell(row, f"user: {field_at_fault} is set aside")


def load_model(path: Path, writer: Writer, warm: bool = True) -> LoadedModel:
    """Load a bundle with all that the store holds, ready to serve. It takes seconds: call it off the event loop."""
    recommender = Recommender.load(path)
    position = writer.run(recommender.model.position.within)  # rows it was trained from are not counted again
    loaded = LoadedModel(recommender, path, position.row, position.operation)
    # what comes in now is read by `LiveModels.catch_up`
    loaded.read(lambda row, operation: writer.run(EventStore.rows_since, row, operation))
    if warm:
        warm_up(recommender)
    return loaded


def warm_up(recommender: Recommender) -> None:
    """Compile and warm every stage before the first visitor."""
    users = recommender.some_users(3)
    for size in (1, 3):
        recommender.recommend(users=[None, *users][:size], n=10)
    recommender.recommend(history=[], n=1)
    recommender.recommend(users=users, n=2, diversity=0.5)
    if recommender.project.rerank.calibration_by is not None:
        recommender.recommend(users=users, n=2, calibration=0.5)
    recommender.rank(
        None, recommender.dataset.items.ids.ids(np.arange(min(2, len(recommender.dataset.items))))
    )
    recommender.dataset.items.titles.some(np.zeros(MANY if len(recommender.dataset.items) else 0, np.int64))
    # kernels of `contains` and `distance`, whatever the catalogue has
    TextSearch(pa.array(["a"])).containing("a")
    origin = np.zeros(1)
    arcs_of(squared_chords_to(origin, origin, origin, (0.0, 0.0, 0.0)))
    # the first added item would load libraries while others wait; this one is never taken into the catalogue
    state = recommender.state
    unused: int | str = -1 if state.catalogue.items.ids.python_type is int else "an item that is never added"
    state.prepare_changes([ItemChange(unused)])


CatalogueUpdates = Sequence[tuple[LoadedModel, PreparedChanges]]
"""The catalogues of models after news, computed ahead."""


@dataclass
class LiveModels:
    """Which recommender answers whom.

    `canary_share` of the users are answered by the canary, 0 to 1. `erased` counts the users who were erased since the
    serving model was loaded: its counters still hold their events.
    """

    serving: LoadedModel
    canary: LoadedModel | None = None
    canary_share: float = 0.0
    shadow: LoadedModel | None = None
    erased: int = 0
    _joining: list[StoreNews] | None = field(default=None, repr=False)

    @property
    def all(self) -> list[LoadedModel]:
        """Every model that is held."""
        return [one for one in (self.serving, self.canary, self.shadow) if one is not None]

    def prepare(self, news: StoreNews) -> CatalogueUpdates:
        """Compute ahead, on the store's thread, what news make of the models' catalogues: requests do not wait for it."""
        made = [(loaded, loaded.prepare(news.operations)) for loaded in self.all]
        return [(loaded, prepared) for loaded, prepared in made if prepared is not None]

    async def catch_up(self, fresh: LoadedModel, writer: Writer) -> None:
        """Give a model that was loaded aside the rows that it has missed; the caller puts it in place at once.

        Rows that land while the store is read are kept and given to it last: it misses none, however fast they come, and
        does not wait for rows that were deleted.
        """
        self._joining = []
        try:
            more = True
            while more:
                events, operations = await writer.call(EventStore.rows_since, fresh.row, fresh.operation)
                fresh.take(events, operations)
                more = len(events) == PAGE
            for news in self._joining:
                fresh.take(news.events, news.operations)
        finally:
            self._joining = None

    def land(self, news: StoreNews, prepared: CatalogueUpdates | None = None) -> None:
        """Fold new rows of the store into every model."""
        if self._joining is not None:
            self._joining.append(news)
        for loaded in self.all:
            ahead = next((changes for model, changes in prepared or () if model is loaded), None)
            loaded.take(news.events, news.operations, ahead)
        self.erased += sum(operation.what == "erase" for _, operation in news.operations)

    def of(self, user: Any) -> Recommender:
        """The recommender that answers a user: the same on every server, as long as the share stays."""
        if self.canary is None or user is None:
            return self.serving.recommender
        point = unit_hash(CANARY_SALT, self.canary.version, user)
        return (self.canary if point < self.canary_share else self.serving).recommender

    def serve(self, loaded: LoadedModel) -> None:
        """Let a model answer from now on."""
        self.serving, self.erased = loaded, 0

    def release(self) -> None:
        """Let go of all models: nothing is asked of them any more."""
        del self.serving
        self.canary = self.shadow = None

    def set_canary(self, loaded: LoadedModel | None) -> None:
        """Set or end the canary."""
        self.canary = loaded

    def set_canary_share(self, share: float) -> None:
        """Set the share of the users that the canary answers, 0 to 1."""
        self.canary_share = share

    def set_shadow(self, loaded: LoadedModel | None) -> None:
        """Set or end the shadow."""
        self.shadow = loaded

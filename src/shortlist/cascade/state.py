"""The state that changes while a model serves, and its only owner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.catalogue import Catalogue, ItemChange
from shortlist.cascade.clock import Clock
from shortlist.cascade.context import Context, ContextEncoder
from shortlist.cascade.event_body import check_form
from shortlist.cascade.histories import HistoryEvent, LiveHistories
from shortlist.cascade.locks import ReadWriteLock
from shortlist.cascade.model import Model
from shortlist.cascade.profiles import LiveProfiles
from shortlist.config.base import IMPRESSION
from shortlist.config.short_repr import ShortRepr
from shortlist.data.attributes import Attribute
from shortlist.data.entities import EntityChange
from shortlist.data.growable import GrowableArray
from shortlist.data.histories import Histories
from shortlist.data.slates import Slate
from shortlist.errors import RequestError, ShortlistError, abbreviated, suggestion
from shortlist.features.keys import SPARE_ITEMS, KeyRows, RequestKeys
from shortlist.features.online import OnlineCounters
from shortlist.rerank.cold_start import ColdStartExploration
from shortlist.rerank.freshness import first_seen_times
from shortlist.store.records import LAST_MOMENT, StoredEvent

REPLAY = 5_000
"""Events that are folded in at once when a store is replayed."""
SHOWN_KEPT = 500_000
"""Impressions of users whom the log does not have that are kept at most: some 100 MB. Servers show much to guests who never come back."""


@dataclass(frozen=True, eq=False, repr=False)
class PreparedChanges:
    """A catalogue that was computed ahead: what some changes make of `base`."""

    changes: tuple[ItemChange, ...]
    base: Catalogue
    result: Catalogue

    def __repr__(self) -> str:
        return f"PreparedChanges({len(self.changes):,} changes of {self.base!r})"


class ReadingAt:
    """Holds a state still at a moment for the time of one `with` statement."""

    __slots__ = ("_counters", "_lock", "_moment")

    def __init__(self, lock: ReadWriteLock, counters: OnlineCounters, moment: int) -> None:
        self._lock, self._counters, self._moment = lock, counters, moment

    def __enter__(self) -> None:
        self._lock.acquire_read()
        while self._moment >= self._counters.next_step_at:
            self._lock.release_read()
            with self._lock.write():
                self._counters.advance(self._moment)
            self._lock.acquire_read()

    def __exit__(self, *_: object) -> None:
        self._lock.release_read()

    def __repr__(self) -> str:
        return f"ReadingAt({self._moment})"


class LiveState:
    """The mutable half of a recommender: histories, profiles, counters, catalogue, clock and exploration budgets.

    Requests read it under `reading`, any number at a time; events, erasures and catalogue changes are applied one at a
    time. It is the fold of the events and operations given to it, in their order.

    Parameters
    ----------
    model
        The model it belongs to. A model can have several live states, which know nothing of each other.
    counters
        Counters as they stand after the model's log; counted anew by default.

    Attributes
    ----------
    catalogue
        The items at this moment: an immutable value that is replaced as a whole.
    observed
        Number of events since training.
    erased
        Ids of users who were erased since training.
    """

    def __init__(self, model: Model, counters: OnlineCounters | None = None) -> None:
        data, project = model.dataset, model.project
        self.model = model
        self.clock = Clock(int(data.log.time[-1]) + 1)
        self.histories = LiveHistories(data.histories)
        self._shown = LiveHistories(Histories.empty(len(data.users)), limit=SHOWN_KEPT)
        self._counts_shown = model.features.counts_shown
        self.profiles = LiveProfiles()
        self.counters = model.features.counters(data) if counters is None else counters
        self.item_features = model.features.item_features(data.items, SPARE_ITEMS)
        self.context = ContextEncoder(data.log.context, data.users.attributes)
        first_seen = first_seen_times(data, project.rerank)
        retired = model.retired if len(model.retired) else np.zeros(len(data.items), bool)
        self.catalogue = Catalogue(
            project,
            data.items.with_room(SPARE_ITEMS),
            GrowableArray(retired).with_room(SPARE_ITEMS),
            GrowableArray(first_seen).with_room(SPARE_ITEMS),
            model.retrievers,
            len(data.items),
            users={name: attribute.kind for name, attribute in data.users.attributes.items()},
            context={name: attribute.kind for name, attribute in data.log.context.items()},
        )
        self.cold_start = _cold_start(model)
        self.observed = 0
        self.erased: set[Any] = set()
        self._lock = ReadWriteLock()

    # ---------------------------------------------------------------- reading

    def reading(self, moment: int) -> ReadingAt:
        """Hold the state still at a moment (ms) while a batch reads it; windowed counts end at that moment."""
        return ReadingAt(self._lock, self.counters, moment)

    def now(self) -> int:
        """Return the recommender's clock, in milliseconds."""
        return self.clock.now()

    def knows(self, user: Any, code: int) -> bool:
        """Return whether a user has a history: in the log (and is not erased), or since training."""
        own = self.histories.known_codes(np.array([code], np.int32))
        return bool(own[0] >= 0) or self.histories.has_new_events(user)

    def shown_to(self, codes: NDArray[np.int32], users: Sequence[Any]) -> Histories | None:
        """Return what was shown, since training, to users whom the log does not have; None where no feature counts it or all are known."""
        if not self._counts_shown or not bool((codes < 0).any()):
            return None
        return self._shown.of(codes, users)

    def user_attributes(
        self, contexts: Sequence[Context | None], users: Sequence[Any], codes: NDArray[np.int32]
    ) -> dict[str, Attribute]:
        """Return the user attributes of requests: of the users table, then as changed since training, then as sent.

        Parameters
        ----------
        contexts
            What each request sends.
        users
            Ids in the type of the log; None for a visitor.
        codes
            int32 (B,): codes of users whose attributes in the users table count, −1 for none.
        """
        return self.context.user_attributes(self.profiles.under(contexts, users), codes)

    def check_event(self, event: StoredEvent, where: str = "") -> None:
        """Raise `RequestError` naming the field whose form is not valid, or of an unknown item, kind or context value."""
        check_form(event, where)
        if self.catalogue.items.ids.code(event.item) < 0:
            raise RequestError(f"{where}item: the catalogue has no item {event.item!r}", field=f"{where}item")
        kinds = self.model.dataset.log.kinds
        if event.kind not in kinds:
            raise RequestError(
                f"{where}kind: there is no event kind {abbreviated(event.kind)}{suggestion(event.kind, kinds)}; "
                f"there are: {', '.join(kinds)}",
                field=f"{where}kind",
            )
        self.context.of_event(event.context, where)

    # ---------------------------------------------------------------- changing

    def observe(self, events: Sequence[StoredEvent]) -> int:
        """Fold events in, in any order; the next request reflects them.

        Returns
        -------
        Number of events that were not usable: of an item, a kind or a context value that the model does not know.
        """
        with self._lock.write():
            return self._observe(events)

    def replay(self, events: Iterable[StoredEvent]) -> int:
        """Fold many events in, some thousand at a time. Returns the number of events that were not usable."""
        unusable, waiting = 0, iter(events)
        while batch := list(islice(waiting, REPLAY)):
            unusable += self.observe(batch)
        return unusable

    def set_visitors(
        self,
        histories: Mapping[Any, Sequence[HistoryEvent]],
        profiles: Sequence[EntityChange],
        shown: Mapping[Any, Sequence[HistoryEvent]] | None = None,
    ) -> None:
        """Replace what is known of users since training, whose events the counters hold already.

        For users whom the model's log does not contain, but its counts of items do: a model that was trained on executors answers
        for them as for everyone who acted since.

        Parameters
        ----------
        histories
            User id → events in the order of time.
        profiles
            Their attributes.
        shown
            User id → impressions in the order of time.
        """
        data = self.model.dataset
        with self._lock.write():
            self.histories = LiveHistories(data.histories, histories)
            self._shown = LiveHistories(Histories.empty(len(data.users)), shown, SHOWN_KEPT)
            self.profiles = LiveProfiles()
            self.profiles.change(profiles)

    def prepare_changes(self, changes: Sequence[ItemChange]) -> PreparedChanges:
        """Compute the next catalogue on any thread, while requests go on with the present one."""
        base = self.catalogue
        return PreparedChanges(tuple(changes), base, base.with_changes(changes, self.now()).prepared())

    def change_items(self, changes: Sequence[ItemChange], prepared: PreparedChanges | None = None) -> None:
        """Add, change or retire items. Check them first with `check_changes`; what is wrong raises here too.

        `prepared` is used if it was made of the same changes and the catalogue is still the one it started from.
        """
        if not changes:
            return
        with self._lock.write():
            if prepared and prepared.base is self.catalogue and prepared.changes == tuple(changes):
                fresh = prepared.result
            else:
                fresh = self.catalogue.with_changes(changes, self.now())
            codes = np.unique(fresh.items.ids.codes([change.item for change in changes]))
            self.item_features.update(codes.astype(np.int64), fresh.items)
            if self.cold_start is not None:
                self.cold_start.grow(len(fresh.items))
            self.catalogue = fresh

    def check_changes(self, changes: Sequence[ItemChange], where: str = "", start: int = 0) -> None:
        """Raise `RequestError` naming the field where one of the changes, numbered from `start`, cannot be made."""
        for number, change in enumerate(changes, start):
            self.catalogue.items.check_change(change.entity, where.format(number))

    def check_user_changes(self, changes: Sequence[EntityChange], where: str = "", start: int = 0) -> None:
        """Raise `RequestError` naming the field where one of the changes, numbered from `start`, cannot be made."""
        for number, change in enumerate(changes, start):
            self.model.dataset.users.check_change(change, where.format(number), "user")

    def change_users(self, changes: Sequence[EntityChange]) -> None:
        """Change attributes of users, known or not. Check them first with `check_user_changes`."""
        own = self.model.dataset.users.ids.own
        changed = [EntityChange(own(one.id), None, one.attributes) for one in changes]
        with self._lock.write():
            self.profiles.change(changed)

    def forget(self, user: Any) -> None:
        """Erase a user: history and attributes are gone at once, those of the log and the users table included.

        Counters that others share (how often an item was played) keep what they counted until the model is loaded
        again.
        """
        own = self.model.dataset.users.ids.own(user)
        with self._lock.write():
            self.histories.forget(own, self.model.dataset.users.ids.code(user))
            self._shown.forget(own, -1)
            self.profiles.forget(own)
            self.erased.add(own)

    def change_settings(self, model: Model) -> None:
        """Answer with the settings of a model that differs from the present one in `[rerank]` and weights only; see `Recommender`."""
        with self._lock.write():
            self.model = model
            self.catalogue = replace(self.catalogue, project=model.project)

    def record_served(self, slates: Iterable[Slate]) -> None:
        """Count slates that were shown: new items on them use up their exposure budget."""
        if self.cold_start is None:
            return
        with self._lock.write():
            for slate in slates:
                self.cold_start.served(self.catalogue.items.ids.codes([r.item for r in slate.items]))

    # ---------------------------------------------------------------- the fold

    def _observe(self, events: Sequence[StoredEvent]) -> int:
        """Encode all events before any has an effect; where one of them cannot be encoded, each is tried alone."""
        try:
            encoded = self._encoded(events)
        except (ShortlistError, ValueError, OverflowError, TypeError):  # stored by another version or project
            if len(events) > 1:
                return sum(self._observe([event]) for event in events)
            known = self.context.readable(events[0].context)
            return (
                1
                if len(known) == len(events[0].context)
                else self._observe([replace(events[0], context=known)])
            )
        for one in encoded:
            self.counters.add_many(one.kind, one.acted_on, one.times, one.values)
            if self.cold_start is not None:
                self.cold_start.record(one.kind, one.items, one.values)
        # in the order of the rows, whatever their kind: events of one moment keep it
        for _, user, event in sorted(chain(*(one.histories for one in encoded)), key=itemgetter(0)):
            self.histories.add(user, event)
        for one in encoded:
            for user, event in one.shown:
                self._shown.add(user, event)
        self.observed += len(events)
        return len(events) - sum(len(one.times) for one in encoded)

    def _encoded(self, events: Sequence[StoredEvent]) -> list[_EncodedEvents]:
        """The usable events by kind, in codes: of items, kinds and contexts that the model knows."""
        data, kinds = self.model.dataset, self.model.dataset.log.kinds
        items = self.catalogue.items.ids.codes([e.item for e in events])
        users = data.users.ids.codes([e.user for e in events])
        by_kind: dict[str, list[int]] = {}
        for row, event in enumerate(events):
            if items[row] >= 0 and event.kind in kinds and 0 <= event.time < LAST_MOMENT:
                by_kind.setdefault(event.kind, []).append(row)
        encoded = []
        for kind, places in by_kind.items():
            context = self.context.of_events([events[row].context for row in places])
            rows = np.array(places)
            times = np.array([events[row].time for row in places], np.int64)
            values = np.array([_amount(events[row].value) for row in places], np.float32)
            keys = RequestKeys(
                users[rows], context, self._changed_attributes([events[r].user for r in places])
            )
            acted_on = KeyRows.one_each(keys, items[rows], self.catalogue.items.attributes)
            code = kinds.index(kind)
            histories = [
                (row, data.users.ids.own(events[row].user), HistoryEvent(item, events[row].time, code, value))
                for row, item, value in zip(places, items[rows].tolist(), values.tolist(), strict=True)
                if kind != IMPRESSION or self._counts_shown
            ]
            shown = []
            if kind == IMPRESSION:  # counters have those of users whom the log has
                known = self.histories.known_codes(users)
                shown, histories = [(user, event) for row, user, event in histories if known[row] < 0], []
            encoded.append(_EncodedEvents(kind, acted_on, items[rows], times, values, histories, shown))
        return encoded

    def _changed_attributes(self, users: Sequence[Any]) -> dict[str, Attribute]:
        """User attributes of events, where some of their users were changed since training; else those of the table count."""
        if not len(self.profiles):  # almost always
            return {}
        own = self.model.dataset.users.ids.own
        mine = [own(user) for user in users]
        if not any(self.profiles.of(user) for user in mine):
            return {}
        codes = self.histories.known_codes(self.model.dataset.users.ids.codes(mine))
        return self.user_attributes([None] * len(mine), mine, codes)

    def __repr__(self) -> str:
        return f"LiveState({self.observed:,} events since training, {self.catalogue!r})"


@dataclass(frozen=True, eq=False, repr=False)
class _EncodedEvents(ShortRepr):
    """Events of one kind, ready to be folded in."""

    kind: str
    acted_on: KeyRows
    items: NDArray[np.int32]
    times: NDArray[np.int64]
    values: NDArray[np.float32]
    histories: list[tuple[int, Any, HistoryEvent]]
    shown: list[tuple[Any, HistoryEvent]]


def _cold_start(model: Model) -> ColdStartExploration | None:
    """Exploration of new items with the counts of the log; None where the project reserves no slot for them."""
    project, log = model.project, model.dataset.log
    settings = project.rerank.new_items
    if not settings.share:
        return None
    found = ColdStartExploration(settings, project.objectives[project.relevant], len(model.dataset.items))
    for code, kind in enumerate(log.kinds):
        rows = log.kind == code
        found.record(kind, log.item[rows], log.value[rows])
    found.estimate_base_rate()
    return found


def _amount(value: float | None) -> float:
    return float("nan") if value is None else float(value)

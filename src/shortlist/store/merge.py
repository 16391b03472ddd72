"""A log and what a server's store has added to it, as one log to train from.

The base is the project's tables, read anew, or the log inside a bundle. To it come the stored events beyond what it has learnt from,
the items that operators added or changed, and from it go the people who asked to be erased. Shown items (events of kind impression
that name their slate) get back the position and the chance that the server wrote down when it made the slate.

A bundle that was trained so carries a `Mark`: up to which row of which store it has learnt. A server that loads it folds only later
rows into its live state, so that nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.config.base import IMPRESSION
from shortlist.data.attributes import Attribute
from shortlist.data.check import Check, Problem
from shortlist.data.dataset import Dataset
from shortlist.data.entities import Entities, EntityChange
from shortlist.data.ids import IdMap
from shortlist.data.log import Log, repeated_rows
from shortlist.data.texts import Texts
from shortlist.store.event_store import EventStore, StoredEvent


@dataclass(frozen=True)
class Mark:
    """How far into a store something has read: `store` is the store's own id; `row` of its events, `operation` of what operators did."""

    store: str = ""
    row: int = 0
    operation: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def within(self, store: EventStore) -> Mark:
        """This mark where it is of that store, else its beginning."""
        return self if self.store == store.id else Mark(store.id)


@dataclass(frozen=True)
class Lengthened:
    """`retired` bool (items,): out of the catalogue. `new`: how many events came from the store; `erased`: how many people went."""

    dataset: Dataset
    mark: Mark
    retired: np.ndarray
    new: int
    erased: int


def lengthened(
    base: Dataset, store: EventStore, mark: Mark | None = None, retired: np.ndarray | None = None
) -> Lengthened:
    """A data set with what a store holds beyond a mark. mark: how far the base has learnt from that store; from its beginning
    without. retired: items that are out of the catalogue already. What cannot be used is counted in `dataset.check`.
    """
    mark = (mark or Mark()).within(store)
    operations = store.operations_since(mark.operation)
    changes = [operation for _, operation in operations if operation.what == "item"]
    items = base.items.with_changes(
        [EntityChange(o.about, o.body.get("title"), o.body.get("attributes", {})) for o in changes]
    )
    out = np.zeros(len(items), bool)
    if retired is not None:
        out[: len(retired)] = retired
    for operation in changes:
        if operation.body.get("retired") is not None:
            out[items.ids.code(operation.about)] = bool(operation.body["retired"])
    erased = {base.users.ids.own(o.about): o.time for _, o in operations if o.what == "erase"}
    kept = _without(base, erased)
    stored: list[tuple[int, StoredEvent]] = []
    row = mark.row
    while page := store.since(row):
        stored += page
        row = page[-1][0]
    check = Check(base.check.read + len(stored), 0, dict(base.check.set_aside), list(base.check.problems))
    usable = _usable([e for _, e in stored], kept, items, check)
    users = kept.users.with_changes([EntityChange(e.user) for e in usable])
    log = _joined(kept, users.ids, items.ids, usable, store)
    if base.project.data.duplicates == "drop":
        twice = repeated_rows([log.user, log.item, log.time, log.kind])
        log = log.rows(np.flatnonzero(~twice))
        _aside(check, int(twice.sum()), "duplicates", "they are in the tables already, or were stored twice")
    check.kept = len(log)
    dataset = replace(base, users=users, items=items, log=log, check=check)
    end = Mark(store.id, row, operations[-1][0] if operations else mark.operation)
    gone = len(base.users) - len(kept.users)
    return Lengthened(dataset, end, out, len(log) - len(kept.log), gone)


def _aside(check: Check, count: int, reason: str, what: str) -> None:
    if count:
        check.problems.append(Problem("set aside", "the event store", "events", what, count))
        check.set_aside[reason] = check.set_aside.get(reason, 0) + count


def _without(base: Dataset, erased: dict[Any, int]) -> Dataset:
    """Without the people who asked to be erased: neither their events nor their ids or attributes."""
    gone = base.users.ids.codes(list(erased))
    gone = gone[gone >= 0]
    if not len(gone):
        return base
    keep = np.ones(len(base.users), bool)
    keep[gone] = False
    rows = np.flatnonzero(keep)
    users = Entities(
        IdMap(base.users.ids.values.take(pa.array(rows))),
        Texts(base.users.titles.some(rows)),
        {name: a.take(rows) for name, a in base.users.attributes.items()},
    )
    log = base.log.rows(np.flatnonzero(keep[base.log.user]))
    place = np.cumsum(keep) - 1
    return replace(base, users=users, log=replace(log, user=place[log.user].astype(np.int32)))


def _usable(stored: list[StoredEvent], base: Dataset, items: Entities, check: Check) -> list[StoredEvent]:
    """The events that can be learnt from."""
    kind = int if pa.types.is_integer(base.users.ids.values.type) else str
    rules: tuple[tuple[str, str, Callable[[StoredEvent], bool]], ...] = (
        (
            "with an id of another type",
            f"user ids are {base.users.ids.values.type}",
            lambda e: isinstance(base.users.ids.own(e.user), kind),
        ),
        (
            "of unknown items",
            "the catalogue has no such item any more",
            lambda e: items.ids.code(e.item) >= 0,
        ),
        (
            "of unknown kinds",
            f"the log has only {', '.join(base.log.kinds)}",
            lambda e: e.kind in base.log.kinds,
        ),
    )
    for reason, what, fits in rules:
        kept = [e for e in stored if fits(e)]
        _aside(check, len(stored) - len(kept), reason, what)
        stored = kept
    return stored


def _joined(base: Dataset, users: IdMap, items: IdMap, stored: list[StoredEvent], store: EventStore) -> Log:
    """The base's log and the stored events, in order of what was known when."""
    old = base.log
    time = np.array([e.time for e in stored], np.int64)
    kinds = {name: code for code, name in enumerate(old.kinds)}
    slates, position, propensity = _as_shown(stored, store, int(old.slate.max(initial=-1)) + 1)
    context: dict[str, Attribute] = {}
    for name, before in old.context.items():
        values = [e.context.get(name) for e in stored]
        rows = np.arange(len(before), len(before) + len(stored))
        context[name] = before.with_rows(rows, values)
    amounts = np.array([np.nan if e.value is None else e.value for e in stored], np.float32)
    log = Log(
        old.kinds,
        np.concatenate([old.user, users.codes([e.user for e in stored])]),
        np.concatenate([old.item, items.codes([e.item for e in stored])]),
        np.concatenate([old.time, time]),
        np.concatenate([old.kind, np.array([kinds[e.kind] for e in stored], np.int16)]),
        np.concatenate([old.value, amounts]),
        np.concatenate([old.slate, slates]),
        np.concatenate([old.position, position]),
        np.concatenate([old.propensity, propensity]),
        context,
        None if old.arrival is None else np.concatenate([old.arrival, time]),
    )
    by = (log.time,) if log.arrival is None else (log.arrival, log.time)
    return log.rows(np.lexsort(by))


def _as_shown(
    stored: list[StoredEvent], store: EventStore, first: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slate (a number from `first`, −1: none), position and propensity of each event, as the server wrote its slates down.
    Position and propensity are those of impressions.
    """
    numbers: dict[str, int] = {}
    for e in stored:
        if e.slate is not None:
            numbers.setdefault(e.slate, first + len(numbers))
    slate = np.array([-1 if e.slate is None else numbers[e.slate] for e in stored], np.int32)
    position, propensity = np.full(len(stored), -1, np.int16), np.full(len(stored), np.nan, np.float32)
    shown = {e.slate for e in stored if e.kind == IMPRESSION and e.slate is not None}
    places: dict[tuple[str, str], tuple[int, float]] = {}
    for s in store.slates() if shown else ():
        if s.slate_id in shown:
            for place, (item, chance) in enumerate(zip(s.items, s.propensities, strict=True)):
                places[s.slate_id, str(item)] = place, float("nan") if chance is None else chance
    for at, e in enumerate(stored):
        if e.kind == IMPRESSION and e.slate is not None and (e.slate, str(e.item)) in places:
            position[at], propensity[at] = places[e.slate, str(e.item)]
    return slate, position, propensity

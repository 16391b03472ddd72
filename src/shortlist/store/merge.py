"""Merge a data set with the events that a server has stored since, as one data set to train from."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.config.base import IMPRESSION
from shortlist.config.data import DataSettings
from shortlist.data.attributes import Attribute
from shortlist.data.check import Check, Problem
from shortlist.data.dataset import Dataset
from shortlist.data.entities import Entities, EntityChange, check_attribute_value
from shortlist.data.erasure import without_users
from shortlist.data.given_lists import GivenLists
from shortlist.data.ids import IdMap, id_fault
from shortlist.data.log import Log, repeated_rows
from shortlist.errors import DataError, RequestError, StoreError
from shortlist.store.records import AHEAD, LAST_MOMENT, Operation, StoredEvent
from shortlist.store.shown import as_shown

if TYPE_CHECKING:  # it loads SQLAlchemy, which commands without a store do not need
    from shortlist.store.event_store import EventStore

SENT_AGAIN = (
    "Other fields of these changes are applied. Send these again in the form that the attributes have now"
)
"""What to do about fields of stored changes that do not fit the attributes of the tables."""
GUESTS = 'data.user_ids = "text" in the project makes all ids of users texts; then these events are trained on, too'
"""How to keep the events of guests."""


@dataclass(frozen=True)
class StorePosition:
    """A position in a store, up to which something has been read.

    A bundle that was trained from a store carries one: a server that loads the bundle folds only later rows into its
    live state, so that no event counts twice.

    Parameters
    ----------
    store
        The id of the store.
    row
        The last event that was read.
    operation
        The last operation that was read.
    """

    store: str = ""
    row: int = 0
    operation: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the position as plain values."""
        return asdict(self)

    def within(self, store: EventStore) -> StorePosition:
        """Return this position where it is one of that store, else the beginning of that store.

        Raises
        ------
        StoreError
            The store has not got that far: it is an earlier copy. New events would get rows that count as read.
        """
        if self.store != store.id:
            return StorePosition(store.id)
        last = store.last_row()
        if last < self.row:
            raise StoreError(
                f"the bundle was trained from {self.row:,} rows of the event store ({store.shown_target}), which has had only "
                f"{last:,}: it is an earlier copy. Use the later one, or train again from the tables",
                field="store",
            )
        return self


@dataclass(frozen=True, repr=False)
class MergedDataset:
    """A data set and what a store added to it.

    Attributes
    ----------
    dataset : Dataset
        The merged data set.
    position : StorePosition
        The position up to which the store was read.
    retired : ndarray of shape (items,), bool
        Items that are out of the catalogue.
    new : int
        Number of events that came from the store.
    erased : int
        Number of users that were removed because they asked for it.
    """

    dataset: Dataset
    position: StorePosition
    retired: NDArray[np.bool_]
    new: int
    erased: int

    def __repr__(self) -> str:
        return f"MergedDataset({self.dataset!r}; {self.new:,} new events, {self.erased:,} users erased)"


def merge_store(
    base: Dataset,
    store: EventStore,
    settings: DataSettings,
    position: StorePosition | None = None,
    retired: NDArray[np.bool_] | None = None,
) -> MergedDataset:
    """Merge a data set with a store.

    The base is the project's tables, read again, or the data set of a bundle. Stored events after the position are
    added, changes of items and of users' attributes are applied, and users who asked to be erased are removed. Impressions that
    name their slate get the position and the propensity that the server stored with the slate.

    Parameters
    ----------
    base
        The data set.
    store
        The store.
    settings
        The project's `[data]`: whether duplicates are dropped, and whether the ids of users become texts.
    position
        The position up to which the base contains that store (default: its beginning).
    retired
        Items of the base that are out of the catalogue already, bool (items,).

    Returns
    -------
    MergedDataset
        Stored events that cannot be used are counted in `dataset.check`.
    """
    position = (position or StorePosition()).within(store)
    base = _as_set(base, settings)
    operations = store.operations_since(position.operation)
    check = Check(base.check.read, 0, dict(base.check.set_aside), list(base.check.problems))
    items, retired = _with_operations(base.items, operations, retired, check)
    erased = [operation.about for _, operation in operations if operation.what == "erase"]
    remaining = without_users(base, erased)
    changes = _changes_of_users(remaining.users, operations, check)
    stored, row = list[StoredEvent](), position.row
    while page := store.events_since(row):
        stored += (event for _, event in page)
        row = page[-1][0]
    check.count_read(len(stored))
    usable = _usable(stored, remaining, items, check)
    users = remaining.users.with_changes([*(EntityChange(event.user) for event in usable), *changes])
    log = _joined(remaining.log, (users.ids, items.ids), usable, store, check)
    if settings.duplicates == "drop":
        twice = repeated_rows([log.user, log.item, log.time, log.kind])
        log = log.rows(np.flatnonzero(~twice))
        what = "they are in the tables already, or were stored twice"
        check.set_rows_aside("duplicates", _problem(what, int(twice.sum())))
    check.count_kept(len(log))
    return MergedDataset(
        replace(base, users=users, items=items, log=log, check=check),
        StorePosition(store.id, row, operations[-1][0] if operations else position.operation),
        retired,
        len(log) - len(remaining.log),
        len(base.users) - len(remaining.users),
    )


def _problem(what: str, count: int) -> Problem:
    return Problem("set aside", "the event store", "events", what, count)


def _changes_of_users(
    users: Entities, operations: Sequence[tuple[int, Operation]], check: Check
) -> list[EntityChange]:
    """Return what can be made of the changes of users' attributes; the rest is reported."""
    return [change for _, change in _usable_changes(users, operations, check, "user")]


def _usable_changes(
    entities: Entities,
    operations: Sequence[tuple[int, Operation]],
    check: Check,
    what: Literal["item", "user"],
) -> list[tuple[Operation, EntityChange]]:
    """Return the changes of items or users that can be made, without fields that do not fit; those are reported."""
    changes, impossible, partly = list[tuple[Operation, EntityChange]](), list[str](), list[str]()
    for row, operation in operations:
        if operation.what != what:
            continue
        body = operation.body
        change = EntityChange(operation.about, body.get("title"), body.get("attributes") or {})
        part, faults = entities.usable_part(change, what)
        told = [f"row {row}: {what} {operation.about!r}: {fault.message}" for fault in faults]
        if part is None:
            impossible += told
        else:
            partly += told
            changes.append((operation, part))
    _report(f"changes of {what}s that cannot be applied", impossible, check)
    _report(f"fields of changes of {what}s that cannot be applied", partly, check, SENT_AGAIN)
    return changes


def _report(what: str, told: list[str], check: Check, fix: str = "", table: str = "operations") -> None:
    """Report operations of the store, or values of its events, that are set aside."""
    if told:
        check.add(Problem("set aside", "the event store", table, what, len(told), told[:3], fix))


def _with_operations(
    items: Entities,
    operations: Sequence[tuple[int, Operation]],
    retired: NDArray[np.bool_] | None,
    check: Check,
) -> tuple[Entities, NDArray[np.bool_]]:
    """The catalogue after operators' changes, and which of its items are retired; what cannot be applied is reported."""
    changes = _usable_changes(items, operations, check, "item")
    changed = items.with_changes([change for _, change in changes])
    out = np.zeros(len(changed), bool)
    if retired is not None:
        out[: len(retired)] = retired
    for operation, _ in changes:
        if operation.body.get("retired") is not None:
            out[changed.ids.code(operation.about)] = bool(operation.body["retired"])
    return changed, out


def _as_set(base: Dataset, settings: DataSettings) -> Dataset:
    """The data set with declared kinds and given numbers, and with ids of users as texts where guests are to be among them."""
    unknown = {name: np.full(len(base.log), np.nan, np.float32) for name in settings.given}
    log = base.log.with_kinds([*settings.kinds, IMPRESSION])
    base = replace(base, log=replace(log, given={**unknown, **log.given}))
    ids = base.users.ids
    if settings.user_ids != "text" or ids.python_type is str:
        return base
    titles, attributes = base.users.titles, base.users.attributes
    return replace(base, users=Entities(IdMap(ids.values.cast(pa.string())), titles, attributes))


def _usable(stored: list[StoredEvent], base: Dataset, items: Entities, check: Check) -> list[StoredEvent]:
    """The events that can be used; the others are counted."""
    latest = max(int(time.time() * 1000), int(base.log.time.max(initial=0))) + AHEAD
    rules: tuple[tuple[str, str, Callable[[StoredEvent], bool]], ...] = (
        (
            "with an impossible user id",
            "an id is a whole number of 64 bits, or a text of 1 to 512 characters",
            lambda e: id_fault(e.user) is None,
        ),
        (
            "of guests",
            "the ids of users are whole numbers, and these are texts",
            lambda e: base.users.ids.fits(e.user),
        ),
        (
            "of unknown items",
            "the catalogue no longer has such an item",
            lambda e: items.ids.code(e.item) >= 0,
        ),
        (
            "at impossible times",
            "the time is before 1970 or after 2255",
            lambda e: 0 <= e.time < LAST_MOMENT,
        ),
        (
            "in the future",
            "the time is after now: windows that end there would hold nothing else",
            lambda e: e.time <= latest,
        ),
        (
            "of unknown kinds",
            f"the log has only {', '.join(base.log.kinds)}",
            lambda e: e.kind in base.log.kinds,
        ),
    )
    for reason, what, fits in rules:
        kept = [event for event in stored if fits(event)]
        lost = [event for event in stored if not fits(event)] if len(kept) < len(stored) else []
        examples = list(dict.fromkeys(f"user {e.user!r}, item {e.item!r}, kind {e.kind!r}" for e in lost))[:3]
        fix = GUESTS if reason == "of guests" else ""
        check.set_rows_aside(reason, replace(_problem(what, len(lost)), examples=examples, fix=fix))
        stored = kept
    return stored


def _joined(
    old: Log, ids: tuple[IdMap, IdMap], stored: Sequence[StoredEvent], store: EventStore, check: Check
) -> Log:
    """The log and the stored events, in the order in which they became known. `ids` are those of users and of items."""
    users, items = ids
    times = np.array([e.time for e in stored], np.int64)
    kinds = {name: code for code, name in enumerate(old.kinds)}
    shown = as_shown(stored, store, _next_slate(old), items, list(old.given))
    rows = np.arange(len(old), len(old) + len(stored))
    values = np.array([np.nan if e.value is None else e.value for e in stored], np.float32)
    log = Log(
        old.kinds,
        np.concatenate([old.user, users.codes([e.user for e in stored])]),
        np.concatenate([old.item, items.codes([e.item for e in stored])]),
        np.concatenate([old.time, times]),
        np.concatenate([old.kind, np.array([kinds[e.kind] for e in stored], np.int16)]),
        np.concatenate([old.value, values]),
        np.concatenate([old.slate, shown.slate]),
        np.concatenate([old.position, shown.position]),
        np.concatenate([old.propensity, shown.propensity]),
        {name: _with_context(attribute, rows, stored, check) for name, attribute in old.context.items()},
        None if old.arrival is None else np.concatenate([old.arrival, times]),
        {name: np.concatenate([numbers, shown.given[name]]) for name, numbers in old.given.items()},
        GivenLists.joined([part for part in (old.lists, shown.lists) if part is not None]),
    )
    by = (log.time,) if log.arrival is None else (log.arrival, log.time)
    return log.rows(np.lexsort(by))


def _with_context(
    attribute: Attribute, rows: NDArray[np.int64], stored: Sequence[StoredEvent], check: Check
) -> Attribute:
    """A context column with the values of the stored events; a value that it cannot have is unknown, and reported."""
    values = [e.context.get(attribute.name) for e in stored]
    try:
        return attribute.with_rows(rows, values)
    except (DataError, ValueError, OverflowError):  # stored while the column was of another kind
        told = []
    for at, value in enumerate(values):
        try:
            if value is not None:
                check_attribute_value(attribute, value, f"context.{attribute.name}")
        except RequestError as error:
            values[at] = None
            told.append(f"event {stored[at].event_id!r}: {error.message}")
    _report(
        "values of contexts that cannot be read; their events are used without them",
        told,
        check,
        table="events",
    )
    return attribute.with_rows(rows, values)


def _next_slate(log: Log) -> int:
    lists = -1 if log.lists is None else int(log.lists.slate.max(initial=-1))
    return max(int(log.slate.max(initial=-1)), lists) + 1

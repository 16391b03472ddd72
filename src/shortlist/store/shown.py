"""Facts about stored impressions from the slates they name: places, chances, given numbers, whole lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shortlist.config.base import IMPRESSION
from shortlist.data.given_lists import GivenLists
from shortlist.data.ids import IdMap
from shortlist.store.records import StoredEvent, StoredSlate

if TYPE_CHECKING:  # it loads SQLAlchemy, which commands without a store do not need
    from shortlist.store.event_store import EventStore

NAN = float("nan")


@dataclass(frozen=True, eq=False, repr=False)
class ShownEvents:
    """Stored events as they were shown.

    Attributes
    ----------
    slate : ndarray of shape (n,), int32
        Number of the slate of each event; −1 where it names none.
    position, propensity : ndarray of shape (n,), int16 and float32
        Of impressions, as the server stored them with their slates; −1 and NaN otherwise.
    given : dict of str to ndarray of shape (n,), float32
        Given numbers of impressions, by name.
    lists : GivenLists
        The whole lists of the slates that were ranked from one and shown.
    """

    slate: NDArray[np.int32]
    position: NDArray[np.int16]
    propensity: NDArray[np.float32]
    given: dict[str, NDArray[np.float32]]
    lists: GivenLists

    def __repr__(self) -> str:
        return f"ShownEvents({len(self.slate):,} events, {self.lists!r})"


def as_shown(
    stored: Sequence[StoredEvent], store: EventStore, first: int, items: IdMap, names: Sequence[str]
) -> ShownEvents:
    """Return what is known of stored events from the slates of a store.

    Parameters
    ----------
    stored
        The events.
    store
        Holds their slates.
    first
        The number of the first slate.
    items
        Ids of the catalogue.
    names
        The given numbers that the project declares (`data.given`).
    """
    numbers: dict[str, int] = {}
    for e in stored:
        if e.slate is not None:
            numbers.setdefault(e.slate, first + len(numbers))
    slate = np.array([-1 if e.slate is None else numbers[e.slate] for e in stored], np.int32)
    position, propensity = np.full(len(stored), -1, np.int16), np.full(len(stored), np.nan, np.float32)
    given = {name: np.full(len(stored), np.nan, np.float32) for name in names}
    seen = {e.slate for e in stored if e.kind == IMPRESSION and e.slate is not None}
    slates = {s.slate_id: s for s in (store.slates() if seen else ()) if s.slate_id in seen}
    places = {(s.slate_id, str(item)): at for s in slates.values() for at, item in enumerate(s.items)}
    for at, e in enumerate(stored):
        place = places.get((e.slate or "", str(e.item))) if e.kind == IMPRESSION else None
        if place is None or e.slate is None:
            continue
        s = slates[e.slate]
        chance = s.propensities[place]
        position[at], propensity[at] = s.first_position + place, NAN if chance is None else chance
        for name in names:
            given[name][at] = _number(s, name, place)
    listed = [(numbers[s.slate_id], s) for s in slates.values() if s.given is not None]
    return ShownEvents(
        slate, position, propensity, given, _lists(sorted(listed, key=lambda one: one[0]), items, names)
    )


def _lists(listed: Sequence[tuple[int, StoredSlate]], items: IdMap, names: Sequence[str]) -> GivenLists:
    """The whole lists of slates. Items that the catalogue does not have are left out."""
    codes = [items.codes(s.items) for _, s in listed]
    known = [np.flatnonzero(c >= 0) for c in codes]
    sizes = [len(rows) for rows in known]
    return GivenLists(
        np.array([number for number, _ in listed], np.int32),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([np.empty(0, np.int32), *(c[rows] for c, rows in zip(codes, known, strict=True))]),
        {
            name: np.array(
                [
                    _number(s, name, place)
                    for (_, s), rows in zip(listed, known, strict=True)
                    for place in rows.tolist()
                ],
                np.float32,
            )
            for name in names
        },
    )


def _number(s: StoredSlate, name: str, place: int) -> float:
    numbers = (s.given or {}).get(name)
    number = None if numbers is None else numbers[place]
    return NAN if number is None else number

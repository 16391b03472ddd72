"""The kinds of events of a log, with what each says and what its values say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.config.base import IMPRESSION
from shortlist.data.guess.columns import ValueColumn
from shortlist.data.guess.kinds import KindMeaning, Stage, meaning_of
from shortlist.data.guess.value import Meaning, Shape, ValueReading, read_values
from shortlist.engines.missing import NO_ID

ENOUGH = 50
"""So many events of a kind are enough to learn from, and to evaluate by."""
ENOUGH_SHARE = (0.005, 0.05)
"""Of a large log, they have to be at least the first share; of a small one, the second share is enough."""
UNNAMED = "event"
"""The kind of the events of a log that names none."""
RETURN = "return"
"""The kind that events with a quantity or an amount below 0 get."""
MOST_KINDS = 100
"""The most frequent kinds are read; a column with more of them holds something else."""
MOST_VALUED = 0.5
"""A limit on the value needs at least this share of events with a value."""


def is_enough(count: int, total: int) -> bool:
    """Return whether so many of all events are enough to learn from."""
    low, high = ENOUGH_SHARE
    return count >= max(1, low * total, min(ENOUGH, high * total))


@dataclass(frozen=True)
class EventKind:
    """A kind of event.

    Attributes
    ----------
    name, count
        Its name, and how many events there are.
    meaning
        What its name says.
    values
        What its values say.
    valued
        The share of its events that have a value.
    named
        Whether the log names kinds of events.
    """

    name: str
    count: int
    meaning: KindMeaning
    values: ValueReading | None
    valued: float = 1.0
    named: bool = True

    @property
    def wants(self) -> bool:
        """Whether such an event can say that the item was wanted."""
        return self.meaning.wanted and self.meaning.about_item and self.meaning.stage is not Stage.SHOWN

    @property
    def at_least(self) -> float | None:
        """From this value on, the item was wanted; None where many events have no value, which a limit would leave out."""
        return self.values.at_least if self.values is not None and self.is_valued else None

    @property
    def is_valued(self) -> bool:
        """Whether enough of its events have a value."""
        return self.valued >= MOST_VALUED

    @property
    def is_scale(self) -> bool:
        """Whether its values are grades."""
        return self.values is not None and self.values.shape is Shape.SCALE


@dataclass(frozen=True)
class EventKinds:
    """The kinds of events of a log.

    Attributes
    ----------
    all
        Every kind but impressions, the most frequent first.
    has_impressions
        Whether there are impressions.
    value
        The column of values, if there is one.
    """

    all: tuple[EventKind, ...]
    has_impressions: bool
    value: ValueColumn | None = None

    @classmethod
    def of(
        cls,
        events: pa.Table,
        columns: Mapping[str, str | None],
        value: ValueColumn | None,
        default: str = UNNAMED,
    ) -> EventKinds:
        """Read the kinds of events and their values from a table; columns: role → column; default: the kind where there is no column."""
        name = columns["kind"]
        negative = negative_kind(value)
        plain = meaning_of(default) if default != UNNAMED else None
        if name is None and negative is None:
            return cls((_kind(default, events.num_rows, None, value, plain),), False, value)
        column = (
            pa.array([default] * events.num_rows) if name is None else events.column(name).cast(pa.string())
        )
        if value is not None and negative is not None:
            column = pc.if_else(pa.array(value.numbers < 0), negative, column)
        counts = {
            found["values"]: found["counts"]
            for found in pc.value_counts(column).to_pylist()
            if found["values"] is not None and found["values"].strip().lower() not in {"", *NO_ID}
        }
        order = sorted(counts, key=lambda kind: (-counts[kind], kind))
        acted = [kind for kind in order if kind != IMPRESSION][:MOST_KINDS] or order or ["event"]
        named = {kind: None if name is None and kind == UNNAMED else meaning_of(kind) for kind in acted}
        kinds = tuple(_kind(kind, counts.get(kind, 0), column, value, named[kind]) for kind in acted)
        return cls(kinds, IMPRESSION in counts, value)

    @property
    def wanted(self) -> list[EventKind]:
        """The kinds that can say that an item was wanted, the main one first, then by stage; all kinds if none can."""
        wanted = [kind for kind in self.all if kind.wants] or list(self.all)
        by_stage = sorted(wanted, key=lambda kind: (-kind.meaning.stage, -kind.count))
        total = sum(kind.count for kind in wanted)
        frequent = max(by_stage, key=lambda kind: kind.count)
        main = next((kind for kind in by_stage if is_enough(kind.count, total)), frequent)
        return [main, *(kind for kind in by_stage if kind is not main)]

    @property
    def unwanted(self) -> list[EventKind]:
        """The kinds that say that an item was turned down; none if no kind says that one was wanted."""
        return [kind for kind in self.all if not kind.meaning.wanted and kind not in self.wanted]


def negative_kind(value: ValueColumn | None) -> str | None:
    """Return the kind of events with a value below 0, where quantities or amounts below 0 are returns."""
    if value is None or not value.wanted or value.meaning not in {Meaning.COUNT, Meaning.MONEY}:
        return None
    return RETURN if (value.numbers < 0).any() and (value.numbers > 0).any() else None


def _kind(
    name: str,
    count: int,
    column: pa.Array | pa.ChunkedArray | None,
    value: ValueColumn | None,
    meaning: KindMeaning | None,
) -> EventKind:
    reading, valued = None, 1.0
    if value is not None and value.wanted:
        numbers = value.numbers
        if column is not None:
            numbers = numbers[np.asarray(pc.fill_null(pc.equal(column, name), False)).astype(bool)]
        reading = read_values(numbers, value.meaning)
        valued = float(np.isfinite(numbers).mean()) if len(numbers) else 1.0
    return EventKind(name, count, meaning or KindMeaning(Stage.UNKNOWN), reading, valued, meaning is not None)

"""Roles of columns that their values tell: kinds of events in any language, places on a list, times of day, codes of items, keys."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.data.clock import read_clock
from shortlist.data.event_columns import flat
from shortlist.data.guess.evidence import Evidence
from shortlist.data.guess.kinds import Stage, meaning_of
from shortlist.data.guess.names import concepts
from shortlist.data.guess.scores import SURE, score_item
from shortlist.data.numbers import is_text

MOST_KINDS = 20
"""A column of answers (`feedback`: good, bad) has at most this many distinct texts."""
_NO_KEYS = frozenset({"quantity", "price", "amount", "time", "rating", "duration", "position", "kind"})
"""Concepts of columns that hold no keys, though their numbers can occur among ids."""
FEWEST_JOINED = 0.05
"""A key of the events has at least so many values, in proportion to the rows of the other table."""
MOST_PLACES = 500
JOINED = 60.0
"""Points of a column whose values are the ids of the items or users table."""


def kind_in_words(evidence: Evidence, used: AbstractSet[str]) -> str | None:
    """Return a column that is called an event or an action in any language, and whose values are kinds of events."""
    for name in evidence.table.column_names:
        found = concepts(name)
        called = bool(found) and found <= {"kind", "created", "name"}
        if name in used or not called or not is_text(evidence.type_of(name)):
            continue
        named = [
            str(word) for word in pc.unique(evidence.table.column(name).cast(pa.string())).to_pylist() if word
        ]
        if 1 <= len(named) <= MOST_KINDS and 2 * sum(map(says_something, named)) >= len(named):
            return str(name)
    return None


def place(evidence: Evidence, used: AbstractSet[str]) -> str | None:
    """Return a column of places on a list: `feed_position`, `slot_nr`."""
    for name in evidence.table.column_names:
        if (
            name in used
            or "position" not in concepts(name)
            or not concepts(name) <= {"position", "id", "session"}
        ):
            continue
        if pa.types.is_integer(evidence.type_of(name)) and 2 <= evidence.distinct(name) <= MOST_PLACES:
            return str(name)
    return None


def clock_beside(evidence: Evidence, date: str | None, used: AbstractSet[str]) -> str | None:
    """Return the column of times of day beside a column of dates."""
    if date is None or evidence.has_clock(date):
        return None
    for name in evidence.table.column_names:
        column = flat(evidence.table.column(name))
        if name in used or "time" not in concepts(name) or column.null_count == len(column):
            continue
        if pa.types.is_time(column.type) or is_text(column.type):
            times, bad = read_clock(column)
            if not bad.any() and len(np.unique(times)) > 1:
                return str(name)
    return None


def says_something(word: str) -> bool:
    """Return whether a word is a kind of event that is known."""
    meaning = meaning_of(word)
    return not meaning.wanted or meaning.stage is not Stage.UNKNOWN


def code_of(evidence: Evidence, item: str, used: AbstractSet[str]) -> str | None:
    """Return the code of items whose name was taken for the item, where each has one of the other: `PLU` beside `Item`."""
    if "id" in concepts(item) or not is_text(evidence.type_of(item)):
        return None
    spaced = pc.match_substring(flat(evidence.table.column(item)).drop_null().slice(0, 200), " ")
    if not len(spaced) or pc.mean(spaced.cast(pa.float64())).as_py() < 0.5:
        return None
    for name in evidence.table.column_names:
        free = name not in used and score_item(name, evidence) >= SURE
        if free and evidence.settles(item, name) and evidence.settles(name, item):
            return str(name)
    return None


def joined(evidence: Evidence, table: pa.Table | None) -> dict[str, float]:
    """Return points for columns whose values are nearly all in a column of different values of another table."""
    if table is None or not table.num_rows:
        return {}
    keys = [
        name
        for name in table.column_names
        if not pa.types.is_nested(kind := table.schema.field(name).type)
        and not pa.types.is_floating(kind)
        and not pa.types.is_null(kind)
        and pc.count_distinct(table.column(name)).as_py() >= 0.98 * table.num_rows
    ]
    points: dict[str, float] = {}
    for name in evidence.table.column_names:
        enough = max(2, FEWEST_JOINED * table.num_rows)
        if evidence.is_plain(name) and evidence.distinct(name) >= enough and not concepts(name) & _NO_KEYS:
            share = max((evidence.overlap(name, table.column(key)) for key in keys), default=0.0)
            points[name] = JOINED * share if share >= 0.8 else 0.0
    return points

"""Guess which columns of the events describe the situation of a request, and say why the others do not."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.data.event_columns import flat
from shortlist.data.guess.columns import comes_with_event, is_outcome, normal, value_meaning
from shortlist.data.guess.evidence import REPEATED, SETTLED, Evidence
from shortlist.data.guess.follows_time import follows_time, is_code, runs_on
from shortlist.data.guess.names import concepts
from shortlist.data.guess.roles import Roles
from shortlist.data.numbers import is_numeric, is_text, read_numbers

MOST_WORDS = 1000
"""A context column has at most this many distinct texts."""

MOST_NUMBERS = 60
"""A column with more different numbers measures something; hours, weekdays and minutes have fewer."""
_WITH_UNIT = r"^\s*[-+]?\d[\d.,]*\s*\D{0,4}$"
MOST_RESULTS = 5
"""A column with more values than this holds no results of events, but amounts."""
MOST_REASONS = 50
"""A column with more values than this is no reason of a result."""
VARIES = "numbers that differ from event to event, which a request may not know; data.context takes them"
OF_ITEM = "always the same for an item, so it belongs into the items table"
MOST_GUESSED = 0.95
"""Where one result is as frequent as this, that a column goes with it says nothing."""


def guess_context(
    events: pa.Table,
    roles: Roles,
    taken: AbstractSet[str] = frozenset(),
    described: AbstractSet[str | None] = frozenset(),
) -> dict[str, str]:
    """Return the context columns with their kinds, and add to the reasons why columns are left out.

    A column that describes what came of an event (its price, its quantity, whether it was liked) is no context: a request
    cannot know it. Neither is the number of an order, nor an address.

    Parameters
    ----------
    events
        The events.
    roles
        The roles of their columns.
    taken
        Columns that rules of `[data]` use.
    described
        Columns that are attributes of items.
    """
    assert roles.evidence is not None
    outcomes = {one.name for one in roles.outcomes}
    results = _results_of(roles)
    context: dict[str, str] = {}
    left: dict[str, list[str]] = {}
    for column in events.column_names:
        if column in roles.used or column in taken or column in described:
            continue
        kind, reason = None, _no_value(column, events.column(column), column in outcomes)
        text = is_text(events.schema.field(column).type)
        if column == roles.order:
            reason = "the number of the order"
        elif column not in outcomes and not comes_with_event(column) and not (text and is_outcome(column)):
            kind, reason = _kind_of(events, column, roles, roles.evidence)
            told = next((name for name in results if kind and _tells(roles.evidence, column, name)), None)
            kind, reason = (None, f"it tells {told}, which a request cannot know") if told else (kind, reason)
        if kind is None:
            left.setdefault(reason, []).append(column)
        else:
            context[column] = kind
    if context:
        named = ", ".join(f"{column} ({kind})" for column, kind in context.items())
        roles.say(f"Context of an event, which a request gives, too: {named}.")
    roles.say(*(f"Not used: {', '.join(names)} ({reason})." for reason, names in left.items()))
    return context


def _results_of(roles: Roles) -> list[str]:
    """Return the columns with a few results of an event, such as `skipped`: the value, and others that could be it."""
    assert roles.evidence is not None
    value = [] if roles.value is None else [roles.value.name]
    names = [
        name for name in (*value, *(one.name for one in roles.outcomes)) if roles.evidence.is_plain(name)
    ]
    return [name for name in names if 2 <= roles.evidence.distinct(name) <= MOST_RESULTS]


def _tells(evidence: Evidence, column: str, result: str) -> bool:
    """Return whether the values of a column go with one result each, as the reason why a film ended tells whether it was skipped."""
    first, second = evidence.codes(column), evidence.codes(result)
    both = (first >= 0) & (second >= 0)
    if both.sum() < REPEATED or not 2 <= evidence.distinct(column) <= MOST_REASONS:
        return False
    counts = np.zeros((evidence.distinct(column), evidence.distinct(result)))
    np.add.at(counts, (first[both], second[both]), 1)
    guessed, best = counts.sum(0).max() / counts.sum(), counts.max(1).sum() / counts.sum()
    return bool(guessed < MOST_GUESSED and best >= SETTLED)


def _kind_of(events: pa.Table, column: str, roles: Roles, evidence: Evidence) -> tuple[str | None, str]:
    kind, reason = _context_kind(column, events.column(column))
    found = concepts(column)
    if kind is None:
        return None, reason
    if (found & {"email", "address"} and "item" not in found) or (found >= {"person", "name"}):
        return None, "about the person, and no situation of a request"
    if found >= {"order", "id"} or found >= {"session", "id"}:
        return None, "an id, and no situation of a request"
    if "time" in found and evidence.is_dated(column):
        return None, "a time"
    if "currency" in found and (evidence.distinct(column) < 2 or evidence.present(column) < 1):
        return None, "the currency of the value"
    if evidence.rows >= REPEATED and evidence.distinct(column) == 1 and evidence.present(column) == 1:
        return None, "always the same"
    if kind == "number":
        return _kind_of_numbers(events, column, roles, evidence)
    if not is_code(column) and _varies(events, column, str(roles.columns["user"]), evidence):
        return None, VARIES
    if _describes_item(events, column, str(roles.columns["item"])):
        return None, OF_ITEM
    return kind, ""


def _kind_of_numbers(
    events: pa.Table, column: str, roles: Roles, evidence: Evidence
) -> tuple[str | None, str]:
    """Return the kind of a column of numbers, which measure something, are codes, or count the time."""
    user, item, time = (roles.columns[role] for role in ("user", "item", "timestamp"))
    code = is_code(column) and evidence.distinct(column) <= MOST_WORDS
    if follows_time(evidence, column, str(user), time):
        return None, "it follows from the time; a feature of kind moment has hour and weekday"
    if runs_on(column) and not code:
        return None, "it counts the time, so that a later request has a value that was never learnt"
    if not code and _varies(events, column, str(user), evidence):
        return None, VARIES
    if _describes_item(events, column, str(item)):
        return None, OF_ITEM
    return ("category" if code else "number"), ""


def _varies(events: pa.Table, column: str, user: str, evidence: Evidence) -> bool:
    """Return whether a column has many different numbers, and not one for each user: the depth of scrolling rather than the age."""
    if evidence.distinct(column) <= MOST_NUMBERS or evidence.settles(user, column):
        return False
    if is_numeric(events.schema.field(column).type):
        return True
    some = flat(evidence.table.column(column)).cast(pa.string()).drop_null().slice(0, 500)
    return bool(pc.all(pc.match_substring_regex(some, _WITH_UNIT)).as_py())


def _no_value(name: str, column: pa.ChunkedArray, is_value: bool) -> str:
    """Say why a column that its name makes part of the outcome of an event is no context; is_value: it could be the value."""
    if not is_value and value_meaning(name) is None and column.null_count < len(column):
        return "what came of the event, which a request cannot know"
    reading = None if column.null_count == len(column) else read_numbers(column)
    if reading is None and column.null_count < len(column):
        return f"of type {column.type}, which cannot be read as numbers"
    if reading is not None and is_numeric(column.type) and not np.isfinite(reading.numbers).any():
        return "without a finite number"
    if reading is not None and not reading.mostly_numbers:
        return "texts that cannot be read as numbers"
    return "what came of the event, which a request cannot know"


def _describes_item(events: pa.Table, column: str, item: str) -> bool:
    """Return whether a column has different values, and one value for each item, in many repeated events: the item's brand."""
    if pc.count_distinct(events.column(column)).as_py() < 2:
        return False
    items = pc.count_distinct(events.column(item)).as_py()
    if events.num_rows - items < REPEATED:
        return False
    return bool(len(events.group_by([item, column]).aggregate([])) <= items)


def _numbers_rows(column: pa.ChunkedArray) -> bool:
    """Return whether a column counts the rows from 0 or 1, as the index that pandas writes into a file."""
    if not pa.types.is_integer(column.type) or column.null_count or len(column) < REPEATED:
        return False
    numbers = column.to_numpy()
    return int(numbers[0]) in {0, 1} and bool((np.diff(numbers) == 1).all())


def _context_kind(name: str, column: pa.ChunkedArray) -> tuple[str | None, str]:
    """Return the kind of a context column, or None and the reason."""
    words = re.findall(r"[a-z]+", name.lower())
    if column.null_count == len(column):
        return None, "without any value"
    if not name.strip():
        return None, "without a name"
    if _numbers_rows(column):
        return None, "the numbers of the rows"
    if (
        pa.types.is_temporal(column.type)
        or {"date", "datetime", "timestamp"}.intersection(words)
        or words[-1:] == ["at"]
    ):
        return None, "a time"
    if (is_numeric(column.type) and not pa.types.is_null(column.type)) or pa.types.is_boolean(column.type):
        if normal(name).endswith("id") and pc.count_distinct(column).as_py() > MOST_WORDS:
            return None, f"an id with more than {MOST_WORDS:,} values"
        return "number", ""
    if is_text(column.type):
        few = pc.count_distinct(column.cast(pa.string())).as_py() <= MOST_WORDS
        return ("category", "") if few else (None, f"more than {MOST_WORDS:,} distinct texts")
    return None, f"of type {column.type}"

"""Guess which column of the events table has which role, and which columns are context of the request."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.data.guess.columns import (
    NAMES,
    ValueColumn,
    comes_with_event,
    find_column,
    is_outcome,
    normal,
    value_columns,
    value_meaning,
)
from shortlist.data.guess.events import is_enough
from shortlist.data.guess.value import Meaning, Shape, read_values
from shortlist.data.numbers import is_numeric, is_text, read_numbers
from shortlist.errors import DataError

MOST_WORDS = 1000
"""A context column has at most this many distinct texts."""
REPEATED = 50
"""An attribute of items is recognised from this many repeated events on."""
MOST_KINDS = 20
"""A column of answers (`feedback`: good, bad) has at most this many distinct texts."""


DISJOINT = 0.05
"""An answer such as `like` is given with at most this share of the events that were unwanted."""


@dataclass
class Roles:
    """The roles of the columns of an events table.

    Attributes
    ----------
    columns
        Role → column; None where there is none.
    value
        The column of values.
    outcomes
        Other columns that look like values or outcomes of the event, which a request cannot know.
    lines
        Why columns have their roles.
    """

    columns: dict[str, str | None]
    value: ValueColumn | None = None
    outcomes: list[ValueColumn] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def used(self) -> frozenset[str]:
        """The columns that have a role."""
        return frozenset(column for column in self.columns.values() if column)

    def note(self) -> str:
        """Say why columns have their roles."""
        return "\n".join(self.lines)


def guess_roles(events: pa.Table) -> Roles:
    """Guess the role of each column: by name first, by values second.

    Raises
    ------
    DataError
        No column can be the user or the item.
    """
    columns: dict[str, str | None] = {role: find_column(events, role) for role in NAMES}
    for role in ("user", "item"):
        if columns[role] is None:
            raise DataError(
                f"no column of the events looks like the {role} (there are: {', '.join(events.column_names)}); "
                f"rename one to {role}_id, or write shortlist.toml by hand{_hint(events.column_names)}",
                field=f"data.columns.{role}",
            )
    roles = Roles({**columns, "value": None})
    answers = _take_kind(roles, events)
    candidates = value_columns(events, roles.used)
    roles.value = answers or _pick(candidates, _distinct(events, roles.columns["kind"]))
    roles.outcomes = [one for one in candidates if one is not roles.value]
    if roles.value is not None:
        roles.columns["value"] = roles.value.name
        _explain(roles, events)
    else:
        roles.lines.append("No column is the value of an event (rating, seconds, price).")
    return roles


def _hint(names: list[str]) -> str:
    """Say what is probably wrong with a text file that was read without an error."""
    if len(names) == 1:
        return ". There is one column only: separate the values of a text file with commas, semicolons, tabs or vertical bars"
    if names and all(re.fullmatch(r"column\d+", name) for name in names):
        return ". The first line of a text file must hold the names of the columns"
    return ""


def _take_kind(roles: Roles, events: pa.Table) -> ValueColumn | None:
    """Settle the column of kinds. Returns it as the value where it holds −1, 0 and 1 rather than kinds of events."""
    name = roles.columns["kind"]
    if name is not None and _cannot_be_kinds(events.column(name)):
        roles.columns["kind"] = None
        return None
    if name is not None:
        reading = None if is_text(events.schema.field(name).type) else read_numbers(events.column(name))
        if reading is None:
            return None
        present = np.unique(reading.numbers[np.isfinite(reading.numbers)])
        if len(present) < 2 or not np.isin(present, (-1.0, 0.0, 1.0)).all():
            return None
        roles.columns["kind"] = None
        roles.lines.append(
            f"{name} holds {', '.join(f'{n:g}' for n in present)}: a value, and no kinds of events."
        )
        return ValueColumn(name, Meaning.RATING, reading.numbers)
    for column in events.column_names:
        if column in roles.used or not (value_meaning(column) is Meaning.RATING or is_outcome(column)):
            continue
        words = _words(events.column(column))
        reading = None if words is None else read_numbers(events.column(column))
        if (
            words is not None
            and reading is not None
            and reading.unreadable.any()
            and not reading.mostly_numbers
            and len(words) <= MOST_KINDS
        ):
            roles.columns["kind"] = column
            roles.lines.append(f"{column} holds the texts {', '.join(words[:5])}: kinds of events.")
            return None
    return None


def _cannot_be_kinds(column: pa.ChunkedArray) -> bool:
    kind = column.type
    return bool(pa.types.is_nested(kind) or pa.types.is_binary(kind) or column.null_count == len(column) > 0)


def _words(column: pa.ChunkedArray) -> list[str] | None:
    """Return the distinct texts of a column; None if it holds no texts."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not is_text(kind):
        return None
    return sorted(word for word in pc.unique(column.cast(pa.string())).to_pylist() if word is not None)


def _distinct(events: pa.Table, name: str | None) -> int:
    return 1 if name is None else int(pc.count_distinct(events.column(name)).as_py())


def _pick(candidates: list[ValueColumn], kinds: int) -> ValueColumn | None:
    """Return the column that is the value, from the likeliest on; kinds: how many kinds of events there are."""
    wanted = [one for one in candidates if one.wanted and not (kinds > 1 and one.meaning is Meaning.OUTCOME)]
    readings = {one.name: read_values(one.numbers, one.meaning) for one in wanted}

    def is_shape(one: ValueColumn, shape: Shape) -> bool:
        reading = readings[one.name]
        return reading is not None and reading.shape is shape

    varied = [one for one in wanted if not is_shape(one, Shape.CONSTANT)] or wanted
    unwanted = [one for one in candidates if not one.wanted and is_enough(one.true, len(one.numbers))]
    against = max(unwanted, key=lambda one: one.true, default=None)
    if not varied:
        return against
    if varied[0].meaning is Meaning.RATING:
        return varied[0]
    if varied[0].meaning is Meaning.OUTCOME:
        return _furthest([one for one in varied if one.meaning is Meaning.OUTCOME])
    # negative quantities or amounts are returns, whichever of the columns says it
    signed = next((one for one in varied if is_shape(one, Shape.SIGNS)), None)
    if signed is not None or is_shape(varied[0], Shape.SCALE):
        return signed or varied[0]
    return _answer_to(unwanted, varied) or against or varied[0]


def _furthest(outcomes: list[ValueColumn]) -> ValueColumn:
    """Return the first of some outcomes, which are ordered by stage, that is true often enough to be learnt."""
    enough = (one for one in outcomes if is_enough(one.true, len(one.numbers)))
    return next(enough, max(outcomes, key=lambda one: one.true))


def _answer_to(unwanted: list[ValueColumn], wanted: list[ValueColumn]) -> ValueColumn | None:
    """Return the outcome that is hardly ever true where an event was unwanted (`like` beside `hate`): it says more than an amount."""
    if not unwanted:
        return None
    hated = np.any([one.numbers == 1 for one in unwanted], axis=0)
    answers = [
        one
        for one in wanted
        if one.meaning is Meaning.OUTCOME and (one.numbers[hated] == 1).mean() < DISJOINT
    ]
    return max(answers, key=lambda one: one.true, default=None)


def _explain(roles: Roles, events: pa.Table) -> None:
    """Say how the column of values was read, and which other columns could have been it."""
    value = roles.value
    assert value is not None
    reading = read_numbers(events.column(value.name))
    how = f", read as numbers ({reading.how})" if reading is not None and reading.how else ""
    if reading is not None and reading.unreadable.any():
        how += f"; {int(reading.unreadable.sum()):,} of its values are no numbers and have to be corrected"
    found = read_values(value.numbers, value.meaning)
    what = "" if found is None else f" {found.sentence.partition(':')[0]}"
    if not value.wanted:
        what = " 1 says that the item was not wanted"
    roles.lines.append(f"{value.name} is the value of an event:{what}{how}.")
    others = [one.name for one in roles.outcomes if one.wanted]
    if others:
        roles.lines.append(f"These could be the value, too: {', '.join(others)}.")
    against = [one.name for one in roles.outcomes if not one.wanted]
    if against:
        roles.lines.append(
            f"{', '.join(against)}: 1 says that the item was not wanted. This is not used; a query in data.events can make it a kind of "
            f"event: CASE WHEN \"{against[0]}\" = 1 THEN '{normal(against[0])}' ELSE 'event' END AS kind"
        )


def guess_context(events: pa.Table, roles: Roles) -> dict[str, str]:
    """Return the context columns with their kinds, and add to the reasons why columns are left out.

    A column that describes what came of an event (its price, its quantity, whether it was liked) is no context: a request
    cannot know it.
    """
    outcomes = {one.name for one in roles.outcomes}
    context: dict[str, str] = {}
    left: dict[str, list[str]] = {}
    for column in events.column_names:
        if column in roles.used:
            continue
        kind, reason = None, _no_value(events.column(column))
        text = is_text(events.schema.field(column).type)
        if column not in outcomes and not comes_with_event(column) and not (text and is_outcome(column)):
            kind, reason = _context_kind(column, events.column(column))
            if kind is not None and _describes_item(events, column, str(roles.columns["item"])):
                kind, reason = None, "always the same for an item, so it belongs into the items table"
        if kind is None:
            left.setdefault(reason, []).append(column)
        else:
            context[column] = kind
    if context:
        named = ", ".join(f"{column} ({kind})" for column, kind in context.items())
        roles.lines.append(f"Context of an event, which a request gives, too: {named}.")
    roles.lines += [f"Not used: {', '.join(names)} ({reason})." for reason, names in left.items()]
    return context


def _no_value(column: pa.ChunkedArray) -> str:
    """Say why a column that its name makes part of the outcome of an event is no context."""
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

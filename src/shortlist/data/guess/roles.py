"""Guess which column of the events table has which role."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.data.guess.by_values import (
    MOST_KINDS,
    clock_beside,
    code_of,
    joined,
    kind_in_words,
    place,
    says_something,
)
from shortlist.data.guess.choices import Choices, Question
from shortlist.data.guess.columns import (
    NAMES,
    ValueColumn,
    find_column,
    is_outcome,
    value_columns,
    value_meaning,
)
from shortlist.data.guess.evidence import Evidence
from shortlist.data.guess.orders import OrderLines, find_lines, find_order, order_by_values
from shortlist.data.guess.scores import MARGIN, SURE, by_values, ranked, score_item, score_time, score_user
from shortlist.data.guess.value import Meaning
from shortlist.data.guess.values import explain_value, pick_value
from shortlist.data.numbers import is_text, line_values, read_numbers
from shortlist.errors import DataError

REPEATED = 50
"""Names are checked against values in tables of at least so many rows."""
MOST_NAMED = 15
"""So few different texts can be kinds of events although each item has one of them."""


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
    candidates
        All columns that look like the value of an event.
    order
        The column with the number of the order.
    lines_of_orders
        The columns of an order line.
    evidence
        What the values say.
    """

    columns: dict[str, str | None]
    value: ValueColumn | None = None
    outcomes: list[ValueColumn] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    candidates: list[ValueColumn] = field(default_factory=list)
    order: str | None = None
    lines_of_orders: OrderLines = field(default_factory=OrderLines)
    evidence: Evidence | None = None

    @property
    def used(self) -> frozenset[str]:
        """The columns that have a role."""
        return frozenset(column for column in self.columns.values() if column)

    def settle_value(self, value: ValueColumn | None) -> None:
        """Take a column as the value of an event. Other candidates without a role are outcomes."""
        self.value = value
        chosen = None if value is None else value.name
        self.outcomes = [one for one in self.candidates if one.name != chosen and one.name not in self.used]

    def drop_value(self) -> None:
        """Take no column as the value of an event after all."""
        self.value = None
        self.drop_lines(lambda line: "the value" in line)

    def say(self, *lines: str) -> None:
        """Add reasons."""
        self.lines.extend(lines)

    def drop_lines(self, is_outdated: Callable[[str], bool]) -> None:
        """Remove reasons that hold no longer."""
        self.lines = [line for line in self.lines if not is_outdated(line)]

    def note(self) -> str:
        """Say why columns have their roles."""
        return "\n".join(self.lines)


def guess_roles(
    events: pa.Table,
    choices: Choices | None = None,
    items: pa.Table | None = None,
    users: pa.Table | None = None,
) -> Roles:
    """Guess the role of each column: by its name, in any of several languages, and by its values.

    Parameters
    ----------
    events
        The events.
    choices
        What is given.
    items, users
        Their tables: a column whose values are in one of them is likely their id.

    Raises
    ------
    DataError
        No column can be the user or the item.
    """
    choices = choices or Choices()
    evidence = Evidence(events)
    roles = Roles(dict.fromkeys((*NAMES, "value")), evidence=evidence)
    roles.columns.update(choices.columns)
    chooser = _Chooser(roles, evidence, choices)
    chooser.choose("user", lambda name: score_user(name, evidence), joined(evidence, users))
    roles.order = choices.order or find_order(evidence)
    chooser.choose("item", lambda name: score_item(name, evidence), joined(evidence, items))
    if "item" not in choices.columns:
        code = code_of(evidence, str(roles.columns["item"]), roles.used | {roles.order or ""})
        if code is not None:
            roles.lines.append(
                f"{code} is the item, and {roles.columns['item']} its name: each has one of the other."
            )
            roles.columns["item"] = code
    item, user = str(roles.columns["item"]), str(roles.columns["user"])
    chooser.choose("timestamp", lambda name: score_time(name, evidence, item, user))
    for role in ("kind", "event_id", "slate", "position", "propensity"):
        if role not in choices.columns:
            found = find_column(events.select([n for n in events.column_names if n not in roles.used]), role)
            roles.columns[role] = found if found is None or _can_be(role, found, evidence, item) else None
    roles.columns["kind"] = roles.columns["kind"] or kind_in_words(evidence, roles.used)
    roles.columns["position"] = roles.columns["position"] or place(evidence, roles.used)
    clock = clock_beside(evidence, roles.columns["timestamp"], roles.used)
    if clock is not None:
        roles.columns["clock"] = clock
        roles.lines.append(
            f"{clock} is the time of day of {roles.columns['timestamp']} (data.columns.clock)."
        )
    answers = _take_kind(roles, events)
    roles.lines.insert(0, _chosen(roles, choices))
    roles.lines_of_orders = find_lines(evidence, set(roles.used))
    if roles.order is None and roles.lines_of_orders.is_one:
        roles.order = order_by_values(evidence, user, roles.columns["timestamp"], set(roles.used))
    roles.lines_of_orders.order = roles.order
    numeric = value_columns(events, roles.used)
    roles.candidates = [one for one in numeric if not _belongs_to_item(one, evidence, item)]
    return _with_value(roles, events, answers, choices)


def _chosen(roles: Roles, choices: Choices) -> str:
    """Say in one sentence which columns the main roles have."""
    called = {"user": "the user", "item": "the item", "timestamp": "the time", "kind": "the kind of event"}
    found = {
        role: roles.columns[role] for role in called if roles.columns[role] and role not in choices.columns
    }
    named = [f"{column} is {called[role]}" for role, column in found.items()]
    return f"By its name and its values, {', '.join(named)}." if named else "All roles are given."


def _with_value(
    roles: Roles,
    events: pa.Table,
    answers: ValueColumn | None,
    choices: Choices,
) -> Roles:
    """Settle the column of values."""
    given = choices.columns.get("value")
    if given is not None:
        reading = read_numbers(events.column(given))
        if reading is None:
            raise DataError(f"--value: {given} holds no numbers", field="value")
        value: ValueColumn | None = ValueColumn(
            given, value_meaning(given) or Meaning.GENERIC, reading.numbers
        )
    else:
        value = (
            answers
            or _line_value(roles, events, choices)
            or pick_value(roles.candidates, _distinct(events, roles.columns["kind"]))
        )
    roles.settle_value(value)
    if roles.value is None:
        roles.say("No column is the value of an event (rating, seconds, price).")
    elif roles.columns.get("quantity") is None or roles.columns["quantity"] == roles.value.name:
        roles.columns["value"] = roles.value.name
        roles.columns["quantity"] = None
        roles.say(*explain_value(roles.value, roles.outcomes, events))
    return roles


def _line_value(roles: Roles, events: pa.Table, choices: Choices) -> ValueColumn | None:
    """Return the amount of an order line: its own column, or price × pieces; None where the table holds no order lines."""
    found = roles.lines_of_orders
    rated = any(one.meaning is Meaning.RATING for one in roles.candidates)
    named = any(one.meaning is Meaning.GENERIC for one in roles.candidates)
    several = roles.columns["kind"] is not None
    if (
        not found.is_one
        or rated
        or (several and (named or not found.quantity or not found.price or found.total))
    ):
        return None
    quantity = choices.columns.get("quantity") or found.quantity
    price = found.price or found.total
    if price is None and quantity is None:
        return None
    if quantity is None or (found.total is not None and found.price is None):
        name = str(found.total or found.price or quantity)
        reading = read_numbers(events.column(name))
        assert reading is not None
        pieces = None if quantity is None else read_numbers(events.column(quantity))
        signed = (
            pieces is not None and bool((pieces.numbers < 0).any()) and not bool((reading.numbers < 0).any())
        )
        if not signed:
            return ValueColumn(name, Meaning.MONEY, reading.numbers)
    if price is None:
        reading = read_numbers(events.column(str(quantity)))
        assert reading is not None
        return ValueColumn(str(quantity), Meaning.COUNT, reading.numbers)
    first, second = read_numbers(events.column(price)), read_numbers(events.column(str(quantity)))
    assert first is not None
    assert second is not None
    roles.columns.update(value=price, quantity=str(quantity))
    roles.lines.append(
        f"The value of an event is {price} × {quantity}, the amount of the order line; it is below 0 where one of the two is."
    )
    return ValueColumn(price, Meaning.MONEY, line_values(first.numbers, second.numbers))


def _belongs_to_item(value: ValueColumn, evidence: Evidence, item: str) -> bool:
    """Return whether a column has one value for each item, as the stars of a hotel and the minutes of a film: no result of an event."""
    return (
        value.meaning in {Meaning.RATING, Meaning.TIME, Meaning.COUNT}
        and evidence.distinct(value.name) > 2  # everybody can agree on a thumb
        and evidence.settles(item, value.name)
    )


def _can_be(role: str, name: str, evidence: Evidence, item: str) -> bool:
    """Return whether the values of a column fit a role that its name says."""
    if not evidence.is_plain(name):
        return True  # said when the events are checked
    if role == "event_id":
        return evidence.is_unique(name) or evidence.rows < REPEATED
    if role == "kind" and evidence.rows >= REPEATED and is_text(evidence.type_of(name)):
        # names of many concerts are no kinds of events
        return evidence.distinct(name) <= MOST_NAMED or not evidence.settles(item, name)
    return True


class _Chooser:
    """Gives roles to columns, asks where it is unsure, and says what else came into question."""

    def __init__(self, roles: Roles, evidence: Evidence, choices: Choices) -> None:
        self.roles, self.evidence, self.choices = roles, evidence, choices

    def choose(self, role: str, score: Callable[[str], float], bonus: dict[str, float] | None = None) -> None:
        """Give a role to the likeliest column."""
        if role in self.choices.columns:
            self.roles.lines.append(f"{self.choices.columns[role]} is the {role}, as given.")
            return
        names = [
            name
            for name in self.evidence.table.column_names
            if name not in self.roles.used and name != self.roles.order
        ]
        found = ranked(names, score, bonus)
        if not found:
            found = ranked(names, lambda name: by_values(role, name, self.evidence))
        if not found:
            if role != "timestamp":
                raise _no_column(role, self.evidence.table.column_names)
            self.roles.lines.append(
                "No column is the time of an event; the order of the rows is taken as time."
            )
            return
        best = found[0][0]
        others = [name for name, points in found[1:] if points >= found[0][1] - MARGIN]
        if others or found[0][1] < SURE:
            best = self._ask(role, [name for name, _ in found[:5]], bool(others)) or best
        self.roles.columns[role] = best
        others = [name for name in others if name != best]
        if others:
            self.roles.lines.append(
                f"{best} is taken as the {role}; it could also be {', '.join(others)} (--{_flag(role)})."
            )
        elif found[0][1] < SURE:
            self.roles.lines.append(
                f"{best} is taken as the {role}, as the likeliest column; --{_flag(role)} names another."
            )

    def _ask(self, role: str, names: list[str], several: bool) -> str | None:
        if self.choices.ask is None:
            return None
        why = "several columns come into question" if several else "no column is clearly this one"
        return self.choices.ask(Question(role, names, why))


def _flag(role: str) -> str:
    return "time" if role == "timestamp" else role.replace("_", "-")


def _no_column(role: str, names: list[str]) -> DataError:
    return DataError(
        f"no column of the events looks like the {role} (there are: {', '.join(names)}); "
        f"name it with --{role}, or rename one to {role}_id{_hint(names)}",
        field=f"data.columns.{role}",
    )


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
            and any(says_something(word) for word in words)
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

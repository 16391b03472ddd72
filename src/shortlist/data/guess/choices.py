"""Answers that a person has given about a table before it is guessed, and the questions that a guess asks where it is unsure."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shortlist.errors import DataError

ROLES = ("user", "item", "timestamp", "kind", "value", "quantity", "event_id", "slate", "position")
"""Roles of columns of the events that can be given."""


@dataclass(frozen=True)
class Question:
    """A role for which several columns come into question.

    Attributes
    ----------
    role
        The role.
    candidates
        The columns, the likeliest first.
    why
        What speaks for the first.
    """

    role: str
    candidates: Sequence[str]
    why: str


Ask = Callable[[Question], str | None]
"""Answers a question with a column; None: the first one."""


@dataclass(frozen=True)
class Choices:
    """The given answers.

    Attributes
    ----------
    columns
        Role → column of the events.
    title
        Column of the items' titles, in the items table or, without one, in the events.
    order
        Column of the events with the number of the order.
    time_format
        How the times of events are written.
    ask
        Answers questions (default: the likeliest column is taken).
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    title: str | None = None
    order: str | None = None
    time_format: str | None = None
    ask: Ask | None = None

    def check(self, names: Sequence[str], item_names: Sequence[str]) -> None:
        """Raise `DataError` for a column that is not there, with the one that was probably meant."""
        for role, column in self.columns.items():
            _check(role, column, names, "events")
        if self.order:
            _check("order", self.order, names, "events")
        if self.title:
            _check("title", self.title, item_names, "items")


def _check(role: str, column: str, names: Sequence[str], table: str) -> None:
    if column in names:
        return
    lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(column.lower(), list(lower), 1, 0.4)
    hint = f"; did you mean {lower[near[0]]!r}? There are" if near else "; there are"
    raise DataError(f"--{role}: the {table} have no column {column!r}{hint}: {', '.join(names)}", field=role)

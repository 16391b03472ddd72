"""Guess a project from tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shortlist.config.project import Project, parse_project
from shortlist.data.frames import to_arrow
from shortlist.data.guess.attributes import guess_attributes
from shortlist.data.guess.columns import find_column
from shortlist.data.guess.events import EventKinds, negative_kind
from shortlist.data.guess.features import guess_features
from shortlist.data.guess.objectives import guess_objectives
from shortlist.data.guess.page import guess_page
from shortlist.data.guess.roles import guess_context, guess_roles
from shortlist.data.numbers import is_numeric

TITLES = ("title", "name", "item_name", "product_name", "label")
GUESTS = (
    "The ids of users are whole numbers. To train also on visitors without such an id, who send texts (guest-7f3a), "
    'add user_ids = "text" to this section.'
)
"""What to say about a log whose users have whole numbers as ids."""
STOCK = frozenset({"in_stock", "stock", "available"})


@dataclass(frozen=True)
class Guess:
    """A guessed project, and why it is what it is.

    Attributes
    ----------
    project
        The project.
    notes
        Section of the project file → what columns and kinds of events were taken for, and why.
    """

    project: Project
    notes: Mapping[str, str]


def guess_project(events: Any, items: Any = None, users: Any = None, name: str = "shortlist") -> Project:
    """Guess a project from tables: the role of each column, attributes, objectives, features and re-ranking.

    A guess looks at names first and at values second. `shortlist init` writes it with comments, so that it can be
    corrected.

    Parameters
    ----------
    events, items, users
        Pandas, Polars or Arrow tables, or lists of dictionaries.
    name
        The name of the project.

    Returns
    -------
    Project
        A project that works for these tables.

    Raises
    ------
    DataError
        No column can be the user or the item.

    Examples
    --------
    >>> project = guess_project([{"user_id": "u1", "item_id": "i1", "kind": "play"}])
    >>> list(project.objectives)
    ['play']
    """
    return guess(events, items, users, name).project


def guess(events: Any, items: Any = None, users: Any = None, name: str = "shortlist") -> Guess:
    """Guess a project as `guess_project` does, with the reasons."""
    events = to_arrow(events, "events")
    tables = {r: to_arrow(t, r) for r, t in (("items", items), ("users", users)) if t is not None}
    roles = guess_roles(events)
    told = _with_ids(events, roles.columns)
    if told is not events:
        events, roles = told, guess_roles(told)
    columns = roles.columns
    context = guess_context(events, roles)
    data: dict[str, Any] = {"events": "events", "columns": {r: c for r, c in columns.items() if c}}
    settings: dict[str, Any] = {"name": name, "data": data}
    data["context"] = context
    about: dict[str, str] = {}
    for role, table in tables.items():
        settings[role], about[role] = _entity(
            table, role, str(columns["item" if role == "items" else "user"])
        )
        data[role] = role
    attributes = {role: settings.get(role, {}).get("attributes", {}) for role in ("items", "users")}
    kinds = EventKinds.of(events, columns, roles.value)
    negative = negative_kind(roles.value)
    if negative is not None:
        data["negative_kind"] = negative
    objectives = guess_objectives(kinds)
    settings["objectives"] = objectives.objectives
    settings["features"] = guess_features(kinds, attributes, list(context))
    if objectives.retrieve:
        settings["retrieve"] = objectives.retrieve
    settings["rerank"] = _rerank(attributes["items"])
    look = guess_page(tables.get("items"), attributes["items"], events, kinds)
    settings |= look.settings
    if negative is not None and roles.value is not None:
        roles.lines.append(
            f"Events with {roles.value.name} below 0 get the kind {negative} (data.negative_kind)."
        )
    guests = GUESTS if is_numeric(events.schema.field(str(columns["user"])).type) else ""
    notes = {"data": guests, "data.columns": roles.note(), **about, **objectives.notes, "page": look.note}
    return Guess(
        parse_project(settings, "the guess"), {section: note for section, note in notes.items() if note}
    )


def _with_ids(events: pa.Table, columns: Mapping[str, str | None]) -> pa.Table:
    """Leave out rows without a user or an item, such as a line of totals: their values say nothing about the others."""
    user, item = (events.column(str(columns[role])) for role in ("user", "item"))
    both = pc.and_(user.is_valid(), item.is_valid())
    count = pc.sum(both).as_py() or 0
    return events.filter(both) if 0 < count < events.num_rows else events


def _entity(table: pa.Table, role: str, in_events: str) -> tuple[dict[str, Any], str]:
    """Guess the settings of an items or users table, with reasons; `in_events`: the column of the events that holds its ids."""
    singular = "item" if role == "items" else "user"
    known = {column.lower(): column for column in reversed(table.column_names)}
    key = (
        (in_events if in_events in table.column_names else known.get(in_events.lower()))
        or known.get("id")
        or find_column(table, singular)
        or table.column_names[0]
    )
    title = next((known[name] for name in TITLES if name in known), None) if role == "items" else None
    attributes, lines = guess_attributes(table, frozenset({key}))
    return {"id": key, **({"title": title} if title else {}), "attributes": attributes}, "\n".join(lines)


def _rerank(attributes: dict[str, str]) -> dict[str, str]:
    rerank: dict[str, str] = {}
    for setting, kind in (("diversity_by", "list"), ("freshness_by", "time")):
        name = next((n for n, k in attributes.items() if k == kind), None)
        if name:
            rerank[setting] = name
    stock = next((n for n in attributes if n.lower() in STOCK), None)
    if stock and attributes[stock] == "number":
        rerank["in_stock"] = stock
    return rerank

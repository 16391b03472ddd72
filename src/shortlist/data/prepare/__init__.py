"""Make events of the rows of an export, as `[data]` declares it: fill cells down, leave rows out, give guests ids, derive events.

Every reader of a project's tables comes through here (training, `check`, frames), so that a declaration means the same everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa

from shortlist.config.data import DataSettings
from shortlist.config.project import Project
from shortlist.data.check import Check, missing_column
from shortlist.data.prepare.derived import derive_events
from shortlist.data.prepare.entities_of_events import entities_of_events
from shortlist.data.prepare.guests import plain_ids, with_guests
from shortlist.data.prepare.nested import unnest, with_fields
from shortlist.data.prepare.rows import exclude_rows, fill_down
from shortlist.data.tables import Tables


def prepare(project: Project, tables: Tables, check: Check) -> tuple[Project, Tables]:
    """Return a project and tables in which each row of the events is one event, and items and users have tables where they come from events.

    Parameters
    ----------
    project
        What is declared.
    tables
        The tables as they were read.
    check
        Takes the findings: rows that are left out, guests, and how many events were derived.

    Raises
    ------
    DataError
        A declared column is not there, or holds something else.
    """
    plain, events = prepare_events(project, tables.events, tables.names["events"], check)
    found = {"items": tables.items, "users": tables.users}
    names = dict(tables.names)
    for role, table in found.items():
        settings = project.items if role == "items" else project.users
        if settings is not None and settings.from_events:
            if table is not None:
                what = "from_events = true says that there is no table, and there is one"
                check.add_error(
                    tables.names[role], settings.id, what, f"Remove from_events from [{role}], or data.{role}"
                )
                check.raise_errors()
            found[role] = entities_of_events(plain, events, settings, role, check)
            names[role] = f"{names['events']} ({role})"
    return plain, replace(tables, events=events, items=found["items"], users=found["users"], names=names)


def prepare_events(project: Project, events: pa.Table, file: str, check: Check) -> tuple[Project, pa.Table]:
    """Return a project and an events table in which each row is one event; the arguments themselves where nothing is declared."""
    data = project.data
    if data.unnest:
        events = unnest(events, data.unnest, file, check)
    events = with_fields(events, _names(project))
    if not (data.unnest or data.whole_ids or data.fill_down or data.exclude or data.guests or data.derive):
        return project, events
    _check_columns(data, events, file, check)
    if data.fill_down is not None:
        events = fill_down(events, data.fill_down, file, check)
    if data.exclude:
        events = exclude_rows(events, data.exclude, file, check)
    if data.whole_ids:
        events = plain_ids(events, data.whole_ids, file, check)
    if data.guests:
        events = with_guests(events, data, file, check)
    columns = data.columns
    if data.derive:
        events, columns = derive_events(events, data, file, check)
    check.raise_errors()
    plain: dict[str, Any] = {
        **dict.fromkeys(("fill_down", "guests", "unnest")),
        **{name: [] for name in ("whole_ids", "exclude", "derive", "guest_ids")},
        "columns": columns,
    }
    return project.model_copy(update={"data": data.model_copy(update=plain)}), events


def _names(project: Project) -> set[str]:
    """The columns of the events that the project names."""
    names = set(project.data.used_columns)
    for settings in (project.items, project.users):
        if settings is not None and settings.from_events:
            names |= {settings.title or settings.id, *settings.attributes}
    return names


def _check_columns(data: DataSettings, events: pa.Table, file: str, check: Check) -> None:
    """Record columns that declarations name and that are not there."""
    named: dict[str, str] = dict.fromkeys(data.whole_ids, "data.whole_ids")
    if data.fill_down is not None:
        named |= dict.fromkeys(data.fill_down.columns, "data.fill_down.columns")
        named |= dict.fromkeys(filter(None, [data.fill_down.by]), "data.fill_down.by")
    named |= {rule.column: f"data.exclude.{at}.column" for at, rule in enumerate(data.exclude)}
    named |= dict.fromkeys(filter(None, [data.guests]), "data.guests")
    for at, rule in enumerate(data.derive):
        named |= dict.fromkeys(rule.columns, f"data.derive.{at}")
    if data.guests or data.derive:
        named |= dict.fromkeys([data.columns.user], "data.columns.user")
    for name, setting in named.items():
        if name not in events.column_names:
            check.add(missing_column(file, name, events.column_names, setting))
    check.raise_errors()

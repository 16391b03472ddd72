"""Read the tables that a project names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from shortlist.config.data import DataSettings, is_query
from shortlist.config.project import Project
from shortlist.config.rows import column_format
from shortlist.data.public import find_plain_files, read_public, read_recbole_file
from shortlist.engines.confined import QueryFiles, is_file
from shortlist.engines.delimited import Verbatim, identifies
from shortlist.engines.duckdb import read_source
from shortlist.engines.reading import TableReading
from shortlist.errors import ProjectError

WORDS = frozenset({"category", "list", "text", "link"})
"""Kinds of attributes that hold words."""


@dataclass(frozen=True, repr=False)
class Tables:
    """The events, items and users tables as Arrow, what to call each in a message, and how those of files were read."""

    events: pa.Table
    items: pa.Table | None = None
    users: pa.Table | None = None
    names: dict[str, str] = field(
        default_factory=lambda: {"events": "events", "items": "items", "users": "users"}
    )
    readings: dict[str, TableReading] = field(default_factory=dict)

    def __repr__(self) -> str:
        parts = (("events", self.events), ("items", self.items), ("users", self.users))
        return (
            f"Tables({', '.join(f'{table.num_rows:,} {name}' for name, table in parts if table is not None)})"
        )


def query_files(project: Project) -> QueryFiles:
    """Return the files that the queries of a project may read: those of its folder, and those that it names as tables."""
    data = project.data
    return QueryFiles.of_project(
        project.folder, (data.events, data.items, data.users, project.evaluate.given)
    )


def verbatim_columns(project: Project) -> Verbatim:
    """Return which columns of text files are read as they are written: those of ids, kinds, titles, categories, lists and texts."""
    data, columns = project.data, project.data.columns
    names = {
        columns.user,
        columns.item,
        columns.kind,
        columns.event_id,
        columns.slate,
        data.guests,
        *data.whole_ids,
    }
    timed = {columns.timestamp, columns.arrival, *(rule.timestamp for rule in data.derive)}
    names |= {name for name in timed if name and data.format_of(name)}
    names |= {name for name, kind in project.data.context.items() if kind in WORDS}
    for settings in (project.items, project.users):
        if settings is not None:
            names |= {settings.id, settings.title}
            form = settings.time_format
            names |= {
                name
                for name, kind in settings.attributes.items()
                if kind in WORDS or (kind == "time" and column_format(form, name))
            }
    return lambda name: name in names or identifies(name)


def read_tables(
    data: DataSettings, files: QueryFiles | None = None, verbatim: Verbatim = identifies
) -> Tables:
    """Read the tables of a project (`project.data`).

    Parameters
    ----------
    data
        Names the tables.
    files
        The files that queries may read (default: any file).
    verbatim
        Which columns of text files are read as they are written (default: those whose names say that they hold ids).

    Raises
    ------
    ProjectError
        `data.events` is not set.
    DataError
        A table cannot be read.
    """
    if not data.events:
        raise ProjectError("data.events is not set: name the events table", field="data.events")
    local = not is_query(data.events) and is_file(data.events)
    public = read_public(data.events) if local else None
    given = {"events": data.events, "items": data.items, "users": data.users}
    sources: dict[str, str] = {role: source for role, source in given.items() if source}
    names = {role: _short(sources.get(role) or role) for role in ("events", "items", "users")}
    tables: dict[str, pa.Table | None] = {}
    if public is not None:
        del sources["events"]
        tables = {"events": public.events, "items": public.items, "users": public.users}
        names |= {role: f"{names['events']} ({role})" for role in ("items", "users")}
    elif local:
        found = find_plain_files(data.events)
        sources = sources | found | {role: source for role, source in sources.items() if role != "events"}
    readings = {role: _read(source, data, files, verbatim) for role, source in sources.items()}
    tables |= {role: reading.table for role, reading in readings.items()}
    events = tables["events"]
    assert events is not None
    return Tables(events, tables.get("items"), tables.get("users"), names, readings)


def _read(source: str, data: DataSettings, files: QueryFiles | None, verbatim: Verbatim) -> TableReading:
    atomic = None if is_query(source) else read_recbole_file(source)
    if atomic is not None:
        return TableReading(atomic)
    return read_source(source, data.database, files, verbatim, data.encoding)


def _short(source: str) -> str:
    return f"query «{' '.join(source.split())[:60]}»" if is_query(source) else Path(source).name or source

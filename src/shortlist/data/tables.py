"""Read the tables that a project names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from shortlist.config.data import DataSettings, is_query
from shortlist.config.project import Project
from shortlist.data.public import read_public, read_recbole_file
from shortlist.engines.confined import QueryFiles
from shortlist.engines.duckdb import read_table
from shortlist.errors import DataError, ProjectError


@dataclass(frozen=True, repr=False)
class Tables:
    """The events, items and users tables as Arrow, and what to call each in a message."""

    events: pa.Table
    items: pa.Table | None = None
    users: pa.Table | None = None
    names: dict[str, str] = field(
        default_factory=lambda: {"events": "events", "items": "items", "users": "users"}
    )

    def __repr__(self) -> str:
        parts = (("events", self.events), ("items", self.items), ("users", self.users))
        return (
            f"Tables({', '.join(f'{table.num_rows:,} {name}' for name, table in parts if table is not None)})"
        )


def to_arrow(frame: Any) -> pa.Table:
    """Return a pandas, Polars or Arrow frame, or a list of dictionaries, as an Arrow table.

    Raises
    ------
    DataError
        It is none of these.
    """
    if isinstance(frame, pa.Table):
        return frame
    if type(frame).__module__.startswith("pandas"):
        return pa.Table.from_pandas(frame, preserve_index=False)
    if hasattr(frame, "__arrow_c_stream__"):
        return pa.table(frame)
    if isinstance(frame, list):
        return pa.Table.from_pylist(frame)
    raise DataError(
        f"a {type(frame).__name__} is no table; give a pandas, Polars or Arrow table or a list of dictionaries"
    )


def query_files(project: Project) -> QueryFiles:
    """Return the files that the queries of a project may read: those of its folder, and those that it names as tables."""
    data = project.data
    return QueryFiles.of_project(
        project.folder, (data.events, data.items, data.users, project.evaluate.given)
    )


def read_tables(data: DataSettings, files: QueryFiles | None = None) -> Tables:
    """Read the tables of a project (`project.data`).

    Parameters
    ----------
    data
        Names the tables.
    files
        The files that queries may read (default: any file).

    Raises
    ------
    ProjectError
        `data.events` is not set.
    DataError
        A table cannot be read.
    """
    if not data.events:
        raise ProjectError("data.events is not set: name the events table", field="data.events")
    names = {
        "events": _short(data.events),
        "items": _short(data.items or "items"),
        "users": _short(data.users or "users"),
    }
    items = _read(data.items, data.database, files) if data.items else None
    users = _read(data.users, data.database, files) if data.users else None
    public = None if is_query(data.events) else read_public(data.events)
    if public is None:
        return Tables(_read(data.events, data.database, files), items, users, names)
    names |= {role: f"{names['events']} ({role})" for role in ("items", "users")}
    return Tables(
        public.events,
        public.items if items is None else items,
        public.users if users is None else users,
        names,
    )


def _read(source: str, database: str | None, files: QueryFiles | None) -> pa.Table:
    atomic = None if is_query(source) else read_recbole_file(source)
    return read_table(source, database, files) if atomic is None else atomic


def _short(source: str) -> str:
    return f"query «{' '.join(source.split())[:60]}»" if is_query(source) else Path(source).name or source

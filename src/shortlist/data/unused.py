"""Sentences of a report about the reading of tables: columns that are not used, and lines that could not be read."""

from __future__ import annotations

import pyarrow as pa

from shortlist.config.project import Project
from shortlist.data.check import Check, Problem
from shortlist.data.tables import Tables
from shortlist.engines.reading import SHOWN


def report_reading(tables: Tables, project: Project, check: Check) -> None:
    """Add what was found while the files were read, and name every column that the project does not use."""
    given = {"events": tables.events, "items": tables.items, "users": tables.users}
    for role, table in given.items():
        reading = tables.readings.get(role)
        file = tables.names[role]
        if reading is not None:
            check.note(*[note if note.startswith(file) else f"{file}: {note}" for note in reading.notes])
            _report_lines(role, file, reading.bad_lines, check)
        if table is not None:
            used = _used(project, role)
            used |= {name.partition(".")[0] for name in used}  # the field of a struct
            unused = [field for field in table.schema if field.name not in used]
            if unused:
                names = ", ".join(_named(field) for field in unused)
                check.note(f"{file}: the project does not use {names}")


def _report_lines(role: str, file: str, lines: tuple[object, ...], check: Check) -> None:
    if not lines:
        return
    shown = [str(line) for line in lines[:SHOWN]]
    problem = Problem(
        "set aside", file, "lines", "the line cannot be read", len(lines), shown, "Correct the export"
    )
    if role == "events":
        check.count_read(len(lines))
        check.set_rows_aside("on unreadable lines", problem)
    else:
        check.add(problem)


def _used(project: Project, role: str) -> set[str]:
    if role == "events":
        used = project.data.used_columns
        for entity in (project.items, project.users):
            if entity is not None and entity.from_events:
                used |= {entity.title or entity.id, *entity.attributes}
        return used
    settings = project.items if role == "items" else project.users
    return set() if settings is None else {settings.id, settings.title or settings.id, *settings.attributes}


def _named(field: pa.Field) -> str:
    kind = field.type
    odd = (
        pa.types.is_nested(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_duration(kind)
        or pa.types.is_time(kind)
        or pa.types.is_interval(kind)
    )
    name = field.name if field.name.strip() else repr(field.name)
    if pa.types.is_null(kind):
        return f"{name} (without any value)"
    return f"{name} (of type {kind})" if odd else name

"""Make the parts of a data set from tables: ids, entities and the log, with every finding."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from shortlist.config.base import IMPRESSION
from shortlist.config.project import Project
from shortlist.data.check import Check
from shortlist.data.contradictions import warn_of_contradictions
from shortlist.data.encoders import Encoding
from shortlist.data.entities import Entities
from shortlist.data.entity_tables import EntityTable, make_entities, read_attribute
from shortlist.data.event_check import UsableEvents, check_events
from shortlist.data.event_columns import flat, read_given, read_positions, read_propensities
from shortlist.data.id_columns import read_keys
from shortlist.data.ids import IdMap
from shortlist.data.log import Log
from shortlist.data.prepare import prepare
from shortlist.data.row_marks import row_numbers
from shortlist.data.tables import Tables
from shortlist.data.unused import report_reading
from shortlist.data.waiting import can_wait
from shortlist.errors import DataError


def build(project: Project, tables: Tables) -> tuple[Entities, Entities, Log, Check]:
    """Check tables and code them as users, items and log.

    Raises
    ------
    DataError
        Lists every error that was found.
    """
    about_tables = Check()
    given, declared = tables, project
    encodings = Encoding.of_settings(project.items, project.where) if project.items else ()
    project, tables = prepare(project, tables, about_tables)
    item_table = EntityTable.read(tables, project, "items", about_tables)
    user_table = EntityTable.read(tables, project, "users", about_tables)
    item_ids = None if item_table is None else item_table.distinct
    user_ids = None if user_table is None else user_table.distinct
    events, check = check_events(tables.events, project, tables.names["events"], item_ids, user_ids)
    check.begin_with(about_tables)
    check.raise_errors()
    assert events is not None
    report_reading(given, declared, check)
    items = IdMap.of(item_ids) if item_ids is not None else IdMap.of(events.item)
    users = IdMap.of(user_ids, events.user) if user_ids is not None else IdMap.of(events.user)
    log = _log(project, tables, events, users, items, check)
    _check_objectives(project, log)
    # rules of derived events say what each row means; columns beside them are named by the report
    used = set(tables.events.column_names) if declared.data.derive else declared.data.used_columns
    warn_of_contradictions(
        project,
        tables.events,
        log,
        tables.names["events"],
        check,
        used - {*declared.data.context},
    )
    return (
        make_entities(user_table, users, check),
        make_entities(item_table, items, check, encodings),
        log,
        check,
    )


def _log(
    project: Project, tables: Tables, events: UsableEvents, users: IdMap, items: IdMap, check: Check
) -> Log:
    table, columns, rows = tables.events, project.data.columns, pa.array(events.rows)
    file = tables.names["events"]
    slate = np.full(len(events.rows), -1, np.int32)
    if columns.slate:
        ids = read_keys(table.column(columns.slate), f"{file}: {columns.slate}", check.notes).take(rows)
        slate = IdMap.of(ids).codes(ids)
    kinds = sorted({*events.kind.unique().to_pylist(), *project.data.kinds, IMPRESSION})
    return Log(
        kinds,
        users.codes(events.user),
        items.codes(events.item),
        events.time,
        IdMap(pa.array(kinds, pa.string())).codes(events.kind).astype(np.int16),
        events.value,
        slate,
        read_positions(table, project.data, file, events.rows, check),
        read_propensities(table, columns.propensity, file, events.rows, check),
        {
            name: read_attribute(
                name, kind, flat(table.column(name)).take(rows), file, check, row_numbers(table)[events.rows]
            )
            for name, kind in project.data.context.items()
        },
        events.arrival,
        read_given(table, project.data.given, events.rows),
    )


def _check_objectives(project: Project, log: Log) -> None:
    """Raise `DataError` for an objective that no event of the log can fulfil."""
    for name, objective in project.objectives.items():
        field = f"objectives.{name}"
        unknown = [kind for kind in objective.events if kind not in log.kinds]
        if unknown:
            raise DataError(
                f"{project.where(f'{field}.events')}{field}: no event is of kind {', '.join(unknown)}; "
                f"the log has: {', '.join(log.kinds)}. Kinds that do not occur yet are declared in [data.kinds]",
                field=f"{field}.events",
            )
        if can_wait(project, objective):
            continue
        if not log.is_kind(objective.events, objective.at_least).any():
            raise DataError(
                f"{project.where(field)}{field}: no event fulfils it "
                f"(events {objective.events}, at_least {objective.at_least})",
                field=field,
            )

"""Make the parts of a data set from tables: ids, entities and the log, with every finding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.config.data import TableSettings
from shortlist.config.project import Project
from shortlist.data.attributes import encode
from shortlist.data.check import Check, Problem, missing_column
from shortlist.data.contradictions import warn_of_contradictions
from shortlist.data.entities import Entities
from shortlist.data.event_check import UsableEvents, check_events
from shortlist.data.ids import IdMap, id_array
from shortlist.data.log import Log
from shortlist.data.tables import Tables
from shortlist.data.texts import Texts
from shortlist.errors import DataError


def build(project: Project, tables: Tables) -> tuple[Entities, Entities, Log, Check]:
    """Check tables and code them as users, items and log.

    Raises
    ------
    DataError
        Lists every error that was found.
    """
    problems: list[Problem] = []
    item_ids = _entity_ids(tables.items, project.items, tables.names["items"], "items", problems)
    user_ids = _entity_ids(tables.users, project.users, tables.names["users"], "users", problems)
    events, check = check_events(tables.events, project, tables.names["events"], item_ids, user_ids)
    check.problems[:0] = problems
    check.raise_errors()
    assert events is not None
    items = IdMap.of(item_ids) if item_ids is not None else IdMap.of(events.item)
    users = IdMap.of(user_ids, events.user) if user_ids is not None else IdMap.of(events.user)
    log = _log(project, tables, events, users, items)
    _check_objectives(project, log)
    warn_of_contradictions(project, tables.events, log, tables.names["events"], check)
    return (
        _entities(tables.users, project.users, users, user_ids),
        _entities(tables.items, project.items, items, item_ids),
        log,
        check,
    )


def _log(project: Project, tables: Tables, events: UsableEvents, users: IdMap, items: IdMap) -> Log:
    table, columns, rows = tables.events, project.data.columns, pa.array(events.rows)

    def numbers(name: str | None, missing: float, dtype: type) -> NDArray[Any]:
        if name is None:
            return np.full(len(events.rows), missing, dtype)
        values = table.column(name).combine_chunks().take(rows).cast(pa.float64())
        found = values.to_numpy(zero_copy_only=False)
        return np.where(np.isnan(found), missing, found).astype(dtype)

    slate = np.full(len(events.rows), -1, np.int32)
    if columns.slate:
        ids = id_array(table.column(columns.slate), f"{tables.names['events']}: {columns.slate}").take(rows)
        slate = IdMap.of(ids).codes(ids)
    kinds = sorted(set(events.kind.unique().to_pylist()))
    return Log(
        kinds,
        users.codes(events.user),
        items.codes(events.item),
        events.time,
        IdMap(pa.array(kinds, pa.string())).codes(events.kind).astype(np.int16),
        events.value,
        slate,
        numbers(columns.position, -1, np.int16),
        numbers(columns.propensity, np.nan, np.float32),
        {
            name: encode(name, kind, table.column(name).combine_chunks().take(rows))
            for name, kind in project.data.context.items()
        },
        events.arrival,
    )


def _entity_ids(
    table: pa.Table | None, settings: TableSettings | None, file: str, role: str, problems: list[Problem]
) -> pa.Array | None:
    """The ids of an items or users table; findings about missing columns, missing and repeated ids are added."""
    if table is None:
        return None
    if settings is None:
        what = f"there is a {role} table and no [{role}] section"
        fix = f'Add [{role}] with id = "…" to shortlist.toml'
        problems.append(Problem("error", file, "id", what, 0, [], fix))
        return None
    wanted = dict.fromkeys([settings.id, *filter(None, [settings.title]), *settings.attributes])
    missing = [name for name in wanted if name not in table.column_names]
    problems += [missing_column(file, name, table.column_names, f"[{role}]") for name in missing]
    if missing:
        return None
    ids = id_array(table.column(settings.id), f"{file}: {settings.id}")
    if ids.null_count:
        what, fix = "the id is missing", "Each row needs an id"
        problems.append(Problem("set aside", file, settings.id, what, ids.null_count, [], fix))
    distinct = IdMap.of(ids)
    repeated = len(ids) - ids.null_count - len(distinct)
    if repeated:
        what, fix = "an earlier row has the same id; the first row was kept", "Ids must be unique"
        problems.append(Problem("set aside", file, settings.id, what, repeated, [], fix))
    return distinct.values


def _entities(
    table: pa.Table | None, settings: TableSettings | None, ids: IdMap, known: pa.Array | None
) -> Entities:
    titles = [str(value) for value in ids.values.to_pylist()]
    if table is None or settings is None or known is None:
        return Entities(ids, Texts(titles))
    # `ids` begins with the table's distinct ids; the ids after them are users that occur in events only
    codes = ids.codes(id_array(table.column(settings.id), settings.id))
    rows = np.flatnonzero(codes >= 0)[::-1]
    first = np.full(len(ids), -1, np.int64)
    first[codes[rows]] = rows
    attributes = {
        name: encode(name, kind, table.column(name)).take(first) for name, kind in settings.attributes.items()
    }
    if settings.title:
        given = table.column(settings.title).cast(pa.string()).to_pylist()
        titles = [
            given[row] or title if row >= 0 else title for row, title in zip(first, titles, strict=True)
        ]
    return Entities(ids, Texts(titles), attributes)


def _check_objectives(project: Project, log: Log) -> None:
    """Raise `DataError` for an objective that no event of the log can fulfil."""
    for name, objective in project.objectives.items():
        field = f"objectives.{name}"
        unknown = [kind for kind in objective.events if kind not in log.kinds]
        if unknown:
            raise DataError(
                f"{project.where(f'{field}.events')}{field}: no event is of kind {', '.join(unknown)}; "
                f"the log has: {', '.join(log.kinds)}",
                field=f"{field}.events",
            )
        if not log.is_kind(objective.events, objective.at_least).any():
            raise DataError(
                f"{project.where(field)}{field}: no event fulfils it "
                f"(events {objective.events}, at_least {objective.at_least})",
                field=field,
            )

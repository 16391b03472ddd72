"""The data set: events ordered by time, items and users with their attributes, everything as arrays.

All later stages read this and nothing else. Slices by time (`before`, `between`) share the ids and attributes, so a
code means the same thing in the past, in the ranker's window and in the test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.config.base import IMPRESSION
from shortlist.config.data import TableSettings, is_query
from shortlist.config.objectives import Objective
from shortlist.config.project import Project
from shortlist.data.attributes import Attribute, NumberAttribute, encode
from shortlist.data.entities import Entities
from shortlist.data.histories import Histories
from shortlist.data.ids import IdMap, id_array
from shortlist.data.log import Check, Problem, check_events, missing_column
from shortlist.data.public import read_public
from shortlist.data.texts import Texts
from shortlist.data.times import NO_TIME
from shortlist.engines.duckdb import read_table
from shortlist.errors import DataError, ProjectError


@dataclass(frozen=True)
class Log:
    """Events, ordered by time; all arrays (n,).

    `user`, `item` int32 codes; `time` int64 ms; `kind` int16 into `kinds`; `value` float32 (NaN: none); `slate` int32
    (−1: none); `position` int16 (−1: none); `propensity` float32 (NaN: none); `context`: one attribute a column;
    `arrival` int64 ms: when each event became known, where the log says so.
    """

    kinds: list[str]
    user: np.ndarray
    item: np.ndarray
    time: np.ndarray
    kind: np.ndarray
    value: np.ndarray
    slate: np.ndarray
    position: np.ndarray
    propensity: np.ndarray
    context: dict[str, Attribute] = field(default_factory=dict)
    arrival: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.user)

    @property
    def arrived(self) -> np.ndarray:
        """When each event became known, int64 ms (n,): its time, where the log says nothing else."""
        return self.time if self.arrival is None else self.arrival

    def rows(self, rows: np.ndarray | slice) -> Log:
        index = np.arange(len(self))[rows]
        arrays = {
            n: getattr(self, n)[rows]
            for n in ("user", "item", "time", "kind", "value", "slate", "position", "propensity")
        }
        arrival = None if self.arrival is None else self.arrival[rows]
        context = {n: a.take(index) for n, a in self.context.items()}
        return replace(self, **arrays, context=context, arrival=arrival)

    def is_kind(self, names: list[str], at_least: float | None = None) -> np.ndarray:
        """Bool (n,): events of these kinds, with at least this value where one is asked for."""
        wanted = np.isin(self.kind, [code for code, name in enumerate(self.kinds) if name in names])
        return wanted if at_least is None else wanted & (np.nan_to_num(self.value, nan=-np.inf) >= at_least)

    @cached_property
    def acted(self) -> np.ndarray:
        """Bool (n,): everything but impressions; what histories and splits are made of."""
        return ~self.is_kind([IMPRESSION])


@dataclass(frozen=True)
class Dataset:
    project: Project
    users: Entities
    items: Entities
    log: Log
    check: Check = field(default_factory=Check)

    def once(self, items: np.ndarray) -> np.ndarray:
        """bool: which of these items (codes) are not shown again to somebody who had them: all, unless `rerank.show_seen`, or
        `rerank.show_again` says that they are used up.
        """
        by = self.project.rerank
        if by.show_seen:
            return np.zeros(len(items), bool)
        if by.show_again is None:
            return np.ones(len(items), bool)
        return np.asarray(
            np.nan_to_num(self.items.attribute(by.show_again, NumberAttribute).values[items]) == 0
        )

    @cached_property
    def histories(self) -> Histories:
        """Every user's events but impressions, in order of time."""
        acted = np.flatnonzero(self.log.acted)
        log = self.log
        return Histories.of(
            log.user[acted],
            len(self.users),
            log.item[acted],
            log.time[acted],
            log.kind[acted],
            log.value[acted],
            None if log.arrival is None else log.arrival[acted],
        )

    @cached_property
    def first(self) -> np.ndarray:
        """When the first event of each item was, int64 ms (items,); `NO_TIME` without any."""
        first = np.full(len(self.items), np.iinfo(np.int64).max)
        np.minimum.at(first, self.log.item, self.log.time)
        return np.where(first == np.iinfo(np.int64).max, NO_TIME, first)

    def before(self, moment: int) -> Dataset:
        """What was known strictly before a moment (ms)."""
        log = self.log.rows(slice(0, int(np.searchsorted(self.log.time, moment))))
        if log.arrival is not None:
            log = log.rows(np.flatnonzero(log.arrival < moment))
        return replace(self, log=log)

    def between(self, start: int, end: int) -> Dataset:
        """Events with start ≤ time < end (ms)."""
        low, high = np.searchsorted(self.log.time, [start, end])
        return replace(self, log=self.log.rows(slice(int(low), int(high))))

    def positives(self, objective: Objective) -> np.ndarray:
        """Bool (n,): the events that fulfil an objective."""
        return self.log.is_kind(objective.events, objective.at_least)

    @classmethod
    def from_project(cls, project: Project) -> Dataset:
        """Read and check the tables the project names. Raises `DataError` listing every error found."""
        events, items, users, files = read_tables(project)
        return _build(project, events, items, users, files)

    @classmethod
    def from_frames(
        cls, events: Any, items: Any = None, users: Any = None, project: Project | None = None
    ) -> Dataset:
        """From pandas, Polars or Arrow tables (anything with the Arrow interface). Columns are guessed as by
        `shortlist init` where no project says what they are.
        """
        tables = [None if frame is None else to_arrow(frame) for frame in (events, items, users)]
        assert tables[0] is not None
        if project is None:
            from shortlist.data.guess import guess_project

            project = guess_project(tables[0], tables[1], tables[2])
        return _build(
            project, tables[0], tables[1], tables[2], {"events": "events", "items": "items", "users": "users"}
        )


def to_arrow(frame: Any) -> pa.Table:
    """A pandas, Polars or Arrow frame, or a list of dictionaries, as an Arrow table."""
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


def read_tables(project: Project) -> tuple[pa.Table, pa.Table | None, pa.Table | None, dict[str, str]]:
    """The three tables as Arrow, and what to call each in a message."""
    data = project.data
    if not data.events:
        raise ProjectError("data.events is not set: name the events table", field="data.events")
    files = {
        "events": _short(data.events),
        "items": _short(data.items or "items"),
        "users": _short(data.users or "users"),
    }
    public = None if is_query(data.events) else read_public(data.events)
    if public is not None:
        items, users = public.items, public.users
        if data.items:
            items = _read(data.items, data.database)
        if data.users:
            users = _read(data.users, data.database)
        return (
            public.events,
            items,
            users,
            {**{k: f"{files['events']} ({k})" for k in ("items", "users")}, "events": files["events"]},
        )
    return (
        _read(data.events, data.database),
        _read(data.items, data.database) if data.items else None,
        _read(data.users, data.database) if data.users else None,
        files,
    )


def _read(source: str, database: str | None) -> pa.Table:
    from shortlist.data.public import read_atomic

    atomic = None if is_query(source) else read_atomic(source)
    return read_table(source, database) if atomic is None else atomic


def _short(source: str) -> str:
    return f"query «{' '.join(source.split())[:60]}»" if is_query(source) else Path(source).name or source


def _build(
    project: Project, events: pa.Table, items: pa.Table | None, users: pa.Table | None, files: dict[str, str]
) -> Dataset:
    problems: list[Problem] = []
    item_ids = _entity_ids(items, project.items, files["items"], "items", problems)
    user_ids = _entity_ids(users, project.users, files["users"], "users", problems)
    raw, check = check_events(events, project, files["events"], item_ids, user_ids)
    check.problems[:0] = problems
    check.raise_errors()
    assert raw is not None
    item_map = IdMap.of(item_ids) if item_ids is not None else IdMap.of(raw.item)
    user_map = IdMap.of(user_ids, raw.user) if user_ids is not None else IdMap.of(raw.user)

    def column(name: str | None, missing: Any, dtype: Any) -> np.ndarray:
        if name is None:
            return np.full(len(raw.rows), missing, dtype)
        values = events.column(name).combine_chunks().take(pa.array(raw.rows)).cast(pa.float64())
        numbers = values.to_numpy(zero_copy_only=False)
        return np.where(np.isnan(numbers), missing, numbers).astype(dtype)

    columns = project.data.columns
    slate = np.full(len(raw.rows), -1, np.int32)
    if columns.slate:
        ids = id_array(events.column(columns.slate), f"{files['events']}: {columns.slate}").take(
            pa.array(raw.rows)
        )
        slate = IdMap.of(ids).codes(ids)
    kinds = sorted(set(raw.kind.unique().to_pylist()))
    log = Log(
        kinds,
        user_map.codes(raw.user),
        item_map.codes(raw.item),
        raw.time,
        IdMap(pa.array(kinds, pa.string())).codes(raw.kind).astype(np.int16),
        raw.value,
        slate,
        column(columns.position, -1, np.int16),
        column(columns.propensity, np.nan, np.float32),
        {
            name: encode(name, kind, events.column(name).combine_chunks().take(pa.array(raw.rows)))
            for name, kind in project.data.context.items()
        },
        raw.arrival,
    )
    dataset = Dataset(
        project,
        _entities(users, project.users, user_map, user_ids),
        _entities(items, project.items, item_map, item_ids),
        log,
        check,
    )
    _check_objectives(dataset)
    return dataset


def _entity_ids(
    table: pa.Table | None, settings: TableSettings | None, file: str, role: str, problems: list[Problem]
) -> pa.Array | None:
    """The ids of an items or users table; findings about missing columns, missing and repeated ids are added."""
    if table is None:
        return None
    if settings is None:
        problems.append(
            Problem(
                "error",
                file,
                "id",
                f"there is a {role} table and no [{role}] section",
                0,
                [],
                f'Add [{role}] with id = "…" to shortlist.toml',
            )
        )
        return None
    missing = [
        name
        for name in dict.fromkeys(
            [settings.id, *([settings.title] if settings.title else []), *settings.attributes]
        )
        if name not in table.column_names
    ]
    problems += [missing_column(file, name, table.column_names, f"[{role}]") for name in missing]
    if missing:
        return None
    ids = id_array(table.column(settings.id), f"{file}: {settings.id}")
    if ids.null_count:
        problems.append(
            Problem(
                "set aside",
                file,
                settings.id,
                "the id is missing",
                ids.null_count,
                [],
                "Each row needs an id",
            )
        )
    distinct = IdMap.of(ids)
    repeated = len(ids) - ids.null_count - len(distinct)
    if repeated:
        problems.append(
            Problem(
                "set aside",
                file,
                settings.id,
                "the id was seen before; the first row was kept",
                repeated,
                [],
                "Ids must be unique",
            )
        )
    return distinct.values


def _entities(
    table: pa.Table | None, settings: TableSettings | None, ids: IdMap, known: pa.Array | None
) -> Entities:
    if table is None or settings is None or known is None:
        return Entities(ids, Texts([str(value) for value in ids.values.to_pylist()]))
    # `ids` begins with the table's distinct ids; rows beyond them are users that only events know
    given = id_array(table.column(settings.id), settings.id)
    first = np.full(len(ids), -1, np.int64)
    codes = ids.codes(given)
    rows = np.flatnonzero(codes >= 0)[::-1]
    first[codes[rows]] = rows
    attributes = {
        name: encode(name, kind, table.column(name)).take(first) for name, kind in settings.attributes.items()
    }
    titles = [str(value) for value in ids.values.to_pylist()]
    if settings.title:
        words = table.column(settings.title).cast(pa.string()).to_pylist()
        titles = [
            words[row] or title if row >= 0 else title for row, title in zip(first, titles, strict=True)
        ]
    return Entities(ids, Texts(titles), attributes)


def _check_objectives(dataset: Dataset) -> None:
    for name, objective in dataset.project.objectives.items():
        unknown = [kind for kind in objective.events if kind not in dataset.log.kinds]
        if unknown:
            where = dataset.project.where(f"objectives.{name}.events")
            raise DataError(
                f"{where}objectives.{name}: no event is of kind {', '.join(unknown)}; the log has: {', '.join(dataset.log.kinds)}",
                field=f"objectives.{name}.events",
            )
        if not dataset.positives(objective).any():
            where = dataset.project.where(f"objectives.{name}")
            raise DataError(
                f"{where}objectives.{name}: no event fulfils it (events {objective.events}, at_least {objective.at_least})",
                field=f"objectives.{name}",
            )


Progress = Callable[[str, float], None]
"""Called with what is being done and the share that is done."""


def silent(what: str, share: float) -> None:
    """The progress of a run nobody watches."""

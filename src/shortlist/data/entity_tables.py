"""Items and users tables: their ids, titles and attributes, with every finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.config.data import AttributeKind, TableSettings
from shortlist.config.project import Project
from shortlist.config.rows import column_format
from shortlist.data.attributes import (
    Attribute,
    EmbeddingAttribute,
    NumberAttribute,
    TimeAttribute,
    encode,
)
from shortlist.data.check import Check, Problem, missing_column
from shortlist.data.date_texts import missing_texts
from shortlist.data.encoders import Encoding
from shortlist.data.entities import Entities
from shortlist.data.event_columns import flat
from shortlist.data.event_times import EventTimes
from shortlist.data.id_columns import IdReading, read_ids
from shortlist.data.ids import MAX_ID_LENGTH, IdMap
from shortlist.data.log import repeated_rows
from shortlist.data.no_time import NO_TIME
from shortlist.data.numbers import is_numeric, is_text, read_numbers
from shortlist.data.tables import Tables
from shortlist.data.texts import Texts
from shortlist.engines.plain_types import examples_of, shown
from shortlist.errors import DataError


@dataclass(frozen=True, repr=False)
class EntityTable:
    """An items or users table whose columns are there.

    Attributes
    ----------
    table
        The table.
    settings
        Its columns.
    file
        What to call it.
    ids
        The id of each row; null where there is none.
    distinct
        The ids without repetition.
    """

    table: pa.Table
    settings: TableSettings
    file: str
    ids: pa.Array
    distinct: pa.Array

    def __repr__(self) -> str:
        return f"EntityTable({self.file}: {len(self.distinct):,} ids)"

    @classmethod
    def read(
        cls, tables: Tables, project: Project, role: Literal["items", "users"], check: Check
    ) -> EntityTable | None:
        """Read the ids of a table; None where there is no table or an error was found. Findings are added to the check."""
        table = tables.items if role == "items" else tables.users
        settings = project.items if role == "items" else project.users
        file = tables.names[role]
        if table is None:
            return None
        if settings is None:
            fix = f'Add [{role}] with id = "…" to shortlist.toml'
            check.add_error(file, "id", f"there is a {role} table and no [{role}] section", fix)
            return None
        wanted = dict.fromkeys([settings.id, *filter(None, [settings.title]), *settings.attributes])
        missing = [name for name in wanted if name not in table.column_names]
        check.add(*[missing_column(file, name, table.column_names, f"[{role}]") for name in missing])
        if missing:
            return None
        as_text = role == "users" and project.data.user_ids == "text"
        try:
            reading = read_ids(table.column(settings.id), f"{file}: {settings.id}", as_text)
        except DataError as error:
            check.add_error(file, settings.id, error.message.removeprefix(f"{file}: {settings.id}: "))
            return None
        ids = _usable_ids(reading, file, settings.id, check)
        return cls(table, settings, file, ids, IdMap.of(ids).values)


def _usable_ids(reading: IdReading, file: str, column: str, check: Check) -> pa.Array:
    """The ids of the rows that can be used, null for the others, which are reported."""

    def report(bad: NDArray[np.bool_], what: str, fix: str) -> None:
        if bad.any():
            told = [f"row {row + 1}" for row in np.flatnonzero(bad)[:3].tolist()]
            check.add(Problem("set aside", file, column, what, int(bad.sum()), told, fix))

    check.note(*reading.notes)
    for warning in reading.warnings:
        fix = "If they are not what the source wrote, correct the export, or leave the rows out with a query"
        check.add(Problem("warning", file, column, warning, 0, [], fix))
    report(reading.no_id, "the text says that there is no id", "Each row needs an id")
    ids = reading.ids
    null = np.asarray(ids.is_null())
    report(null & ~reading.no_id, "the id is missing", "Each row needs an id")
    limit = f"a text id has at most {MAX_ID_LENGTH} characters and no NUL character"
    report(reading.faulty, limit, "Write other ids")
    bad = null | reading.faulty
    if pa.types.is_string(ids.type):
        empty = np.asarray(pc.equal(pc.fill_null(ids, "?"), "")).astype(bool)
        report(empty, "the id is an empty text", "Each row needs an id")
        bad = bad | empty
    ids = pc.if_else(pa.array(bad), pa.scalar(None, ids.type), ids)
    again = repeated_rows([IdMap.of(ids).codes(ids)]) & ~bad if len(ids) else bad
    if again.any():
        what, fix = "an earlier row has the same id; the first row was kept", "Ids must be unique"
        told = [f"row {row + 1}: {ids[row].as_py()}" for row in np.flatnonzero(again)[:3].tolist()]
        check.add(Problem("set aside", file, column, what, int(again.sum()), told, fix))
    return ids


def make_entities(
    source: EntityTable | None, ids: IdMap, check: Check, encodings: Sequence[Encoding] = ()
) -> Entities:
    """Return users or items: those of a table, then those that only events name.

    Parameters
    ----------
    source
        The table; None: there is none.
    ids
        All ids, those of the table first.
    check
        Takes the findings about attributes.
    encodings
        What makes embeddings of the texts.

    Raises
    ------
    DataError
        A column cannot be the attribute or title that the project says.
    """
    titles = [str(value) for value in ids.values.to_pylist()]
    if source is None:
        return Entities(ids, Texts(titles))
    codes = ids.codes(source.ids)
    rows = np.flatnonzero(codes >= 0)[::-1]
    first = np.full(len(ids), -1, np.int64)
    first[codes[rows]] = rows
    attributes = {
        name: read_attribute(name, kind, _column(source, name, kind, check), source.file, check).take(first)
        for name, kind in source.settings.attributes.items()
    }
    if source.settings.title:
        given = _titles(source, source.settings.title)
        titles = [
            given[row] or title if row >= 0 else title for row, title in zip(first, titles, strict=True)
        ]
    return Entities(ids, Texts(titles), attributes).encoded(encodings)


def _column(source: EntityTable, name: str, kind: AttributeKind, check: Check) -> pa.Array:
    """A column; that of an attribute of times is read in its format, if it has one."""
    column = flat(source.table.column(name))
    if kind == "embedding":
        _check_lengths(source, name, column)
    form = column_format(source.settings.time_format, name)
    if kind != "time" or form is None or pa.types.is_temporal(column.type):
        return column
    read = EventTimes.of(column, form)
    if read.unreadable.any():
        told = [
            f"row {row + 1}: {str(shown(column[row]))[:60]}"
            for row in np.flatnonzero(read.unreadable)[:3].tolist()
        ]
        what, count = f"the time is not written as {form}, and is unknown", int(read.unreadable.sum())
        check.add(
            Problem("warning", source.file, name, what, count, told, "Correct the export, or time_format")
        )
    return pa.array(read.times, pa.timestamp("ms"), mask=read.times == NO_TIME)


def _check_lengths(source: EntityTable, name: str, column: pa.Array) -> None:
    """Raise `DataError` for a vector of another length than most have; empty ones are unknown."""
    if not any(is_kind(column.type) for is_kind in (pa.types.is_list, pa.types.is_large_list)):
        return
    sizes = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
    usual = int(np.bincount(sizes[sizes > 0]).argmax()) if sizes.any() else 0
    other = np.flatnonzero((sizes > 0) & (sizes != usual))
    if len(other):
        row = int(other[0])
        raise DataError(
            f"{source.file}: {name}: the vector of {source.ids[row].as_py()!r} (row {row + 1}) has {sizes[row]} numbers, and most have "
            f"{usual}; all vectors of an embedding must have one length ({len(other)} have another). Correct them, or leave "
            "them empty, which makes them unknown",
            field=name,
        )


def _titles(source: EntityTable, name: str) -> list[str | None]:
    column = flat(source.table.column(name))
    try:
        titles: list[str | None] = column.cast(pa.string()).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise DataError(
            f"{source.file}: {name}: a column of type {column.type} cannot hold titles (e.g. {examples_of(column)}); name a column of texts as "
            "title",
            field=name,
        ) from None
    return titles


def read_attribute(
    name: str,
    kind: AttributeKind,
    column: pa.Array,
    file: str,
    check: Check,
    rows: NDArray[np.int64] | None = None,
) -> Attribute:
    """Make an attribute, and warn of values that it cannot hold, which become unknown; `rows`: those of the file, if not all.

    Raises
    ------
    DataError
        The column cannot be of that kind.
    """
    try:
        attribute = encode(name, kind, column)
    except DataError as error:
        raise DataError(f"{file}: {error.message}", field=error.field) from None
    if kind == "list" and pa.types.is_list(column.type) and pa.types.is_floating(column.type.value_type):
        what = "lists of fractions are taken for lists of words, a word for each different number"
        fix = 'Write kind = "embedding" for vectors, or leave the attribute out'
        check.add(Problem("warning", file, name, what, 0, [], fix))
    how, fault, doubts = _how(kind, column)
    check.note(*[f"{file}: {name}: {how}"] if how else [])
    for doubt in doubts:
        fix = "If they mean other times, convert the column with a query"
        check.add(Problem("warning", file, name, doubt, 0, [], fix))
    unknown = _unknown(attribute)
    if unknown is None:
        return attribute
    given = np.asarray(column.is_valid())
    if is_text(column.type):
        given = given & ~missing_texts(column)
    elif pa.types.is_floating(column.type):
        given = given & ~np.asarray(pc.fill_null(pc.is_nan(column), True))
    elif kind == "embedding":  # an empty list says that there is none
        given = given & (np.asarray(pc.fill_null(pc.list_value_length(column), 0)) > 0)
    lost = np.flatnonzero(unknown & given)
    if len(lost):
        what = f"the value cannot be read as {kind}, and is unknown{fault}"
        place = np.arange(len(column)) if rows is None else rows
        told = [f"row {place[row] + 1}: {str(shown(column[row]))[:60]}" for row in lost[:3].tolist()]
        fix = "Correct the export, or give the attribute another kind"
        check.add(Problem("warning", file, name, what, len(lost), told, fix))
    return attribute


def _how(kind: AttributeKind, column: pa.Array) -> tuple[str, str, list[str]]:
    """Say how numbers and times that are stored as something else are read, why some are not, and what makes it unlikely."""
    if kind == "number" and not is_numeric(column.type):
        reading = read_numbers(column)
        return ("" if reading is None or not reading.how else f"read as {reading.how}"), "", []
    if kind == "time" and not pa.types.is_temporal(column.type):
        read = EventTimes.of(column)
        known = read.times != NO_TIME
        fault = read.fault.removeprefix("not a time").removeprefix(": ")
        return read.note(known).removeprefix("times "), f" ({fault})" if fault else "", read.doubts(known)
    return "", "", []


def _unknown(attribute: Attribute) -> NDArray[np.bool_] | None:
    """The rows whose value is unknown; None for attributes that hold every text."""
    if isinstance(attribute, NumberAttribute):
        return np.isnan(attribute.values)
    if isinstance(attribute, TimeAttribute):
        without: NDArray[np.bool_] = attribute.times == NO_TIME
        return without
    if isinstance(attribute, EmbeddingAttribute):
        damaged: NDArray[np.bool_] = np.asarray(np.isnan(attribute.values).any(axis=1))
        return damaged
    return None

"""Warnings where the log contradicts what a project takes it for: unwanted events that count as wanted, and values that nobody reads."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.config.objectives import Objective
from shortlist.config.project import Project
from shortlist.data.check import Check, Problem
from shortlist.data.guess.columns import ValueColumn, flag_name, value_columns, value_meaning
from shortlist.data.guess.kinds import meaning_of
from shortlist.data.guess.value import Meaning, Shape, ValueReading, read_values
from shortlist.data.log import Log
from shortlist.data.numbers import read_numbers

LOWER_HALF = 0.5


def warn_of_contradictions(
    project: Project,
    events: pa.Table,
    log: Log,
    file: str,
    check: Check,
    used: AbstractSet[str] = frozenset(),
) -> None:
    """Add a warning for each contradiction between a project and its log.

    Parameters
    ----------
    project
        Its objectives and columns.
    events
        The events table, for the columns that the project does not use.
    log
        The events that are used.
    file
        What to call the table.
    check
        Takes the warnings, and a note on how the values are read.
    used
        Columns that the project uses, beside those that have a role.
    """
    columns = project.data.columns
    value = columns.value
    others = value_columns(events, frozenset(used | set(filter(None, columns.model_dump().values()))))
    if value is not None:
        meaning = value_meaning(value) or Meaning.GENERIC
        says_no = value_meaning(value) is None and not meaning_of(flag_name(value)).wanted
        whole = read_values(log.value.astype(np.float64), meaning)
        what = "nothing" if whole is None else whole.sentence.partition(":")[0]
        check.note(f"{value} is the value of an event: {what}")
    check.add(*_unread_values(project, others, file))
    check.add(*_unwanted_columns(project, events, others, file))
    for name, objective in project.objectives.items():
        if objective.weight > 0:
            where = project.where(f"objectives.{name}")
            check.add(*_unwanted_kinds(name, objective, where, file, columns.kind, log))
            if value is not None:
                if says_no:
                    check.add(*_flagged_values(project, name, objective, where, file, value, log))
                else:
                    check.add(*_unwanted_values(name, objective, where, file, value, log, meaning))


def _unread_values(project: Project, others: list[ValueColumn], file: str) -> Iterator[Problem]:
    """Warn of a column that looks like the value where none is the value."""
    wanted = [one for one in others if one.wanted]
    if project.data.columns.value is not None or not wanted:
        return
    likely = wanted[0]
    reading = read_values(likely.numbers, likely.meaning)
    if reading is None or reading.shape is Shape.CONSTANT:
        return
    context = project.data.context
    role = f" (data.context has it as {context[likely.name]})" if likely.name in context else ""
    what = (
        f"no column is taken as the value of an event, and this one looks like it{role}: {reading.sentence}"
    )
    yield Problem("warning", file, likely.name, what, 0, [], f'Set data.columns.value = "{likely.name}"')


def _unwanted_columns(
    project: Project, events: pa.Table, others: list[ValueColumn], file: str
) -> Iterator[Problem]:
    """Warn of a column such as `hate` that says of events that count as wanted that the item was not wanted."""
    for one in others:
        count = 0 if one.wanted else int((_counted(project, events) & (one.numbers == 1)).sum())
        if count:
            what = "the item was not wanted, by the name of this column, which the project does not use, and the event counts as wanted"
            fix = (
                "Make it a kind of event, with a query in data.events that has CASE WHEN "
                f"\"{one.name}\" = 1 THEN '{one.name}' ELSE 'event' END AS kind"
            )
            yield Problem("warning", file, one.name, what, count, [], fix)


def _counted(project: Project, events: pa.Table) -> NDArray[np.bool_]:
    """Return which rows of the events an objective with a weight above 0 counts, bool (n,)."""
    columns = project.data.columns
    counted = np.zeros(events.num_rows, bool)
    reading = None if columns.value is None else read_numbers(events.column(columns.value))
    for objective in project.objectives.values():
        if objective.weight <= 0:
            continue
        rows = np.ones(events.num_rows, bool)
        if columns.kind is not None:
            kinds = events.column(columns.kind).cast(pa.string())
            rows &= pc.is_in(kinds, value_set=pa.array(objective.events)).to_numpy()
        if objective.at_least is not None and reading is not None:
            rows &= np.nan_to_num(reading.numbers, nan=-np.inf) >= objective.at_least
        counted |= rows
    return counted


def _unwanted_kinds(
    name: str, objective: Objective, where: str, file: str, column: str | None, log: Log
) -> Iterator[Problem]:
    """Warn of an objective that wants a kind of event by which an item was turned down."""
    for kind in objective.events:
        count = int(log.is_kind([kind]).sum())
        if column is not None and count and not meaning_of(kind).wanted:
            what = f"{kind!r} says that the item was not wanted, and objective {name} has a weight above 0"
            fix = (
                f"give objectives.{name} a weight below 0, or leave the kind out of its events; "
                f'retrieve.weights = {{"{kind}" = 0}} keeps it out of histories'
            )
            yield Problem("warning", file, column, what, count, [], _sentence(where, fix))


def _unwanted_values(
    name: str, objective: Objective, where: str, file: str, column: str, log: Log, meaning: Meaning
) -> Iterator[Problem]:
    """Warn of an objective that counts events whose values say that the item was not wanted."""
    if objective.kind != "probability":
        return
    values = log.value[log.is_kind(objective.events)].astype(np.float64)
    reading = read_values(values, meaning)
    if reading is None:
        return
    counted = values if objective.at_least is None else values[values >= objective.at_least]
    found = _counted_unwanted(counted, reading)
    if found is None:
        return
    what, count = found
    limit = "every event" if objective.at_least is None else f"every event from {objective.at_least:g} on"
    what = f"{what}, and objective {name} takes {limit} as wanted"
    least = "at_least" if reading.at_least is None else f"at_least = {reading.at_least:g}"
    fix = f"set {least} in objectives.{name}, or name another column in data.columns.value"
    yield Problem("warning", file, column, what, count, [], _sentence(where, fix))


def _flagged_values(
    project: Project, name: str, objective: Objective, where: str, file: str, column: str, log: Log
) -> Iterator[Problem]:
    """Warn where the value is a column such as `skipped`, and no objective with a negative weight takes it for that."""
    counted = log.is_kind(objective.events, objective.at_least) & (log.value == 1)
    for other in project.objectives.values():
        if other.weight < 0 and other.at_least is not None and 0 < other.at_least <= 1:
            counted &= ~log.is_kind(other.events)
    count = int(counted.sum())
    if count:
        what = f"1 says that the item was not wanted, by the name of this column, and objective {name} counts it as wanted"
        fix = "add an objective with at_least = 1 and a weight below 0, or name another column in data.columns.value"
        yield Problem("warning", file, column, what, count, [], _sentence(where, fix))


def _sentence(where: str, fix: str) -> str:
    """Return a sentence that begins with the place in the project file, where there is one."""
    return where + fix if where else fix[0].upper() + fix[1:]


def _counted_unwanted(counted: NDArray[np.float64], reading: ValueReading) -> tuple[str, int] | None:
    """Return what is wrong with values that an objective counts, and how many there are; None if nothing is."""
    negative = int((counted < 0).sum())
    if negative:
        return "values below 0 stand for what was undone, returned or disliked", negative
    if reading.shape is Shape.TRUTH and (counted == 0).any():
        return "the values are 0 and 1, and 0 says no", int((counted == 0).sum())
    if reading.shape is Shape.SCALE:
        middle = reading.low + LOWER_HALF * (reading.high - reading.low)
        low = int((counted < middle).sum())
        if low:
            return (
                f"the values are a scale from {reading.low:g} to {reading.high:g}, and these are in its lower half",
                low,
            )
    return None

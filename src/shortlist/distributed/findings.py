"""Findings of the checks of many parts of a table, joined to the report of the whole table."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from shortlist.data.check import Check, Level, Problem
from shortlist.data.event_check import NO_EVENT, UsableEvents

SHOWN = 3
"""Examples of a problem."""
MOST = 50
"""Notes of a report at most; of each kind of problem there is one line, whatever the number of files."""


@dataclass
class Findings:
    """Findings that can be added to those of other parts of the same table; small, however many rows they are of.

    Attributes
    ----------
    read, kept : int
        Rows that were read, and events that are used.
    set_aside : Counter
        Reason → events that are not used.
    problems : dict
        (level, column, what, fix) → file, number of rows and a few examples.
    notes : dict
        Assumptions that were made, in order, without repetition.
    units : Counter
        How the times of each part were read → parts.
    first, last : int
        The earliest and the latest time of a kept event, ms.
    """

    read: int = 0
    kept: int = 0
    set_aside: Counter[str] = field(default_factory=Counter)
    problems: dict[tuple[Level, str, str, str], tuple[str, int, list[str]]] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    units: Counter[str] = field(default_factory=Counter)
    first: int = np.iinfo(np.int64).max
    last: int = np.iinfo(np.int64).min

    @classmethod
    def of(cls, check: Check, usable: UsableEvents | None) -> Self:
        """Return the findings of one part."""
        found = cls(check.read, check.kept, Counter(check.set_aside))
        for one in check.problems:
            if one.what != NO_EVENT:  # another part may have usable events
                found._add_problem(
                    one.level, one.column, one.what, one.fix, (one.file, one.count, one.examples)
                )
        found.notes = {note: None for note in check.notes if not note.startswith("times read as ")}
        if usable is not None and len(usable.time):
            found.units[usable.unit] += 1
            found.first, found.last = int(usable.time.min()), int(usable.time.max())
        return found

    def _add_problem(
        self, level: Level, column: str, what: str, fix: str, place: tuple[str, int, list[str]]
    ) -> None:
        key = (level, column, what, fix)
        if key not in self.problems:
            self.problems[key] = place
            return
        file, count, examples = self.problems[key]
        other, more, shown = place
        if other != file:  # the table that both files are of, and the file in each example
            whole = _common(file, other)
            examples = [_within(file, whole, text) for text in examples]
            shown = [_within(other, whole, text) for text in shown]
            file = whole
        self.problems[key] = (file, count + more, [*examples, *shown][:SHOWN])

    def add(self, other: Findings) -> None:
        """Add the findings of another part."""
        self.read += other.read
        self.kept += other.kept
        self.set_aside += other.set_aside
        for (level, column, what, fix), place in other.problems.items():
            self._add_problem(level, column, what, fix, place)
        self.notes = dict.fromkeys([*self.notes, *other.notes][:MOST])
        self.units += other.units
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)

    def to_json(self) -> str:
        """Return the findings as text."""
        facts = {
            name: getattr(self, name) for name in ("read", "kept", "set_aside", "units", "first", "last")
        }
        problems = [[list(key), list(place)] for key, place in self.problems.items()]
        return json.dumps({**facts, "problems": problems, "notes": list(self.notes)})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        facts: dict[str, Any] = json.loads(text)
        facts["problems"] = {tuple(key): tuple(place) for key, place in facts["problems"]}
        facts["notes"] = dict.fromkeys(facts["notes"])
        facts["set_aside"], facts["units"] = Counter(facts["set_aside"]), Counter(facts["units"])
        return cls(**facts)

    def check(self, name: str, time_column: str | None) -> Check:
        """Return the report of the whole table.

        Raises
        ------
        DataError
            Lists every error that was found.
        """
        problems = [
            Problem(*key[:1], file, *key[1:3], count, examples, key[3])
            for key, (file, count, examples) in self.problems.items()
        ]
        check = Check(self.read, self.kept, dict(self.set_aside), problems, list(self.notes))
        if len(self.units) > 1:
            parts = ", ".join(f"{unit} ({count:,} parts)" for unit, count in self.units.most_common())
            check.add_error(
                name,
                time_column or "timestamp",
                f"parts of the table write times in different ways: {parts}",
                "Write all times in one way, or say how they are written: time_format in [data]",
            )
        elif self.units and time_column:
            [unit] = self.units
            zone = ", without a zone as UTC" if unit.startswith("dates") else ""
            days = " to ".join(str(np.datetime64(moment, "ms"))[:10] for moment in (self.first, self.last))
            check.note(f"times read as {unit}{zone}: {days}")
        if not self.kept and not check.errors:
            reasons = [str(problem) for problem in problems if problem.level == "set aside"]
            fix = "\n".join(["Rows are set aside:", *reasons]) if reasons else "The table has no rows"
            check.add_error(name, "user", NO_EVENT, fix, count=self.read)
        check.raise_errors()
        return check


def _common(one: str, other: str) -> str:
    """Return the table that two of its files belong to: `events/a.parquet` and `events/b.parquet` to `events`."""
    return one.partition("/")[0] if one.partition("/")[0] == other.partition("/")[0] else one


def _within(file: str, whole: str, example: str) -> str:
    inside = file.removeprefix(whole).lstrip("/")
    return f"{inside} {example}" if inside and not example.startswith(inside) else example

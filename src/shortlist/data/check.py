"""Findings of reading tables: problems, and counts of the rows that were left out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from shortlist.errors import DataError

Level = Literal["error", "set aside", "warning"]


@dataclass(frozen=True)
class Problem:
    """One finding in a table.

    Parameters
    ----------
    level
        "error": the run stops. "set aside": the rows are not used. "warning": the rows are used.
    file
        The file or query.
    column
        The column.
    what
        The fault, in words.
    count
        The number of rows; 0 where it concerns the whole column.
    examples
        A few of the rows.
    fix
        What to do about it.
    """

    level: Level
    file: str
    column: str
    what: str
    count: int
    examples: list[str] = field(default_factory=list)
    fix: str = ""

    def __str__(self) -> str:
        rows = f" ({self.count:,} row{'s' if self.count != 1 else ''})" if self.count else ""
        examples = f"; for example {'; '.join(self.examples)}" if self.examples else ""
        return f"{self.file}: {self.column}: {self.what}{rows}{examples}{'. ' + self.fix if self.fix else ''}"


@dataclass
class Check:
    """The findings of reading the tables, and how many events are used.

    Nothing is repaired silently: events that cannot be used are set aside and counted by reason, so that
    `read == kept + sum(set_aside.values())` always holds.

    Attributes
    ----------
    read : int
        Events in the table.
    kept : int
        Events that are used.
    set_aside : dict[str, int]
        Reason → number of events that are not used.
    problems : list[Problem]
        All findings.
    notes : list[str]
        Assumptions that were made, for example the unit of time.
    rows : list[tuple[Problem, ndarray]]
        The rows of the events table that each problem set aside, where the step that found it knows them.
    """

    read: int = 0
    kept: int = 0
    set_aside: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rows: list[tuple[Problem, NDArray[np.int64]]] = field(default_factory=list)

    @property
    def errors(self) -> list[Problem]:
        """The findings that stop a run."""
        return [problem for problem in self.problems if problem.level == "error"]

    def add(self, *problems: Problem) -> None:
        """Record findings."""
        self.problems.extend(problems)

    def note(self, *lines: str) -> None:
        """Record assumptions."""
        self.notes.extend(lines)

    def count_read(self, events: int) -> None:
        """Count further events of the table."""
        self.read += events

    def count_kept(self, events: int) -> None:
        """Set how many events are used."""
        self.kept = events

    def add_error(self, file: str, column: str, what: str, fix: str = "", **details: Any) -> None:
        """Record an error; `details` are `count` and `examples`."""
        details = {"count": 0, **details}
        self.add(Problem("error", file, column, what, fix=fix, **details))

    def set_rows_aside(self, reason: str, problem: Problem) -> None:
        """Count the rows of a problem under a reason."""
        if problem.count:
            self.add(problem)
            self.set_aside[reason] = self.set_aside.get(reason, 0) + problem.count

    def begin_with(self, earlier: Check) -> None:
        """Put the findings of an earlier step, which set rows aside before this one read the rest, before its own."""
        self.problems[:0] = earlier.problems
        self.notes[:0] = earlier.notes
        self.set_aside = {**earlier.set_aside, **self.set_aside}
        self.read += earlier.read

    def summary(self) -> str:
        """Return one line: how many events were read, kept and set aside."""
        aside = ", ".join(f"{count:,} {reason}" for reason, count in self.set_aside.items())
        return (
            f"{self.read:,} events read, {self.kept:,} kept, {sum(self.set_aside.values()):,} set aside"
            + (f" ({aside})" if aside else "")
        )

    def to_json(self) -> dict[str, Any]:
        """Return the findings as plain values."""
        return {
            "read": self.read,
            "kept": self.kept,
            "set_aside": self.set_aside,
            "problems": [problem.__dict__ for problem in self.problems],
            "notes": self.notes,
        }

    def raise_errors(self) -> None:
        """Raise one `DataError` that lists all errors, if there are any."""
        if self.errors:
            raise DataError("\n".join(str(problem) for problem in self.errors), field=self.errors[0].column)

    def __repr__(self) -> str:
        return f"Check({self.summary()}; {len(self.problems)} problems)"


def missing_column(file: str, wanted: str, present: Iterable[str], setting: str) -> Problem:
    """Return a finding that names the columns there are, and the one that was probably meant."""
    names = list(present)
    near = difflib.get_close_matches(wanted, names, 1, 0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    what = f"no such column; there are: {', '.join(names)}"
    return Problem("error", file, wanted, what, 0, [], f"{hint}Set {setting} in shortlist.toml")

"""The data set: users, items and the event log, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.config.objectives import Objective
from shortlist.config.project import Project
from shortlist.data.build import build
from shortlist.data.check import Check
from shortlist.data.entities import Entities
from shortlist.data.frames import to_arrow
from shortlist.data.histories import Histories
from shortlist.data.lazy import lazy_property
from shortlist.data.log import Log
from shortlist.data.no_time import NO_TIME
from shortlist.data.tables import Tables, query_files, read_tables, verbatim_columns


@dataclass(frozen=True, repr=False)
class Dataset:
    """Users, items and their events, checked, coded and ordered by time. Immutable.

    Training, evaluation and simulation read this and nothing else. Slices by time (`before`, `between`) share the ids
    and attributes, so that a code means the same in the past, in the ranker's window and in the test.

    Attributes
    ----------
    users, items : Entities
        Ids, titles and attributes.
    log : Log
        The events, ordered by time.
    check : Check
        The findings of reading the tables.

    Examples
    --------
    >>> events = [{"user_id": "u1", "item_id": "i1"}, {"user_id": "u1", "item_id": "i2"}]
    >>> Dataset.from_frames(events)
    Dataset(1 users, 2 items, 2 events)
    """

    users: Entities
    items: Entities
    log: Log
    check: Check = field(default_factory=Check)

    @lazy_property
    def histories(self) -> Histories:
        """The events of each user without impressions, in order of time."""
        log, acted = self.log, np.flatnonzero(self.log.acted)
        return Histories.of(
            log.user[acted],
            len(self.users),
            log.item[acted],
            log.time[acted],
            log.kind[acted],
            log.value[acted],
            None if log.arrival is None else log.arrival[acted],
        )

    @lazy_property
    def history_rows(self) -> NDArray[np.int64]:
        """The row of the log that each event of `histories` is, int64 (E,)."""
        acted = np.flatnonzero(self.log.acted)
        acted = acted[self.log.user[acted] >= 0]
        return np.asarray(acted[np.argsort(self.log.user[acted], kind="stable")], np.int64)

    @lazy_property
    def first(self) -> NDArray[np.int64]:
        """The time of the first event of each item, ms (items,); `NO_TIME` where there is none."""
        last = np.iinfo(np.int64).max
        first = np.full(len(self.items), last)
        np.minimum.at(first, self.log.item, self.log.time)
        return np.where(first == last, NO_TIME, first)

    def before(self, moment: int) -> Dataset:
        """Return what was known strictly before a moment (ms)."""
        log = self.log.rows(slice(0, int(np.searchsorted(self.log.time, moment))))
        if log.arrival is not None:
            log = log.rows(np.flatnonzero(log.arrival < moment))
        return replace(self, log=log)

    def between(self, start: int, end: int) -> Dataset:
        """Return the events with start ≤ time < end (ms)."""
        low, high = np.searchsorted(self.log.time, [start, end])
        return replace(self, log=self.log.rows(slice(int(low), int(high))))

    def positives(self, objective: Objective) -> NDArray[np.bool_]:
        """Return which events fulfil an objective, bool (n,)."""
        return self.log.is_kind(objective.events, objective.at_least)

    @classmethod
    def from_project(cls, project: Project) -> Dataset:
        """Read and check the tables that a project names.

        Parameters
        ----------
        project
            The project, for example `read_project("shortlist.toml")`.

        Raises
        ------
        DataError
            Lists every error that was found in the tables.
        """
        tables = read_tables(project.data, query_files(project), verbatim_columns(project))
        return cls(*build(project, tables))

    @classmethod
    def from_frames(
        cls, events: Any, items: Any = None, users: Any = None, project: Project | None = None
    ) -> Dataset:
        """Make a data set from frames.

        Parameters
        ----------
        events, items, users
            Pandas, Polars or Arrow tables (anything with the Arrow interface), or lists of dictionaries.
        project
            Names the columns and attributes (default: `guess_project(events, items, users)`).

        Raises
        ------
        DataError
            Lists every error that was found in the tables.
        """
        if project is None:
            return cls.with_guess(events, items, users)[0]
        return cls(*build(project, _arrow_tables(events, items, users)))

    @classmethod
    def from_tables(cls, project: Project, tables: Tables) -> Dataset:
        """Make a data set from tables that were read elsewhere. Raises `DataError` as `from_project` does."""
        return cls(*build(project, tables))

    @classmethod
    def with_guess(cls, events: Any, items: Any = None, users: Any = None) -> tuple[Dataset, Project]:
        """Make a data set from frames, and return it with the project that was guessed for them."""
        tables = _arrow_tables(events, items, users)
        from shortlist.data.guess.project import guess  # a server, which reads bundles, need not load it

        guessed = guess(tables.events, tables.items, tables.users)
        dataset = cls(*build(guessed.project, tables))
        # what is said of the section `data` is advice for a project file
        notes = [note for section, note in guessed.notes.items() if section != "data"]
        lines = [line for note in notes for line in note.splitlines()]
        dataset.check.note(*(f"guessed: {line}" for line in lines))
        return dataset, guessed.project

    def __repr__(self) -> str:
        return f"Dataset({len(self.users):,} users, {len(self.items):,} items, {len(self.log):,} events)"


def _arrow_tables(events: Any, items: Any, users: Any) -> Tables:
    return Tables(
        to_arrow(events, "events"),
        None if items is None else to_arrow(items, "items"),
        None if users is None else to_arrow(users, "users"),
    )

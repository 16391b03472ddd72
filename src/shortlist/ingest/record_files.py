"""A file that arrived, as records: events, or changes of items or users."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from shortlist.config.project import Project
from shortlist.ingest.change_files import read_change_file
from shortlist.ingest.change_rules import ChangeRules
from shortlist.ingest.event_files import read_event_file
from shortlist.ingest.rules import EventRules, RecordRules
from shortlist.store.intake import ReceivedRecord, RejectedRecord


class RecordFile(Protocol):
    """The records of a file, numbered from 0, and the lines that are none."""

    @property
    def rejected(self) -> list[RejectedRecord]:
        """Lines that are no records."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences of the report about the reading."""

    def __len__(self) -> int:
        """Return the number of records."""

    def part(
        self, name: str, digest: str, start: int, end: int
    ) -> tuple[list[ReceivedRecord], list[RejectedRecord]]:
        """Return the records from number `start` to `end`, and those of them that the rules reject."""


class _Nothing:
    """A file without records."""

    rejected: list[RejectedRecord] = []
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return 0

    def part(self, *_: object) -> tuple[list[ReceivedRecord], list[RejectedRecord]]:
        return [], []


EMPTY: RecordFile = _Nothing()


def read_record_file(path: Path, name: str, project: Project | None, rules: RecordRules) -> RecordFile:
    """Read a file as the records that the rules take; see `read_event_file` and `read_change_file`."""
    if isinstance(rules, ChangeRules):
        return read_change_file(path, name, project, rules)
    assert isinstance(rules, EventRules)
    return read_event_file(path, name, project, rules)

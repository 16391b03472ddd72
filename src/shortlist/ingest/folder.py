"""A folder into which files of events, items or users arrive, on a disk or in an object store, as a source.

A file is read once. Its identity (size, time of writing, SHA-256 of the content) is written to the store together with
its events, a few thousand at a time, so that a restart goes on in the middle of a file. A file that is still written is left
until it has not changed for some seconds; a file that changed after it was read is an error, because the rows that it had are
in the store.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from shortlist.config.project import Project
from shortlist.engines.object_store import ObjectStore, StoredObject, is_object_store
from shortlist.errors import DataError
from shortlist.ingest.record_files import EMPTY, RecordFile, read_record_file
from shortlist.ingest.rules import MOST_REJECTED, RecordRules
from shortlist.ingest.source import Positions, RecordSource
from shortlist.store.intake import RejectedRecord, SourceBatch, SourcePosition

BATCH = 5_000
"""Records of one transaction at most."""
SUFFIXES = (".parquet", ".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".arrow", ".feather")
COMPRESSED = (".csv.gz", ".tsv.gz", ".txt.gz", ".json.gz", ".jsonl.gz", ".ndjson.gz")
UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart")
"""Suffixes that programs give to files while they write them."""
log = logging.getLogger("shortlist.ingest")


@dataclass(frozen=True)
class _Arrived:
    """A file of the folder: its name, what identifies it, and how to get it."""

    name: str
    size: int
    modified: int
    place: Path | StoredObject


@dataclass
class _Reading:
    """The file that is being read, the number of the record that comes next, and how many rejected ones were kept."""

    name: str
    facts: dict[str, object]
    file: RecordFile
    next: int
    rejected: int = 0

    def read_up_to(self, end: int) -> bool:
        """Go on to a record, and return whether it is the end of the file."""
        self.next = end
        return end == len(self.file)

    def kept(self, rejected: list[RejectedRecord]) -> list[RejectedRecord]:
        """Return the rejected records that are kept: the first ones of the file, whatever rejected them."""
        first = rejected[: max(MOST_REJECTED - self.rejected, 0)]
        if len(first) < len(rejected) and self.rejected <= MOST_REJECTED:
            log.warning("%s: more than %d records are rejected; the first are kept", self.name, MOST_REJECTED)
            self.rejected = MOST_REJECTED + 1
        self.rejected += len(first)
        return first


class FolderSource(RecordSource):
    """Reads the files of a folder, the oldest first, and waits for more.

    Parameters
    ----------
    folder
        A folder, or an address such as `s3://bucket/events/`; folders inside it are read, too. Names that begin with a dot or an
        underscore are not.
    rules
        Reads and checks one record; they say whether the files hold events, items or users.
    project
        Names the columns and says how rows become events; None: columns have the names of `POST /v1/events`.
    once
        Stop when all files are read.
    settle
        Seconds for which a file must not have changed.
    name
        The source's name in the store (default: `folder:` and its path).
    """

    def __init__(
        self,
        folder: str,
        rules: RecordRules,
        project: Project | None = None,
        *,
        once: bool = False,
        settle: float = 2.0,
        name: str | None = None,
    ) -> None:
        self.folder, self.rules, self.project, self.once, self.settle = folder, rules, project, once, settle
        remote = is_object_store(folder)
        self._store = ObjectStore.of(folder) if remote else None
        self.records = rules.records
        of = "" if rules.records == "events" else f"{rules.records} of "
        self.name = name or f"{of}folder:{folder.rstrip('/') if remote else Path(folder).resolve()}"
        self.lag: dict[str, int] = {}
        self.missing = 0
        self.faults: dict[str, str] = {}
        self._faulty: dict[str, tuple[int, int]] = {}
        self._positions: dict[str, SourcePosition] = {}
        self._seen: dict[str, tuple[int, int, float]] = {}
        self._noted: set[str] = set()
        self._reading: _Reading | None = None

    def open(self, positions: Positions) -> None:
        """Look for the folder. Raises `DataError` where there is none."""
        if self._store is None and not Path(self.folder).is_dir():
            file = Path(self.folder).is_file()
            fault = "is a file; name the folder that holds it" if file else "no such folder"
            raise DataError(f"{self.folder}: {fault}", field="source")
        self._positions = dict(positions())

    def read(self) -> SourceBatch | None:
        """Return the next records of the file that is being read, or begin another one; None where `once` is set and all are read."""
        if self._reading is None:
            arrived = self._new_files()
            self.lag = {"files": len(arrived)}
            ready = [one for one in arrived if self._is_settled(one)]
            if not ready:
                if not arrived and self.once:
                    return None
                time.sleep(min(0.5, self.settle) if arrived else 0.5)
                return SourceBatch(self.name)
            first = min(ready, key=lambda one: (one.modified, one.name))
            try:
                self._begin(first)
            except DataError as error:
                self._set_aside(first, error)
        return SourceBatch(self.name) if self._reading is None else self._next_records(self._reading)

    def stored(self, batch: SourceBatch) -> None:
        """Remember how far the files are read."""
        self._positions |= batch.positions

    def close(self) -> None:
        """Nothing is held open between two batches."""

    def _set_aside(self, one: _Arrived, error: DataError) -> None:
        """Leave a file that cannot be read until it is written again; the others are read."""
        log.error("%s", error.message)
        self.faults[one.name] = error.message
        self._faulty[one.name] = (one.size, one.modified)

    # ---------------------------------------------------------------- files

    def _files(self) -> list[_Arrived]:
        """The files of the folder that can hold records, by name."""
        if self._store is not None:
            found = [(self._store.name_of(one), one.size, one.modified, one) for one in self._store.objects()]
        else:
            found = []
            root = Path(self.folder)
            for path in sorted(root.rglob("*")):
                try:
                    facts = path.stat()
                except OSError:  # it was moved on
                    continue
                if path.is_file():
                    found.append((path.relative_to(root).as_posix(), facts.st_size, facts.st_mtime_ns, path))  # type: ignore[arg-type]
        return [_Arrived(*one) for one in found if self._is_read(one[0])]

    def _is_read(self, name: str) -> bool:
        parts = name.split("/")
        lower = parts[-1].lower()
        if any(part.startswith((".", "_")) for part in parts) or lower.endswith(UNFINISHED):
            return False
        if lower.endswith((*SUFFIXES, *COMPRESSED)):
            return True
        if name not in self._noted:
            self._noted.add(name)
            log.warning(
                "%s: %s is not read; files that are read end in %s", self.folder, name, ", ".join(SUFFIXES)
            )
        return False

    def _new_files(self) -> list[_Arrived]:
        """The files that are not read, or not to their end. One that has changed since it was read is set aside."""
        new = []
        for one in self._files():
            known = self._positions.get(one.name)
            if self._faulty.get(one.name) == (one.size, one.modified):
                continue
            self.faults.pop(one.name, None)
            try:
                if known is None or not (self._is_unchanged(one, known) and known.facts["done"]):
                    new.append(one)
            except DataError as error:
                self._set_aside(one, error)
        return new

    def _is_unchanged(self, one: _Arrived, known: SourcePosition) -> bool:
        """Return that a file has the content that was read. Raises `DataError` where it has another one."""
        if (known.facts["size"], known.facts["modified"]) == (one.size, one.modified):
            return True
        if one.size == known.facts["size"]:
            with self._local(one) as path:
                if _digest(path) == known.facts["sha256"]:
                    facts = {**known.facts, "modified": one.modified}
                    self._positions[one.name] = SourcePosition(known.next, facts)
                    return True
        raise DataError(
            f"{self.folder}: {one.name} was read, and has changed since ({known.facts['size']:,} bytes then, {one.size:,} now). Its "
            "earlier rows are in the store. Put the new rows into a file of their own, and put this one back or remove it",
            field=one.name,
        )

    def _is_settled(self, one: _Arrived) -> bool:
        """Whether a file has not changed for some seconds. An object appears whole."""
        if self._store is not None:
            return True
        now = time.monotonic()
        size, modified, since = self._seen.get(one.name, (-1, -1, now))
        if (size, modified) != (one.size, one.modified):
            self._seen[one.name] = (one.size, one.modified, now)
            since = now
        age = time.time() - one.modified / 1e9
        return now - since >= self.settle or age >= max(60.0, 10 * self.settle)

    @contextmanager
    def _local(self, one: _Arrived) -> Iterator[Path]:
        """Yield a file of the disk with the content."""
        if isinstance(one.place, Path):
            yield one.place
            return
        assert self._store is not None
        with TemporaryDirectory(prefix="shortlist-") as folder:
            copy = Path(folder) / one.name.rpartition("/")[2]
            self._store.download(one.place, copy)
            yield copy

    # ---------------------------------------------------------------- records

    def _begin(self, one: _Arrived) -> None:
        """Read a file, where its content is new and complete."""
        self._seen.pop(one.name, None)
        known = self._positions.get(one.name)
        with self._local(one) as path:
            digest = _digest(path)
            facts: dict[str, object] = {"size": one.size, "modified": one.modified, "sha256": digest}
            copies = [name for name, at in self._positions.items() if at.facts["sha256"] == digest]
            if (
                copies and known is None and self.records == "events"
            ):  # an earlier state of items can come again
                log.warning(
                    "%s: %s has the content of %s, and is not read again", self.folder, one.name, copies[0]
                )
                self._reading = _Reading(one.name, {**facts, "copy_of": copies[0]}, EMPTY, 0)
                return
            file = read_record_file(path, f"{self.folder.rstrip('/')}/{one.name}", self.project, self.rules)
            now = path.stat()
            if now.st_size != one.size or (path == one.place and now.st_mtime_ns != one.modified):
                return  # it was written while it was read: it is new again
        for note in file.notes:
            log.warning("%s", note)
        self._reading = _Reading(one.name, facts, file, 0 if known is None else known.next)

    def _next_records(self, reading: _Reading) -> SourceBatch:
        """The next part of a file. The last part carries the rows that are no records, under the number after the last one."""
        file, name, start = reading.file, reading.name, reading.next
        end = min(start + BATCH, len(file))
        records, rejected = file.part(name, str(reading.facts["sha256"]), start, end)
        done = reading.read_up_to(end)
        if done:
            rejected += [replace(record, part=name, number=end) for record in file.rejected]
            self._reading = None
        position = SourcePosition(end + done, {**reading.facts, "done": done})
        return SourceBatch(self.name, records, reading.kept(rejected), {name: position})

    def __repr__(self) -> str:
        return f"FolderSource({self.folder!r})"


def _digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""The loop: read a batch, store it with its positions, tell the source."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from shortlist.errors import DataError, StoreError
from shortlist.ingest.source import RecordSource
from shortlist.ingest.telemetry import IngestMetrics
from shortlist.store.event_store import EventStore
from shortlist.store.intake import IntakeResult, RejectedRecord, SourceBatch

SUSPICIOUS = 100
"""A new source of whose first records so many are rejected and none is taken has another form than was assumed."""
ATTEMPTS = 8
"""How often a transaction is tried, in about half a minute."""
LONGEST_PAUSE = 10.0
"""Seconds between two attempts at most."""
PLACE = re.compile(r"^(?:row|line) [\d,]+: |^\d+\.")
"""The beginning of a reason: the row of a table, or the number of an event in a message."""
log = logging.getLogger("shortlist.ingest")


@dataclass
class IngestTotals:
    """Counts of the records of a run by their result.

    Attributes
    ----------
    stored, repeated, rejected, passed
        As in `IntakeResult`.
    records
        What they are: "events", "items" or "users".
    missing
        Records that the source deleted before they were read.
    reasons
        Reason → number of rejected records.
    faults
        Part → why it could not be read.
    """

    stored: int = 0
    repeated: int = 0
    rejected: int = 0
    passed: int = 0
    missing: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)
    records: str = "events"

    def add(self, result: IntakeResult, rejected: list[RejectedRecord]) -> None:
        """Add what became of a batch."""
        self.stored += result.stored
        self.repeated += result.repeated
        self.rejected += result.rejected
        self.passed += result.passed
        self.reasons.update(_kind_of_reason(record) for record in rejected)

    def __str__(self) -> str:
        parts = [
            f"{self.stored:,} {self.records if self.records == 'events' else f'changes of {self.records}'} stored"
        ]
        parts += [f"{self.repeated:,} were stored before"] if self.repeated else []
        parts += [f"{self.rejected:,} rejected"] if self.rejected else []
        parts += [f"{self.passed:,} read by another process"] if self.passed else []
        parts += [f"{self.missing:,} deleted at the source before they were read"] if self.missing else []
        return ", ".join(parts)


def ingest(
    source: RecordSource, store: EventStore, stop: threading.Event, metrics: IngestMetrics | None = None
) -> IngestTotals:
    """Read a source into a store until its end, or until `stop` is set; then the batch in work is finished.

    Every batch is one transaction of records, rejected records and positions. While the store cannot be written, the batch is
    tried again, with growing pauses, and nothing else is read. Whatever ends a run, the next one goes on where the store is.

    Raises
    ------
    DataError
        The source cannot be read, or nothing of what it holds is a record of the kind that is read.
    StoreError
        The store could not be written for about half a minute.
    """
    metrics, totals = metrics or IngestMetrics(), IngestTotals(records=source.records)
    try:
        source.open(lambda: store.positions(source.name))
        fresh = not store.positions(source.name)
        while not stop.is_set():
            batch = source.read()
            totals.missing = source.missing
            metrics.record_source(source)
            if batch is None:
                break
            if not (batch.records or batch.rejected or batch.positions):
                continue
            if fresh and not totals.stored:
                _check_form(batch, totals)
            started = time.monotonic()
            result = _store(store, batch, stop, metrics)
            if result is None:
                break
            metrics.record(result, time.monotonic() - started)
            totals.add(result, batch.rejected)
            source.stored(batch)
    finally:
        source.close()
    totals.faults = dict(source.faults)
    return totals


def _check_form(batch: SourceBatch, totals: IngestTotals) -> None:
    """Stop where the records of a new source are of another kind altogether: another topic or table was meant."""
    if not batch.records and len(batch.rejected) + totals.rejected >= SUSPICIOUS:
        of = {"events": "an event", "items": "an item", "users": "a user"}[totals.records]
        reasons = totals.reasons + Counter(_kind_of_reason(record) for record in batch.rejected)
        [(reason, count)] = reasons.most_common(1)
        raise DataError(
            f"{batch.source}: none of the first {sum(reasons.values()):,} records is {of}; the most frequent reason "
            f"({count:,}): {reason}. The latest of them are not stored as rejected; correct the source and start again",
            field="source",
        )


def _kind_of_reason(record: RejectedRecord) -> str:
    """Return a reason without the place, so that equal faults are counted together."""
    reason = PLACE.sub("", record.reason, count=1)
    return reason if len(reason) <= 200 else f"{reason[:200]}…"


def _store(
    store: EventStore, batch: SourceBatch, stop: threading.Event, metrics: IngestMetrics
) -> IntakeResult | None:
    """Write a batch. None where `stop` was set while the store could not be used: it will be read again."""
    pause, attempt = 0.5, 0
    while True:
        try:
            result = store.take_in(batch, int(time.time() * 1000))
        except StoreError as error:
            attempt += 1
            metrics.store.set(0)
            if attempt == ATTEMPTS:
                raise
            log.warning("%s; trying again", error.message)
            if stop.wait(pause):
                return None
            pause = min(2 * pause, LONGEST_PAUSE)
        else:
            return result

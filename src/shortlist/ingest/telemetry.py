"""Metrics of `shortlist ingest` for Prometheus."""

from __future__ import annotations

import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shortlist.ingest.source import RecordSource
from shortlist.store.intake import IntakeResult


class IngestMetrics:
    """Counters of one process that ingests a source."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r: dict[str, Any] = {"registry": self.registry}
        self.events = Counter(
            "shortlist_ingest_events",
            "Records by result: stored, repeated (the id was stored before), rejected, passed (another process had read it)",
            ["result"],
            **r,
        )
        self.lag = Gauge("shortlist_ingest_lag", "Records that wait, by partition or file", ["part"], **r)
        self.missing = Gauge(
            "shortlist_ingest_missing", "Records that the source deleted before they were read", **r
        )
        self.faults = Gauge("shortlist_ingest_faults", "Files that cannot be read", **r)
        self.seconds = Histogram("shortlist_ingest_write_seconds", "Time of a transaction", **r)
        self.latest = Gauge(
            "shortlist_ingest_last_write_seconds", "When the store was last written, seconds since 1970", **r
        )
        self.store = Gauge("shortlist_ingest_store_up", "Whether the event store can be written", **r)
        self.store.set(1)

    def record(self, result: IntakeResult, seconds: float) -> None:
        """Count what became of a batch."""
        for name in ("stored", "repeated", "rejected", "passed"):
            self.events.labels(name).inc(getattr(result, name))
        self.seconds.observe(seconds)
        self.latest.set(time.time())
        self.store.set(1)

    def record_source(self, source: RecordSource) -> None:
        """Take over what a source knows of itself."""
        self.lag.clear()
        for part, waiting in source.lag.items():
            self.lag.labels(part).set(waiting)
        self.missing.set(source.missing)
        self.faults.set(len(source.faults))

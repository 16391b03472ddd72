"""What an operator wants to see: Prometheus at /metrics, a line of JSON a request, traces where OpenTelemetry is configured."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections import deque
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shortlist.cascade.timing import Laps
from shortlist.data.slates import Slate
from shortlist.errors import import_extra
from shortlist.rank.profile import stability
from shortlist.recommender import Recommender
from shortlist.serve.recent import Recent

BUCKETS = (0.001, 0.002, 0.003, 0.005, 0.008, 0.012, 0.02, 0.04, 0.08, 0.2, 1.0)
STAGES = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.02, 0.1)
SCORES = 4_000
"""So many of the latest scores are compared with the first ones since the model took over."""


class Metrics:
    """What Prometheus reads at /metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r: dict[str, Any] = {"registry": self.registry}
        self.seconds = Histogram(
            "shortlist_request_seconds", "Time to answer, by path", ["path"], buckets=BUCKETS, **r
        )
        self.answers = Counter("shortlist_answers", "Answers, by path and status", ["path", "status"], **r)
        self.stages = Histogram(
            "shortlist_stage_seconds",
            "Time of each stage of a batch of requests",
            ["stage"],
            buckets=STAGES,
            **r,
        )
        self.batch = Histogram(
            "shortlist_batch_size", "Requests answered together", buckets=(1, 2, 4, 8, 16, 32, 64), **r
        )
        self.sources = Counter(
            "shortlist_shown_items", "Shown items that a source had proposed, by source", ["source"], **r
        )
        self.slates = Counter("shortlist_slates", "Slates, by model", ["model"], **r)
        self.empty = Counter("shortlist_empty_slates", "Slates without any item", **r)
        self.cache = Gauge(
            "shortlist_permitted_cache",
            "Requests for which what may be shown was at hand (hit) or worked out (miss), of the model that serves",
            ["result"],
            **r,
        )
        self.events = Counter("shortlist_events", "Events stored, by kind", ["kind"], **r)
        self.refused = Counter("shortlist_events_refused", "Events refused, by reason", ["reason"], **r)
        self.lag = Gauge(
            "shortlist_event_lag_seconds", "From an event's own time until it counts, the latest", **r
        )
        self.waiting = Gauge("shortlist_events_waiting", "Events that wait for the disk", **r)
        self.write = Gauge("shortlist_store_write_seconds", "How long the latest transaction took", **r)
        self.store = Gauge("shortlist_store_up", "Whether the event store can be used", **r)
        self.lost = Gauge(
            "shortlist_slates_lost", "Slates that could not be kept while the store was away", **r
        )
        self.model = Gauge("shortlist_model_info", "The model that serves", ["version", "name"], **r)
        self.swaps = Counter(
            "shortlist_model_swaps", "Models that took over, or were turned down", ["result"], **r
        )
        self.drift = Gauge(
            "shortlist_feature_drift", "Stability index of each feature since training", ["feature"], **r
        )
        self.score_drift = Gauge(
            "shortlist_score_drift", "Stability index of the scores since the model took over", **r
        )
        self.shadow = Histogram(
            "shortlist_shadow_overlap",
            "Share of a slate's items that the shadow would show too",
            buckets=(0.0, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0),
            **r,
        )
        self.recent = Recent()
        self._first: list[float] = []
        self._latest: deque[float] = deque(maxlen=SCORES)

    def serves(self, recommender: Recommender) -> None:
        self.model.clear()
        self.model.labels(recommender.version, recommender.project.name).set(1)
        self._first, self._latest = [], deque(maxlen=SCORES)

    def shown(self, slates: list[Slate], laps: Laps) -> None:
        """Some slates that were made together, and how long each stage took."""
        for stage, seconds in laps.items():
            self.stages.labels(stage).observe(seconds)
        self.batch.observe(len(slates))
        found: dict[str, int] = {}
        for slate in slates:
            self.slates.labels(slate.model_version).inc()
            if not slate.items:
                self.empty.inc()
            for r in slate.items:
                for source in r.sources:
                    found[source] = found.get(source, 0) + 1
                self._latest.append(r.score)
        for source, n in found.items():
            self.sources.labels(source).inc(n)
        if len(self._first) < SCORES:
            self._first += [r.score for slate in slates for r in slate.items][: SCORES - len(self._first)]

    def look(self, recommender: Recommender) -> None:
        """Measure the drift of features and scores; some ten milliseconds, once in a while."""
        self.cache.labels("hit").set(recommender.permitted_hits)
        self.cache.labels("miss").set(recommender.permitted_misses)
        people = recommender.some_users(8)
        if people:
            _, matrix, _ = recommender.candidates(people)
            for name, value in recommender.profile.drift(matrix, recommender.ranker.feature_names_).items():
                self.drift.labels(name).set(value)
        if len(self._first) >= 200 and len(self._latest) >= 200:
            edges = np.unique(np.quantile(self._first, np.arange(1, 10) / 10))
            shares = [
                np.bincount(np.searchsorted(edges, np.array(s)), minlength=len(edges) + 1) / len(s)
                for s in (self._first, self._latest)
            ]
            self.score_drift.set(stability(*shares))


class JsonLines(logging.Formatter):
    """One object a line. What people send (ids, values, bodies) is never in it."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said)


def set_up_logs() -> None:
    """To standard error, as SHORTLIST_LOG says: `json` (a line an answer too), `off`, or warnings as text."""
    logger, how = logging.getLogger("shortlist"), os.environ.get("SHORTLIST_LOG", "text")
    if logger.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    if how == "json":
        handler.setFormatter(JsonLines())
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel({"json": logging.INFO, "off": logging.CRITICAL + 1}.get(how, logging.WARNING))


def tracer() -> Any:
    """An OpenTelemetry tracer where OTEL_EXPORTER_OTLP_ENDPOINT is set (extra `tracing`), or None."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return None
    trace: Any = import_extra("opentelemetry.trace", "tracing")
    sdk: Any = import_extra("opentelemetry.sdk.trace", "tracing")
    export: Any = import_extra("opentelemetry.sdk.trace.export", "tracing")
    otlp: Any = import_extra("opentelemetry.exporter.otlp.proto.http.trace_exporter", "tracing")
    resource: Any = import_extra("opentelemetry.sdk.resources", "tracing")
    name = os.environ.get("OTEL_SERVICE_NAME", "shortlist")
    provider = sdk.TracerProvider(resource=resource.Resource.create({"service.name": name}))
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return trace.get_tracer("shortlist")

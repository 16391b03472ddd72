"""Metrics of one server process, for Prometheus at /metrics and for the page's Live tab."""

from __future__ import annotations

from collections import Counter as Tally
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shortlist.cascade.drift import Drift
from shortlist.cascade.page import PageOfRows
from shortlist.cascade.stage_times import StageTimes
from shortlist.data.slates import Recommendation, Slate
from shortlist.rank.profile import stability
from shortlist.recommender import Recommender
from shortlist.serve.activity import Activity
from shortlist.serve.drift_meter import DriftMeter
from shortlist.serve.writer import Writer

BUCKETS = (0.001, 0.002, 0.003, 0.005, 0.008, 0.012, 0.02, 0.04, 0.08, 0.2, 1.0)
STAGES = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.02, 0.1)
LISTS = (10, 25, 50, 100, 200, 500, 1000, 2000)
SCORES = 4_000
"""Number of the latest scores that are compared with the first ones since the model took over."""

CHILDREN = 1024
"""Parts of metrics that are found without asking the metric, which takes as long as ten counts."""
LEAST_SCORES = 200
"""Scores from which their drift is measured."""


class Metrics:
    """Counters, gauges and histograms, and the activity of the last minute."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r: dict[str, Any] = {"registry": self.registry}
        self.seconds = Histogram(
            "shortlist_request_seconds",
            "Time to answer, by path and placement",
            ["path", "placement"],
            buckets=BUCKETS,
            **r,
        )
        self.answers = Counter("shortlist_answers", "Answers, by path and status", ["path", "status"], **r)
        self.stages = Histogram(
            "shortlist_stage_seconds", "Time of each stage of a batch", ["stage"], buckets=STAGES, **r
        )
        self.batch = Histogram(
            "shortlist_batch_size", "Requests answered together", buckets=(1, 2, 4, 8, 16, 32, 64), **r
        )
        self._add_slates(r)
        self.cache = Gauge(
            "shortlist_permitted_cache",
            "Requests for which the allowed items were cached (hit) or computed (miss), of the serving model",
            ["result"],
            **r,
        )
        self.events = Counter("shortlist_events", "Events stored, by kind", ["kind"], **r)
        self.refused = Counter("shortlist_events_refused", "Events refused, by reason", ["reason"], **r)
        self.user_tokens = Counter(
            "shortlist_user_tokens",
            "Tokens of users, by result: valid, missing, expired, wrong",
            ["result"],
            **r,
        )
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
        self.drifts = DriftMeter(self.registry)
        self.score_drift = Gauge(
            "shortlist_score_drift", "Stability index of the scores since the model took over", **r
        )
        self.shadow = Histogram(
            "shortlist_shadow_overlap",
            "Share of a slate's items that the shadow would show too",
            buckets=(0.0, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0),
            **r,
        )
        self.activity = Activity()
        self.child = lru_cache(CHILDREN)(_child)
        """Returns the part of a metric with given labels, such as `child(metrics.answers, path, status)`."""
        self._first: list[float] = []
        self._latest: deque[float] = deque(maxlen=SCORES)

    def _add_slates(self, r: dict[str, Any]) -> None:
        """Add the metrics of what was shown, and where."""
        self.sources = Counter(
            "shortlist_shown_items",
            "Shown items that a source had proposed, by source and placement",
            ["source", "placement"],
            **r,
        )
        self.slates = Counter(
            "shortlist_slates", "Slates, by model and placement", ["model", "placement"], **r
        )
        self.pages = Counter(
            "shortlist_pages", "Pages of rows, by model and placement", ["model", "placement"], **r
        )
        self.lists = Histogram(
            "shortlist_list_items", "Items of the given lists that were ranked", buckets=LISTS, **r
        )
        self.empty = Counter(
            "shortlist_empty_slates", "Slates without any item, by placement", ["placement"], **r
        )

    def start_serving(self, recommender: Recommender) -> None:
        """A model begins to serve."""
        self.model.clear()
        self.model.labels(recommender.version, recommender.project.name).set(1)
        self._first, self._latest = [], deque(maxlen=SCORES)
        self.drifts.reset()

    def record_slates(self, slates: Sequence[Slate], times: StageTimes) -> None:
        """Count slates that were made together, and how long each stage took."""
        for stage, seconds in times.items():
            self.child(self.stages, stage).observe(seconds)
        self.batch.observe(len(slates))
        placements: dict[str, list[Recommendation]] = {}
        for slate in slates:
            self.child(self.slates, slate.model_version, slate.placement).inc()
            if not slate.items:
                self.child(self.empty, slate.placement).inc()
            placements.setdefault(slate.placement, []).extend(slate.items)
        for placement, items in placements.items():
            for source, n in Tally(chain.from_iterable([item.sources for item in items])).items():
                self.child(self.sources, source, placement).inc(n)
            scores = [item.score for item in items]
            self._latest.extend(scores)
            self._first += scores[: SCORES - len(self._first)]

    def record_list(self, slate: Slate, times: StageTimes) -> None:
        """Count a given list that was ranked, and how long each stage took."""
        for stage, seconds in times.items():
            self.child(self.stages, stage).observe(seconds)
        self.child(self.slates, slate.model_version, slate.placement).inc()
        self.lists.observe(len(slate))

    def record_page(self, page: PageOfRows, placement: str) -> None:
        """Count a page of rows."""
        self.pages.labels(page.model_version, placement).inc()

    def record_writer(self, writer: Writer) -> None:
        """Take over the numbers of the writer."""
        self.waiting.set(writer.size)
        self.write.set(writer.seconds)
        self.store.set(writer.fault is None)
        self.lost.set(writer.dropped_slates)

    def record_drift(self, recommender: Recommender, drift: Drift) -> None:
        """Take over the drift of features and the cache's lookups, and measure the drift of scores."""
        lookups = recommender.state.catalogue.lookups
        self.cache.labels("hit").set(lookups.hits)
        self.cache.labels("miss").set(lookups.misses)
        self.drifts.publish(drift)
        if len(self._first) >= LEAST_SCORES and len(self._latest) >= LEAST_SCORES:
            edges = np.unique(np.quantile(self._first, np.arange(1, 10) / 10))
            shares = [
                np.bincount(np.searchsorted(edges, np.array(s)), minlength=len(edges) + 1) / len(s)
                for s in (self._first, self._latest)
            ]
            self.score_drift.set(stability(*shares))


def _child(metric: Any, *labels: Any) -> Any:
    return metric.labels(*labels)

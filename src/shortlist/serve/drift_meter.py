"""How far features are from training while a model serves."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Gauge

from shortlist.cascade.drift import Drift, measure_drift
from shortlist.cascade.inspect import candidates, last_contexts
from shortlist.recommender import Recommender

USERS, TURNS = 8, 16
"""Users whose candidates are compared with those of training at a time, and how many measurements count together."""


class DriftMeter:
    """Measures drift on a few users at a time, others each time; the index is that of the last measurements together.

    Attributes
    ----------
    contexts
        Contexts of the latest requests, in which drift is measured.
    found
        The latest measurement; None before the first one.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        features = "Stability index of each feature since training"
        self._drift = Gauge("shortlist_feature_drift", features, ["feature"], registry=registry)
        missing = "1 for a column that had values in training and has few now"
        self._missing = Gauge("shortlist_column_missing", missing, ["column"], registry=registry)
        self.contexts: deque[Mapping[str, Any] | None] = deque(maxlen=USERS)
        self.found: Drift | None = None
        self._matrices: deque[tuple[int, NDArray[np.float32]]] = deque(maxlen=TURNS - 1)
        """Number of users and matrix of the latest measurements."""
        self._next = 0

    def reset(self) -> None:
        """Forget the measurements: another model serves."""
        self._matrices.clear()
        self.found, self._next = None, 0

    def publish(self, drift: Drift) -> None:
        """Set the metrics. Features that read a missing column are left out."""
        self._drift.clear()
        for name, value in drift.features.items():
            self._drift.labels(name).set(value)
        self._missing.clear()
        for column in drift.missing:
            self._missing.labels(column.column).set(1)

    def measure(self, recommender: Recommender) -> Drift:
        """Compare candidates with the training of a model: some ten milliseconds, on a thread of its own."""
        every = list(recommender.some_users(USERS * TURNS))
        if not every:
            return Drift((), {}, 0)
        users = [every[(self._next + at) % len(every)] for at in range(min(USERS, len(every)))]
        self._next += USERS
        contexts = list(self.contexts) or last_contexts(recommender.dataset, users)
        each = [contexts[at % len(contexts)] for at in range(len(users))]
        batches = candidates(recommender.model, recommender.state, users, each)
        earlier = list(self._matrices)
        matrices = [matrix for _, matrix in earlier]
        self.found = measure_drift(recommender.model, batches, matrices, sum(n for n, _ in earlier))
        self._matrices.append((len(users), np.concatenate([batch.matrix for batch in batches])))
        return self.found

"""The feature matrix: one row a candidate, one column a feature, float32, NaN where nothing is known.

One function builds it for training and for serving; only where the counts come from differs (`OfflineCounts` or
`LiveCounts`). Columns: the declared features in order, then for each retrieval source its rank and its score.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shortlist.data.attributes import Attribute
from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.data.times import NO_TIME
from shortlist.features.history import OfflineCounts
from shortlist.features.keys import Keys
from shortlist.features.live import LiveCounts, history_counts, live_affinity
from shortlist.features.spec import DAY, THOUSANDTHS, Aggregate, finish, parse_features

Counts = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Rows:
    """R requests and their candidate rows, rows of a request side by side.

    users int32 (R,), −1: a visitor; moments int64 ms (R,); request int64 (rows,) into the requests; item int32 (rows,);
    ranks, scores float32 (rows, sources), NaN where a source did not propose the item; position float32 (rows,).
    """

    users: np.ndarray
    moments: np.ndarray
    histories: Histories
    request: np.ndarray
    item: np.ndarray
    sources: list[str]
    ranks: np.ndarray
    scores: np.ndarray
    user_attributes: dict[str, Attribute] = field(default_factory=dict)
    context: dict[str, Attribute] = field(default_factory=dict)
    position: np.ndarray | None = None


class FeatureSet:
    """A project's features with what fitting learns about them: a prior per smoothed feature."""

    def __init__(self, dataset: Dataset, priors: dict[str, float] | None = None) -> None:
        self.features = parse_features(dataset.project, dataset.log.kinds)
        self.items = dataset.items.attributes
        self.kinds = dataset.log.kinds
        self.keys = Keys(len(dataset.users), len(dataset.items), dataset.users.attributes, self.items)
        self.priors = priors or {}

    @property
    def aggregates(self) -> list[Aggregate]:
        return [aggregate for feature in self.features for aggregate in feature.aggregates()]

    def fit(self, dataset: Dataset) -> FeatureSet:
        """Learn the priors: the rate or mean over all events of the data set."""
        log = dataset.log
        for feature in self.features:
            if feature.kind == "mean":
                values = log.value[log.is_kind([feature.event], feature.at_least)]
                values = values[~np.isnan(values)]
                self.priors[feature.name] = float(values.mean(dtype=np.float64)) if len(values) else 0.0
            elif feature.kind == "rate":
                per = int(log.is_kind([feature.per]).sum())
                self.priors[feature.name] = (
                    float(log.is_kind([feature.event], feature.at_least).sum() / per) if per else 0.0
                )
        return self

    def names(self, sources: list[str]) -> list[str]:
        return [f.name for f in self.features] + [
            f"{s}_{what}" for what in ("rank", "score") for s in sources
        ]

    def types(self, sources: list[str]) -> list[str]:
        """XGBoost's type per column: `c` for categories, `q` for quantities."""
        kinds = []
        for feature in self.features:
            category = False
            if feature.kind == "attribute":
                side, _, name = feature.of.partition(".")
                category = side == "item" and self.items[name].kind == "category"
                category |= side == "user" and self.keys.users[name].kind == "category"
            kinds.append("c" if category else "q")
        return kinds + ["q"] * (2 * len(sources))

    def offline(
        self, rows: Rows, dataset: Dataset, progress: Callable[[float], None] | None = None
    ) -> np.ndarray:
        """The matrix as of each request's moment, by SQL over the log."""
        counts = OfflineCounts(dataset, self.keys)

        def affinity(attribute: Attribute, last: int) -> tuple[np.ndarray, np.ndarray]:
            return counts.affinity(attribute, last, rows.users, rows.moments, rows.request, rows.item)

        return self._build(rows, counts.lookup, affinity, None, progress)

    def live(self, rows: Rows, counts: LiveCounts) -> np.ndarray:
        """The matrix as of now, from the counters."""

        def affinity(attribute: Attribute, last: int) -> tuple[np.ndarray, np.ndarray]:
            return live_affinity(attribute, last, rows.histories, rows.request, rows.item)

        def visitor(aggregate: Aggregate) -> Counts:
            return history_counts(aggregate, rows.histories, rows.moments, self.kinds)

        return self._build(rows, counts.lookup, affinity, visitor)

    def _build(
        self,
        rows: Rows,
        lookup: Callable[[Aggregate, np.ndarray, np.ndarray], Counts],
        affinity: Callable[[Attribute, int], tuple[np.ndarray, np.ndarray]],
        visitor: Callable[[Aggregate], Counts] | None,
        progress: Callable[[float], None] | None = None,
    ) -> np.ndarray:
        n, sources = len(rows.item), len(rows.sources)
        matrix = np.empty((n, len(self.features) + 2 * sources), np.float32)
        cache: dict[Aggregate, Counts] = {}

        def counted(aggregate: Aggregate) -> Counts:
            if aggregate not in cache:
                cache[aggregate] = self._counts(aggregate, rows, lookup, visitor)
            return cache[aggregate]

        moments = rows.moments[rows.request]
        for column, feature in enumerate(self.features):
            aggregates = feature.aggregates()
            if aggregates:
                values = finish(
                    feature, [counted(a) for a in aggregates], moments, self.priors.get(feature.name, 0.0)
                )
            elif feature.kind == "affinity":
                name = feature.of.partition(".")[2]
                hits, length = affinity(self.items[name], feature.last)
                sizes = np.diff(self.items[name].ragged()[0])[rows.item]
                values = np.where(length > 0, hits / np.maximum(length * np.maximum(sizes, 1), 1), np.nan)
            else:
                values = self._plain(feature, rows, moments)
            matrix[:, column] = values
            if progress:
                progress((column + 1) / len(self.features))
        matrix[:, len(self.features) : len(self.features) + sources] = rows.ranks
        matrix[:, len(self.features) + sources :] = rows.scores
        return matrix

    def _counts(
        self,
        aggregate: Aggregate,
        rows: Rows,
        lookup: Callable[[Aggregate, np.ndarray, np.ndarray], Counts],
        visitor: Callable[[Aggregate], Counts] | None,
    ) -> Counts:
        if aggregate.by in {"all", "user"} or aggregate.by.startswith("user."):
            per_request = self._request_counts(aggregate, rows, lookup, visitor)
            return per_request[0][rows.request], per_request[1][rows.request], per_request[2][rows.request]
        owner, keys = self.keys.of(aggregate.by, rows.users[rows.request], rows.item)
        answer = lookup(aggregate, keys, rows.moments[rows.request[owner]])
        return _reduce(owner, answer, len(rows.item), mean=aggregate.by != "item")

    def _request_counts(
        self,
        aggregate: Aggregate,
        rows: Rows,
        lookup: Callable[[Aggregate, np.ndarray, np.ndarray], Counts],
        visitor: Callable[[Aggregate], Counts] | None,
    ) -> Counts:
        """Counts that do not depend on the candidate are made once a request."""
        n = len(rows.users)
        attribute = (
            rows.user_attributes.get(aggregate.by.partition(".")[2])
            if aggregate.by.startswith("user.")
            else None
        )
        if attribute is not None:  # a visitor may have told a gender, say, with the request
            indptr, values = attribute.ragged()
            owner, keys = np.repeat(np.arange(n), np.diff(indptr)), values.astype(np.int64)
        else:
            owner, keys = self.keys.of(aggregate.by, rows.users, np.zeros(n, np.int32))
        counts = _reduce(
            owner, lookup(aggregate, keys, rows.moments[owner]), n, mean=aggregate.by.startswith("user.")
        )
        if aggregate.by == "user" and visitor is not None and (rows.users < 0).any():
            unknown = rows.users < 0
            own = visitor(aggregate)
            return (
                np.where(unknown, own[0], counts[0]),
                np.where(unknown, own[1], counts[1]),
                np.where(unknown, own[2], counts[2]),
            )
        return counts

    def _plain(self, feature: Any, rows: Rows, moments: np.ndarray) -> np.ndarray:
        if feature.kind == "position":
            return np.zeros(len(rows.item)) if rows.position is None else rows.position
        if feature.kind == "moment":
            hours = rows.moments // 3_600_000
            values = (
                hours % 24 if feature.of == "hour" else (hours // 24 + 3) % 7
            )  # 1970-01-01 was a Thursday
            return values[rows.request]
        side, _, name = feature.of.partition(".")
        if feature.kind == "age":
            times = self.items[name].times[rows.item]
            return np.where(times == NO_TIME, np.nan, (moments - times) / DAY)
        if side == "item":
            return _number(self.items[name])[rows.item]
        given = (rows.user_attributes if side == "user" else rows.context).get(name)
        return np.full(len(rows.item), np.nan) if given is None else _number(given)[rows.request]


def _number(attribute: Attribute) -> np.ndarray:
    if attribute.kind == "number":
        return attribute.values
    return np.where(attribute.codes < 0, np.nan, attribute.codes)


def _reduce(owner: np.ndarray, counts: Counts, n: int, mean: bool) -> Counts:
    """From one count a key to one a row: a row of several keys (genres) takes the mean, and the latest time."""
    values, total, last = counts
    never = np.iinfo(np.int64).min
    if len(owner) == n and not mean:
        return counts
    if not mean:
        answer = np.zeros(n, np.int64), np.zeros(n, np.int64), np.full(n, never)
        for whole, part in zip(answer, counts, strict=True):
            whole[owner] = part
        return answer
    size = np.maximum(np.bincount(owner, minlength=n), 1)
    latest = np.full(n, never)
    np.maximum.at(latest, owner, np.where(values > 0, last, never))
    return (
        np.bincount(owner, values, n) / size,
        np.bincount(owner, total, n) / size,
        latest,
    )


__all__ = ["THOUSANDTHS", "FeatureSet", "Rows"]

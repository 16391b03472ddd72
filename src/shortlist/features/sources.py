"""Sources of counts: SQL over the log for moments of the past, counters for now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shortlist.data.histories import Histories
from shortlist.features.aggregates import Aggregate, Counts
from shortlist.features.direct_plan import DirectPlan
from shortlist.features.formulas import fill_columns
from shortlist.features.item_features import ItemFeatures
from shortlist.features.item_rows import item_rows
from shortlist.features.keys import KeyRows
from shortlist.features.layout import FeatureLayout
from shortlist.features.offline import OfflineCounts
from shortlist.features.offline_similarity import OfflineSimilarity
from shortlist.features.online import OnlineCounters
from shortlist.features.rows import FeatureRows
from shortlist.features.similarity_kernels import fill_from_integers, squared_lengths
from shortlist.features.visitors import VisitorCounts


class CountSource(Protocol):
    """Where the counts of the rows come from."""

    def lookup(
        self, aggregates: list[Aggregate], keys: NDArray[np.int64], moments: NDArray[np.int64]
    ) -> Mapping[Aggregate, Counts]:
        """Return the counts of (key, moment) pairs, for aggregates by the same key."""

    def lookup_visitors(
        self, aggregate: Aggregate, owner: NDArray[np.int64], rest: NDArray[np.int64]
    ) -> Counts | None:
        """Return the counts of (request, key without the user) pairs of visitors; None if there are none."""

    def fill(self, matrix: NDArray[np.float32]) -> set[str]:
        """Write the features that need no counts of rows; return their names."""


class OfflineSource:
    """Counts as of moments of the past, for the rows of one matrix."""

    def __init__(
        self,
        layout: FeatureLayout,
        rows: FeatureRows,
        items: ItemFeatures,
        counts: OfflineCounts,
        similarity: OfflineSimilarity,
    ) -> None:
        self._layout, self._rows, self._items = layout, rows, items
        self._counts, self._similarity = counts, similarity

    def __repr__(self) -> str:
        return f"OfflineSource({self._rows!r})"

    def lookup(
        self, aggregates: list[Aggregate], keys: NDArray[np.int64], moments: NDArray[np.int64]
    ) -> Mapping[Aggregate, Counts]:
        """Return the counts of (key, moment) pairs."""
        streams: dict[tuple[Any, ...], list[Aggregate]] = defaultdict(list)
        for a in aggregates:
            streams[a.event, a.at_least, a.distinct, a.extremes].append(a)
        return self._counts.lookup(list(streams.values()), keys, moments)

    def lookup_visitors(
        self,
        aggregate: Aggregate,  # noqa: ARG002 - part of the interface
        owner: NDArray[np.int64],  # noqa: ARG002 - part of the interface
        rest: NDArray[np.int64],  # noqa: ARG002 - part of the interface
    ) -> Counts | None:
        """Return None: a log has no visitors."""
        return None

    def fill(self, matrix: NDArray[np.float32]) -> set[str]:
        """Write the features that compare items with histories."""
        item = self._rows.item
        for feature in self._layout.history_features:
            table = self._items.vectors[feature.of.partition(".")[2]].table(len(self._items))
            dot, events, square = self._similarity.lookup(table, feature, self._rows)
            column = matrix[:, self._layout.columns[feature.name][0]]
            cosine = feature.kind == "similarity"
            fill_from_integers(column, cosine, dot, events, square, squared_lengths(table)[item])
        return {feature.name for feature in self._layout.history_features}


class OnlineSource:
    """Counts as of now, for the rows of one matrix. It reads counters and items, and changes neither."""

    def __init__(
        self,
        layout: FeatureLayout,
        plan: DirectPlan,
        rows: FeatureRows,
        items: ItemFeatures,
        counters: OnlineCounters,
    ) -> None:
        self._layout, self._plan, self._rows = layout, plan, rows
        self._counters, self._of_items = counters, item_rows(items, rows)
        self._visitors = VisitorCounts(counters.encoder, rows, layout.kinds, items.attributes)

    def __repr__(self) -> str:
        return f"OnlineSource({self._rows!r})"

    def lookup(
        self,
        aggregates: list[Aggregate],
        keys: NDArray[np.int64],
        moments: NDArray[np.int64],  # noqa: ARG002 - counters know now only
    ) -> Mapping[Aggregate, Counts]:
        """Return the counts of keys, as of the latest `advance` of the counters."""
        return {a: self._counters.lookup(a, keys) for a in aggregates}

    def lookup_visitors(
        self, aggregate: Aggregate, owner: NDArray[np.int64], rest: NDArray[np.int64]
    ) -> Counts | None:
        """Return the counts of visitors, from the histories of their requests."""
        return self._visitors.lookup(aggregate, owner, rest)

    def fill(self, matrix: NDArray[np.float32]) -> set[str]:
        """Write features with one key a row, and the features that compare items with histories.

        If there are visitors, the plan has no features by the user: their counts come from the requests.
        """
        self._fill_direct(matrix)
        done = set(self._plan.names)
        latest: dict[tuple[int, str | None], Histories] = {}
        for feature in self._layout.history_features:
            choice = (feature.last, feature.event)
            if choice not in latest:
                latest[choice] = self._latest(*choice)
            column = matrix[:, self._layout.columns[feature.name][0]]
            name, cosine = feature.of.partition(".")[2], feature.kind == "similarity"
            self._of_items.fill_similarity(name, column, latest[choice], cosine)
            done.add(feature.name)
        return done

    def _latest(self, last: int, event: str | None) -> Histories:
        histories = self._rows.histories
        if event is not None:
            histories = histories.only(histories.kind == self._layout.kinds.index(event))
        return histories.last(last)

    def _fill_direct(self, matrix: NDArray[np.float32]) -> None:
        counters, rows = self._counters.counters, self._of_items.key_rows()
        slots = self._slots(rows, rows.per_request())
        for group in self._plan.groups:
            ones = [counters[aggregate] for aggregate in group.first]
            integers = (
                tuple([one.n for one in ones]),
                tuple(map(getattr, ones, group.second)),
                tuple([counters[aggregate].n for aggregate in group.last]),
            )
            at = tuple([slots[by] for by in group.by])
            fill_columns(
                matrix, group.columns, group.parameters, at, integers, self._rows.moments, self._rows.request
            )

    def _slots(self, rows: KeyRows, of_requests: KeyRows) -> dict[str, NDArray[np.int64]]:
        """Return, for each key, the slots of the rows' keys in the counters by it, or of the requests' where they are the same for all items."""
        encoder, counters = self._layout.encoder, self._counters.counters
        slots = {}
        for by, aggregate, of_request in self._plan.keys:
            slots[by] = counters[aggregate].slots(
                encoder.encode_single(by, of_requests if of_request else rows)
            )
        return slots

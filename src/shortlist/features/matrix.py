"""Building the feature matrix: one row a candidate, float32, NaN where a value is unknown.

Training and serving build it in the same way; only the source of the counts differs (`OfflineSource`, `OnlineSource`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.data.attributes import CategoryAttribute, TimeAttribute
from shortlist.data.no_time import NO_TIME
from shortlist.features.aggregates import Aggregate, Counts
from shortlist.features.custom import call_function
from shortlist.features.encoders import hash_codes
from shortlist.features.formulas import DAY_MS
from shortlist.features.item_features import ItemFeatures
from shortlist.features.item_rows import ItemRows, item_rows
from shortlist.features.keys import KeyRows
from shortlist.features.layout import FeatureLayout
from shortlist.features.pooling import PooledCounts, RepeatedCounts, concatenate, is_one_each
from shortlist.features.rows import FeatureRows
from shortlist.features.sources import CountSource
from shortlist.features.spec import CountedFeature, MomentFeature
from shortlist.features.visitors import without_user
from shortlist.features.within_list import ListComparison

Progress = Callable[[float], None]
"""Receives the finished share, 0 to 1."""
HOUR_MS = 3_600_000
MOMENT_VALUES = {"hour": 24, "weekday": 7}


def build_matrix(
    layout: FeatureLayout,
    priors: Mapping[str, float],
    rows: FeatureRows,
    items: ItemFeatures,
    source: CountSource,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Build the matrix, float32 (rows, layout.width + 2 · sources).

    Parameters
    ----------
    layout
        The columns.
    priors
        Name of a smoothed feature → the mean or rate that it is smoothed towards.
    rows
        Requests and candidates.
    items
        Columns, vectors and attributes of the catalogue.
    source
        Where the counts come from.
    progress
        Receives the finished share.
    """
    n, sources = len(rows.item), len(rows.sources)
    matrix = np.empty((n, layout.width + 2 * sources), np.float32)
    of_items = item_rows(items, rows)
    if layout.fixed_width:
        matrix[:, : layout.fixed_width] = of_items.fixed_columns()
    done = source.fill(matrix)
    counts = _Counting(layout, rows, of_items, source).counts(layout.groups_without(done), progress)
    moments = rows.moments[rows.request]
    plain = _PlainFeatures(layout, rows, of_items)
    within = ListComparison(layout, rows, items.ids)
    for feature in layout.others:
        if feature.name in done:
            continue
        begin, end = layout.columns[feature.name]
        if isinstance(feature, CountedFeature):
            aggregates = layout.aggregates[feature.name]
            prior = priors.get(feature.name, 0.0)
            matrix[:, begin] = feature.finish([counts[a] for a in aggregates], moments, prior)
        elif feature.kind == "custom":
            inputs = [plain.arrow(name, matrix) for name in feature.inputs]
            matrix[:, begin] = call_function(feature.name, feature.function, inputs, n)
        elif feature.kind == "within_list":
            matrix[:, begin] = within.compare(feature, matrix)
        else:
            matrix[:, begin:end] = plain.columns(feature)
    matrix[:, layout.width : layout.width + sources] = rows.ranks
    matrix[:, layout.width + sources :] = rows.scores
    return matrix


class _Counting:
    """The counts of all rows, with one look-up for each key that is counted by."""

    def __init__(
        self, layout: FeatureLayout, rows: FeatureRows, items: ItemRows, source: CountSource
    ) -> None:
        self._layout, self._rows, self._source = layout, rows, source
        self._key_rows = items.key_rows()

    def counts(
        self, groups: Mapping[str, list[Aggregate]], progress: Progress | None
    ) -> dict[Aggregate, Counts]:
        """Return the counts of each aggregate. groups: key → aggregates by it."""
        counts: dict[Aggregate, Counts] = {}
        for number, (by, aggregates) in enumerate(groups.items()):
            if self._layout.encoder.is_of_request(by):  # once a request, not once a row
                of_requests = self._group(by, aggregates, self._key_rows.per_request())
                counts |= {a: RepeatedCounts(c, self._rows.request) for a, c in of_requests.items()}
            else:
                counts |= self._group(by, aggregates, self._key_rows)
            if progress:
                progress((number + 1) / len(groups))
        return counts

    def _group(self, by: str, aggregates: list[Aggregate], key_rows: KeyRows) -> dict[Aggregate, Counts]:
        """Return the counts of rows, for aggregates by the same key."""
        owner, keys = self._layout.encoder.encode(by, key_rows)
        found = self._source.lookup(aggregates, keys, self._rows.moments[key_rows.request[owner]])
        if "user" in by.split("*") and (self._rows.users < 0).any():
            return self._with_visitors(by, found, owner, key_rows)
        if is_one_each(owner, len(key_rows)):
            return dict(found)
        return {a: PooledCounts(counts, owner, len(key_rows)) for a, counts in found.items()}

    def _with_visitors(
        self, by: str, found: Mapping[Aggregate, Counts], owner: NDArray[np.int64], key_rows: KeyRows
    ) -> dict[Aggregate, Counts]:
        """Add the counts of visitors to those of users."""
        rows = np.flatnonzero(self._rows.users[key_rows.request] < 0)
        row, rest = self._layout.encoder.encode(without_user(by), key_rows.take(rows))
        visitor = rows[row]
        counts: dict[Aggregate, Counts] = {}
        for aggregate, of_users in found.items():
            parts = [(of_users, owner)]
            of_visitors = self._source.lookup_visitors(aggregate, key_rows.request[visitor], rest)
            if of_visitors is not None:
                parts.append((of_visitors, visitor))
            counts[aggregate] = PooledCounts(*concatenate(parts), len(key_rows))
        return counts


class _PlainFeatures:
    """The features that need no counts."""

    def __init__(self, layout: FeatureLayout, rows: FeatureRows, items: ItemRows) -> None:
        self._layout, self._rows, self._items = layout, rows, items

    def columns(self, feature: Any) -> NDArray[Any]:
        """Return the columns of a feature, (rows, columns)."""
        rows = self._rows
        values: NDArray[Any]
        match feature.kind:
            case "position":
                values = np.zeros(len(rows.item)) if rows.position is None else rows.position
            case "moment":
                values = _moment(feature.of, rows.moments)[rows.request]
            case "age":
                times = self._items.attribute(feature.of.partition(".")[2], TimeAttribute).times[
                    self._items.at
                ]
                values = np.where(times == NO_TIME, np.nan, (rows.moments[rows.request] - times) / DAY_MS)
            case "cross":
                values = self._cross(feature)
            case "given":
                values = (
                    np.full(len(rows.item), np.nan) if rows.lists is None else rows.lists.given[feature.of]
                )
            case _:
                return self._attribute(feature)
        return values[:, None]

    def _attribute(self, feature: Any) -> NDArray[Any]:
        """Return the columns of an attribute of the user or the context."""
        rows = self._rows
        of_users = self._layout.user_columns.get(feature.name)
        if of_users is not None:
            return np.where(rows.users[:, None] >= 0, of_users[rows.users], np.nan)[rows.request]
        side, _, name = feature.of.partition(".")
        given = rows.attribute(side, name)
        encoder = self._layout.request_encoders[feature.name]
        if given is None:
            return np.full((len(rows.item), len(encoder.names)), np.nan)
        return encoder.encode(given)[rows.request]

    def _cross(self, feature: Any) -> NDArray[np.float64]:
        code, size = np.zeros(len(self._rows.item), np.int64), 1
        known = np.ones(len(self._rows.item), bool)
        for of in feature.of:
            codes, vocabulary = self._category(of)
            known &= (codes >= 0) & (codes < vocabulary)
            code, size = code * vocabulary + codes, size * vocabulary
        if size > feature.buckets:
            code = hash_codes(np.where(known, code, 0), feature.buckets)
        return np.where(known, code, np.nan)

    def _category(self, of: str) -> tuple[NDArray[Any], int]:
        """Return the codes of the rows, −1 where unknown, and the size of the vocabulary in training."""
        rows = self._rows
        side, _, name = of.partition(".")
        if not name:  # a feature of kind moment
            part = next(f.of for f in self._layout.features if isinstance(f, MomentFeature) and f.name == of)
            return _moment(part, rows.moments)[rows.request], MOMENT_VALUES[part]
        vocabulary = self._layout.encoder.size(of)
        if side == "item":
            return self._items.attribute(name, CategoryAttribute).codes[self._items.at], vocabulary
        given = rows.attribute(side, name)
        if given is None:
            return np.full(len(rows.item), -1), vocabulary
        assert isinstance(given, CategoryAttribute)
        return given.codes[rows.request], vocabulary

    def arrow(self, name: str, matrix: NDArray[np.float32]) -> pa.Array:
        """Return an input of a custom feature: the column of a feature, or the values of an attribute."""
        rows = self._rows
        if name in self._layout.columns:
            return pa.array(matrix[:, self._layout.columns[name][0]], from_pandas=True)
        side, _, attribute = name.partition(".")
        if side == "item":
            return self._items.attributes[attribute].take(self._items.at).to_arrow()
        given = rows.attribute(side, attribute)
        if given is None:
            return pa.nulls(len(rows.item))
        return given.to_arrow().take(pa.array(rows.request))


def _moment(part: str, moments: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the hour, or the weekday (0: Monday)."""
    hours = moments // HOUR_MS
    return hours % 24 if part == "hour" else (hours // 24 + 3) % 7  # 1970-01-01 was a Thursday

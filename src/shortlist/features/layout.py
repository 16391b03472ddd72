"""The layout of the feature matrix: the columns of each feature, and what each feature needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.data.attributes import Attribute
from shortlist.data.dataset import Dataset
from shortlist.features.aggregates import Aggregate
from shortlist.features.encoders import AttributeEncoder
from shortlist.features.formulas import SECOND_INTEGER
from shortlist.features.keys import KeyEncoder
from shortlist.features.spec import Feature


@dataclass(frozen=True)
class DirectFeature:
    """A feature that is computed straight from the arrays of counters: a formula of aggregates with one key a row.

    Parameters
    ----------
    feature
        The declaration.
    column
        Its column.
    aggregates
        The aggregates that it reads.
    second
        The array that the formula reads beside the number of events.
    of_user
        Whether the user is a part of the key: then a visitor has no counters.
    """

    feature: Any
    column: int
    aggregates: tuple[Aggregate, ...]
    second: str
    of_user: bool

    @property
    def by(self) -> str:
        """The key that it counts by."""
        return self.aggregates[0].by


class FeatureLayout:
    """Columns of the matrix in order: fixed columns of items, the other features, then ranks and scores of the sources.

    Immutable. It keeps no arrays of the catalogue.

    Parameters
    ----------
    features
        Parsed declarations (`parse_features`): a derived feature follows the features it is derived from.
    dataset
        The training data: vocabularies, number of users and items.

    Attributes
    ----------
    encoder
        Encodes the keys of aggregates.
    item_encoders
        Encoders of the features that are attributes of the item.
    others
        All other features.
    columns
        Name of a feature → its columns [begin, end).
    column_names, column_types
        Name and XGBoost type (`c`: category, `q`: quantity) of each column.
    aggregates
        Name of a feature → the aggregates that it reads.
    groups
        Key → the distinct aggregates that count by it.
    """

    def __init__(self, features: Sequence[Feature], dataset: Dataset) -> None:
        self.features = list(features)
        self.kinds = list(dataset.log.kinds)
        self.encoder = KeyEncoder(dataset)
        self.aggregates: dict[str, list[Aggregate]] = {f.name: f.aggregates() for f in features}
        self.groups: dict[str, list[Aggregate]] = defaultdict(list)
        for aggregate in dict.fromkeys(a for every in self.aggregates.values() for a in every):
            self.groups[aggregate.by].append(aggregate)
        self.columns: dict[str, tuple[int, int]] = {}
        self.column_names: list[str] = []
        self.column_types: list[str] = []
        items = dataset.items.attributes
        fixed = [f for f in features if f.kind == "attribute" and f.of.startswith("item.")]
        self.item_encoders = [AttributeEncoder(f, items[f.of.partition(".")[2]]) for f in fixed]
        for encoder in self.item_encoders:
            self._add(encoder.feature.name, encoder.names, encoder.kind == "category")
        self.fixed_width = len(self.column_names)
        self.others = [f for f in features if f not in fixed]
        self.request_encoders: dict[str, AttributeEncoder] = {}
        """Name of a feature → encoder of an attribute of the user or the context."""
        self.user_columns: dict[str, NDArray[np.float32]] = {}
        """Name of a feature → columns of lists, texts and embeddings of all users, float32 (users, columns)."""
        for feature in self.others:
            self._add_other(feature, {"user": dataset.users.attributes, "context": dataset.log.context})
        self.width = len(self.column_names)
        self.history_features = [f for f in self.others if f.kind in {"affinity", "similarity"}]
        self.similar_by = list(dict.fromkeys(f.of.partition(".")[2] for f in self.history_features))
        """The attributes of items by which they are compared with histories."""
        self._groups_without: dict[frozenset[str], dict[str, list[Aggregate]]] = {}
        self.direct = [self._direct(f) for f in self.others if self._is_direct(f)]

    def __repr__(self) -> str:
        return f"FeatureLayout({len(self.features)} features, {self.width} columns)"

    def _add(self, name: str, columns: list[str], category: bool) -> None:
        begin = len(self.column_names)
        self.columns[name] = (begin, begin + len(columns))
        self.column_names += columns
        self.column_types += ["c" if category else "q"] * len(columns)

    def _add_other(self, feature: Any, sides: Mapping[str, Mapping[str, Attribute]]) -> None:
        if feature.kind != "attribute":
            self._add(feature.name, [feature.name], feature.kind == "cross")
            return
        side, _, name = feature.of.partition(".")
        attribute = sides[side][name]
        encoder = AttributeEncoder(feature, attribute)
        if encoder.several and side == "user":
            self.user_columns[feature.name] = encoder.encode_all(attribute)
        else:
            self.request_encoders[feature.name] = encoder
        self._add(feature.name, encoder.names, attribute.kind == "category")

    def _is_direct(self, feature: Any) -> bool:
        by = getattr(feature, "by", None)
        return by is not None and feature.formula is not None and self.encoder.is_single(by)

    def _direct(self, feature: Any) -> DirectFeature:
        aggregates = tuple(self.aggregates[feature.name])
        second = SECOND_INTEGER.get(feature.formula, "last")
        of_user = "user" in feature.by.split("*")
        return DirectFeature(feature, self.columns[feature.name][0], aggregates, second, of_user)

    @property
    def summed(self) -> set[Aggregate]:
        """The aggregates whose sum of values is read."""
        return {a for f in self.features if f.kind == "mean" for a in self.aggregates[f.name]}

    def groups_without(self, done: set[str]) -> dict[str, list[Aggregate]]:
        """Return `groups` of the aggregates that features outside `done` read."""
        if not done:
            return self.groups
        key = frozenset(done)
        if key not in self._groups_without:  # of a request with a visitor and without: two values
            self._groups_without[key] = self._left(done)
        return self._groups_without[key]

    def _left(self, done: set[str]) -> dict[str, list[Aggregate]]:
        left = {a for name, every in self.aggregates.items() if name not in done for a in every}
        groups = {by: [a for a in every if a in left] for by, every in self.groups.items()}
        return {by: every for by, every in groups.items() if every}

"""The items of the rows of a matrix: of the catalogue, or described by a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shortlist.data.attributes import Attribute, CodedAttribute, ListAttribute
from shortlist.data.entities import attribute_of
from shortlist.data.histories import Histories
from shortlist.features.item_features import ItemFeatures
from shortlist.features.keys import KeyRows
from shortlist.features.rows import DescribedRows, FeatureRows

A = TypeVar("A", bound=Attribute)


def item_rows(items: ItemFeatures, rows: FeatureRows) -> ItemRows:
    """Return the items of the rows of a matrix."""
    if rows.described is None:
        return ItemRows(items, rows)
    return _WithDescribed(items, rows, rows.described)


class ItemRows:
    """Inputs of features from the items of the rows of a matrix. All of them are in the catalogue.

    Attributes
    ----------
    attributes
        Name → attribute. The value of row r is that of row `at[r]` of the attribute.
    at
        int (rows,).
    """

    attributes: Mapping[str, Attribute]
    at: NDArray[np.integer]

    def __init__(self, items: ItemFeatures, rows: FeatureRows) -> None:
        self._items, self._rows = items, rows
        self.attributes, self.at = items.attributes, rows.item

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._rows!r})"

    def attribute(self, name: str, kind: type[A]) -> A:
        """Return an attribute that must be of a kind."""
        return attribute_of(self.attributes, name, kind)

    def key_rows(self) -> KeyRows:
        """Return the rows as rows of keys."""
        return KeyRows(self._rows.requests, self._rows.request, self._rows.item, self.attributes)

    def fixed_columns(self) -> NDArray[np.float32]:
        """Return the fixed columns of each row, float32 (rows, columns)."""
        return self._items.columns.take(self._rows.item, axis=0)

    def fill_similarity(
        self, name: str, column: NDArray[np.float32], latest: Histories, cosine: bool
    ) -> None:
        """Write the similarity by an attribute of each row to its history; see `ItemVectors.fill_similarity`."""
        rows = self._rows
        self._items.vectors[name].fill_similarity(column, latest, rows.request, rows.item, cosine)


class _WithDescribed(ItemRows):
    """Items of the catalogue, and some that it does not have. The cost is that of the rows, not of the catalogue."""

    def __init__(self, items: ItemFeatures, rows: FeatureRows, described: DescribedRows) -> None:
        super().__init__(items, rows)
        self._described = described
        self.attributes = _RowAttributes(items.attributes, rows.item, described)
        self.at = np.arange(len(rows.item))

    def key_rows(self) -> KeyRows:
        """Return the rows as rows of keys."""
        rows = self._rows
        return KeyRows(rows.requests, rows.request, rows.item, self.attributes, np.arange(len(rows.item)))

    def fixed_columns(self) -> NDArray[np.float32]:
        """Return the fixed columns of each row, float32 (rows, columns)."""
        rows, new = self._rows, self._described.rows
        columns = self._items.columns[np.maximum(rows.item, 0)]
        columns[new] = self._items.encode(
            {name: self.attributes[name].take(new) for name in self._items.encoded}
        )
        return columns

    def fill_similarity(
        self, name: str, column: NDArray[np.float32], latest: Histories, cosine: bool
    ) -> None:
        """Write the similarity by an attribute of each row to its history."""
        vectors, request, new = self._items.vectors[name], self._rows.request, self._described.rows
        known = np.flatnonzero(self._rows.item >= 0)
        part = np.empty(len(known), np.float32)
        vectors.fill_similarity(part, latest, request[known], self._rows.item[known], cosine)
        column[known] = part
        part = np.empty(len(new), np.float32)
        own = self.attributes[name].take(new)
        vectors.fill_similarity(part, latest, request[new], np.arange(len(new), dtype=np.int32), cosine, own)
        column[new] = part


class _RowAttributes(Mapping[str, Attribute]):
    """Attributes with one row for each row of a matrix, made when they are read."""

    def __init__(
        self, base: Mapping[str, Attribute], item: NDArray[np.int32], described: DescribedRows
    ) -> None:
        self._base, self._item, self._described = base, item, described
        self._made: dict[str, Attribute] = {}

    def __getitem__(self, name: str) -> Attribute:
        if name not in self._made:
            base = self._base[name]
            values = [_known_words(base, values.get(name)) for values in self._described.values]
            self._made[name] = base.take(self._item).with_rows(self._described.rows, values)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._base)

    def __len__(self) -> int:
        return len(self._base)


def _known_words(attribute: Attribute, value: Any) -> Any:
    """A value without words that the vocabulary does not have: nothing was learned of them, and it stays as it is."""
    if value is None or not isinstance(attribute, CodedAttribute):
        return value
    parsed = attribute.parse(value)
    if isinstance(attribute, ListAttribute):
        return [word for word in parsed if word in attribute.vocabulary]
    return parsed if parsed in attribute.vocabulary else None

"""Columns and vectors of items, which are the same for every request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.data.attributes import Attribute
from shortlist.data.entities import Entities
from shortlist.data.ids import IdMap
from shortlist.errors import DataError
from shortlist.features.encoders import AttributeEncoder
from shortlist.features.similarity import ItemVectors, make_vectors


class ItemFeatures:
    """The parts of the catalogue that the features need: fixed columns, vectors for similarity, and the attributes themselves.

    It is built once, when a model is trained or loaded, and gathered from for each request. Items that are added or
    changed afterwards update their own rows (`update`): the cost is that of the changed rows, not of the catalogue.
    What training learns from the catalogue stays as learned: the document frequencies of words, and the components of
    texts and embeddings, which are unknown for new items until the next training.

    Any number of threads may read at the same time. `update` belongs to the owner of the live state, which also
    decides when readers see it.

    Parameters
    ----------
    encoders
        One for each feature that is an attribute of the item, in the order of the columns.
    similar_by
        Names of the attributes by which items are compared with histories.
    items
        The catalogue.
    room
        Number of items that can be added.

    Attributes
    ----------
    attributes
        Name → attribute of all items, as of the latest update.
    columns
        float32 (items, columns).
    vectors
        Name of an attribute → vectors of all items.
    """

    def __init__(
        self, encoders: Sequence[AttributeEncoder], similar_by: Sequence[str], items: Entities, room: int
    ) -> None:
        self._encoders = encoders
        self._n = len(items)
        width = sum(len(encoder.names) for encoder in encoders)
        self._columns = np.full((len(items) + room, width), np.nan, np.float32)
        self._items = items
        for encoder, begin, end, name in self._layout():
            self._columns[: self._n, begin:end] = encoder.encode_all(items.attributes[name])
        self.vectors: dict[str, ItemVectors] = {
            name: make_vectors(items.attributes[name], room) for name in similar_by
        }

    def __len__(self) -> int:
        return self._n

    def __repr__(self) -> str:
        return (
            f"ItemFeatures({self._n:,} items, {self._columns.shape[1]} columns, vectors by "
            f"{', '.join(self.vectors) or 'none'}, room for {len(self._columns) - self._n:,})"
        )

    @property
    def columns(self) -> NDArray[np.float32]:
        """The fixed columns of all items, float32 (items, columns)."""
        return self._columns[: self._n]

    @property
    def attributes(self) -> Mapping[str, Attribute]:
        """Name → attribute of all items, as of the latest update."""
        return self._items.attributes

    @property
    def ids(self) -> IdMap:
        """The ids of the catalogue, as of the latest update."""
        return self._items.ids

    @property
    def encoded(self) -> list[str]:
        """Names of the attributes that fixed columns are made of."""
        return [name for *_, name in self._layout()]

    def encode(self, attributes: Mapping[str, Attribute]) -> NDArray[np.float32]:
        """Return the fixed columns of items that are not in the catalogue, float32 (m, columns).

        attributes: name → attribute of m rows, for each of `encoded`. Components of texts and embeddings are unknown.
        """
        n = max((len(attribute) for attribute in attributes.values()), default=0)
        columns = np.full((n, self._columns.shape[1]), np.nan, np.float32)
        for encoder, begin, end, name in self._layout():
            columns[:, begin:end] = encoder.encode_changed(attributes[name], columns[:, begin:end])
        return columns

    def _layout(self) -> list[tuple[AttributeEncoder, int, int, str]]:
        """Return each encoder with its columns [begin, end) and the name of its attribute."""
        layout, begin = [], 0
        for encoder in self._encoders:
            end = begin + len(encoder.names)
            layout.append((encoder, begin, end, encoder.feature.of.partition(".")[2]))
            begin = end
        return layout

    def update(self, rows: NDArray[np.int64] | Sequence[int], items: Entities) -> None:
        """Read some items again, or append them.

        Parameters
        ----------
        rows
            Codes of the changed and the new items.
        items
            The catalogue with the changes made.

        Raises
        ------
        DataError
            If there is no room for the new items. Nothing is changed then.
        """
        if len(items) > len(self._columns):
            raise DataError(
                f"there is no room for {len(items) - self._n:,} more items; train again to add more",
                field="item",
            )
        rows = np.asarray(rows, np.int64)
        for encoder, begin, end, name in self._layout():
            changed = items.attributes[name].take(rows)
            self._columns[rows, begin:end] = encoder.encode_changed(changed, self._columns[rows, begin:end])
        for name, vectors in self.vectors.items():
            vectors.update(rows, items.attributes[name])
        self._items = items
        self._n = len(items)

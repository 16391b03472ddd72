"""Vectors of items, and the similarity of a candidate to a user's latest items.

Each item is a sparse vector of integer weights. A category or list has weight 1 in each of its values. A text has the
TF-IDF weights of its words, an embedding its components; both are scaled to length 1024 and rounded. Sums over a history
are therefore integers and do not depend on the order of summation: SQL and the server compute the same values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shortlist.data.attributes import (
    Attribute,
    CategoryAttribute,
    EmbeddingAttribute,
    ListAttribute,
    TextAttribute,
)
from shortlist.data.histories import Histories
from shortlist.data.scratch import ScratchPool
from shortlist.features.similarity_kernels import SparseTable, fill_by_category, fill_by_table
from shortlist.features.texts import TextVectorizer

N = TypeVar("N", bound=np.integer)
UNIT = 1024.0
TEXT_BUCKETS = 2**16
WORDS_PER_TEXT = 64
"""Spare room for a text that is added after training. Memory that is not used is not taken from the system."""


class ItemVectors(ABC):
    """Sparse integer vectors of the items by one attribute, with rows that can be changed and appended.

    Any number of threads may call `fill_similarity` at the same time: its work space is leased for the call.
    """

    def __init__(self, width: int) -> None:
        self._set_width(width)

    def _set_width(self, width: int) -> None:
        self._width = max(width, 1)
        self._scratch = ScratchPool(partial(_zeros, self._width))  # a function that can be pickled

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._width:,} dimensions)"

    @abstractmethod
    def update(self, rows: NDArray[np.int64], attribute: Attribute) -> None:
        """Replace the vectors of some rows, or append them. attribute: that of all items, with the changes made."""

    @abstractmethod
    def table(self, n: int) -> SparseTable:
        """Return the vectors of the first n items."""

    @abstractmethod
    def fill_similarity(
        self,
        column: NDArray[np.float32],
        latest: Histories,
        request: NDArray[np.int64],
        item: NDArray[np.int32],
        cosine: bool,
        own: Attribute | None = None,
    ) -> None:
        """Write the similarity of each item to the history of its request.

        Parameters
        ----------
        column
            float32 (rows,), the result.
        latest
            The histories of the requests, cut to the latest events.
        request, item
            int64 and int32 (rows,); the rows of a request are adjacent.
        cosine
            The cosine of item and history; else the share of events with the item's values (`similarity_value`).
        own
            The attribute of items that the catalogue does not have, where `item` holds its rows (default: `item` holds codes
            of the catalogue).
        """


def _zeros(size: int) -> NDArray[np.int64]:
    return np.zeros(size, np.int64)


def make_vectors(attribute: Attribute, room: int) -> ItemVectors:
    """Return the vectors of all items by an attribute, with room for more items."""
    match attribute:
        case CategoryAttribute():
            return CategoryVectors(attribute)
        case ListAttribute():
            return ListVectors(attribute)
        case TextAttribute():
            return TextVectors(attribute, room)
        case EmbeddingAttribute():
            return EmbeddingVectors(attribute, room)
    raise TypeError(f"items cannot be compared by {attribute!r}")


class CategoryVectors(ItemVectors):
    """One value of weight 1: the codes of the attribute, without a copy.

    A vector of one value needs a quarter of the look-ups of a sparse vector, so categories have a kernel of their own.
    """

    def __init__(self, attribute: CategoryAttribute) -> None:
        super().__init__(len(attribute.vocabulary))
        self._codes = attribute.codes

    def update(self, rows: NDArray[np.int64], attribute: Attribute) -> None:  # noqa: ARG002 - reads all
        """Read the attribute with the changes made."""
        assert isinstance(attribute, CategoryAttribute)
        if len(attribute.vocabulary) > self._width:
            self._set_width(2 * len(attribute.vocabulary))
        self._codes = attribute.codes

    def table(self, n: int) -> SparseTable:
        """Return the vectors of the first n items."""
        known = self._codes[:n] >= 0
        indptr = np.concatenate([[0], np.cumsum(known)]).astype(np.int64)
        values = self._codes[:n][known]
        return SparseTable(indptr[:-1], indptr[1:], values, np.ones(len(values), np.int16))

    def fill_similarity(
        self,
        column: NDArray[np.float32],
        latest: Histories,
        request: NDArray[np.int64],
        item: NDArray[np.int32],
        cosine: bool,
        own: Attribute | None = None,
    ) -> None:
        """Write the similarity of each item to the history of its request."""
        assert own is None or isinstance(own, CategoryAttribute)
        codes = self._codes if own is None else own.codes
        with self._scratch.lease() as profile:
            fill_by_category(
                column, (latest.indptr, latest.item), request, item, (self._codes, codes), profile, cosine
            )


class _TableVectors(ItemVectors):
    """Vectors of several values, in a sparse table."""

    _table: SparseTable

    def table(self, n: int) -> SparseTable:
        """Return the vectors of the first n items."""
        return SparseTable(
            self._table.starts[:n], self._table.stops[:n], self._table.values, self._table.weights
        )

    def fill_similarity(
        self,
        column: NDArray[np.float32],
        latest: Histories,
        request: NDArray[np.int64],
        item: NDArray[np.int32],
        cosine: bool,
        own: Attribute | None = None,
    ) -> None:
        """Write the similarity of each item to the history of its request."""
        tables = self._table, self._table if own is None else self._vectors_of(own)
        with self._scratch.lease() as profile:
            fill_by_table(column, (latest.indptr, latest.item), request, item, tables, profile, cosine)

    @abstractmethod
    def _vectors_of(self, attribute: Attribute) -> SparseTable:
        """Return the vectors of the rows of an attribute."""


class ListVectors(_TableVectors):
    """Weight 1 in each value of a list: the ragged array of the attribute, without a copy."""

    def __init__(self, attribute: ListAttribute) -> None:
        super().__init__(len(attribute.vocabulary))
        self._ones = np.ones(max(len(attribute.codes), 1), np.int16)
        self._read(attribute)

    def update(self, rows: NDArray[np.int64], attribute: Attribute) -> None:  # noqa: ARG002 - reads all
        """Read the attribute with the changes made."""
        assert isinstance(attribute, ListAttribute)
        if len(attribute.vocabulary) > self._width:
            self._set_width(2 * len(attribute.vocabulary))
        if len(attribute.codes) > len(self._ones):
            self._ones = np.ones(2 * len(attribute.codes), np.int16)
        self._read(attribute)

    def _read(self, attribute: ListAttribute) -> None:
        self._table = SparseTable(attribute.indptr[:-1], attribute.indptr[1:], attribute.codes, self._ones)

    def _vectors_of(self, attribute: Attribute) -> SparseTable:
        assert isinstance(attribute, ListAttribute)
        ones = np.ones(max(len(attribute.codes), 1), np.int16)
        return SparseTable(attribute.indptr[:-1], attribute.indptr[1:], attribute.codes, ones)


class _WeightedVectors(_TableVectors):
    """Weighted vectors in arrays with spare room. A change costs the changed rows only.

    A new vector replaces the old one in place if it is not longer, else it is appended. Arrays that are full are copied to
    twice their size.
    """

    def __init__(self, table: SparseTable, width: int, room: int, spare: int) -> None:
        super().__init__(width)
        n, used = len(table.starts), len(table.values)
        starts, stops = np.zeros(n + room, np.int64), np.zeros(n + room, np.int64)
        starts[:n], stops[:n] = table.starts, table.stops
        self._used = used
        self._table = SparseTable(
            starts,
            stops,
            _lengthened(table.values, used, used + spare),
            _lengthened(table.weights, used, used + spare),
        )

    def _put(self, rows: NDArray[np.int64], new: SparseTable) -> None:
        """Write vectors at some rows."""
        self._reserve(int(rows.max()) + 1 if len(rows) else 0, len(new.values))
        starts, stops, values, weights = self._table
        for row, start, stop in zip(rows.tolist(), new.starts.tolist(), new.stops.tolist(), strict=True):
            size = stop - start
            at = int(starts[row])
            if size > stops[row] - at:
                at = self._used
                self._used += size
            values[at : at + size] = new.values[start:stop]
            weights[at : at + size] = new.weights[start:stop]
            starts[row], stops[row] = at, at + size

    def _reserve(self, rows: int, values: int) -> None:
        starts, stops, old_values, old_weights = self._table
        if rows > len(starts):
            starts, stops = (_lengthened(array, len(array), 2 * rows) for array in (starts, stops))
        if self._used + values > len(old_values):
            size = 2 * (self._used + values)
            old_values = _lengthened(old_values, self._used, size)
            old_weights = _lengthened(old_weights, self._used, size)
        self._table = SparseTable(starts, stops, old_values, old_weights)


class TextVectors(_WeightedVectors):
    """TF-IDF weights of the words of a text. New texts are weighted by the document frequencies of training."""

    def __init__(self, attribute: TextAttribute, room: int) -> None:
        self._vectorizer = TextVectorizer(TEXT_BUCKETS)
        table = _rounded(self._vectorizer.fit_transform(attribute.text))
        super().__init__(table, TEXT_BUCKETS, room, room * WORDS_PER_TEXT)

    def update(self, rows: NDArray[np.int64], attribute: Attribute) -> None:
        """Vectorize the texts of some rows."""
        assert isinstance(attribute, TextAttribute)
        self._put(rows, _rounded(self._vectorizer.transform(attribute.text.some(rows))))

    def _vectors_of(self, attribute: Attribute) -> SparseTable:
        assert isinstance(attribute, TextAttribute)
        return _rounded(self._vectorizer.transform(attribute.text.some(np.arange(len(attribute)))))


class EmbeddingVectors(_WeightedVectors):
    """The components of an embedding."""

    def __init__(self, attribute: EmbeddingAttribute, room: int) -> None:
        width = attribute.dimensions
        super().__init__(_embedded(attribute.values), width, room, room * width)

    def update(self, rows: NDArray[np.int64], attribute: Attribute) -> None:
        """Scale and round the embeddings of some rows."""
        assert isinstance(attribute, EmbeddingAttribute)
        self._put(rows, _embedded(attribute.values[rows]))

    def _vectors_of(self, attribute: Attribute) -> SparseTable:
        assert isinstance(attribute, EmbeddingAttribute)
        return _embedded(attribute.values)


def _rounded(vectors: Any) -> SparseTable:
    """Return vectors of length 1, a csr_matrix, as integer weights."""
    indptr = vectors.indptr.astype(np.int64)
    weights = np.round(vectors.data * UNIT).astype(np.int16)
    return SparseTable(indptr[:-1], indptr[1:], vectors.indices.astype(np.int32), weights)


def _embedded(values: NDArray[np.float32]) -> SparseTable:
    """Return embeddings as integer weights of vectors of length 1024."""
    matrix = np.nan_to_num(values.astype(np.float64))
    length = np.sqrt((matrix**2).sum(1, keepdims=True))
    rounded: NDArray[np.int16] = np.round(matrix / np.where(length > 0, length, 1) * UNIT).astype(np.int16)
    row, value = np.nonzero(rounded)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(matrix)))]).astype(np.int64)
    weights: NDArray[np.int16] = rounded[row, value]
    return SparseTable(indptr[:-1], indptr[1:], value.astype(np.int32), weights)


def _lengthened(array: NDArray[N], used: int, size: int) -> NDArray[N]:
    longer: NDArray[N] = np.zeros(size, array.dtype)
    longer[:used] = array[:used]
    return longer

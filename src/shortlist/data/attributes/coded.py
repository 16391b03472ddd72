"""Attributes with words of a vocabulary: categories and lists."""

# ruff: noqa: SLF001 - methods that make another instance of their own class set its private attributes
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.config.data import AttributeKind
from shortlist.data.attributes.arrays import ArrayAttribute
from shortlist.data.attributes.base import Attribute, Rows
from shortlist.data.growable import GrowableArray, Vocabulary
from shortlist.data.values import text_of
from shortlist.errors import DataError, abbreviated


class CodedAttribute(Attribute):
    """A category or a list: its values are codes into a vocabulary.

    Attributes
    ----------
    vocabulary : Vocabulary
        The words by code. New words are only appended, so that the codes that a model learned keep their meaning.
    """

    __slots__ = ()
    vocabulary: Vocabulary

    @property
    @abstractmethod
    def codes(self) -> NDArray[np.int32]:
        """The codes, int32: one a row (category), or all rows' codes one after the other (list)."""

    @abstractmethod
    def ragged(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return (indptr, codes): row i has the codes `codes[indptr[i]:indptr[i + 1]]`, none where it is unknown."""

    def matrix(self) -> sp.csr_matrix:
        """Return the rows as 0/1 vectors over the vocabulary, sparse float32 (n, words)."""
        indptr, codes = self.ragged()
        shape = (len(indptr) - 1, len(self.vocabulary))
        return sp.csr_matrix((np.ones(len(codes), np.float32), codes, indptr), shape=shape)


class CategoryAttribute(ArrayAttribute, CodedAttribute):
    """One word of a vocabulary a row, for example a brand.

    Parameters
    ----------
    name
        The name of the column.
    codes
        int32, shape (n,); −1 where unknown.
    vocabulary
        The words by code.

    Examples
    --------
    >>> brand = CategoryAttribute("brand", np.array([1, -1], np.int32), ["Acme", "Zenith"])
    >>> brand.show(0), brand.show(1)
    ('Zenith', None)
    """

    kind: ClassVar[AttributeKind] = "category"
    __slots__ = ("vocabulary",)

    def __init__(self, name: str, codes: NDArray[np.int32], vocabulary: Sequence[str]) -> None:
        super().__init__(name)
        self._rows = GrowableArray(codes)
        self.vocabulary = vocabulary if isinstance(vocabulary, Vocabulary) else Vocabulary(vocabulary)

    @property
    def codes(self) -> NDArray[np.int32]:
        """The codes, int32 (n,); −1 where unknown."""
        return self._rows.array

    def _like(self, rows: GrowableArray[Any]) -> Self:
        other = super()._like(rows)
        other.vocabulary = self.vocabulary
        return other

    def take(self, rows: Rows) -> Self:
        """Return some rows as an attribute; row −1 has code −1."""
        return self._like(GrowableArray(self._taken(rows, -1)))

    def ragged(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return (indptr, codes): one code a row, none where it is unknown."""
        known = self.codes >= 0
        return np.concatenate([[0], np.cumsum(known)]).astype(np.int64), self.codes[known]

    def show(self, row: int) -> str | None:
        """Return one word, None where unknown."""
        code = int(self.codes[row])
        return self.vocabulary[code] if code >= 0 else None

    def to_arrow(self) -> pa.Array:
        """Return the words, null where unknown."""
        return pa.array([self.vocabulary[c] if c >= 0 else None for c in self.codes.tolist()], pa.string())

    def parse(self, value: Any) -> str:
        """Return a value as a word. Raises `DataError` where it is a list or a mapping."""
        return text_of(value)

    def with_room(self, n: int) -> Self:
        """Return the attribute with room for n more rows, and with an index of its vocabulary."""
        self.vocabulary.prepare()
        return super().with_room(n)

    def _stored(self, parsed: list[Any]) -> tuple[Self, list[Any]]:
        vocabulary = self.vocabulary.extended(word for word in parsed if word is not None)
        target = self._like(self._rows)
        target.vocabulary = vocabulary
        return target, vocabulary.places(parsed)  # None is no word: −1

    def _column(self, values: list[Any]) -> NDArray[np.int32]:
        return np.array(values, np.int32)


class ListAttribute(CodedAttribute):
    """Several words of a vocabulary a row, for example the genres of a film.

    Parameters
    ----------
    name
        The name of the column.
    indptr
        int64, shape (n + 1,): the codes of row i are `codes[indptr[i]:indptr[i + 1]]`.
    codes
        int32, shape (indptr[-1],), ascending within a row, each at most once.
    vocabulary
        The words by code.
    """

    kind: ClassVar[AttributeKind] = "list"
    __slots__ = ("_codes", "_indptr", "vocabulary")

    def __init__(
        self, name: str, indptr: NDArray[np.int64], codes: NDArray[np.int32], vocabulary: Sequence[str]
    ) -> None:
        super().__init__(name)
        self._indptr: GrowableArray[np.int64] = GrowableArray(indptr)
        self._codes: GrowableArray[np.int32] = GrowableArray(codes)
        self.vocabulary = vocabulary if isinstance(vocabulary, Vocabulary) else Vocabulary(vocabulary)

    def _like(
        self, indptr: GrowableArray[np.int64], codes: GrowableArray[np.int32], vocabulary: Vocabulary
    ) -> Self:
        other = type(self).__new__(type(self))
        other.name, other._indptr, other._codes, other.vocabulary = self.name, indptr, codes, vocabulary
        return other

    def __len__(self) -> int:
        return len(self._indptr) - 1

    @property
    def indptr(self) -> NDArray[np.int64]:
        """Where the codes of each row begin, int64 (n + 1,)."""
        return self._indptr.array

    @property
    def codes(self) -> NDArray[np.int32]:
        """The codes of all rows one after the other, int32 (indptr[-1],)."""
        return self._codes.array

    def ragged(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return (indptr, codes)."""
        return self.indptr, self.codes

    def take(self, rows: Rows) -> Self:
        """Return some rows as an attribute; row −1 is empty."""
        missing = rows < 0
        safe = np.where(missing, 0, rows)
        if len(self):
            starts, sizes = self.indptr[safe], np.where(missing, 0, np.diff(self.indptr)[safe])
        else:  # only row −1 is possible
            starts = sizes = np.zeros(len(rows), np.int64)
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        inner = np.arange(indptr[-1]) - np.repeat(indptr[:-1], sizes) + np.repeat(starts, sizes)
        return self._like(GrowableArray(indptr), GrowableArray(self.codes[inner]), self.vocabulary)

    def show(self, row: int) -> list[str]:
        """Return the words of one row."""
        codes = self.codes[self.indptr[row] : self.indptr[row + 1]]
        return [self.vocabulary[code] for code in codes.tolist()]

    def to_arrow(self) -> pa.Array:
        """Return lists of words."""
        flat = pa.array([self.vocabulary[c] for c in self.codes.tolist()], pa.string())
        return pa.ListArray.from_arrays(pa.array(self.indptr, pa.int32()), flat)

    def parse(self, value: Any) -> list[str]:
        """Return a list as distinct words; missing and empty ones are left out. Raises `DataError` where it is no list."""
        if not isinstance(value, (list, tuple)):
            raise DataError(f"expected a list, got {abbreviated(value)}")
        return sorted({text_of(word) for word in value if word is not None} - {""})

    def _stored(self, parsed: list[Any]) -> tuple[Self, list[Any]]:
        vocabulary = self.vocabulary.extended(word for words in parsed for word in words or ())
        stored = [np.array(sorted(vocabulary.places(words or ())), np.int32) for words in parsed]
        return self._like(self._indptr, self._codes, vocabulary), stored

    def _extended(self, values: list[Any]) -> Self:
        if not values:
            return self
        ends = self.indptr[-1] + np.cumsum([len(codes) for codes in values])
        codes = self._codes.extended(np.concatenate(values))
        return self._like(self._indptr.extended(ends), codes, self.vocabulary)

    def _replaced(self, rows: Rows, values: list[Any]) -> Self:
        """Copy the unchanged stretches between the changed rows, and move the bounds after each."""
        if not len(rows):
            return self
        order = np.argsort(rows)
        old, bounds, stretches, shift, done = self.codes, self.indptr.copy(), [], 0, 0
        for at, row in zip(order.tolist(), np.append(rows[order], len(self))[1:].tolist(), strict=True):
            changed = int(rows[at])
            low, high = int(self.indptr[changed]), int(self.indptr[changed + 1])
            stretches += [old[done:low], values[at]]
            shift, done = shift + len(values[at]) - (high - low), high
            bounds[changed + 1 : row + 1] += shift
        codes = np.concatenate([*stretches, old[done:]])
        indptr = GrowableArray(bounds).with_room(self._indptr.room)
        return self._like(indptr, GrowableArray(codes).with_room(self._codes.room), self.vocabulary)

    def with_room(self, n: int) -> Self:
        """Return the attribute with room for n more rows, and for as many codes as they have on average."""
        self.vocabulary.prepare()
        each = -(-len(self.codes) // max(len(self), 1))
        return self._like(self._indptr.with_room(n), self._codes.with_room(n * (each + 1)), self.vocabulary)

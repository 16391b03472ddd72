"""Immutable sequences that share memory with the longer sequences made from them.

A catalogue grows while it serves. Copying a million rows for each added item would stall requests, and writing into
arrays that other threads read would give wrong answers. The classes of this module solve both: `extended` returns a
*new* sequence, and the old one stays valid and unchanged, but both are views of one buffer that has spare room at its
end. Only the newest view may use the spare room; extending an older view copies it first. Appending `m` elements
therefore costs O(m) on average, as `list.append` does.
"""

# ruff: noqa: SLF001 - methods that make another instance of their own class set its private attributes
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from shortlist.data.forks import fork_guard

S = TypeVar("S", bound=np.generic)
K = TypeVar("K")

GROWTH = 8
"""A full buffer is replaced by one that is longer by at least 1/GROWTH."""
_EXTENDING = fork_guard.leaf_lock()
"""Held while room is reserved. One lock serves all sequences, because it is held for microseconds."""


class _Buffer(Generic[S]):
    """Memory that several views share. `used`: how many rows belong to the newest view."""

    __slots__ = ("rows", "used")

    def __init__(self, rows: NDArray[S], used: int) -> None:
        self.rows, self.used = rows, used

    def claim(self, begin: int, end: int) -> bool:
        """Reserve rows `begin` to `end` for one view; False where another has them or they are too many."""
        with _EXTENDING:
            if self.used != begin or end > len(self.rows):
                return False
            self.used = end
            return True


class GrowableArray(Generic[S]):
    """An immutable array of n rows that can be extended without copying them.

    Parameters
    ----------
    array
        The rows, any shape (n, …). It must not be written to afterwards.

    Attributes
    ----------
    array : ndarray of shape (n, ...)
        The rows of this view.

    Examples
    --------
    >>> old = GrowableArray(np.arange(3))
    >>> new = old.extended(np.array([7]))
    >>> old.array.tolist(), new.array.tolist()
    ([0, 1, 2], [0, 1, 2, 7])
    """

    __slots__ = ("_buffer", "array")

    def __init__(self, array: NDArray[S], buffer: _Buffer[S] | None = None) -> None:
        self.array, self._buffer = array, buffer

    def __len__(self) -> int:
        return len(self.array)

    @property
    def room(self) -> int:
        """How many rows can be appended before the next copy."""
        buffer = self._buffer
        return 0 if buffer is None or buffer.used != len(self) else len(buffer.rows) - buffer.used

    def with_room(self, n: int) -> GrowableArray[S]:
        """Return the same rows with room for at least n more. Copies them where there is less."""
        return self if self.room >= n else self._copied(len(self) + n)

    def extended(self, more: NDArray[Any]) -> GrowableArray[S]:
        """Return the rows followed by `more`. This array stays as it is."""
        begin, end = len(self), len(self) + len(more)
        buffer = self._buffer
        if buffer is None or not buffer.claim(begin, end):
            buffer = self._copied(end + end // GROWTH)._buffer
            assert buffer is not None
            buffer.claim(begin, end)
        buffer.rows[begin:end] = more
        return GrowableArray(buffer.rows[:end], buffer)

    def with_rows(self, rows: NDArray[np.integer], values: NDArray[Any]) -> GrowableArray[S]:
        """Return a copy in which some rows have other values; it has as much room as this one."""
        copy = self._copied(len(self) + self.room)
        copy.array[rows] = values
        return copy

    def _copied(self, capacity: int) -> GrowableArray[S]:
        rows = np.empty((capacity, *self.array.shape[1:]), self.array.dtype)
        rows[: len(self)] = self.array
        return GrowableArray(rows[: len(self)], _Buffer(rows, len(self)))

    def __repr__(self) -> str:
        return f"GrowableArray({self.array.shape}, {self.array.dtype}, room for {self.room})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles carry this view's rows, and no spare room."""
        return GrowableArray, (self.array.copy(),)


def _part(values: list[K], at: slice, length: int) -> list[K]:
    """A slice of the first `length` elements, without copying all of them."""
    places = range(*at.indices(length))
    if places.step == 1:
        return values[places.start : max(places.stop, places.start)]
    return [values[place] for place in places]


class GrowableList(Sequence[K]):
    """An immutable list that can be extended without copying it.

    Parameters
    ----------
    values
        The elements.
    """

    __slots__ = ("_length", "_values")

    def __init__(self, values: Iterable[K] = ()) -> None:
        self._values = list(values)
        self._length = len(self._values)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> K: ...
    @overload
    def __getitem__(self, at: slice) -> list[K]: ...
    def __getitem__(self, at: int | slice) -> K | list[K]:
        if isinstance(at, slice):
            return _part(self._values, at, self._length)
        if not -self._length <= at < self._length:
            raise IndexError(at)
        return self._values[at % self._length]

    def __iter__(self) -> Iterator[K]:
        return iter(self._values[: self._length])

    def extended(self, values: Iterable[K]) -> GrowableList[K]:
        """Return the list with more elements at its end. This one stays as it is."""
        new = list(values)
        with _EXTENDING:
            if len(self._values) == self._length:
                self._values.extend(new)
                longer = GrowableList.__new__(GrowableList)
                longer._values, longer._length = self._values, self._length + len(new)
                return longer
        return GrowableList([*self, *new])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and not isinstance(other, str) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"GrowableList({self._length:,} elements)"

    def __reduce__(self) -> tuple[Any, ...]:
        return GrowableList, (list(self),)


class _Words(Generic[K]):
    """Distinct values and where each stands, shared by several views; built up to the newest view's length."""

    __slots__ = ("places", "values")

    def __init__(self, values: list[K]) -> None:
        self.values = values
        self.places: dict[K, int] | None = None

    def indexed(self) -> dict[K, int]:
        """Value → place, made on first use: most vocabularies are only read by place."""
        places = self.places
        if places is None:
            made = {value: place for place, value in enumerate(self.values)}
            with _EXTENDING:
                if self.places is None:  # else another thread was first, and values may have been added since
                    self.places = made
                places = self.places
        return places


class GrowableIndex(Sequence[K]):
    """An immutable list of distinct values that knows where each value stands and can be extended.

    `index[place]` is a value, `index.place(value)` its place. A place never changes its meaning: new values are only
    appended, so codes that a model learned stay valid. Finding a place costs one dictionary look-up.

    Parameters
    ----------
    values
        The distinct values, in order.
    """

    __slots__ = ("_length", "_words")

    def __init__(self, values: Iterable[K] = ()) -> None:
        self._words = _Words(list(values))
        self._length = len(self._words.values)

    @classmethod
    def _view(cls, words: _Words[K], length: int) -> GrowableIndex[K]:
        view = cls.__new__(cls)
        view._words, view._length = words, length
        return view

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> K: ...
    @overload
    def __getitem__(self, at: slice) -> list[K]: ...
    def __getitem__(self, at: int | slice) -> K | list[K]:
        if isinstance(at, slice):
            return _part(self._words.values, at, self._length)
        if not -self._length <= at < self._length:
            raise IndexError(at)
        return self._words.values[at if at >= 0 else at + self._length]

    def __iter__(self) -> Iterator[K]:
        return iter(self._words.values[: self._length])

    def __contains__(self, value: object) -> bool:
        return self.place(value) >= 0

    def place(self, value: Any) -> int:
        """Where a value stands, −1 for one that is not in this view."""
        place = self._words.indexed().get(value, -1)
        return place if place < self._length else -1

    def places(self, values: Iterable[Any]) -> list[int]:
        """Return where some values stand, −1 for those that are not in this view."""
        get, length = self._words.indexed().get, self._length
        return [place if place < length else -1 for place in (get(value, -1) for value in values)]

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """Where a value stands. Raises `ValueError` for one that is not in this view."""
        place = self.place(value)
        if place < start or (stop is not None and place >= stop):
            raise ValueError(f"{value!r} is not in the index")
        return place

    def prepare(self) -> None:
        """Build the dictionary now, so that the first look-up need not."""
        self._words.indexed()

    def extended(self, values: Iterable[K]) -> GrowableIndex[K]:
        """Return the index with the values that it lacks at its end, in their order. This one stays as it is."""
        distinct = list(dict.fromkeys(values))
        new = [v for v, place in zip(distinct, self.places(distinct), strict=True) if place < 0]
        if not new:
            return self
        words, length = self._words, self._length
        places = words.indexed()
        with _EXTENDING:
            if len(words.values) == length:
                words.values.extend(new)
                for place, value in enumerate(new, length):
                    places[value] = place
                return self._view(words, length + len(new))
        return type(self)([*self, *new])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and not isinstance(other, str) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self):,} values)"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self),)


class Vocabulary(GrowableIndex[str]):
    """The words of a categorical attribute; a word's place is its code."""

    def extended(self, values: Iterable[str]) -> Vocabulary:
        """Return the vocabulary with the words that it lacks at its end."""
        longer = super().extended(values)
        assert isinstance(longer, Vocabulary)
        return longer

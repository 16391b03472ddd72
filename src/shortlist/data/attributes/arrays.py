"""Attributes with one array row a value: numbers, times and embeddings."""

# ruff: noqa: SLF001 - methods that make another instance of their own class set its private attributes
from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.config.data import AttributeKind
from shortlist.data.attributes.base import Attribute, Rows
from shortlist.data.growable import GrowableArray
from shortlist.data.no_time import NO_TIME
from shortlist.data.times import moment
from shortlist.errors import DataError, abbreviated

NUMERIC = frozenset({int, float})


class ArrayAttribute(Attribute):
    """An attribute with one array row a value: numbers, categories, times and embeddings."""

    __slots__ = ("_rows",)
    _rows: GrowableArray[Any]

    def _like(self, rows: GrowableArray[Any]) -> Self:
        """Return the attribute with other rows; vocabulary and name stay."""
        other = type(self).__new__(type(self))
        other.name, other._rows = self.name, rows
        return other

    def __len__(self) -> int:
        return len(self._rows)

    @abstractmethod
    def _column(self, values: list[Any]) -> NDArray[Any]:
        """Stored values (None: unknown) as rows of the array."""

    def _taken(self, rows: Rows, unknown: Any) -> NDArray[Any]:
        array = self._rows.array
        missing = rows < 0
        if not len(array):  # only row −1 is possible
            return np.full((len(rows), *array.shape[1:]), unknown, array.dtype)
        if not missing.any():
            return array.take(rows, axis=0)
        taken: NDArray[Any] = array.take(np.where(missing, 0, rows), axis=0)
        taken[missing] = unknown
        return taken

    def _replaced(self, rows: Rows, values: list[Any]) -> Self:
        return self._like(self._rows.with_rows(rows, self._column(values))) if len(rows) else self

    def _extended(self, values: list[Any]) -> Self:
        return self._like(self._rows.extended(self._column(values))) if values else self

    def with_room(self, n: int) -> Self:
        """Return the attribute with room for n more rows, so that appending them copies nothing."""
        return self._like(self._rows.with_room(n))


class NumberAttribute(ArrayAttribute):
    """Numbers, for example a price or a length.

    Parameters
    ----------
    name
        The name of the column.
    values
        float32, shape (n,); NaN where unknown.
    """

    kind: ClassVar[AttributeKind] = "number"
    __slots__ = ()

    def __init__(self, name: str, values: NDArray[np.float32]) -> None:
        super().__init__(name)
        self._rows = GrowableArray(values)

    @property
    def values(self) -> NDArray[np.float32]:
        """The numbers, float32 (n,); NaN where unknown."""
        return self._rows.array

    def take(self, rows: Rows) -> Self:
        """Return some rows as an attribute; row −1 is NaN."""
        return self._like(GrowableArray(self._taken(rows, np.nan)))

    def show(self, row: int) -> float | None:
        """Return one number, None where unknown."""
        value = float(self.values[row])
        return None if math.isnan(value) else value

    def to_arrow(self) -> pa.Array:
        """Return the numbers, null where unknown."""
        return pa.array(self.values, from_pandas=True)

    def parse(self, value: Any) -> float:
        """Return a number as float. Raises `DataError` for anything else, booleans included."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise DataError(f"expected a number, got {abbreviated(value)}")
        return float(value)

    def _column(self, values: list[Any]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            return np.array([np.nan if value is None else value for value in values], np.float32)


class TimeAttribute(ArrayAttribute):
    """Moments, for example a release date.

    Parameters
    ----------
    name
        The name of the column.
    times
        int64 milliseconds since 1970, shape (n,); `NO_TIME` where unknown.
    """

    kind: ClassVar[AttributeKind] = "time"
    __slots__ = ()

    def __init__(self, name: str, times: NDArray[np.int64]) -> None:
        super().__init__(name)
        self._rows = GrowableArray(times)

    @property
    def times(self) -> NDArray[np.int64]:
        """The moments, int64 ms (n,); `NO_TIME` where unknown."""
        return self._rows.array

    def take(self, rows: Rows) -> Self:
        """Return some rows as an attribute; row −1 is `NO_TIME`."""
        return self._like(GrowableArray(self._taken(rows, NO_TIME)))

    def show(self, row: int) -> str | None:
        """Return one date as YYYY-MM-DD, None where unknown."""
        time = int(self.times[row])
        return None if time == NO_TIME else str(np.datetime64(time, "ms"))[:10]

    def to_arrow(self) -> pa.Array:
        """Return the milliseconds, null where unknown."""
        return pa.array(self.times, mask=self.times == NO_TIME)

    def parse(self, value: Any) -> int:
        """Return a number, date or ISO text as milliseconds. Raises `DataError` where it is none of these."""
        time = moment(value)
        if time == NO_TIME:
            raise DataError(f"expected a time, got {abbreviated(value)}")
        return time

    def _column(self, values: list[Any]) -> NDArray[np.int64]:
        return np.array([NO_TIME if value is None else value for value in values], np.int64)


class EmbeddingAttribute(ArrayAttribute):
    """Vectors, for example of an image or a text model.

    Parameters
    ----------
    name
        The name of the column.
    values
        float32, shape (n, d); rows of NaN where unknown.
    """

    kind: ClassVar[AttributeKind] = "embedding"
    __slots__ = ()

    def __init__(self, name: str, values: NDArray[np.float32]) -> None:
        super().__init__(name)
        self._rows = GrowableArray(values)

    @property
    def values(self) -> NDArray[np.float32]:
        """The vectors, float32 (n, d); rows of NaN where unknown."""
        return self._rows.array

    @property
    def dimensions(self) -> int:
        """The length of each vector."""
        return int(self.values.shape[1])

    def take(self, rows: Rows) -> Self:
        """Return some rows as an attribute; row −1 is NaN."""
        return self._like(GrowableArray(self._taken(rows, np.nan)))

    def show(self, row: int) -> list[float] | None:
        """Return one vector, None where unknown."""
        vector = self.values[row]
        return None if np.isnan(vector).any() else [float(v) for v in vector]

    def to_arrow(self) -> pa.Array:
        """Return lists of fixed length, null where unknown."""
        known = ~np.isnan(self.values).any(1)
        flat = pa.FixedSizeListArray.from_arrays(pa.array(self.values.ravel()), self.dimensions)
        return pc.if_else(pa.array(known), flat, pa.scalar(None, flat.type))

    def parse(self, value: Any) -> list[float]:
        """Return a list of numbers of the right length; infinite ones, or none at all, make the vector unknown."""
        if not isinstance(value, (list, tuple)):
            raise DataError(f"expected a list of {self.dimensions} numbers, got {abbreviated(value)}")
        if not value:
            return [math.nan] * self.dimensions
        if len(value) != self.dimensions:
            raise DataError(f"expected {self.dimensions} numbers, got {len(value)}")
        if not NUMERIC.issuperset(map(type, value)):
            raise DataError(f"expected numbers, got {abbreviated(value)}")
        return list(value) if all(map(math.isfinite, value)) else [math.nan] * self.dimensions

    def _column(self, values: list[Any]) -> NDArray[np.float32]:
        unknown = [math.nan] * self.dimensions
        rows = [unknown if value is None else value for value in values]
        return np.array(rows, np.float32).reshape(len(rows), self.dimensions)

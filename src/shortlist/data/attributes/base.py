"""The interface that the seven kinds of attributes share."""

# ruff: noqa: SLF001 - methods that make another instance of their own class set its private attributes
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.config.data import AttributeKind

Rows = NDArray[np.integer]


class Attribute(ABC):
    """One attribute of n users, items or events.

    Parameters
    ----------
    name
        The name of the column.

    Attributes
    ----------
    kind : str
        "number", "category", "list", "text", "time", "embedding" or "link", as in `shortlist.toml`.
    """

    kind: ClassVar[AttributeKind]
    __slots__ = ("__weakref__", "name")

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows."""

    @abstractmethod
    def take(self, rows: Rows) -> Self:
        """Return some rows as an attribute; row −1 has an unknown value."""

    @abstractmethod
    def show(self, row: int) -> Any:
        """Return one value as a person would write it; None where it is unknown."""

    @abstractmethod
    def to_arrow(self) -> pa.Array:
        """Return the column as Arrow, with its values in full: the form that is saved."""

    @abstractmethod
    def parse(self, value: Any) -> Any:
        """Return a value from JSON or Python as this attribute stores it. Raises `DataError` where it is of another kind."""

    def with_rows(self, rows: Rows, values: Sequence[Any]) -> Self:
        """Return the attribute with other values in some rows; this one stays as it is.

        Parameters
        ----------
        rows
            Distinct rows, shape (m,). Rows from `len(self)` on are appended; they come last, in order, without a gap.
        values
            One value a row, as `parse` accepts it; None where it is unknown.

        Raises
        ------
        DataError
            A value is of another kind.
        """
        n = len(self)
        added = int(np.count_nonzero(rows >= n))
        if added and not np.array_equal(rows[len(rows) - added :], np.arange(n, n + added)):
            raise ValueError(f"appended rows must be {n} to {n + added - 1}, at the end")
        parsed = [None if value is None else self.parse(value) for value in values]
        target, stored = self._stored(parsed)
        changed = len(rows) - added
        return target._replaced(rows[:changed], stored[:changed])._extended(stored[changed:])

    def with_values(self, values: Sequence[Any]) -> Self:
        """Return an attribute with the same name, kind and vocabulary (longer where needed) and other rows.

        Parameters
        ----------
        values
            One value a row, as `parse` accepts it; None where it is unknown.

        Raises
        ------
        DataError
            A value is of another kind.
        """
        empty = self.take(np.empty(0, np.int64))
        return empty.with_rows(np.arange(len(values)), values)

    def _stored(self, parsed: list[Any]) -> tuple[Self, list[Any]]:
        """Parsed values as they are stored, and the attribute that can store them (with a longer vocabulary)."""
        return self, parsed

    @abstractmethod
    def _replaced(self, rows: Rows, values: list[Any]) -> Self:
        """Change existing rows to stored values; the same object where there are none."""

    @abstractmethod
    def _extended(self, values: list[Any]) -> Self:
        """Append stored values."""

    @abstractmethod
    def with_room(self, n: int) -> Self:
        """Return the attribute with room for n more rows, so that appending them copies nothing."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {len(self):,} rows)"

"""Texts and addresses as attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import pyarrow as pa

from shortlist.config.data import AttributeKind
from shortlist.data.attributes.base import Attribute, Rows
from shortlist.data.texts import Texts
from shortlist.data.values import text_of


class TextAttribute(Attribute):
    """Free text, for example a description.

    Parameters
    ----------
    name
        The name of the column.
    text
        n texts; the empty text where unknown.
    """

    kind: ClassVar[AttributeKind] = "text"
    __slots__ = ("text",)

    def __init__(self, name: str, text: Sequence[str]) -> None:
        super().__init__(name)
        self.text = text if isinstance(text, Texts) else Texts(text)

    def _like(self, text: Texts) -> Self:
        other = type(self).__new__(type(self))
        other.name, other.text = self.name, text
        return other

    def __len__(self) -> int:
        return len(self.text)

    def take(self, rows: Rows) -> Self:
        """Return some rows as an attribute; row −1 is the empty text."""
        if not (rows < 0).any():
            return self._like(Texts(self.text.some(rows)))
        return self._like(Texts(["" if row < 0 else self.text[row] for row in rows.tolist()]))

    def show(self, row: int) -> str | None:
        """Return one text, None where unknown."""
        return self.text[row] or None

    def to_arrow(self) -> pa.Array:
        """Return the texts."""
        return self.text.to_arrow()

    def parse(self, value: Any) -> str:
        """Return a value as text. Raises `DataError` where it is a list or a mapping."""
        return text_of(value)

    def _replaced(self, rows: Rows, values: list[Any]) -> Self:
        if not len(rows):
            return self
        return self._like(
            self.text.with_rows(dict(zip(rows.tolist(), (v or "" for v in values), strict=True)))
        )

    def _extended(self, values: list[Any]) -> Self:
        return self._like(self.text.extended(value or "" for value in values)) if values else self

    def with_room(self, n: int) -> Self:  # noqa: ARG002 - texts always have room
        """Return the attribute itself: appending texts copies nothing."""
        return self


class LinkAttribute(TextAttribute):
    """Addresses, for example of pictures: the page shows them, no model reads them.

    Parameters
    ----------
    name
        The name of the column.
    text
        n addresses; the empty text where unknown.
    """

    kind: ClassVar[AttributeKind] = "link"
    __slots__ = ()

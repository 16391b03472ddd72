"""Representations of values that fit on two lines of a terminal, however large the value is."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from dataclasses import Field
from typing import Any, ClassVar

LENGTH = 200
"""Characters at most."""


def _shortener() -> reprlib.Repr:
    """Return what abbreviates a value: a few elements of each container, the beginning and the end of a text."""
    made = reprlib.Repr()
    made.maxlist = made.maxtuple = made.maxset = made.maxdict = 3
    made.maxstring = made.maxother = 40
    made.maxlevel = 3
    return made


SHORTENER = _shortener()


def short_repr(name: str, values: Iterable[tuple[str, Any]]) -> str:
    """Return `Name(a=1, b='x')`, of at most 200 characters.

    Values are shown in full where they fit. If they do not, long ones are abbreviated, and what still does not fit is left out.

    Parameters
    ----------
    name
        The name of the class.
    values
        Names of attributes and their values, in the order in which they are shown.

    Examples
    --------
    >>> short_repr("Point", [("x", 1), ("label", "a")])
    "Point(x=1, label='a')"
    >>> short_repr("Track", [("points", list(range(1_000)))])
    'Track(points=[0, 1, 2, ...])'
    """
    pairs = [(key, _Shape.of(value)) for key, value in values]
    text = f"{name}({', '.join(f'{key}={value!r}' for key, value in pairs)})"
    if len(text) <= LENGTH:
        return text
    return shortened(f"{name}({', '.join(f'{key}={SHORTENER.repr(value)}' for key, value in pairs)})")


def shortened(text: str) -> str:
    """Return a representation that ends in a bracket, cut after 200 characters.

    Examples
    --------
    >>> len(shortened(f"Slate({'a' * 1_000})"))
    200
    """
    return text if len(text) <= LENGTH else f"{text[: LENGTH - 2]}…)"


class _Shape(str):
    """An array as its type and shape: `float32 (300, 64)`."""

    __slots__ = ()

    @classmethod
    def of(cls, value: Any) -> Any:
        """Return the shape of an array, and any other value as it is."""
        if isinstance(shape := getattr(value, "shape", None), tuple):
            return cls(f"{getattr(value, 'dtype', type(value).__name__)} {shape}")
        return value

    def __repr__(self) -> str:
        return str(self)


class ShortRepr:
    """Base of dataclasses that hold arrays or tables: they are shown by type and shape, in at most 200 characters.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> @dataclass(repr=False)
    ... class Track(ShortRepr):
    ...     name: str
    ...     points: np.ndarray
    >>> Track("home", np.zeros((300, 2)))
    Track(name='home', points=float64 (300, 2))
    """

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __repr__(self) -> str:
        return short_repr(type(self).__name__, ((n, getattr(self, n)) for n in self.__dataclass_fields__))

"""Expressions whose names and types are known: what is evaluated over a catalogue.

Nodes are immutable and compare by content, so that the mask of a part that does not depend on the request is found
again by the part itself. `uses` holds what a node reads of the request.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Scope = Literal["", "user", "viewed", "context", "history"]
"""Where a name is looked up: an attribute of the item itself (empty), of the user, the viewed item, or the context of
the request, or the values of an attribute over the items of the user's history."""
Dimension = Literal["number", "time", "duration", "distance"]
"""The dimension of a quantity: numbers have no unit; times are ms since 1970, durations ms, distances km."""
Uses = frozenset[tuple[str, str]]
"""The (scope, name) pairs that are read of a request; (`now`, ``) is its moment."""
NOTHING: Uses = frozenset()
WORD_KINDS = frozenset({"category", "list", "text", "id"})
"""Kinds whose values are texts or ids, so that they have no order."""


@dataclass(frozen=True, slots=True)
class Part:
    """A node."""

    uses: Uses = field(default=NOTHING, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Field(Part):
    """The value of a name. `kind` is an attribute's kind, or `id`."""

    scope: Scope
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Words(Part):
    """Texts or ids as they are written in the expression."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Amount(Part):
    """A quantity as it is written in the expression."""

    value: float
    dimension: Dimension


@dataclass(frozen=True, slots=True)
class Now(Part):
    """The moment of the request."""


@dataclass(frozen=True, slots=True)
class Calculated(Part):
    """The sum, difference, product or quotient of two quantities."""

    operator: str
    left: Quantity
    right: Quantity
    dimension: Dimension


@dataclass(frozen=True, slots=True)
class Distance(Part):
    """The great-circle distance between two places, each a latitude and a longitude in degrees."""

    places: tuple[Quantity, Quantity, Quantity, Quantity]


@dataclass(frozen=True, slots=True)
class Both(Part):
    """True where all parts are."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either(Part):
    """True where at least one part is."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Negated(Part):
    """True where the part is not."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Compared(Part):
    """Whether two quantities stand in a relation (`<`, `<=`, `>`, `>=`, `=`); false where one is unknown."""

    operator: str
    left: Quantity
    right: Quantity


@dataclass(frozen=True, slots=True)
class AmountIn(Part):
    """Whether a quantity is one of some."""

    quantity: Quantity
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SharesWord(Part):
    """Whether two sets of texts or ids have an element in common; unknown values are empty sets."""

    left: Field | Words
    right: Field | Words


@dataclass(frozen=True, slots=True)
class Contains(Part):
    """Whether a text or a category contains a text, without regard to case."""

    field: Field
    text: str


@dataclass(frozen=True, slots=True)
class Known(Part):
    """Whether a value is known; an empty list is not."""

    field: Field


Quantity = Field | Amount | Now | Calculated | Distance
Condition = Both | Either | Negated | Compared | AmountIn | SharesWord | Contains | Known


def fields_of(part: Part) -> list[tuple[Field, Words]]:
    """Return the fields of items that are compared with words of the expression, each with those words."""
    match part:
        case Both(parts) | Either(parts):
            return [pair for one in parts for pair in fields_of(one)]
        case Negated(one):
            return fields_of(one)
        case SharesWord(Field("") as left, Words() as right):
            return [(left, right)]
        case SharesWord(Words() as left, Field("") as right):
            return [(right, left)]
        case _:
            return []

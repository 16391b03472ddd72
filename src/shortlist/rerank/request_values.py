"""What an expression reads of a request: its moment, its user, the item viewed, its context and its history."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shortlist.data.attributes import Attribute, CodedAttribute, NumberAttribute, TextAttribute, TimeAttribute
from shortlist.data.entities import Entities
from shortlist.data.no_time import NO_TIME
from shortlist.errors import RequestError

Value = float | tuple[str, ...] | None
"""One value: a number, a time in ms, or words; None where a number or time is unknown."""
NO_ITEM = -1
"""Code in place of an item that is not given."""


def value_of(attribute: Attribute, row: int) -> Value:
    """Return the value of one row of an attribute."""
    if isinstance(attribute, NumberAttribute):
        number = float(attribute.values[row])
        return None if math.isnan(number) else number
    if isinstance(attribute, TimeAttribute):
        time = int(attribute.times[row])
        return None if time == NO_TIME else float(time)
    if isinstance(attribute, TextAttribute):
        return (attribute.text[row],) if attribute.text[row] else ()
    shown = attribute.show(row)
    return () if shown is None else (shown,) if isinstance(shown, str) else tuple(shown)


@dataclass(frozen=True, eq=False)
class RequestValues:
    """The values of one request, each looked up when an expression reads it.

    Attributes
    ----------
    now
        Moment of the request, ms since 1970.
    viewed
        Code of the item that the user is looking at, −1 where the request names none.
    user, context
        Return the user's attributes, and the context columns, as attributes with one row: by name.
    history
        Returns the item codes of the user's history, int32 (events,).
    field
        The field of the request that errors name.
    """

    now: int
    viewed: int = NO_ITEM
    user: Callable[[], dict[str, Attribute]] = dict
    context: Callable[[], dict[str, Attribute]] = dict
    history: Callable[[], NDArray[np.int32]] = field(default=lambda: np.empty(0, np.int32))

    def value(self, items: Entities, scope: str, name: str) -> Value:
        """Return the value of a name of the request. What the request does not have is unknown."""
        if scope == "now":
            return float(self.now)
        if scope == "viewed":
            return _of_item(items, self.viewed, name)
        if scope == "history":
            return self._of_history(items, name)
        found = (self.user if scope == "user" else self.context)().get(name)
        return None if found is None else value_of(found, 0)

    def values(self, items: Entities, uses: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Value]:
        """Return the values of some (scope, name) pairs."""
        return {(scope, name): self.value(items, scope, name) for scope, name in sorted(uses)}

    def _of_history(self, items: Entities, name: str) -> tuple[str, ...]:
        codes = np.unique(self.history())
        attribute = items.attributes.get(name)
        if attribute is None:  # `id`
            return tuple(map(str, items.ids.ids(codes)))
        assert isinstance(attribute, CodedAttribute)
        words = np.unique(attribute.take(codes).ragged()[1])
        return tuple(attribute.vocabulary[code] for code in words.tolist())


def _of_item(items: Entities, code: int, name: str) -> Value:
    if code < 0:
        return None
    attribute = items.attributes.get(name)
    if attribute is not None:
        return value_of(attribute, code)
    return (str(items.ids.id(code)),) if name == "id" else (items.titles[code],)


def check_given(values: RequestValues | None, uses: Iterable[tuple[str, str]], where: str) -> None:
    """Raise `RequestError` where the filter of a request reads the viewed item and the request names none."""
    if any(scope == "viewed" for scope, _ in uses) and (values is None or values.viewed < 0):
        raise RequestError(
            f"{where}: the expression reads viewed, and the request names no item that is viewed; give after = the item's id",
            field=where,
        )

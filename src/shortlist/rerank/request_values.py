"""Values of a request that expressions read: of its moment, its user, the item viewed, its context and history.

A request's values are a mapping (scope, name) → value. `viewed` is absent where the request names no viewed item.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from shortlist.data.attributes import Attribute, CodedAttribute, NumberAttribute, TextAttribute, TimeAttribute
from shortlist.data.entities import Entities
from shortlist.data.no_time import NO_TIME

Value = float | tuple[str, ...] | None
"""A number, a time in ms, or words (none: unknown); None where a number or time is unknown."""
RequestValues = Mapping[tuple[str, str], Value]
"""(scope, name) → value."""


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


def value_of_item(items: Entities, code: int, name: str) -> Value:
    """Return the value of an item's attribute, or its `id` or `title`."""
    attribute = items.attributes.get(name)
    if attribute is not None:
        return value_of(attribute, code)
    return (str(items.ids.id(code)),) if name == "id" else (items.titles[code],)


def values_of_history(items: Entities, history: NDArray[np.int32], name: str) -> tuple[str, ...]:
    """Return the words of an attribute, or the ids, that occur among the items of a history (codes), each once."""
    codes = np.unique(history)
    attribute = items.attributes.get(name)
    if attribute is None:  # `id`
        return tuple(map(str, items.ids.ids(codes)))
    assert isinstance(attribute, CodedAttribute)
    words = np.unique(attribute.take(codes).ragged()[1])
    return tuple(attribute.vocabulary[code] for code in words.tolist())


def lacks_viewed(values: RequestValues, uses: Iterable[tuple[str, str]]) -> bool:
    """Whether an expression that uses some (scope, name) pairs reads the viewed item, and there is none."""
    return any(scope == "viewed" and (scope, name) not in values for scope, name in uses)

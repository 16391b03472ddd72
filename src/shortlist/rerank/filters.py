"""Filters by attribute: which items may be shown at all, as one mask over the catalogue.

Filters act during retrieval, not afterwards, so that a strict filter still fills the slate. A request writes them as an
expression (`conditions.py`), or as

    {"items": {"none": ["i7"]}, "genres": {"any": ["Comedy"], "none": ["Horror"]}, "year": {"min": 1990, "max": 1999}}

where `any` requires at least one of the values, `none` excludes them, and `min` and `max` are bounds of numbers and times.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.data.attributes import Attribute, CodedAttribute, NumberAttribute, TimeAttribute
from shortlist.data.entities import Entities
from shortlist.data.no_time import NO_TIME
from shortlist.data.times import to_milliseconds
from shortlist.data.values import text_of
from shortlist.errors import DataError, RequestError, abbreviated, suggestion


def allowed_items(
    items: Entities, filters: Mapping[str, object] | None, in_stock: str | None, field: str = "filters"
) -> NDArray[np.bool_] | None:
    """Compute the items that may be shown.

    Parameters
    ----------
    items
        The catalogue.
    filters
        Attribute (or `items`, for ids) → condition, as in a request.
    in_stock
        A number attribute; items for which it is 0 are excluded.
    field
        The field of the request or setting, for errors.

    Returns
    -------
    ndarray of shape (items,), bool, or None
        None if every item may be shown.

    Raises
    ------
    RequestError
        Names the filter that is wrong.
    """
    allowed = np.ones(len(items), bool)
    if in_stock:
        allowed &= ~(items.attribute(in_stock, NumberAttribute).values == 0)
    for name, condition in (filters or {}).items():
        where = f"{field}.{name}"
        if (
            not isinstance(condition, Mapping)
            or not condition
            or set(condition) - {"any", "none", "min", "max"}
        ):
            raise RequestError(
                f'{where}: write any, none, min or max, as in {{"any": ["Comedy"]}}', field=where
            )
        if name == "items":
            allowed &= _by_id(items, condition, where)
            continue
        attribute = items.attributes.get(name)
        if attribute is None:
            raise RequestError(
                f"{where}: items have no attribute {name!r}; there are: {', '.join(items.attributes) or 'none'}"
                f"{suggestion(name, items.attributes)}",
                field=where,
            )
        allowed &= _by_attribute(attribute, condition, where)
    return None if allowed.all() else allowed


def _by_id(items: Entities, condition: Mapping[str, object], where: str) -> NDArray[np.bool_]:
    mask = np.ones(len(items), bool)
    if set(condition) - {"any", "none"}:
        raise RequestError(f"{where}: ids have no order; write any or none", field=where)
    for key in condition:
        codes = items.ids.codes(_list(condition[key], f"{where}.{key}"))
        matches = np.zeros(len(items), bool)
        matches[codes[codes >= 0]] = True
        mask &= matches if key == "any" else ~matches
    return mask


def _by_attribute(attribute: Attribute, condition: Mapping[str, object], where: str) -> NDArray[np.bool_]:
    if isinstance(attribute, CodedAttribute):
        return _by_value(attribute, condition, where)
    if not isinstance(attribute, (NumberAttribute, TimeAttribute)) or set(condition) - {"min", "max"}:
        raise RequestError(
            f"{where}: a {attribute.kind} cannot be filtered by {', '.join(condition)}", field=where
        )
    mask = np.ones(len(attribute), bool)
    for key, bound in condition.items():
        if isinstance(attribute, NumberAttribute):
            values, limit = attribute.values, _number(bound, f"{where}.{key}")
        else:
            times = attribute.times
            values = np.where(times == NO_TIME, np.nan, times.astype(np.float64))
            limit = _time(bound, f"{where}.{key}")
        mask &= (values >= limit) if key == "min" else (values <= limit)
    return mask


def _by_value(attribute: CodedAttribute, condition: Mapping[str, object], where: str) -> NDArray[np.bool_]:
    if set(condition) - {"any", "none"}:
        raise RequestError(f"{where}: a {attribute.kind} has no order; write any or none", field=where)
    mask = np.ones(len(attribute), bool)
    indptr, codes = attribute.ragged()
    for key in condition:
        values = [
            _word(value, f"{where}.{key}.{at}")
            for at, value in enumerate(_list(condition[key], f"{where}.{key}"))
        ]
        places = np.array(attribute.vocabulary.places(values), np.int64)
        wanted = np.zeros(len(attribute.vocabulary), bool)
        wanted[places[places >= 0]] = True
        hits = np.concatenate([[0], np.cumsum(wanted[codes])])
        matches = hits[indptr[1:]] > hits[indptr[:-1]]
        mask &= matches if key == "any" else ~matches
    return mask


def _word(value: object, where: str) -> str:
    try:
        return text_of(value)
    except DataError as error:
        raise RequestError(f"{where}: {error}", field=where) from None


def _number(bound: object, where: str) -> float:
    if isinstance(bound, bool) or not isinstance(bound, (int, float)):
        raise RequestError(f"{where} must be a number and is {abbreviated(bound)}", field=where)
    return float(bound)


def _time(bound: object, where: str) -> float:
    times, reading = to_milliseconds(pa.array([bound]))
    if reading.unreadable.any() or times[0] == NO_TIME:
        raise RequestError(f"{where} must be a time and is {abbreviated(bound)}", field=where)
    return float(times[0])


def _list(given: object, where: str) -> list[object]:
    if not isinstance(given, list):
        raise RequestError(f"{where} must be a list and is {abbreviated(given)}", field=where)
    return given

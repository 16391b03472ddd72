"""Rules: what may be shown at all, as one mask over the catalogue.

Rules act while retrieving, not after: a strict rule then still fills the slate. A request writes them as

    {"items": {"none": ["i7"]}, "genres": {"any": ["Comedy"], "none": ["Horror"]}, "year": {"min": 1990, "max": 1999}}

where `any` wants at least one of the values, `none` forbids them, and `min` / `max` bound numbers and times.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.data.attributes import Attribute
from shortlist.data.entities import Entities
from shortlist.data.times import NO_TIME, to_milliseconds
from shortlist.errors import RequestError


def allowed_items(items: Entities, filters: dict[str, Any] | None, in_stock: str | None) -> np.ndarray | None:
    """Bool (items,), or None where everything may be shown. Raises `RequestError` naming the filter that is wrong."""
    allowed = np.ones(len(items), bool)
    if in_stock:
        allowed &= ~(items.attributes[in_stock].values == 0)
    for name, rule in (filters or {}).items():
        where = f"filters.{name}"
        if not isinstance(rule, dict) or not rule or set(rule) - {"any", "none", "min", "max"}:
            raise RequestError(
                f'{where}: write any, none, min or max, as in {{"any": ["Comedy"]}}', field=where
            )
        if name == "items":
            allowed &= _by_id(items, rule, where)
            continue
        attribute = items.attributes.get(name)
        if attribute is None:
            raise RequestError(
                f"{where}: items have no attribute {name!r}; there are: {', '.join(items.attributes) or 'none'}",
                field=where,
            )
        allowed &= _by_attribute(attribute, rule, where)
    return None if allowed.all() else allowed


def _by_id(items: Entities, rule: dict[str, Any], where: str) -> np.ndarray:
    mask = np.ones(len(items), bool)
    if set(rule) - {"any", "none"}:
        raise RequestError(f"{where}: ids have no order; write any or none", field=where)
    for key in rule:
        codes = items.ids.codes(_values(rule[key], f"{where}.{key}"))
        named = np.zeros(len(items), bool)
        named[codes[codes >= 0]] = True
        mask &= named if key == "any" else ~named
    return mask


def _by_attribute(attribute: Attribute, rule: dict[str, Any], where: str) -> np.ndarray:
    mask = np.ones(len(attribute), bool)
    if attribute.kind in {"category", "list"}:
        if set(rule) - {"any", "none"}:
            raise RequestError(f"{where}: a {attribute.kind} has no order; write any or none", field=where)
        indptr, codes = attribute.ragged()
        for key in rule:
            wanted = [
                attribute.vocabulary.index(str(v))
                for v in _values(rule[key], f"{where}.{key}")
                if str(v) in attribute.vocabulary
            ]
            hits = np.concatenate([[0], np.cumsum(np.isin(codes, wanted))])
            has = hits[indptr[1:]] > hits[indptr[:-1]]
            mask &= has if key == "any" else ~has
        return mask
    if attribute.kind == "text" or set(rule) - {"min", "max"}:
        raise RequestError(
            f"{where}: a {attribute.kind} cannot be filtered by {', '.join(rule)}", field=where
        )
    for key, bound in rule.items():
        if attribute.kind == "number":
            if isinstance(bound, bool) or not isinstance(bound, (int, float)):
                raise RequestError(f"{where}.{key} must be a number and is {bound!r}", field=f"{where}.{key}")
            values, limit = attribute.values, float(bound)
        else:
            times, reading = to_milliseconds(pa.array([bound]))
            if reading.unreadable.any() or times[0] == NO_TIME:
                raise RequestError(f"{where}.{key} must be a time and is {bound!r}", field=f"{where}.{key}")
            values, limit = (
                np.where(attribute.times == NO_TIME, np.nan, attribute.times.astype(np.float64)),
                float(times[0]),
            )
        mask &= (values >= limit) if key == "min" else (values <= limit)
    return mask


def _values(given: Any, where: str) -> list[Any]:
    if not isinstance(given, list):
        raise RequestError(f"{where} must be a list and is {given!r}", field=where)
    return given

"""Warnings about parts of a request that have no effect: values that do not occur, ids that nobody has, filters that leave little.

A request that asks for a genre that no item has is answered, because catalogues change; but an empty or strange slate
without a word hides a typing error. So an answer says what was not found, with the nearest known value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.given_items import ItemList
from shortlist.data.attributes import CodedAttribute
from shortlist.data.ids import IdMap
from shortlist.errors import suggestion
from shortlist.expressions.typed import fields_of
from shortlist.rerank.conditions import Conditions, Written

NAMED = 3
"""At most so many values of a condition are named."""
COMPARED = 5_000
"""Similar words are sought in vocabularies of at most this size: comparing takes microseconds a word."""
LONGEST = 20
"""Ids of digits are tried with leading zeros up to this length."""


def filter_warnings(
    conditions: Conditions, filters: Written | None, allowed: NDArray[np.bool_] | None
) -> tuple[str, ...]:
    """Say which values of valid filters do not occur, and that nothing is left where nothing is.

    Parameters
    ----------
    conditions
        The catalogue.
    filters
        Filters that it has accepted.
    allowed
        What they leave, bool (items,); None for everything.
    """
    items = conditions.items
    found: list[str] = []
    for where, name, values in _written_values(conditions, filters or {}):
        attribute = items.attributes.get(name)
        if isinstance(attribute, CodedAttribute):
            unknown = [
                value for value in dict.fromkeys(map(str, values)) if value not in attribute.vocabulary
            ]
            words: Sequence[str] = attribute.vocabulary if len(attribute.vocabulary) <= COMPARED else ()
            said = (
                f"no item has the value {_listed(unknown, [suggestion(v, words) for v in unknown[:NAMED]])}"
            )
        else:
            unknown = [value for value in values if items.ids.code(value) < 0]
            said = _unknown_items(unknown, items.ids)
        if unknown:
            found.append(f"{where}: {said}")
    if filters and allowed is not None and not allowed.any():
        found.append(f"filters: none of the {len(items):,} items is allowed")
    return tuple(found)


def _written_values(conditions: Conditions, filters: Written) -> list[tuple[str, str, Sequence[Any]]]:
    """The values of categories, lists and ids that filters name: where, the attribute, the values."""
    if isinstance(filters, str):
        return [
            (f"filters, {name.name}", name.name, words.values)
            for name, words in fields_of(conditions.condition(filters, "filters"))
            if name.kind in {"category", "list", "id"}
        ]
    attributes = conditions.items.attributes
    return [
        (f"filters.{name}.{key}", name, condition[key])
        for name, condition in filters.items()
        for key in ("any", "none")
        if key in condition and (name == "items" or isinstance(attributes[name], CodedAttribute))
    ]


def known_items_warning(field: str, unknown: Sequence[Any], ids: IdMap) -> tuple[str, ...]:
    """Say which of the items that a field of the request names the catalogue does not have."""
    if not unknown:
        return ()
    return (f"{field}: ignored, because {_unknown_items(unknown, ids)}",)


def list_warnings(listed: ItemList, blank: Sequence[int], ids: IdMap) -> tuple[str, ...]:
    """Say which items of a given list the catalogue does not have, how they were ranked, and what was sent in vain.

    blank: places of those without fields.
    """
    described = [listed.ids[at] for at in listed.unknown.tolist() if at not in set(blank)]
    nothing = [listed.ids[at] for at in blank]
    said = []
    if described:
        said.append(f"items: ranked by their fields alone, because {_unknown_items(described, ids)}")
    if nothing:
        said.append(f"items: put last, because they have no fields and {_unknown_items(nothing, ids)}")
    if listed.ignored:
        said.append(
            f"items: {', '.join(listed.ignored)} was ignored for items of the catalogue, whose own attributes are used; a number that belongs to this "
            "moment is declared in data.given"
        )
    return tuple(said)


def user_warning(user: Any, users: IdMap) -> tuple[str, ...]:
    """Say that a user is not known where another spelling of the id is: the leading zeros were lost, or the case changed."""
    near = known_spelling(users, user)
    if near is None:
        return ()
    return (f"user: {user!r} is not known, and answered as a new user{_as_hint(near)}",)


def nobody_similar_warning(user: Any, users: IdMap, known: bool) -> tuple[str, ...]:
    """Say why nobody is similar to a user: without a history, with another spelling of the id where that is known."""
    if known:
        return (f"user: {user!r} has no events that count, or no item that another user has",)
    near = known_spelling(users, user) if users.code(user) < 0 else None
    return (f"user: {user!r} has no history, so no user is similar{_as_hint(near)}",)


def known_spelling(ids: IdMap, value: Any) -> Any:
    """Return the id that an unknown one is another spelling of, None where there is none."""
    for variant in _variants(str(value)):
        code = ids.code(variant)
        if code >= 0:
            return ids.id(code)
    return None


def _variants(text: str) -> Iterator[str]:
    plain = text.strip()
    yield plain
    if plain.endswith(".0"):  # a number that was a float once
        plain = plain[:-2]
        yield plain
    yield plain.lower()
    yield plain.upper()
    if plain.isascii() and plain.isdigit():
        short = plain.lstrip("0")
        yield short or "0"
        yield from (short.zfill(width) for width in range(len(short) + 1, LONGEST))


def _as_hint(near: Any) -> str:
    return "" if near is None else f"; did you mean {near!r}?"


def _unknown_items(unknown: Sequence[Any], ids: IdMap) -> str:
    hints = [_as_hint(known_spelling(ids, item)) for item in unknown[:NAMED]]
    return f"the catalogue has no item {_listed(unknown, hints)}"


def _listed(unknown: Sequence[Any], hints: Sequence[str]) -> str:
    """The first unknown values, each with its hint, and how many more there are."""
    said = [f"{value!r}{hint}" for value, hint in zip(unknown, hints, strict=False)]
    more = f" (and {len(unknown) - NAMED} more)" if len(unknown) > NAMED else ""
    return f"{', '.join(said)}{more}"

"""Given lists of items, as callers write them: ids, or mappings with an id, given numbers and attributes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.data.entities import Entities, check_attribute_value
from shortlist.data.ids import id_fault
from shortlist.data.values import text_fault
from shortlist.errors import RequestError, abbreviated, suggestion

MOST = 2_000
"""Items of one list at most."""
LARGEST = float(np.finfo(np.float32).max)
"""Size of a given number at most: features are single-precision numbers."""
OWN_FIELDS = ("item", "title")
PLAIN_IDS = frozenset({int, str})


@dataclass(frozen=True, eq=False, repr=False)
class ItemList:
    """A list of items that is to be ranked, in codes.

    Attributes
    ----------
    item : ndarray of shape (m,), int32
        Codes of distinct items; −1 for an item that the catalogue does not have.
    given : Mapping[str, ndarray of shape (m,), float32]
        Column of `data.given` → number of each item; NaN where it is missing. A column that is not here is missing for all.
    described : Mapping[int, Mapping[str, Any]]
        Place of an item that the catalogue does not have → its attributes, as far as they are given.
    ids, titles
        Ids as the caller wrote them, and titles of unknown items (place → title); empty for lists that are read from a log.
    ignored
        Attributes that were sent for items of the catalogue, whose own attributes are used.
    """

    item: NDArray[np.int32]
    given: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    described: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    ids: Sequence[Any] = ()
    titles: Mapping[int, str] = field(default_factory=dict)
    ignored: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.item)

    def __repr__(self) -> str:
        return f"ItemList({len(self):,} items, numbers: {', '.join(self.given) or 'none'})"

    @property
    def unknown(self) -> NDArray[np.int64]:
        """Places of the items that the catalogue does not have."""
        return np.flatnonzero(self.item < 0)

    def is_blank(self, place: int) -> bool:
        """Return whether nothing is known of an item that the catalogue does not have: neither a number nor an attribute."""
        return not self.described.get(place) and all(
            np.isnan(numbers[place]) for numbers in self.given.values()
        )


def read_list(items: Any, catalogue: Entities, given: Iterable[str]) -> ItemList:
    """Read the items of a request.

    Parameters
    ----------
    items
        Ids, or mappings with `item` (the id), any of the numbers in `given`, and for items that the catalogue does not have
        `title` and attributes of items. Of items that the catalogue has, its own attributes are used.
    catalogue
        The items.
    given
        The numbers that can be given (`data.given`).

    Raises
    ------
    RequestError
        Where there are no items or too many, an item is on the list twice, or a field does not exist or has a wrong value. It
        names the field, for example `items.3.price`.
    """
    listed = _listed(items)
    alone = PLAIN_IDS.issuperset(map(type, listed))  # ids, without a question for each
    rows: list[Mapping[str, Any]] = []
    if not alone:
        rows = [one if type(one) is dict or isinstance(one, Mapping) else {"item": one} for one in listed]
    fields = {"item"} if alone else set().union(*rows)
    names = list(given)
    _check_names(rows, fields, names, catalogue)
    ids = listed if alone else [row.get("item") for row in rows]
    codes = catalogue.ids.codes(ids)
    _check_ids(ids, codes, catalogue)
    numbers = {name: _numbers(name, [row.get(name) for row in rows]) for name in names if name in fields}
    unknown = np.flatnonzero(codes < 0).tolist()
    described, titles = {}, {}
    for at in unknown:
        row = {"item": ids[at]} if alone else rows[at]
        values = {
            name: value
            for name, value in row.items()
            if value is not None and name not in names and name in catalogue.attributes
        }
        for name, value in values.items():
            catalogue.check_encoded(name, f"items.{at}.{name}")
            check_attribute_value(catalogue.attributes[name], value, f"items.{at}.{name}")
        titles[at] = _title(row.get("title"), ids[at], f"items.{at}.title")
        values |= catalogue.encoded_values(row.get("title") or "", values)
        if values:
            described[at] = values
    own = [name for name in catalogue.attributes if name in fields and name not in names]
    return ItemList(codes, numbers, described, ids, titles, _sent_of_known(own, rows, codes))


def _listed(items: Any) -> list[Any]:
    """Return the items of a request as a list. Raises `RequestError` where there are none, too many, or it is no list."""
    if isinstance(items, (str, bytes, Mapping)) or not isinstance(items, Iterable):
        raise RequestError(
            'items must be a list of ids, or of mappings such as {"item": "i3", …}, and is of type '
            f"{type(items).__name__}",
            field="items",
        )
    listed = list(items)
    if not 1 <= len(listed) <= MOST:
        raise RequestError(f"items must be 1 to {MOST:,} items and are {len(listed):,}", field="items")
    return listed


def _check_names(
    rows: list[Mapping[str, Any]], fields: set[Any], given: Sequence[str], catalogue: Entities
) -> None:
    """Raise `RequestError` for a field that is neither a given number nor an attribute."""
    known = [*OWN_FIELDS, *given, *catalogue.attributes]
    wrong = fields - set(known)
    if wrong:
        at, name = next((at, name) for at, row in enumerate(rows) for name in row if name in wrong)
        where = f"items.{at}.{str(name)[:40]}"
        raise RequestError(
            f"{where}: there is no such number in data.given and no such attribute of items"
            f"{suggestion(str(name), known)}; there are: {', '.join(known)}",
            field=where,
        )


def _check_ids(ids: Sequence[Any], codes: NDArray[np.int32], catalogue: Entities) -> None:
    """Raise `RequestError` for a missing id, a value that cannot be one, and an item that is on the list twice."""
    ordered = np.sort(codes)
    if ordered[0] >= 0 and (ordered[1:] > ordered[:-1]).all():  # almost always: no loop
        return
    first: dict[tuple[int, Any], int] = {}
    for at, (own, code) in enumerate(zip(ids, codes.tolist(), strict=True)):
        if own is None:
            raise RequestError(f"items.{at}.item: an item needs its id", field=f"items.{at}.item")
        if code < 0 and (fault := id_fault(own)) is not None:
            raise RequestError(f"items.{at}.item: {fault}", field=f"items.{at}.item")
        before = first.setdefault((code, None if code >= 0 else catalogue.ids.own(own)), at)
        if before != at:
            raise RequestError(
                f"items.{at}.item: {own!r} is on the list twice, as items.{before} too",
                field=f"items.{at}.item",
            )


def _sent_of_known(
    attributes: Sequence[str], rows: list[Mapping[str, Any]], codes: NDArray[np.int32]
) -> list[str]:
    """The attributes that are sent for items of the catalogue."""
    if not attributes:
        return []
    known = [row for row, code in zip(rows, codes.tolist(), strict=True) if code >= 0]
    return [name for name in attributes if any(row.get(name) is not None for row in known)]


def _numbers(name: str, values: list[Any]) -> NDArray[np.float32]:
    """A column of given numbers. Raises `RequestError` naming the first value that is no finite number."""
    if {float, int, type(None)}.issuperset(map(type, values)):  # almost always: one array instead of a loop
        try:
            numbers = np.array(values, np.float64)
        except OverflowError:  # a whole number of too many digits, which is named below
            numbers = np.full(1, np.inf)
        if np.isnan(numbers).sum() == values.count(None) and not (np.abs(numbers) > LARGEST).any():
            return numbers.astype(np.float32)
    for at, value in enumerate(values):
        number = value.item() if isinstance(value, np.generic) else value
        if number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not abs(number) <= LARGEST:
            where = f"items.{at}.{name}"
            raise RequestError(
                f"{where}: expected a finite number or null, got {abbreviated(value)}", field=where
            )
    return np.array([np.nan if value is None else float(value) for value in values], np.float32)


def _title(title: Any, own: Any, where: str) -> str:
    """The title of an item that the catalogue does not have; its id where none is given."""
    if title is None or title == "":
        return str(own)
    fault = (
        text_fault(title)
        if isinstance(title, str)
        else f"a title is a text, and this is {abbreviated(title)}"
    )
    if fault is not None:
        raise RequestError(f"{where}: {fault}", field=where)
    return str(title)

"""The usual groups for slices: activity and attributes of people; popularity, age and attributes of items."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shortlist.data.attributes import Attribute, CodedAttribute
from shortlist.evaluate.measures import NEW_DAYS, CatalogueStatistics, FloatArray, IntArray
from shortlist.evaluate.slices import Groups, SliceCodes

MAX_VALUES = 6
"""The most common values of an attribute that become groups."""


def default_slices(
    catalogue: CatalogueStatistics,
    users: IntArray,
    user_attributes: Mapping[str, Attribute] | None = None,
    item_attributes: Mapping[str, Attribute] | None = None,
    with_bounds: bool = True,
) -> SliceCodes:
    """Group people and items by everything that is known about them.

    Parameters
    ----------
    catalogue : CatalogueStatistics
        Popularity, histories and age.
    users : ndarray of int, shape (R,)
        The row of each request's person in the attributes; −1 if unknown.
    user_attributes, item_attributes : mapping of str to Attribute, optional
        The attributes. Those with a vocabulary become groups.
    with_bounds : bool
        Whether names hold the bounds of the groups. Bounds differ between test periods, so names without bounds allow
        slices over several periods.
    """
    people: Groups = {}
    items: Groups = {}
    if catalogue.indptr is not None:
        people["activity"] = _named(_activity(np.diff(catalogue.indptr)), with_bounds)
    if catalogue.popularity is not None and catalogue.popularity.sum() > 0:
        items["popularity"] = _named(_popularity(catalogue.popularity), with_bounds)
    if catalogue.age is not None:
        new = catalogue.age <= NEW_DAYS
        if new.any() and not new.all():
            items["age"] = (
                np.where(np.isnan(catalogue.age), -1, np.where(new, 0, 1)),
                ["up to 30 days", "older"],
            )
    for name, attribute in (user_attributes or {}).items():
        found = _attribute(attribute)
        if found is not None:
            codes, names = found
            people[name] = np.append(codes, -1)[np.where(users >= 0, users, len(codes))], names
    for name, attribute in (item_attributes or {}).items():
        found = _attribute(attribute)
        if found is not None:
            items[name] = found
    return SliceCodes(people, items)


def _named(groups: tuple[IntArray, list[str]], with_bounds: bool) -> tuple[IntArray, list[str]]:
    codes, names = groups
    return codes, names if with_bounds else [name.partition(" (")[0] for name in names]


def _activity(sizes: IntArray) -> tuple[IntArray, list[str]]:
    """People without history, and thirds of the others by their number of events."""
    known = sizes[sizes > 0]
    codes = np.full(len(sizes), -1)
    codes[sizes == 0] = 0
    if not len(known):
        return codes, ["no history"]
    low, high = (int(q) for q in np.quantile(known, [1 / 3, 2 / 3]))
    codes[sizes > 0] = 1 + (known > low) + (known > high)
    return codes, [
        "no history",
        f"few events (1–{low})",
        f"some events ({low + 1}–{high})",
        f"many events (over {high})",
    ]


def _popularity(popularity: FloatArray) -> tuple[IntArray, list[str]]:
    """Head, middle and tail, each with a third of the interactions, and items without interactions."""
    order = np.argsort(-popularity, kind="stable")
    position = (np.cumsum(popularity[order]) - popularity[order] / 2) / popularity.sum()
    codes = np.empty(len(popularity), np.int64)
    codes[order] = np.minimum((position * 3).astype(int), 2)
    codes[popularity == 0] = 3
    sizes = np.bincount(codes, minlength=4)
    return codes, [
        f"head ({sizes[0]:,} items)",
        f"middle ({sizes[1]:,} items)",
        f"tail ({sizes[2]:,} items)",
        f"without interactions ({sizes[3]:,} items)",
    ]


def _attribute(attribute: Attribute) -> tuple[IntArray, list[str]] | None:
    """The most common values; a list counts by its first value. None if the attribute makes no groups."""
    if not isinstance(attribute, CodedAttribute):
        return None
    indptr, flat = attribute.ragged()
    codes = np.full(len(indptr) - 1, -1, np.int64)
    has_value = np.diff(indptr) > 0
    codes[has_value] = flat[indptr[:-1][has_value]]
    counts = np.bincount(codes[codes >= 0], minlength=len(attribute.vocabulary))
    if len(counts) > max(200, 0.2 * len(codes)):
        return None  # an identifier, not a group
    common = np.argsort(-counts, kind="stable")[:MAX_VALUES]
    common = common[counts[common] > 0]
    if len(common) < 2:
        return None
    group_of = np.full(len(attribute.vocabulary) + 1, -1)
    group_of[common] = np.arange(len(common))
    return group_of[codes], [attribute.vocabulary[c] for c in common]

"""The usual groups for slices: activity and attributes of people; popularity, age and attributes of items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shortlist.data.attributes import Attribute, CodedAttribute
from shortlist.evaluate.measures import NEW_DAYS, CatalogueStatistics, FloatArray, IntArray
from shortlist.evaluate.slices import Groups, SliceCodes

MAX_VALUES = 6
"""The most common values of an attribute that become groups."""


@dataclass(frozen=True, repr=False)
class PeopleScheme:
    """How people are grouped: the same for all requests, also where these are judged in parts.

    Attributes
    ----------
    thirds : (int, int), optional
        The numbers of events between few, some and many; None where nobody has a history.
    attributes : dict
        Attribute → the group of each code of its vocabulary (−1 for none, also as the last entry), and the names of the groups.
    """

    thirds: tuple[int, int] | None
    attributes: Groups

    @classmethod
    def of(cls, sizes: IntArray | None, attributes: Mapping[str, Attribute]) -> PeopleScheme:
        """Make the groups of requests with histories of these sizes, int (R,), and of the attributes of users."""
        known = np.empty(0, np.int64) if sizes is None else sizes[sizes > 0]
        thirds = None
        if len(known):
            low, high = (int(q) for q in np.quantile(known, [1 / 3, 2 / 3]))
            thirds = low, high
        found = {name: _values(attribute) for name, attribute in attributes.items()}
        return cls(thirds, {name: groups for name, groups in found.items() if groups is not None})

    def __repr__(self) -> str:
        return f"PeopleScheme({', '.join(['activity', *self.attributes])})"

    def groups(self, sizes: IntArray | None, users: IntArray, attributes: Mapping[str, Attribute]) -> Groups:
        """Return the groups of requests; the arguments are those of `default_slices`, `sizes` those of the histories, int (R,)."""
        found: Groups = {}
        if sizes is not None:
            found["activity"] = self.activity(sizes)
        for name, (group_of, names) in self.attributes.items():
            codes = group_of[_first_codes(attributes[name])]
            found[name] = np.append(codes, -1)[np.where(users >= 0, users, len(codes))], names
        return found

    def activity(self, sizes: IntArray) -> tuple[IntArray, list[str]]:
        """Return the group of each request, and the names: people without history, and thirds of the others by their number of events."""
        codes = np.where(sizes == 0, 0, -1)
        if self.thirds is None:
            return codes, ["no history"]
        low, high = self.thirds
        codes[sizes > 0] = 1 + (sizes[sizes > 0] > low) + (sizes[sizes > 0] > high)
        return codes, [
            "no history",
            f"few events (1–{low})",
            f"some events ({low + 1}–{high})",
            f"many events (over {high})",
        ]


def default_slices(
    catalogue: CatalogueStatistics,
    users: IntArray,
    user_attributes: Mapping[str, Attribute] | None = None,
    item_attributes: Mapping[str, Attribute] | None = None,
    with_bounds: bool = True,
    scheme: PeopleScheme | None = None,
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
    scheme : PeopleScheme, optional
        The groups of people; default: those of these requests.
    """
    attributes = user_attributes or {}
    sizes = None if catalogue.indptr is None else np.diff(catalogue.indptr)
    scheme = scheme or PeopleScheme.of(sizes, attributes)
    people = scheme.groups(sizes, users, attributes)
    if "activity" in people:
        people["activity"] = _named(people["activity"], with_bounds)
    return SliceCodes(people, item_groups(catalogue, item_attributes or {}, with_bounds))


def item_groups(
    catalogue: CatalogueStatistics, attributes: Mapping[str, Attribute], with_bounds: bool = True
) -> Groups:
    """Return the groups of items by popularity, age and attributes; the arguments are those of `default_slices`."""
    items: Groups = {}
    if catalogue.popularity is not None and catalogue.popularity.sum() > 0:
        items["popularity"] = _named(_popularity(catalogue.popularity), with_bounds)
    if catalogue.age is not None:
        new = catalogue.age <= NEW_DAYS
        if new.any() and not new.all():
            items["age"] = (
                np.where(np.isnan(catalogue.age), -1, np.where(new, 0, 1)),
                ["up to 30 days", "older"],
            )
    for name, attribute in attributes.items():
        found = _values(attribute)
        if found is not None:
            group_of, names = found
            items[name] = group_of[_first_codes(attribute)], names
    return items


def _named(groups: tuple[IntArray, list[str]], with_bounds: bool) -> tuple[IntArray, list[str]]:
    codes, names = groups
    return codes, names if with_bounds else [name.partition(" (")[0] for name in names]


def _popularity(popularity: FloatArray) -> tuple[IntArray, list[str]]:
    """Head, middle and tail, each with a third of the events, and items without events."""
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
        f"without events ({sizes[3]:,} items)",
    ]


def _first_codes(attribute: Attribute) -> IntArray:
    """Return the code of each row, the first one of a list, −1 for none."""
    assert isinstance(attribute, CodedAttribute)
    indptr, flat = attribute.ragged()
    codes = np.full(len(indptr) - 1, -1, np.int64)
    has_value = np.diff(indptr) > 0
    codes[has_value] = flat[indptr[:-1][has_value]]
    return codes


def _values(attribute: Attribute) -> tuple[IntArray, list[str]] | None:
    """Return the group of each code of a vocabulary, −1 at the end, and the names: the most common values. None if it makes no groups."""
    if not isinstance(attribute, CodedAttribute):
        return None
    codes = _first_codes(attribute)
    counts = np.bincount(codes[codes >= 0], minlength=len(attribute.vocabulary))
    if len(counts) > max(200, 0.2 * len(codes)):
        return None  # an identifier, not a group
    common = np.argsort(-counts, kind="stable")[:MAX_VALUES]
    common = common[counts[common] > 0]
    if len(common) < 2:
        return None
    group_of = np.full(len(attribute.vocabulary) + 1, -1)
    group_of[common] = np.arange(len(common))
    return group_of, [attribute.vocabulary[c] for c in common]

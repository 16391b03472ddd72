"""For whom, and for what: the main metric within slices of people and of items.

Slices of **people** (how much they did before, what is known of them) take some of the people. Slices of **items** (head,
middle and tail of popularity, new ones, a genre) keep all people who wanted such an item and count only those items as
relevant: the same lists, asked a narrower question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from shortlist.data.attributes import Attribute, CodedAttribute
from shortlist.evaluate.measures import CatalogueStatistics, RelevantItems, accuracy_metrics
from shortlist.metrics.significance import Estimate, PairedMetrics

FEWEST = 20
"""Slices of fewer people are not shown: nothing could be said of them."""
MOST_VALUES = 6


@dataclass(frozen=True)
class Slice:
    """`dimension` and `name`: "activity", "no history". `people`: how many have a value here. `values`: the main metric of
    each recommender; `ahead[other]`: `own` minus it, with its interval.
    """

    dimension: str
    name: str
    of: Literal["people", "items"]
    people: int
    values: dict[str, Estimate]
    ahead: dict[str, Estimate]

    def to_json(self) -> dict[str, Any]:
        return {
            "dimension": self.dimension,
            "slice": self.name,
            "of": self.of,
            "people": self.people,
            "values": {n: e.to_json() for n, e in self.values.items()},
            "ahead_of": {n: e.to_json() for n, e in self.ahead.items()},
        }


@dataclass(frozen=True)
class SliceCodes:
    """How people and items are told apart. Each dimension: name → int codes and what the codes are called; code −1 is in no
    slice. People's codes are by request, items' by item code; items beyond the catalogue are in `outside`.
    """

    people: dict[str, tuple[np.ndarray, list[str]]]
    items: dict[str, tuple[np.ndarray, list[str]]]


def default_slices(
    catalogue: CatalogueStatistics,
    users: np.ndarray,
    of_users: dict[str, Attribute] | None = None,
    of_items: dict[str, Attribute] | None = None,
    sizes: bool = True,
) -> SliceCodes:
    """Activity and attributes of people; popularity, newness and attributes of items; whatever is known. users int (R,):
    whose each request is, as rows of the attributes. sizes: whether names tell the bounds, which differ from cut to cut.
    """
    people: dict[str, tuple[np.ndarray, list[str]]] = {}
    items: dict[str, tuple[np.ndarray, list[str]]] = {}
    if catalogue.indptr is not None:
        people["activity"] = _plain(_activity(np.diff(catalogue.indptr)), sizes)
    if catalogue.popularity is not None and catalogue.popularity.sum() > 0:
        items["popularity"] = _plain(_popularity(catalogue.popularity), sizes)
    if catalogue.age is not None and (catalogue.age <= 30).any() and not (catalogue.age <= 30).all():
        codes = np.where(np.isnan(catalogue.age), -1, np.where(catalogue.age <= 30, 0, 1))
        items["age"] = codes, ["up to 30 days", "older"]
    for name, attribute in (of_users or {}).items():
        found = _attribute(attribute)
        if found is not None:
            codes, words = found
            people[name] = np.append(codes, -1)[np.where(users >= 0, users, len(codes))], words
    for name, attribute in (of_items or {}).items():
        found = _attribute(attribute)
        if found is not None:
            items[name] = found
    return SliceCodes(people, items)


@dataclass(frozen=True)
class Part:
    """One slice to be measured, under its `key`."""

    key: str
    dimension: str
    name: str
    of: Literal["people", "items"]


def slice_columns(
    slates: dict[str, np.ndarray],
    truth: RelevantItems,
    cuts: SliceCodes,
    metric: str,
    k: int,
    whole: dict[str, np.ndarray],
) -> tuple[list[Part], dict[str, dict[str, np.ndarray]]]:
    """The metric within every slice, as columns beside those over all: recommender → key → float64 (R,), NaN outside.

    slates: name → int (R, ≥ k); whole: the metric of each request, as measured over all.
    """
    parts: list[Part] = []
    columns: dict[str, dict[str, np.ndarray]] = {name: {} for name in slates}
    for dimension, (codes, words) in cuts.people.items():
        for code, word in enumerate(words):
            inside = codes == code
            if inside.sum() >= FEWEST:
                part = Part(f"slice|{dimension}|{word}", dimension, word, "people")
                parts.append(part)
                for name, values in whole.items():
                    columns[name][part.key] = np.where(inside, values, np.nan)
    for dimension, (codes, words) in cuts.items.items():
        of_truth = np.append(codes, -1)[np.minimum(truth.item, len(codes))]
        for code, word in enumerate(words):
            narrow = truth.only(of_truth == code)
            if (narrow.sizes > 0).sum() >= FEWEST:
                part = Part(f"slice|{dimension}|{word}", dimension, word, "items")
                parts.append(part)
                for name, shown in slates.items():
                    columns[name][part.key] = accuracy_metrics(shown, narrow, k)[metric]
    return parts, columns


def slices_of(measured: PairedMetrics, parts: list[Part], own: str) -> list[Slice]:
    """Every slice with each recommender's value, and how far `own` is ahead."""
    found = []
    for part in parts:
        people = int((~np.isnan(measured.values[own][part.key])).sum())
        if people < FEWEST:
            continue
        values = {n: measured.estimate(n, part.key) for n in measured.names}
        ahead = {n: measured.difference(own, n, part.key) for n in measured.names if n != own}
        found.append(Slice(part.dimension, part.name, part.of, people, values, ahead))
    return found


def _plain(found: tuple[np.ndarray, list[str]], sizes: bool) -> tuple[np.ndarray, list[str]]:
    codes, words = found
    return codes, words if sizes else [word.partition(" (")[0] for word in words]


def _activity(sizes: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Nobody we know, and thirds of the rest by how many events they have."""
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


def _popularity(popularity: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Head, middle and tail, each with a third of what people took; and what nobody took yet."""
    order = np.argsort(-popularity, kind="stable")
    line = (np.cumsum(popularity[order]) - popularity[order] / 2) / popularity.sum()
    codes = np.empty(len(popularity), np.int64)
    codes[order] = np.minimum((line * 3).astype(int), 2)
    codes[popularity == 0] = 3
    sizes = np.bincount(codes, minlength=4)
    return codes, [
        f"head ({sizes[0]:,} items)",
        f"middle ({sizes[1]:,} items)",
        f"tail ({sizes[2]:,} items)",
        f"taken by nobody yet ({sizes[3]:,} items)",
    ]


def _attribute(attribute: Attribute) -> tuple[np.ndarray, list[str]] | None:
    """The most common values; a list is told by its first."""
    if not isinstance(attribute, CodedAttribute):
        return None
    indptr, flat = attribute.ragged()
    codes = np.full(len(indptr) - 1, -1, np.int64)
    has = np.diff(indptr) > 0
    codes[has] = flat[indptr[:-1][has]]
    counts = np.bincount(codes[codes >= 0], minlength=len(attribute.vocabulary))
    if len(counts) > max(200, 0.2 * len(codes)):
        return None  # an id rather than a kind
    common = np.argsort(-counts, kind="stable")[:MOST_VALUES]
    common = common[counts[common] > 0]
    if len(common) < 2:
        return None
    where = np.full(len(attribute.vocabulary) + 1, -1)
    where[common] = np.arange(len(common))
    return where[codes], [attribute.vocabulary[c] for c in common]

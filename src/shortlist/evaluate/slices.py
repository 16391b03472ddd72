"""Slices: the main metric within groups of people and of items.

A slice of **people** (by activity or by attribute) takes some of the people. A slice of **items** (popularity, age,
genre) keeps all people for whom such an item is relevant, and counts only those items as relevant: the same slates,
with a narrower question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from shortlist.evaluate.measures import FloatArray, IntArray, RelevantItems, accuracy_metrics
from shortlist.metrics.significance import Estimate, PairedMetrics

MIN_PEOPLE = 20
"""Slices of fewer people are left out: their intervals would say nothing."""
Groups = dict[str, tuple[IntArray, list[str]]]
"""Dimension → the group of each row as a code, −1 for none, and the names of the groups."""


@dataclass(frozen=True)
class Slice:
    """The main metric within one group.

    Attributes
    ----------
    dimension, name : str
        For example "activity" and "no history".
    of : {"people", "items"}
        Whether people or items are grouped.
    people : int
        The number of people with a value in this slice.
    values : dict of str to Estimate
        The main metric of each recommender.
    ahead : dict of str to Estimate
        The subject minus each other recommender.
    """

    dimension: str
    name: str
    of: Literal["people", "items"]
    people: int
    values: dict[str, Estimate]
    ahead: dict[str, Estimate]

    def __repr__(self) -> str:
        return f"Slice({self.dimension}: {self.name}, {self.people} people)"

    def to_json(self) -> dict[str, Any]:
        """Return the slice as JSON values."""
        return {
            "dimension": self.dimension,
            "slice": self.name,
            "of": self.of,
            "people": self.people,
            "values": {name: estimate.to_json() for name, estimate in self.values.items()},
            "ahead_of": {name: estimate.to_json() for name, estimate in self.ahead.items()},
        }


@dataclass(frozen=True)
class SliceCodes:
    """The groups of people and of items.

    Attributes
    ----------
    people : dict
        Dimension → codes, int (R,), by request, and names.
    items : dict
        Dimension → codes, int (n,), by item code, and names. Items beyond the catalogue are in no group.
    """

    people: Groups
    items: Groups

    def __repr__(self) -> str:
        return f"SliceCodes(people by {', '.join(self.people)}; items by {', '.join(self.items)})"


@dataclass(frozen=True)
class SliceColumn:
    """The column of one slice among the metrics, named `key`."""

    key: str
    dimension: str
    name: str
    of: Literal["people", "items"]

    @classmethod
    def of_group(cls, dimension: str, name: str, of: Literal["people", "items"]) -> SliceColumn:
        """Return the column of a group."""
        return cls(f"slice|{dimension}|{name}", dimension, name, of)


def slice_columns(
    slates: Mapping[str, IntArray],
    relevant: RelevantItems,
    groups: SliceCodes,
    metric: str,
    k: int,
    overall: Mapping[str, FloatArray],
    least: int = MIN_PEOPLE,
) -> tuple[list[SliceColumn], dict[str, dict[str, FloatArray]]]:
    """Compute a metric within every slice.

    Parameters
    ----------
    slates : mapping of str to ndarray of int, shape (R, ≥ k)
        The slates of each recommender.
    relevant : RelevantItems
        The relevant items of each request.
    groups : SliceCodes
        The groups.
    metric : str
        The name of the metric, without `@k`.
    k : int
        The number of positions that count.
    overall : mapping of str to ndarray of float64, shape (R,)
        The metric of each request, over all items.
    least : int
        The number of requests that a slice needs.

    Returns
    -------
    parts : list of SliceColumn
        The slices with at least so many requests.
    columns : dict
        `columns[recommender][key]`, float64 (R,), NaN outside of the slice.
    """
    parts: list[SliceColumn] = []
    columns: dict[str, dict[str, FloatArray]] = {name: {} for name in slates}
    for dimension, (codes, names) in groups.people.items():
        for code, group in enumerate(names):
            inside = codes == code
            if inside.sum() < least:
                continue
            part = SliceColumn.of_group(dimension, group, "people")
            parts.append(part)
            for name, values in overall.items():
                columns[name][part.key] = np.where(inside, values, np.nan)
    for dimension, (codes, names) in groups.items.items():
        group_of = np.append(codes, -1)[np.minimum(relevant.item, len(codes))]
        for code, group in enumerate(names):
            narrow = relevant.only(group_of == code)
            if (narrow.sizes > 0).sum() < least:
                continue
            part = SliceColumn.of_group(dimension, group, "items")
            parts.append(part)
            for name, shown in slates.items():
                columns[name][part.key] = accuracy_metrics(shown, narrow, k)[metric]
    return parts, columns


def make_slices(
    measured: PairedMetrics,
    parts: Sequence[SliceColumn],
    subject: str,
    sizes: Mapping[str, int] | None = None,
) -> list[Slice]:
    """Make the slices from their columns, with the difference of the subject from each other recommender.

    `sizes`: key of a part → its people, where a value stands for several of them.
    """
    slices = []
    for part in parts:
        if sizes is None:
            people = int((~np.isnan(measured.values[subject][part.key])).sum())
        else:
            people = sizes[part.key]
        if people < MIN_PEOPLE:
            continue
        values = {name: measured.estimate(name, part.key) for name in measured.names}
        ahead = {
            name: measured.difference(subject, name, part.key) for name in measured.names if name != subject
        }
        slices.append(Slice(part.dimension, part.name, part.of, people, values, ahead))
    return slices

"""Comparison of recommenders by their slates for the same requests.

Every protocol ends here: the slates, wherever they come from, and the relevant items become metrics with intervals,
comparisons on the same people, slices, and warnings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from shortlist.evaluate.measures import (
    CatalogueStatistics,
    FloatArray,
    IntArray,
    RelevantItems,
    WholeSet,
    compute_metrics,
    mean_by_person,
)
from shortlist.evaluate.slices import (
    MIN_PEOPLE,
    Slice,
    SliceCodes,
    SliceColumn,
    make_slices,
    slice_columns,
)
from shortlist.evaluate.warnings import find_warnings
from shortlist.metrics.significance import Comparison, Estimate, PairedMetrics

Columns = dict[str, dict[str, FloatArray]]
"""`columns[recommender][metric]`."""
WHOLE_SET = ("coverage", "gini", "provider_gini", "popularity_lift")
"""Metrics of the whole set of slates: averaging by person must not change their mean."""
SHARES = ("coverage", "gini", "provider_gini")
"""Metrics whose values are between 0 and 1."""


@dataclass
class FoldSlates:
    """The slates of several recommenders for the requests of one fold.

    Attributes
    ----------
    name : str
        The name of the fold.
    slates : dict of str to ndarray of int, shape (R, ≥ k)
        Item codes by recommender; −1 where a slate is shorter.
    truth : RelevantItems
        The relevant items of each request.
    catalogue : CatalogueStatistics
        What is known about the items.
    people : ndarray of int, shape (R,)
        The person of each request.
    groups : SliceCodes, optional
        The groups of people and items for slices.
    extra : dict
        Further metrics: `extra[recommender][metric]`, float64 (R,).
    """

    name: str
    slates: dict[str, IntArray]
    truth: RelevantItems
    catalogue: CatalogueStatistics
    people: IntArray
    groups: SliceCodes | None = None
    extra: Columns = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"FoldSlates({self.name!r}, {len(self.people)} requests, {', '.join(self.slates)})"


@dataclass(frozen=True)
class ComparisonResult:
    """The result of `compare_slates`.

    Attributes
    ----------
    metrics : dict
        `metrics[recommender][metric]`, an `Estimate`.
    comparisons : list of Comparison
        The subject against each other recommender in the main metric.
    slices : list of Slice
        The main metric within groups.
    warnings : list of str
        Where the numbers may mislead.
    by_cut : dict of str to list of float
        The main metric of each recommender in each fold.
    people : int
        The number of people.
    weighed : list of Comparison
        The same comparisons in `utility_ndcg`; empty if it was not computed.
    """

    metrics: dict[str, dict[str, Estimate]]
    comparisons: list[Comparison]
    slices: list[Slice]
    warnings: list[str]
    by_cut: dict[str, list[float]]
    people: int
    weighed: list[Comparison] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"ComparisonResult({', '.join(self.metrics)}; {self.people} people, {len(self.slices)} slices)"

    @property
    def differences(self) -> dict[str, Estimate]:
        """The subject minus each other recommender in the main metric."""
        return {comparison.b: comparison.difference for comparison in self.comparisons}


def compare_slates(
    folds: Sequence[FoldSlates], subject: str, k: int, draws: int, seed: int = 0, main: str = "ndcg"
) -> ComparisonResult:
    """Compare recommenders over all folds together; a person with several requests counts once, with the mean.

    Parameters
    ----------
    folds : sequence of FoldSlates
        The slates of each fold, of the same recommenders.
    subject : str
        The recommender that the others are compared with.
    k : int
        The number of positions that count.
    draws : int
        The number of bootstrap resamples.
    seed : int
        The seed of the resamples.
    main : str
        The metric of the comparisons, without `@k`.
    """
    names = list(folds[0].slates)
    main_metric = f"{main}@{k}"
    sizes = [len(fold.people) for fold in folds]
    parts: dict[str, SliceColumn] = {}
    columns: dict[str, dict[str, list[FloatArray]]] = {name: {} for name in names}
    by_cut: dict[str, list[float]] = {name: [] for name in names}
    for number, fold in enumerate(folds):
        found, sliced = fold_columns(fold, k, main)
        parts |= {part.key: part for part in sliced}
        for name in names:
            by_cut[name].append(float(np.nanmean(found[name][main_metric])))
            for metric, column in found[name].items():
                empty = [np.full(size, np.nan) for size in sizes]
                columns[name].setdefault(metric, empty)[number] = column
    people = np.concatenate([fold.people for fold in folds])
    shared = [metric for metric in columns[names[0]] if all(metric in columns[name] for name in names)]
    values = {
        name: {metric: _by_person(np.concatenate(columns[name][metric]), people, metric) for metric in shared}
        for name in names
    }
    measured = PairedMetrics.from_values(values, draws, seed)
    judged = JudgedPeople(
        measured, [part for part in parts.values() if part.key in shared], by_cut, len(np.unique(people))
    )
    return compare_people(judged, subject, k, main)


@dataclass(frozen=True, repr=False)
class JudgedPeople:
    """The metrics of all recommenders, a value for each person or group of people.

    Attributes
    ----------
    measured : PairedMetrics
        The values, with the columns of slices.
    parts : list of SliceColumn
        Which columns are slices.
    by_cut : dict of str to list of float
        The main metric of each recommender in each fold.
    people : int
        The number of people.
    sizes : dict of str to int, optional
        Key of a slice → its people, where a value stands for several of them.
    """

    measured: PairedMetrics
    parts: list[SliceColumn]
    by_cut: dict[str, list[float]]
    people: int
    sizes: dict[str, int] | None = None

    def __repr__(self) -> str:
        return f"JudgedPeople({self.measured!r}, {self.people:,} people)"


def compare_people(judged: JudgedPeople, subject: str, k: int, main: str = "ndcg") -> ComparisonResult:
    """Compare recommenders by the metrics of people; the arguments are those of `compare_slates`."""
    measured, main_metric, names = judged.measured, f"{main}@{k}", judged.measured.names
    keys = {part.key for part in judged.parts}
    metrics = [metric for metric in measured.values[names[0]] if metric not in keys]
    slices = make_slices(measured, judged.parts, subject, judged.sizes)
    by_cut = judged.by_cut if len(judged.by_cut[subject]) > 1 else None
    warnings = find_warnings(measured, slices, metrics, main_metric, subject, by_cut)
    pairs, utility = [(subject, name) for name in names if name != subject], f"utility_ndcg@{k}"
    return ComparisonResult(
        {name: {m: _bounded(measured.estimate(name, m), m) for m in metrics} for name in names},
        measured.compare(pairs, main_metric),
        slices,
        warnings,
        judged.by_cut,
        judged.people,
        measured.compare(pairs, utility) if utility in metrics else [],
    )


def fold_columns(
    fold: FoldSlates,
    k: int,
    main: str,
    wholes: Mapping[str, WholeSet] | None = None,
    least: int = MIN_PEOPLE,
) -> tuple[Columns, list[SliceColumn]]:
    """Return the metrics of each recommender in one fold, overall and within slices.

    Parameters
    ----------
    fold : FoldSlates
        A fold, or a part of its requests.
    k : int
        The number of positions that count.
    main : str
        The metric of slices, without `@k`.
    wholes : mapping of str to WholeSet, optional
        Recommender → all slates of which the fold is a part.
    least : int
        The number of requests that a slice needs.
    """
    found = {
        name: compute_metrics(slates, fold.truth, fold.catalogue, k, wholes[name] if wholes else None)
        for name, slates in fold.slates.items()
    }
    for name, extra in fold.extra.items():
        found[name] |= extra
    if fold.groups is None:
        return found, []
    overall = {name: found[name][f"{main}@{k}"] for name in found}
    parts, sliced = slice_columns(fold.slates, fold.truth, fold.groups, main, k, overall, least)
    for name in found:
        found[name] |= sliced[name]
    return found, parts


def _by_person(values: FloatArray, people: IntArray, metric: str) -> FloatArray:
    means = mean_by_person(values, people)
    if metric.partition("@")[0] in WHOLE_SET and len(means) != len(values):
        means = means + np.nanmean(values) - np.nanmean(means)
    return means


def _bounded(estimate: Estimate, metric: str) -> Estimate:
    """Clip shares to [0, 1]: pseudo-values can exceed the bounds."""
    if metric.partition("@")[0] not in SHARES:
        return estimate
    return Estimate(*(min(max(value, 0.0), 1.0) for value in (estimate.value, estimate.low, estimate.high)))

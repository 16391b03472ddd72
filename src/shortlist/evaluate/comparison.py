"""Slates in, verdict out: what every way of evaluating ends in.

`judge` takes the slates that some recommenders made for the same requests, wherever they come from, and what came true. It
measures everything, compares on the same people, cuts into slices, and looks for what misleads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shortlist.evaluate.measures import (
    CatalogueStatistics,
    RelevantItems,
    compute_metrics,
    mean_by_person,
    metric_info,
)
from shortlist.evaluate.slices import Slice, SliceCodes, slice_columns, slices_of
from shortlist.evaluate.warnings import find_warnings
from shortlist.metrics.significance import Comparison, Estimate, PairedMetrics

WHOLE = ("coverage", "gini", "provider_gini", "popularity_lift")
"""Metrics of the whole set of slates: their mean over people is kept at what they are."""


@dataclass
class FoldSlates:
    """The slates of one fold: name → int (R, ≥ k), for `people` int (R,), whose each request is."""

    name: str
    slates: dict[str, np.ndarray]
    truth: RelevantItems
    catalogue: CatalogueStatistics
    people: np.ndarray
    cuts: SliceCodes | None = None
    extra: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    """Further metrics of each recommender, float (R,): a world's truth."""


@dataclass(frozen=True)
class ComparisonResult:
    """`metrics[recommender][metric]`; `comparisons`: own against each other in the main metric; `by_cut[recommender]`: the
    main metric of each fold.
    """

    metrics: dict[str, dict[str, Estimate]]
    comparisons: list[Comparison]
    slices: list[Slice]
    warnings: list[str]
    by_cut: dict[str, list[float]]
    people: int

    @property
    def differences(self) -> dict[str, Estimate]:
        return {c.b: c.difference for c in self.comparisons}


def compare_slates(
    rounds: list[FoldSlates], own: str, k: int, draws: int, seed: int = 0, main: str = "ndcg"
) -> ComparisonResult:
    """Judge all rounds together: a person who asks in several counts once, with the mean. own: the recommender that the
    others are compared with.
    """
    names = list(rounds[0].slates)
    chief = f"{main}@{k}"
    parts: dict[str, Any] = {}
    columns: dict[str, dict[str, list[np.ndarray]]] = {n: {} for n in names}
    by_cut: dict[str, list[float]] = {n: [] for n in names}
    sizes = [len(r.people) for r in rounds]
    for number, one in enumerate(rounds):
        found = {n: compute_metrics(s, one.truth, one.catalogue, k) for n, s in one.slates.items()}
        for name, more in one.extra.items():
            found[name] |= more
        for name in names:
            by_cut[name].append(float(np.nanmean(found[name][chief])))
        if one.cuts is not None:
            whole = {n: found[n][chief] for n in names}
            here, sliced = slice_columns(one.slates, one.truth, one.cuts, main, k, whole)
            parts |= {p.key: p for p in here}
            for name in names:
                found[name] |= sliced[name]
        for name in names:
            for metric, column in found[name].items():
                empty = [np.full(size, np.nan) for size in sizes]
                columns[name].setdefault(metric, empty)[number] = column
    people = np.concatenate([one.people for one in rounds])
    joined: dict[str, dict[str, np.ndarray]] = {
        n: {m: np.concatenate(c) for m, c in columns[n].items()} for n in names
    }
    shared = [m for m in joined[names[0]] if all(m in joined[n] for n in names)]
    gathered = {n: {m: _gathered(joined[n][m], people, m) for m in shared} for n in names}
    measured = PairedMetrics.from_values(gathered, draws, seed)
    metrics = [m for m in shared if m not in parts]
    slices = slices_of(measured, [p for p in parts.values() if p.key in shared], own)
    several = by_cut if len(rounds) > 1 else None
    return ComparisonResult(
        {n: {m: _bounded(measured.estimate(n, m), m) for m in metrics} for n in names},
        measured.compare([(own, n) for n in names if n != own], chief),
        slices,
        find_warnings(measured, slices, metrics, chief, own, several),
        by_cut,
        len(np.unique(people)),
    )


def _gathered(values: np.ndarray, people: np.ndarray, metric: str) -> np.ndarray:
    gathered = mean_by_person(values, people)
    if metric.partition("@")[0] in WHOLE and len(gathered) != len(values):
        gathered = gathered + np.nanmean(values) - np.nanmean(gathered)
    return gathered


def _bounded(e: Estimate, metric: str) -> Estimate:
    """Shares stay shares: an interval from pseudo-values may reach beyond what is possible."""
    if metric.partition("@")[0] in {"coverage", "gini", "provider_gini"} and metric_info(metric):
        return Estimate(
            *(min(max(v, 0.0), 1.0) for v in (e.value, e.low, e.high))
        )  # a mean may round past its bound
    return e

"""All metrics of a set of slates, as one column of values per metric.

A metric has one value per request, so that intervals, differences, slices and test periods treat all metrics alike.
Metrics of the whole set of slates (coverage, Gini, popularity lift) come as pseudo-values (`metrics/exposure.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.metrics import beyond_accuracy, exposure, genre_calibration, ranking
from shortlist.metrics.exposure import Exposure, Lift
from shortlist.metrics.gains import gains

IntArray = NDArray[np.integer]
FloatArray = NDArray[np.float64]
NEW_DAYS = 30.0
"""An item counts as new for this many days."""


@dataclass(frozen=True)
class RelevantItems:
    """The relevant items of P requests, as ragged arrays.

    Attributes
    ----------
    indptr : ndarray of int64, shape (P + 1,)
        The items of request p are `item[indptr[p]:indptr[p + 1]]`.
    item : ndarray of int64, shape (entries,)
        Item codes. Codes beyond the catalogue are items that no recommender can know.
    gain : ndarray of float64, shape (entries,), optional
        The gain of each item; all 1 if missing.
    """

    indptr: NDArray[np.int64]
    item: IntArray
    gain: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __repr__(self) -> str:
        return f"RelevantItems({len(self)} requests, {len(self.item)} items)"

    @property
    def sizes(self) -> IntArray:
        """The number of relevant items of each request, int (P,)."""
        return np.diff(self.indptr)

    @property
    def owner(self) -> IntArray:
        """The request of each entry, int (entries,)."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def only(self, chosen: NDArray[np.bool_]) -> RelevantItems:
        """Return the entries chosen by a mask, bool (entries,)."""
        indptr = np.concatenate([[0], np.cumsum(chosen, dtype=np.int64)])[self.indptr]
        return RelevantItems(indptr, self.item[chosen], None if self.gain is None else self.gain[chosen])


@dataclass(frozen=True)
class CatalogueStatistics:
    """Known facts of the items and of the histories of the requests; metrics that lack their input are left out.

    Attributes
    ----------
    n : int
        The number of items.
    popularity : ndarray of float64, shape (n,), optional
        The share of people who took each item.
    indptr, taken : ndarray of int64, optional
        The histories of the requests, as ragged arrays.
    vectors : array or sparse matrix, shape (n, d), optional
        Vectors whose cosine is the similarity of items.
    genres : sparse matrix, shape (n, g), optional
        The genres of each item.
    provider : ndarray of int64, shape (n,), optional
        The provider of each item.
    providers : int
        The number of providers.
    age : ndarray of float64, shape (n,), optional
        Days since each item appeared; NaN if unknown.
    """

    n: int
    popularity: FloatArray | None = None
    indptr: IntArray | None = None
    taken: IntArray | None = None
    vectors: Any = None
    genres: sp.csr_matrix | None = None
    provider: IntArray | None = None
    providers: int = 0
    age: FloatArray | None = None

    def __repr__(self) -> str:
        known = [
            name
            for name in ("popularity", "taken", "vectors", "genres", "provider", "age")
            if getattr(self, name) is not None
        ]
        return f"CatalogueStatistics({self.n} items; {', '.join(known) or 'nothing else'})"


@dataclass(frozen=True, repr=False)
class WholeSet:
    """Facts about a whole set of slates that some metrics need, where requests are judged in parts.

    Attributes
    ----------
    shown : Exposure
        How often each item was shown.
    provider : Exposure, optional
        The exposure of each provider.
    lift : Lift, optional
        The sums of the popularity lift.
    """

    shown: Exposure
    provider: Exposure | None = None
    lift: Lift | None = None

    @classmethod
    def of(cls, slates: IntArray, catalogue: CatalogueStatistics, k: int) -> WholeSet:
        """Count a set of slates, or a part of it: the numbers of parts add up."""
        c, inside = catalogue, _inside(slates[:, :k], catalogue)
        provider = lift = None
        if c.provider is not None:
            provider = Exposure.of(inside, c.provider, c.providers, k, by_place=True)
        if c.popularity is not None and c.indptr is not None and c.taken is not None:
            lift = exposure.popularity_lift(inside, c.indptr, c.taken, c.popularity, k)
        return cls(Exposure.of(inside, np.arange(c.n), c.n, k), provider, lift)

    def __repr__(self) -> str:
        return f"WholeSet({self.shown!r})"


def _inside(top: IntArray, catalogue: CatalogueStatistics) -> IntArray:
    """Items outside the catalogue are left out of metrics about the catalogue."""
    return np.where(top < catalogue.n, top, -1)


def compute_metrics(
    slates: IntArray,
    relevant: RelevantItems,
    catalogue: CatalogueStatistics,
    k: int,
    whole: WholeSet | None = None,
) -> dict[str, FloatArray]:
    """Compute every metric that the catalogue statistics allow.

    Parameters
    ----------
    slates : ndarray of int, shape (P, ≥ k)
        Item codes, −1 where a slate is shorter.
    relevant : RelevantItems
        The relevant items of the same P requests.
    catalogue : CatalogueStatistics
        What is known about the items.
    k : int
        The number of positions that count.
    whole : WholeSet, optional
        What the slates are a part of, for metrics of a whole set; default: they are all.

    Returns
    -------
    dict of str to ndarray of float64, shape (P,)
        The values by `name@k`; NaN where a request has no value.
    """
    top, c = slates[:, :k], catalogue
    inside = _inside(top, c)
    found = accuracy_metrics(top, relevant, k)
    found |= _history_metrics(inside, c, k, whole.lift if whole else None)
    if c.popularity is not None:
        found["novelty"] = beyond_accuracy.novelty(inside, c.popularity, k)
    if c.vectors is not None:
        found["diversity"] = beyond_accuracy.intra_list_diversity(inside, c.vectors, k)
    if c.age is not None:
        new = np.where(np.isnan(c.age), np.nan, (c.age <= NEW_DAYS).astype(np.float64))
        found["freshness"] = beyond_accuracy.slate_mean(inside, new, k)
    shown = whole.shown if whole else None
    found["coverage"] = exposure.coverage_pseudo_values(inside, c.n, k, shown)
    found["gini"] = exposure.gini_pseudo_values(inside, np.arange(c.n), c.n, k, whole=shown)
    if c.provider is not None:
        found["provider_gini"] = exposure.gini_pseudo_values(
            inside, c.provider, c.providers, k, by_place=True, whole=whole.provider if whole else None
        )
    ordered = {name: found[name] for name in ORDER if name in found}
    return {f"{name}@{k}": values for name, values in ordered.items() if not np.isnan(values).all()}


ORDER = (
    "ndcg", "recall", "precision", "map", "mrr", "hit_rate", "graded_ndcg", "novelty", "diversity", "surprise",
    "miscalibration", "popularity_lift", "freshness", "coverage", "gini", "provider_gini",
)  # fmt: skip
"""The order of the metrics in reports."""


def _history_metrics(
    slates: IntArray, c: CatalogueStatistics, k: int, lift: Lift | None
) -> dict[str, FloatArray]:
    """Metrics that compare slates with histories."""
    found: dict[str, FloatArray] = {}
    if c.indptr is None or c.taken is None:
        return found
    if c.vectors is not None:
        found["surprise"] = beyond_accuracy.surprise(slates, c.indptr, c.taken, c.vectors, k)
    if c.genres is not None:
        found["miscalibration"] = genre_calibration.miscalibration(slates, c.indptr, c.taken, c.genres, k)
    if c.popularity is not None:
        found["popularity_lift"] = exposure.popularity_lift_pseudo_values(
            slates, c.indptr, c.taken, c.popularity, k, lift
        )
    return found


def accuracy_metrics(slates: IntArray, relevant: RelevantItems, k: int) -> dict[str, FloatArray]:
    """Compute the metrics that need only the relevant items: name → float64 (P,)."""
    gain = gains(slates[:, :k], relevant.indptr, relevant.item, relevant.gain)
    hits, sizes = gain > 0, relevant.sizes
    found = {
        "ndcg": ranking.ndcg(hits, sizes, k),
        "recall": ranking.recall(hits, sizes, k),
        "precision": ranking.precision(hits, sizes, k),
        "map": ranking.average_precision(hits, sizes, k),
        "mrr": ranking.mrr(hits, sizes, k),
        "hit_rate": ranking.hit_rate(hits, sizes, k),
    }
    if relevant.gain is not None:
        found["graded_ndcg"] = ranking.graded_ndcg(gain, relevant.indptr, relevant.gain, k)
    return found


def mean_by_person(values: FloatArray, people: IntArray) -> FloatArray:
    """Average the requests of each person.

    Parameters
    ----------
    values : ndarray of float64, shape (P,)
        The value of each request; NaN is left out.
    people : ndarray of int, shape (P,)
        The person of each request.

    Returns
    -------
    ndarray of float64
        One value per person, in the order of their numbers; `values` itself if no person has two requests.
    """
    unique, owner = np.unique(people, return_inverse=True)
    if len(unique) == len(people):
        return values
    known = ~np.isnan(values)
    total = np.bincount(owner[known], values[known], len(unique))
    count = np.bincount(owner[known], minlength=len(unique))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)

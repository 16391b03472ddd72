"""All that is measured of a set of slates: what each number question, and what it blind_spot.

`measure` gives every metric a column of values, one a person, so that intervals, differences, slices and cuts in time
treat all of them alike. Metrics of the whole set of slates (coverage, Gini, popularity lift) come as pseudo-values
(`metrics/exposure.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from shortlist.metrics import beyond_accuracy, exposure, genre_calibration, ranking
from shortlist.metrics.gains import gains

NEW_DAYS = 30.0


@dataclass(frozen=True)
class MetricInfo:
    """A metric as people read it. `better`: which way is good; "neither" where more is not better by itself."""

    name: str
    better: Literal["up", "down", "neither"]
    question: str
    blind_spot: str


MEASURES = {
    m.name: m
    for m in (
        MetricInfo("ndcg", "up", "Are relevant items near the top?", "whether what was not taken was ever seen"),
        MetricInfo("graded_ndcg", "up", "Are the best items near the top?", "what one grade is worth against another"),
        MetricInfo("recall", "up", "Which share of what was relevant is on the slate?", "where on the slate it is"),
        MetricInfo("debiased_recall", "up", "Recall in which rare items count more (Steck 2011).", "if rare ones are wanted"),
        MetricInfo("precision", "up", "Which share of the slate was relevant?", "that few relevant items cap it"),
        MetricInfo("hit_rate", "up", "Is anything relevant on the slate at all?", "how many hits there are, and where"),
        MetricInfo("map", "up", "Precision at each hit, averaged.", "that one item more or less changes it by leaps"),
        MetricInfo("mrr", "up", "How early is the first hit?", "every hit after the first"),
        MetricInfo("novelty", "neither", "How little known are the items, in bits?", "whether anybody wants them"),
        MetricInfo("surprise", "neither", "How far are they from the person's past?", "whether that is welcome"),
        MetricInfo("diversity", "neither", "How unlike each other are a slate's items?", "whether variety is wanted"),
        MetricInfo("miscalibration", "down", "How far are genre shares from the person's?", "quality within a genre"),
        MetricInfo("coverage", "up", "Which share of the catalogue is shown to anyone?", "that once counts like often"),
        MetricInfo("gini", "down", "How unequally are showings spread over items?", "whether the favoured deserve it"),
        MetricInfo("provider_gini", "down", "How unequally are they spread over providers?", "how many each offers"),
        MetricInfo("popularity_lift", "neither", "How much more popular than their past?", "tastes off the mean"),
        MetricInfo("freshness", "neither", "Which share of places goes to new items?", "whether new is any good"),
        MetricInfo("true", "up", "What a shown item truly brings, which only a world knows.", "nothing"),
    )
}  # fmt: skip


def metric_info(metric: str) -> MetricInfo:
    """What stands behind a name such as `ndcg@10` or `true_seconds@10`."""
    plain = metric.partition("@")[0]
    return MEASURES["true" if plain.startswith("true_") else plain]


@dataclass(frozen=True)
class RelevantItems:
    """What was relevant to each of P requests, ragged: request p wanted `item[indptr[p]:indptr[p + 1]]`, each worth
    `worth` (all 1 without). Codes beyond the catalogue stand for items that nobody could recommend.
    """

    indptr: np.ndarray
    item: np.ndarray
    worth: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def sizes(self) -> np.ndarray:
        return np.diff(self.indptr)

    @property
    def owner(self) -> np.ndarray:
        return np.repeat(np.arange(len(self)), self.sizes)

    def only(self, wanted: np.ndarray) -> RelevantItems:
        """The relevant items chosen by a mask, bool (entries,)."""
        indptr = np.concatenate([[0], np.cumsum(wanted)])[self.indptr]
        return RelevantItems(indptr, self.item[wanted], None if self.worth is None else self.worth[wanted])


@dataclass(frozen=True)
class CatalogueStatistics:
    """What is known of items and of the past of those who are asked for; whatever is missing is not measured.

    `n` items. `popularity` float64 (n,): the share of people who took each. `indptr`, `taken`: the histories of the
    requests, ragged. `vectors` (n, d): what items are like. `genres` sparse (n, g). `provider` int (n,) of `providers`.
    `age` float64 (n,): days since each came, NaN unknown.
    """

    n: int
    popularity: np.ndarray | None = None
    indptr: np.ndarray | None = None
    taken: np.ndarray | None = None
    vectors: Any = None
    genres: sp.csr_matrix | None = None
    provider: np.ndarray | None = None
    providers: int = 0
    age: np.ndarray | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def compute_metrics(
    slates: np.ndarray, truth: RelevantItems, catalogue: CatalogueStatistics, k: int
) -> dict[str, np.ndarray]:
    """Every metric of slates int (P, ≥ k) that can be measured here: name@k → float64 (P,)."""
    top = slates[:, :k]
    found = accuracy_metrics(top, truth, k)
    c = catalogue
    # an item that the catalogue does not know has no place in numbers about the catalogue
    inside = np.where(top < c.n, top, -1)
    if c.popularity is not None:
        found["novelty"] = beyond_accuracy.novelty(inside, c.popularity, k)
    if c.vectors is not None:
        found["diversity"] = beyond_accuracy.intra_list_diversity(inside, c.vectors, k)
        if c.indptr is not None and c.taken is not None:
            found["surprise"] = beyond_accuracy.surprise(inside, c.indptr, c.taken, c.vectors, k)
    if c.genres is not None and c.indptr is not None and c.taken is not None:
        found["miscalibration"] = genre_calibration.miscalibration(inside, c.indptr, c.taken, c.genres, k)
    if c.popularity is not None and c.indptr is not None and c.taken is not None:
        found["popularity_lift"] = exposure.popularity_lift_pseudo_values(
            inside, c.indptr, c.taken, c.popularity, k
        )
    if c.age is not None:
        new = np.where(np.isnan(c.age), np.nan, (c.age <= NEW_DAYS).astype(np.float64))
        found["freshness"] = beyond_accuracy.slate_mean(inside, new, k)
    found["coverage"] = exposure.coverage_pseudo_values(inside, c.n, k)
    found["gini"] = exposure.gini_pseudo_values(inside, np.arange(c.n), c.n, k)
    if c.provider is not None:
        found["provider_gini"] = exposure.gini_pseudo_values(
            inside, c.provider, c.providers, k, by_place=True
        )
    return {f"{name}@{k}": v for name, v in found.items() if not np.isnan(v).all()}


def accuracy_metrics(slates: np.ndarray, truth: RelevantItems, k: int) -> dict[str, np.ndarray]:
    """The metrics that need only what came true: name → float64 (P,)."""
    worth = gains(slates[:, :k], truth.indptr, truth.item, truth.worth)
    hits, relevant = worth > 0, truth.sizes
    found = {
        "ndcg": ranking.ndcg(hits, relevant, k),
        "recall": ranking.recall(hits, relevant, k),
        "precision": ranking.precision(hits, relevant, k),
        "map": ranking.average_precision(hits, relevant, k),
        "mrr": ranking.mrr(hits, relevant, k),
        "hit_rate": ranking.hit_rate(hits, relevant, k),
    }
    if truth.worth is not None:
        found["graded_ndcg"] = ranking.graded_ndcg(worth, truth.indptr, truth.worth, k)
    return found


def mean_by_person(values: np.ndarray, people: np.ndarray) -> np.ndarray:
    """The mean of each person's requests, where a person asks more than once; the mean of all stays what it was for
    numbers that have no value a person.
    """
    unique, owner = np.unique(people, return_inverse=True)
    if len(unique) == len(people):
        return values
    known = ~np.isnan(values)
    total = np.bincount(owner[known], values[known], len(unique))
    count = np.bincount(owner[known], minlength=len(unique))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)

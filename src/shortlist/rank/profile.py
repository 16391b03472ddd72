"""The distribution of features in training: coverage, drift since then, and features that contain the label."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.metrics import prediction

if TYPE_CHECKING:
    from shortlist.rank.training_set import TrainingSet

BINS = 10
"""Bins of a feature for drift; a category has up to this many common values."""
LEAK_BINS = 32
"""Bins of a feature for its AUC."""
MAX_EXAMPLES = 100_000
"""At most this many examples are read."""
MIN_LABELS = 20
"""Positives and negatives that an AUC needs."""
COMPARED_LABELS = 100
"""Positives and negatives on both sides where two AUCs are compared: from 100 on, the standard error of an AUC is about 0.03."""
LEAK_AUC = 0.97
"""A feature with this AUC is suspected of containing the label."""
HIGH_AUC, AUC_MARGIN = 0.9, 0.1
"""The best feature is suspected from `HIGH_AUC` on, where it exceeds the next best by `AUC_MARGIN`."""


@dataclass(frozen=True, repr=False)
class Profile:
    """Distributions of the features in training.

    - **Coverage**: the share of examples for which a feature is known.
    - **Drift**: the population stability index between training and other rows, Σ (now − then) · ln(now / then) over
      bins that held equal shares in training; unknown values have a bin of their own. Below 0.1 the feature is stable;
      above 0.25 the ranker reads values that it was not trained on. A stable feature drifts too if candidates are
      sampled in another way.
    - **Leaks**: the AUC with which a feature alone, cut into bins, predicts an objective; fitted on one half of the
      examples and measured on the other. Honest features are rarely above 0.9. A single feature above 0.97 usually
      contains the label: a status that is written after the purchase, a counter that includes today.

    Parameters
    ----------
    rows : int
        Number of training examples.
    features
        Feature → facts: `known` (share of examples), `edges` (limits of the bins), `shares` (of each bin; the last one of
        unknown values), `mean`, `quantiles` (0, 5, 25, 50, 75, 95 and 100 %), `kind` (number or category).
    auc
        Objective → feature → AUC of the feature alone; 0.5 predicts nothing.
    labels
        Objective → how many examples have its rarer label, of those that the AUC was computed from. Empty in older bundles.

    References
    ----------
    Siddiqi (2006). Credit Risk Scorecards. Wiley. (The thresholds of the population stability index.)
    """

    rows: int
    features: dict[str, dict[str, Any]]
    auc: dict[str, dict[str, float]]
    labels: dict[str, int] = field(default_factory=dict)

    def drift(self, matrix: NDArray[np.float32], names: Sequence[str]) -> dict[str, float]:
        """Return the population stability index of each feature between training and other rows.

        Parameters
        ----------
        matrix : ndarray of shape (rows, features), float32
            Features of the other rows.
        names
            The feature of each column; features that were not there in training are left out.
        """
        found = {}
        for name, column in zip(names, matrix.T, strict=True):
            if name in self.features and len(column):
                facts = self.features[name]
                now = _shares(column, np.array(facts["edges"]))
                found[name] = stability(np.array(facts["shares"]), now)
        return found

    def suspects(self) -> list[tuple[str, str, float]]:
        """Return (feature, objective, AUC) where a feature alone predicts an objective too well."""
        found = []
        for objective, aucs in self.auc.items():
            ordered = sorted(aucs.items(), key=lambda pair: -pair[1])
            for place, (name, auc) in enumerate(ordered):
                next_best = ordered[place + 1][1] if place + 1 < len(ordered) else 0.5
                stands_out = place == 0 and auc >= HIGH_AUC and auc - next_best >= AUC_MARGIN
                if auc >= LEAK_AUC or stands_out:
                    found.append((name, objective, auc))
        return found

    def save(self, path: Path) -> None:
        """Write the profile as JSON."""
        facts = {"rows": self.rows, "features": self.features, "knows": self.auc, "labels": self.labels}
        path.write_text(json.dumps(facts), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        facts = json.loads(path.read_text(encoding="utf-8"))
        return cls(facts["rows"], facts["features"], facts["knows"], facts.get("labels", {}))

    def __repr__(self) -> str:
        return f"Profile({self.rows:,} examples, {len(self.features)} features, objectives: {', '.join(self.auc)})"


def profile_of(examples: TrainingSet) -> Profile:
    """Return the profile of training examples; of a sample where there are more than `MAX_EXAMPLES`."""
    rows = _sampled_rows(examples, np.random.default_rng(0))
    matrix, weight = examples.matrix[rows], examples.weights[rows].astype(np.float64)
    features = {
        name: _facts(column, weight, kind)
        for name, column, kind in zip(examples.names, matrix.T, examples.types, strict=True)
    }
    auc, labels = single_feature_auc(examples)
    return Profile(len(examples), features, auc, labels)


def single_feature_auc(examples: TrainingSet) -> tuple[dict[str, dict[str, float]], dict[str, int]]:
    """Return how well each feature alone predicts each objective.

    An amount is positive above 0, a grade above the median.

    Returns
    -------
    auc : dict
        Objective → feature → AUC.
    labels : dict of str to int
        Objective → number of examples with its rarer label.
    """
    rng = np.random.default_rng(1)
    rows = _sampled_rows(examples, rng)
    matrix, weight = examples.matrix[rows], examples.weights[rows].astype(np.float64)
    half = rng.random(len(rows)) < 0.5
    targets = {name: _Target.of(labels[rows], weight, half) for name, labels in examples.labels.items()}
    found: dict[str, dict[str, float]] = {objective: {} for objective in targets}
    for at, name in enumerate(examples.names):
        column = np.ascontiguousarray(matrix[:, at])
        bins = _LeakBins.of(column)
        for objective, target in targets.items():
            own = bins if target.known.all() else _LeakBins.of(column[target.known])
            found[objective][name] = _auc(own, target)
    return found, {objective: target.rarer for objective, target in targets.items()}


@dataclass(frozen=True, repr=False)
class _Target:
    """Labels of one objective, as its AUC needs them.

    Attributes
    ----------
    known
        Which rows have a label, bool (rows,); the others have a value each for these rows.
    positive, weight, hits, side
        Whether a row is positive, its weight, its weight if it is positive, and its half: 0 or 1.
    """

    known: NDArray[np.bool_]
    positive: NDArray[np.bool_]
    weight: NDArray[np.float64]
    hits: NDArray[np.float64]
    side: NDArray[np.int64]

    @classmethod
    def of(cls, label: NDArray[np.floating], weight: NDArray[np.float64], half: NDArray[np.bool_]) -> Self:
        known = ~np.isnan(label)
        cut = np.median(label[known]) if not known.all() and known.any() else 0.0
        positive, own = label[known] > cut, weight[known]
        return cls(known, positive, own, own * positive, (~half[known]).astype(np.int64))

    @property
    def rarer(self) -> int:
        """How many rows have the rarer label."""
        positives = int(self.positive.sum())
        return min(positives, len(self.positive) - positives)


@dataclass(frozen=True, repr=False)
class _LeakBins:
    """The bin of each row by one feature.

    Attributes
    ----------
    place
        int64 (rows,); the last bin holds unknown values.
    size
        Number of bins; 0 where no value is known.
    """

    place: NDArray[np.int64]
    size: int

    @classmethod
    def of(cls, column: NDArray[np.float32]) -> Self:
        unknown = np.isnan(column)
        values = column[~unknown]
        if not len(values):
            return cls(np.zeros(len(column), np.int64), 0)
        edges = np.unique(np.quantile(values, np.arange(1, LEAK_BINS) / LEAK_BINS))
        # a rare value may contain the label: the values at each edge have a bin of their own
        place = np.searchsorted(edges, column, side="left") + np.searchsorted(edges, column, side="right")
        return cls(np.where(unknown, 2 * len(edges) + 1, place), 2 * len(edges) + 2)


def stability(then: NDArray[np.float64], now: NDArray[np.float64]) -> float:
    """Return the population stability index of two lists of shares; an empty bin counts as 0.0001."""
    then, now = np.maximum(then, 1e-4), np.maximum(now, 1e-4)
    then, now = then / then.sum(), now / now.sum()
    return float(((now - then) * np.log(now / then)).sum())


def _sampled_rows(examples: TrainingSet, rng: np.random.Generator) -> NDArray[np.int64]:
    n = len(examples)
    return np.arange(n) if n <= MAX_EXAMPLES else np.sort(rng.choice(n, MAX_EXAMPLES, replace=False))


def _facts(column: NDArray[np.float32], weight: NDArray[np.float64], kind: str) -> dict[str, Any]:
    """Return the facts of one feature; see `Profile`."""
    edges = _edges(column, kind)
    known = ~np.isnan(column)
    values = column[known]
    quantiles = np.quantile(values, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]).tolist() if len(values) else []
    return {
        "known": float(weight[known].sum() / weight.sum()),
        "edges": edges.tolist(),
        "shares": _shares(column, edges, weight).tolist(),
        "mean": float(np.average(values, weights=weight[known])) if len(values) else None,
        "quantiles": quantiles,
        "kind": "category" if kind == "c" else "number",
    }


def _edges(column: NDArray[np.float32], kind: str) -> NDArray[np.float64]:
    """Return the limits of the bins: between deciles, or around each common category."""
    values = column[~np.isnan(column)]
    if not len(values):
        return np.empty(0)
    if kind == "c":
        codes, counts = np.unique(values, return_counts=True)
        common = np.sort(codes[np.argsort(-counts, kind="stable")[:BINS]])
        return np.unique(np.concatenate([common - 0.5, common + 0.5]))
    return np.unique(np.quantile(values, np.arange(1, BINS) / BINS))


def _shares(
    column: NDArray[np.float32], edges: NDArray[np.float64], weight: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the share of each bin, then that of unknown values."""
    place = np.where(np.isnan(column), len(edges) + 1, np.searchsorted(edges, column, side="left"))
    counts = np.bincount(place, weight, len(edges) + 2)
    return np.asarray(counts / counts.sum())


def _auc(bins: _LeakBins, target: _Target) -> float:
    """Return the AUC of the positive rate of each bin, fitted on one half and measured on the other, averaged over both ways."""
    if not bins.size or target.rarer < MIN_LABELS:
        return 0.5
    size, place = bins.size, bins.place + bins.size * target.side
    total = np.bincount(place, target.weight, 2 * size).reshape(2, size)
    hits = np.bincount(place, target.hits, 2 * size).reshape(2, size)
    # the rows of a bin have one score, so the AUC of the rows is that of a few weighted bins
    label = np.repeat([True, False], size)
    aucs = []
    for fit, test in ((0, 1), (1, 0)):
        mean = hits[fit].sum() / max(total[fit].sum(), 1e-12)
        rate = (hits[fit] + 5 * mean) / (total[fit] + 5)
        counts = np.concatenate([hits[test], total[test] - hits[test]])
        if 0 < hits[test].sum() < total[test].sum():
            aucs.append(prediction.auc(np.tile(rate, 2), label, counts))
    return float(np.mean(aucs)) if aucs else 0.5

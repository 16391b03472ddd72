"""What the features looked like in training: coverage, distribution, drift since, and which one knows too much.

- **coverage**: the share of examples for which the feature is known.
- **drift**: the population stability index between training and now, Σ (now − then) · ln(now / then) over bins that held
  equal shares in training, the unknown a bin of its own. Below 0.1 nothing moved; above 0.25 the ranker meets another
  world (the scale of credit scoring: Siddiqi 2006). A stable feature drifts, too, where candidates are drawn otherwise.
- **leaks**: how well each feature alone, cut into bins, tells who fulfils an objective, learnt on one half of the examples
  and measured on the other (AUC). Honest features are rarely above 0.9; one that stands alone above 0.97 usually holds
  the answer: a status written after the purchase, a counter that includes today.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shortlist.rank.training_set import TrainingSet

BINS = 10
LEAK_BINS = 32
MOST = 100_000
"""Examples that are looked at."""
SUSPECT = 0.97
APART = 0.1
"""A feature above 0.9 is suspected too where it is this far above every other."""


@dataclass
class Profile:
    """`features[name]`: known (share), edges (bin limits), shares (of each bin, the last of the unknown), mean, quantiles;
    `knows[objective][name]`: AUC of the feature alone.
    """

    rows: int
    features: dict[str, dict[str, Any]]
    knows: dict[str, dict[str, float]]

    def drift(self, matrix: np.ndarray, names: list[str]) -> dict[str, float]:
        """The stability index of each feature, between training and these rows."""
        answer = {}
        for name, column in zip(names, matrix.T, strict=True):
            if name in self.features and len(column):
                facts = self.features[name]
                answer[name] = stability(np.array(facts["shares"]), _shares(column, np.array(facts["edges"])))
        return answer

    def suspects(self) -> list[tuple[str, str, float]]:
        """(feature, objective, AUC) where a feature alone knows an objective too well."""
        found = []
        for objective, aucs in self.knows.items():
            ordered = sorted(aucs.items(), key=lambda pair: -pair[1])
            for place, (name, auc) in enumerate(ordered):
                next_best = ordered[place + 1][1] if place + 1 < len(ordered) else 0.5
                if auc >= SUSPECT or (place == 0 and auc >= 0.9 and auc - next_best >= APART):
                    found.append((name, objective, auc))
        return found

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(self.__dict__), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Profile:
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def profile_of(examples: TrainingSet) -> Profile:
    """Look at training examples (a sample of them, where there are very many)."""
    rng = np.random.default_rng(0)
    n = len(examples.weights)
    rows = np.arange(n) if n <= MOST else np.sort(rng.choice(n, MOST, replace=False))
    matrix, weight = examples.matrix[rows], examples.weights[rows].astype(np.float64)
    features = {}
    for name, column, kind in zip(examples.names, matrix.T, examples.types, strict=True):
        edges = _edges(column, kind)
        known = ~np.isnan(column)
        values = column[known]
        features[name] = {
            "known": float(weight[known].sum() / weight.sum()),
            "edges": edges.tolist(),
            "shares": _shares(column, edges, weight).tolist(),
            "mean": float(np.average(values, weights=weight[known])) if len(values) else None,
            "quantiles": np.quantile(values, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]).tolist()
            if len(values)
            else [],
            "kind": "category" if kind == "c" else "number",
        }
    return Profile(n, features, knowledge(examples))


def knowledge(examples: TrainingSet) -> dict[str, dict[str, float]]:
    """How well each feature alone tells who fulfils each objective: objective → feature → AUC (0.5 nothing, 1 all)."""
    rng = np.random.default_rng(1)
    n = len(examples.weights)
    rows = np.arange(n) if n <= MOST else np.sort(rng.choice(n, MOST, replace=False))
    matrix, weight = examples.matrix[rows], examples.weights[rows].astype(np.float64)
    half = rng.random(len(rows)) < 0.5
    knows = {}
    for objective, label in examples.labels.items():
        label = label[rows]
        graded = ~np.isnan(label)
        cut = np.median(label[graded]) if np.isnan(label).any() and graded.any() else 0.0
        yes = label > cut
        knows[objective] = {
            name: _alone(column[graded], yes[graded], weight[graded], half[graded])
            for name, column in zip(examples.names, matrix.T, strict=True)
        }
    return knows


def stability(then: np.ndarray, now: np.ndarray) -> float:
    """The population stability index of two lists of shares; empty bins count as one in ten thousand."""
    then, now = np.maximum(then, 1e-4), np.maximum(now, 1e-4)
    then, now = then / then.sum(), now / now.sum()
    return float(((now - then) * np.log(now / then)).sum())


def _edges(column: np.ndarray, kind: str) -> np.ndarray:
    values = column[~np.isnan(column)]
    if not len(values):
        return np.empty(0)
    if kind == "c":
        codes, counts = np.unique(values, return_counts=True)
        common = np.sort(codes[np.argsort(-counts, kind="stable")[:BINS]])
        return np.unique(np.concatenate([common - 0.5, common + 0.5]))
    inner = np.unique(np.quantile(values, np.arange(1, BINS) / BINS))
    return np.asarray(inner)


def _shares(column: np.ndarray, edges: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """The share of each bin, then of the unknown."""
    place = np.where(np.isnan(column), len(edges) + 1, np.searchsorted(edges, column, side="left"))
    counts = np.bincount(place, weight, len(edges) + 2)
    return np.asarray(counts / counts.sum())


def _alone(column: np.ndarray, yes: np.ndarray, weight: np.ndarray, half: np.ndarray) -> float:
    """AUC of the rate of each bin, learnt on one half and measured on the other, and the mean of both ways."""
    from sklearn.metrics import roc_auc_score  # a second to come in, and a server needs it not

    values = column[~np.isnan(column)]
    if not len(values) or yes.sum() < 20 or (~yes).sum() < 20:
        return 0.5
    edges = np.unique(np.quantile(values, np.arange(1, LEAK_BINS) / LEAK_BINS))
    # a rare value may hold the answer: both ends of each edge get a bin of their own
    place = np.where(
        np.isnan(column),
        2 * len(edges) + 1,
        np.searchsorted(edges, column, side="left") + np.searchsorted(edges, column, side="right"),
    )
    size = 2 * len(edges) + 2
    total = np.stack([np.bincount(place[side], weight[side], size) for side in (half, ~half)])
    hits = np.stack([np.bincount(place[side], (weight * yes)[side], size) for side in (half, ~half)])
    # rows of a bin are alike, so the AUC of rows is that of bins with their weights, which are few
    told = np.repeat([True, False], size)
    aucs = []
    for fit, test in ((0, 1), (1, 0)):
        mean = hits[fit].sum() / max(total[fit].sum(), 1e-12)
        rate = (hits[fit] + 5 * mean) / (total[fit] + 5)
        counts = np.concatenate([hits[test], total[test] - hits[test]])
        if 0 < hits[test].sum() < total[test].sum():
            aucs.append(roc_auc_score(told, np.tile(rate, 2), sample_weight=counts))
    return float(np.mean(aucs)) if aucs else 0.5

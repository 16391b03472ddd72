"""What a team would measure from its log: every metric of `evaluate`, and two that try to be wiser about popularity and value."""

from __future__ import annotations

import numpy as np

from shortlist.data.dataset import Dataset
from shortlist.evaluate.audit.agree import Score
from shortlist.evaluate.catalogue import catalogue_statistics
from shortlist.evaluate.folds import Fold
from shortlist.evaluate.measures import RelevantItems, compute_metrics
from shortlist.evaluate.metric_info import metric_info
from shortlist.metrics.gains import gains
from shortlist.metrics.significance import PairedMetrics
from shortlist.recommender import Recommender


def offline_scores(
    recommender: Recommender,
    fold: Fold,
    dataset: Dataset,
    slates: dict[str, np.ndarray],
    valued: str,
    k: int,
    draws: int,
    seed: int,
) -> list[Score]:
    """slates: policy → int (R, k) for the fold's requests; valued: the kind of event whose value says what a choice was worth."""
    catalogue = catalogue_statistics(recommender, fold)
    graded = _graded(fold, dataset, valued)
    rare = _rare(fold.truth, catalogue.popularity)
    columns: dict[str, dict[str, np.ndarray]] = {}
    for name, made in slates.items():
        found = compute_metrics(made, graded, catalogue, k)
        found[f"debiased_recall@{k}"] = _weighed_recall(made, rare, k)
        columns[name] = found
    shared = [m for m in next(iter(columns.values())) if all(m in c for c in columns.values())]
    measured = PairedMetrics.from_values(
        {n: {m: c[m] for m in shared} for n, c in columns.items()}, draws, seed
    )
    answer = []
    for metric in shared:
        about = metric_info(metric)
        answer.append(
            Score(
                metric,
                "offline",
                about.better,
                about.question,
                {n: measured.estimate(n, metric) for n in slates},
                {n: measured.resampled[n][metric] for n in slates},
            )
        )
    return answer


def _graded(fold: Fold, dataset: Dataset, valued: str) -> RelevantItems:
    """What was relevant, each worth the minutes that followed it in the test."""
    log, n = dataset.log, len(dataset.items)
    rows = np.flatnonzero(log.is_kind([valued]) & (log.time >= fold.moment) & ~np.isnan(log.value))
    pairs = log.user[rows].astype(np.int64) * n + log.item[rows]
    unique, of = np.unique(pairs, return_inverse=True)
    minutes = np.bincount(of, log.value[rows], len(unique)) / 60
    wanted = fold.users[fold.truth.owner].astype(np.int64) * n + fold.truth.item
    at = np.minimum(np.searchsorted(unique, wanted), max(len(unique) - 1, 0))
    there = (unique[at] == wanted) if len(unique) else np.zeros(len(wanted), bool)
    # a choice that brought nothing is still one: a grade of 0 would drop it from the other metrics
    worth = np.maximum(np.where(there, minutes[at] if len(unique) else 0.0, 0.0), 0.05)
    return RelevantItems(fold.truth.indptr, fold.truth.item, worth)


def _rare(truth: RelevantItems, popularity: np.ndarray | None) -> RelevantItems:
    """The same, each worth the inverse root of how popular it is."""
    if popularity is None:
        return truth
    share = np.append(popularity, 0.0)[np.minimum(truth.item, len(popularity))]
    least = popularity[popularity > 0].min(initial=1.0)
    return RelevantItems(truth.indptr, truth.item, np.maximum(share, least) ** -0.5)


def _weighed_recall(slates: np.ndarray, truth: RelevantItems, k: int) -> np.ndarray:
    """The share of a person's worth that the slate holds, float64 (R,)."""
    worth = truth.gain if truth.gain is not None else np.ones(len(truth.item))
    whole = np.bincount(truth.owner, worth, len(truth))
    got = gains(slates[:, :k], truth.indptr, truth.item, worth).sum(1)
    return np.divide(got, whole, out=np.full(len(truth), np.nan), where=whole > 0)

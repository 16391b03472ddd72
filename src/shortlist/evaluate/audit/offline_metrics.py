"""Offline metrics of an audit: every metric of `evaluate`, plus graded NDCG by value and a recall without popularity bias."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.evaluate.audit.agreement import MetricScore
from shortlist.evaluate.catalogue import catalogue_statistics
from shortlist.evaluate.fold import Fold
from shortlist.evaluate.measures import RelevantItems, compute_metrics
from shortlist.evaluate.metric_info import metric_info
from shortlist.metrics.gains import gains
from shortlist.metrics.significance import PairedMetrics
from shortlist.recommender import Recommender


@dataclass(frozen=True)
class OfflineSettings:
    """How offline metrics are computed.

    Attributes
    ----------
    valued_kind : str
        The event kind whose value grades a choice.
    k : int
        Length of the slates.
    resamples, seed : int
        Bootstrap resamples of users, and their seed.
    """

    valued_kind: str
    k: int
    resamples: int
    seed: int


def offline_scores(
    recommender: Recommender,
    fold: Fold,
    dataset: Dataset,
    slates: dict[str, NDArray[np.int64]],
    settings: OfflineSettings,
) -> list[MetricScore]:
    """Compute every offline metric of every policy.

    Parameters
    ----------
    recommender : Recommender
        The trained recommender.
    fold : Fold
        The test requests and what was relevant.
    dataset : Dataset
        The whole log, for the values of the test's choices.
    slates : dict of str to ndarray of int, shape (n_requests, k)
        The slates of each policy for the fold's requests.
    settings : OfflineSettings
        How the metrics are computed.
    """
    catalogue, k = catalogue_statistics(recommender, fold), settings.k
    graded = _graded(fold, dataset, settings.valued_kind)
    rare = _debiased(fold.truth, catalogue.popularity)
    columns: dict[str, dict[str, NDArray[np.float64]]] = {}
    for name, made in slates.items():
        found = compute_metrics(made, graded, catalogue, k)
        found[f"debiased_recall@{k}"] = _weighted_recall(made, rare, k)
        columns[name] = found
    shared = [m for m in next(iter(columns.values())) if all(m in c for c in columns.values())]
    values = {name: {m: c[m] for m in shared} for name, c in columns.items()}
    measured = PairedMetrics.from_values(values, settings.resamples, settings.seed)
    return [
        MetricScore(
            metric,
            "offline",
            metric_info(metric).better,
            metric_info(metric).question,
            {name: measured.estimate(name, metric) for name in slates},
            {name: measured.resampled[name][metric] for name in slates},
        )
        for metric in shared
    ]


def _graded(fold: Fold, dataset: Dataset, valued_kind: str) -> RelevantItems:
    """The relevant items, each with the minutes that followed it in the test as its grade."""
    log, n = dataset.log, len(dataset.items)
    rows = np.flatnonzero(log.is_kind([valued_kind]) & (log.time >= fold.moment) & ~np.isnan(log.value))
    pairs = log.user[rows].astype(np.int64) * n + log.item[rows]
    unique, of = np.unique(pairs, return_inverse=True)
    minutes = np.bincount(of, log.value[rows], len(unique)) / 60
    wanted = fold.users[fold.truth.owner].astype(np.int64) * n + fold.truth.item
    at = np.minimum(np.searchsorted(unique, wanted), max(len(unique) - 1, 0))
    there = (unique[at] == wanted) if len(unique) else np.zeros(len(wanted), bool)
    # a choice without a value is still relevant: a grade of 0 would remove it from the other metrics
    worth = np.maximum(np.where(there, minutes[at] if len(unique) else 0.0, 0.0), 0.05)
    return RelevantItems(fold.truth.indptr, fold.truth.item, worth)


def _debiased(truth: RelevantItems, popularity: NDArray[np.float64] | None) -> RelevantItems:
    """The relevant items with the inverse square root of their popularity as grade (Steck 2011)."""
    if popularity is None:
        return truth
    share = np.append(popularity, 0.0)[np.minimum(truth.item, len(popularity))]
    least = popularity[popularity > 0].min(initial=1.0)
    return RelevantItems(truth.indptr, truth.item, np.maximum(share, least) ** -0.5)


def _weighted_recall(slates: NDArray[np.int64], truth: RelevantItems, k: int) -> NDArray[np.float64]:
    """The share of each user's grades that the slate holds, float64 (n_requests,)."""
    worth = truth.gain if truth.gain is not None else np.ones(len(truth.item))
    whole = np.bincount(truth.owner, worth, len(truth))
    got = gains(slates[:, :k], truth.indptr, truth.item, worth).sum(1)
    recall: NDArray[np.float64] = np.divide(got, whole, out=np.full(len(truth), np.nan), where=whole > 0)
    return recall

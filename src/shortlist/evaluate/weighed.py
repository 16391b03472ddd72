"""The weighed outcomes of a project, as gains: the outcomes of a test by value, combined with the weights of the objectives.

NDCG counts the items that fulfil one objective, `evaluate.relevant`. A project that weighs seconds and likes asks for
something else: of two plays, the one of ten minutes is worth more. So each pair of person and item gets the utility of
what followed, Σ weight × outcome ÷ scale, as in the utility of a request, and `utility_ndcg` is the NDCG with these gains.
An outcome is 1 for a probability, the sum of the values for an amount, and the mean value for a grade. Gains below 0
count as 0, because the ideal list of an NDCG would leave such items out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from shortlist.config.objectives import Objective
from shortlist.config.project import Project
from shortlist.data.log import Log
from shortlist.evaluate.measures import FloatArray, RelevantItems
from shortlist.metrics import ranking
from shortlist.metrics.gains import gains, ragged


def weighs_more_than_relevant(project: Project) -> bool:
    """Return whether the utility of a project differs from its `relevant` objective."""
    weighed = [name for name, objective in project.objectives.items() if objective.weight != 0]
    return weighed != [project.relevant] or project.objectives[project.relevant].kind != "probability"


def weighed_items(
    project: Project,
    log: Log,
    people: NDArray[np.integer],
    hidden: NDArray[np.int64],
    n_items: int,
    scales: Mapping[str, float],
) -> RelevantItems:
    """Return the items with a utility above 0 of each person, with their utility as gain.

    Parameters
    ----------
    project : Project
        Its objectives say what counts and how much.
    log : Log
        The events of the test.
    people : ndarray of int, shape (R,)
        The user code of each request, each at most once.
    hidden : ndarray of int64
        user · n_items + item of everything that is not shown again.
    n_items : int
        The number of items.
    scales : mapping of str to float
        The scale of each objective.
    """
    pairs, total = np.empty(0, np.int64), np.empty(0, np.float64)
    for name, objective in project.objectives.items():
        if objective.weight:
            own, outcome = _outcomes(log, objective, n_items)
            pairs = np.concatenate([pairs, own])
            total = np.concatenate([total, objective.weight * outcome / scales[name]])
    unique, at = np.unique(pairs, return_inverse=True)
    utility = np.bincount(at, total, len(unique))
    kept = (utility > 0) & ~np.isin(unique, hidden)
    unique, utility = unique[kept], utility[kept]
    low = np.searchsorted(unique, people.astype(np.int64) * n_items)
    high = np.searchsorted(unique, (people.astype(np.int64) + 1) * n_items)
    spans = [slice(a, b) for a, b in zip(low, high, strict=True)]
    indptr, item = ragged([unique[span] % n_items for span in spans])
    gain = np.concatenate([utility[span] for span in spans]) if spans else np.empty(0)
    return RelevantItems(indptr, item, gain)


def _outcomes(log: Log, objective: Objective, n_items: int) -> tuple[NDArray[np.int64], FloatArray]:
    """The pairs, user · n_items + item, that an objective was fulfilled for, and the outcome of each."""
    rows = np.flatnonzero(log.is_kind(objective.events, objective.at_least))
    unique, at = np.unique(log.user[rows].astype(np.int64) * n_items + log.item[rows], return_inverse=True)
    if objective.kind == "probability":
        return unique, np.ones(len(unique))
    known = ~np.isnan(log.value[rows])
    total = np.bincount(at[known], log.value[rows][known], len(unique))
    if objective.kind == "amount":
        return unique, np.maximum(total, 0.0)
    return unique, total / np.maximum(np.bincount(at[known], minlength=len(unique)), 1)


def utility_ndcg(slates: NDArray[np.integer], weighed: RelevantItems, k: int) -> FloatArray:
    """Return the NDCG with utilities as gains, float64 (R,); NaN where nothing has a utility above 0."""
    assert weighed.gain is not None
    gain = gains(slates[:, :k], weighed.indptr, weighed.item, weighed.gain)
    value = ranking.graded_ndcg(gain, weighed.indptr, weighed.gain, k)
    return np.where(weighed.sizes > 0, value, np.nan)

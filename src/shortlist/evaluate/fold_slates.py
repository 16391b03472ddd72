"""The slates of one fold with everything that judges them, and the report on a model that was trained for a fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.rerank_cost import rerank_costs
from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress
from shortlist.evaluate.catalogue import catalogue_statistics
from shortlist.evaluate.comparison import ComparisonResult, FoldSlates
from shortlist.evaluate.fold import Fold
from shortlist.evaluate.leaks import Leak, find_leaks
from shortlist.evaluate.measures import CatalogueStatistics, FloatArray, IntArray, RelevantItems
from shortlist.evaluate.relevance import history_pairs
from shortlist.evaluate.reliability import Reliability, evaluate_calibration
from shortlist.evaluate.report import Report
from shortlist.evaluate.shown.judgement import ShownResult
from shortlist.evaluate.shown.policy_answers import judge_evaluation
from shortlist.evaluate.slice_groups import PeopleScheme, default_slices
from shortlist.evaluate.warnings import NOT_BETTER_THAN_POPULAR
from shortlist.evaluate.weighed import utility_ndcg, weighed_items, weighs_more_than_relevant
from shortlist.recommender import Recommender
from shortlist.simulate.world import TrueOutcome

SUBJECT = "shortlist"
"""The name of the project's own recommender in an evaluation."""
RERANK_PEOPLE = 500
"""The number of people whose slates measure the cost of re-ranking."""
FEATURES_REPORTED = 12
IN_TIME = frozenset({"time", "rolling"})
"""The protocols whose test is what followed a moment."""


def fold_slates(
    recommender: Recommender,
    fold: Fold,
    slates: dict[str, IntArray],
    truths: Mapping[str, TrueOutcome],
    catalogue: CatalogueStatistics | None = None,
    scheme: PeopleScheme | None = None,
) -> FoldSlates:
    """Join the slates of a fold with its relevant items, the statistics, and the groups of people and items.

    Parameters
    ----------
    recommender : Recommender
        Trained on the training part of the fold.
    fold : Fold
        The fold, or a part of its people.
    slates : dict of str to ndarray of int, shape (R, ≥ k)
        The slates of each recommender.
    truths : mapping of str to callable
        Objective → the true values of a simulated world.
    catalogue, scheme : optional
        The statistics of the catalogue, and the groups of people, where the fold is only a part; default: those of the fold.
    """
    k = recommender.project.evaluate.k
    catalogue = catalogue or catalogue_statistics(recommender, fold)
    weighed = _weighed(recommender, fold)
    # people whom training does not know get numbers of their own, below zero
    _, number = np.unique(np.array([str(i) for i in fold.ids]), return_inverse=True)
    people: NDArray[np.int64] = np.where(fold.users >= 0, fold.users, -1 - number)
    extra = {
        name: {
            f"true_{objective}@{k}": true_means(values, fold.users, made)
            for objective, values in truths.items()
        }
        | ({} if weighed is None else {f"utility_ndcg@{k}": utility_ndcg(made, weighed, k)})
        for name, made in slates.items()
    }
    groups = default_slices(
        catalogue,
        fold.users,
        fold.train.users.attributes,
        fold.train.items.attributes,
        with_bounds=recommender.project.evaluate.protocol != "rolling",
        scheme=scheme,
    )
    return FoldSlates(fold.name, slates, fold.truth, catalogue, people, groups, extra)


def _weighed(recommender: Recommender, fold: Fold) -> RelevantItems | None:
    """The items by what they brought; None where NDCG judges the same, or the fold cannot say it."""
    project = recommender.project
    if fold.test is None or project.utility.combine != "sum" or not weighs_more_than_relevant(project):
        return None
    n, scales = len(fold.train.items), dict(zip(project.objectives, recommender.model.scales, strict=True))
    hidden = history_pairs(fold.known, n, project.rerank)
    return weighed_items(project, fold.test, fold.users, hidden, n, scales)


def true_means(truth: TrueOutcome, people: IntArray, slates: IntArray) -> FloatArray:
    """Return the mean true value of each slate, float64 (people,); 0 for an empty slate."""
    shown = slates >= 0
    values = truth(np.repeat(people, shown.sum(1)), slates[shown].astype(np.int64))
    owner = np.repeat(np.arange(len(people)), shown.sum(1))
    return np.asarray(np.bincount(owner, values, len(people)) / np.maximum(shown.sum(1), 1), np.float64)


@dataclass
class FoldEvidence:
    """Facts about the model of a fold, beside its slates.

    Attributes
    ----------
    leaks : dict of str to Leak
        By their sentence.
    calibration : dict of str to Reliability
        Of the last fold.
    shown : ShownResult, optional
        The comparison by what was shown in the last test.
    """

    leaks: dict[str, Leak] = field(default_factory=dict)
    calibration: dict[str, Reliability] = field(default_factory=dict)
    shown: ShownResult | None = None

    def look_at(self, recommender: Recommender, dataset: Dataset, fold: Fold) -> None:
        """Add the calibration on a test and the leaks. dataset: the whole data, with the test."""
        project, feature_auc = recommender.project, dict[str, dict[str, float]]()
        if project.evaluate.protocol in IN_TIME:
            self.calibration, feature_auc = evaluate_calibration(recommender, dataset, fold.moment)
        for leak in find_leaks(project, dataset, fold, recommender, feature_auc):
            self.leaks.setdefault(str(leak), leak)

    def judge_shown(self, recommender: Recommender, dataset: Dataset, fold: Fold, progress: Progress) -> None:
        """Compare by what was shown in a test; protocols that are not in time have no slates of later events."""
        if recommender.project.evaluate.protocol in IN_TIME:
            self.shown = judge_evaluation(recommender, SUBJECT, dataset, fold, progress)


def report_on(
    recommender: Recommender,
    fold: Fold,
    result: ComparisonResult,
    evidence: FoldEvidence,
    facts: dict[str, Any],
) -> Report:
    """Make the report: the comparison over all folds; the model's own numbers come from the last one."""
    project, shown = recommender.project, evidence.shown
    warnings: Sequence[str] = [*result.warnings, *fold.warnings]
    if shown is not None and shown.decides("popular")[1].verdict == "better":
        # the log's own clicks favour popular items, which is not the project's aim
        warnings = [warning for warning in warnings if NOT_BETTER_THAN_POPULAR not in warning]
    importance = {
        name: dict(list(recommender.model.ranker.importance(name).items())[:FEATURES_REPORTED])
        for name in project.objectives
    }
    k = project.evaluate.k
    return Report.from_comparison(
        replace(result, warnings=list(warnings)),
        SUBJECT,
        name=project.name,
        simulated=project.simulated,
        k=k,
        facts=facts,
        importance=importance,
        calibration=evidence.calibration,
        top_objective=max(project.objectives, key=lambda name: project.objectives[name].weight),
        leaks=list(evidence.leaks.values()),
        shown=shown,
        rerank_costs=rerank_costs(recommender.model, recommender.state, fold.ids[:RERANK_PEOPLE], k),
    )


def weights_reported(project: Project) -> dict[str, float]:
    """The weights of the objectives that count; empty if they are the relevant items alone."""
    if not weighs_more_than_relevant(project):
        return {}
    return {name: objective.weight for name, objective in project.objectives.items() if objective.weight}

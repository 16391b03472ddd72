"""The evaluation protocol: train on the past, test on the future, compare with baselines.

For each fold (`folds.py`), a new recommender of the same project is trained on the training part: a recommender that
has seen the test cannot be evaluated on it. It then answers once for each person who acts in the test, and ranks the
whole catalogue. Items that a person has already taken are neither recommended nor counted (unless
`rerank.show_seen`). It is compared with each of its retrievers alone, and with popular, recent and random items.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from shortlist.config.base import IMPRESSION
from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.data.split import cut_for_test
from shortlist.data.waiting import leave_out_waiting
from shortlist.evaluate.comparison import ComparisonResult, FoldSlates, compare_slates
from shortlist.evaluate.fold import Fold
from shortlist.evaluate.fold_slates import SUBJECT, FoldEvidence, fold_slates, report_on, weights_reported
from shortlist.evaluate.folds import make_folds, refuse_sampling
from shortlist.evaluate.measures import IntArray
from shortlist.evaluate.policies import (
    BaselineModels,
    Policy,
    baselines,
    recommender_policy,
    replay_known_events,
)
from shortlist.evaluate.report import Report
from shortlist.recommender import Recommender
from shortlist.simulate.world import TrueOutcome

OtherPolicy = Callable[[IntArray, int], IntArray]
"""(user codes, k) → item codes, (people, k)."""
Other = Callable[[Dataset, list[dict[str, Any]] | None], OtherPolicy]
"""(training data set, contexts of the requests) → a policy that has learned from them."""


def evaluate(
    recommender: Recommender | Project,
    dataset: Dataset,
    progress: Progress = silent,
    truth: TrueOutcome | Mapping[str, TrueOutcome] | None = None,
    others: Mapping[str, Other] | None = None,
) -> Report:
    """Evaluate a recommender by the protocol of its project.

    Parameters
    ----------
    recommender : Recommender or Project
        The project to evaluate. A recommender stands for its project: it is trained anew.
    dataset : Dataset
        The whole data; the protocol splits it.
    progress : callable, optional
        Called with the name of a stage and the finished share.
    truth : callable or mapping of str to callable, optional
        For a simulated world: (user codes, item codes) → true values, or one such function per objective
        (`world.truths`). They add the metrics `true_<objective>@k`, the mean over the slate. The exposure in the log
        does not bias them.
    others : mapping of str to callable, optional
        Further recommenders for the comparison: (training data set, contexts) → policy.

    Returns
    -------
    Report

    Raises
    ------
    ProjectError
        If the project asks for sampled candidates.
    DataError
        If the test has no relevant items.
    """
    project = recommender.project if isinstance(recommender, Recommender) else recommender
    if project.data.kinds:
        past = dataset.before(cut_for_test(dataset.log, project.evaluate))
        project = leave_out_waiting(project, past.log).project
    refuse_sampling(project.evaluate.candidates)
    truths = truth if isinstance(truth, Mapping) else {project.relevant: truth} if truth is not None else {}
    evaluation = _Evaluation(project, dataset, truths, others or {})
    for fold in make_folds(project, dataset):
        evaluation.add(fold, progress)
    return evaluation.report(progress)


class _Evaluation:
    """The folds that are done, and what was measured on the way."""

    def __init__(
        self,
        project: Project,
        dataset: Dataset,
        truths: Mapping[str, TrueOutcome],
        others: Mapping[str, Other],
    ) -> None:
        self.project, self.dataset, self.truths, self.others = project, dataset, truths, others
        self.folds: list[FoldSlates] = []
        self.evidence = FoldEvidence()
        self.seconds: dict[str, float] = {}
        self.fit_seconds = 0.0
        self.fold_facts: dict[str, Any] = {}
        self.last: tuple[Recommender, Fold] | None = None

    def add(self, fold: Fold, progress: Progress) -> None:
        """Train and test on one fold."""
        started = time.perf_counter()
        recommender = Recommender(self.project).fit(fold.train, progress=progress)
        self.fit_seconds += time.perf_counter() - started
        replay_known_events(recommender, fold)
        slates = self._slates(recommender, fold, progress)
        progress("checks", 0.0)
        self.folds.append(fold_slates(recommender, fold, slates, self.truths))
        self.fold_facts |= fold.facts
        self.evidence.look_at(recommender, self.dataset, fold)
        progress("checks", 1.0)
        self.last = recommender, fold

    def _slates(self, recommender: Recommender, fold: Fold, progress: Progress) -> dict[str, IntArray]:
        policies: dict[str, Policy] = {SUBJECT: recommender_policy(recommender, fold)}
        policies |= baselines(recommender, fold, BaselineModels.of(fold.train))
        for name, other in self.others.items():
            policies[name] = _by_row(other(fold.train, fold.contexts), fold)
        rows = np.arange(len(fold.truth))
        slates = {}
        progress("evaluation", 0.0)
        for number, (name, policy) in enumerate(policies.items()):
            started = time.perf_counter()
            slates[name] = policy(rows, self.project.evaluate.k)
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
            progress("evaluation", (number + 1) / len(policies))
        return slates

    def report(self, progress: Progress) -> Report:
        """Compare over all folds; the model's own numbers come from the last one."""
        assert self.last is not None
        recommender, fold = self.last
        project, settings = self.project, self.project.evaluate
        progress("comparison", 0.0)
        result = compare_slates(self.folds, SUBJECT, settings.k, settings.bootstrap, project.seed)
        progress("comparison", 1.0)
        self.evidence.judge_shown(recommender, self.dataset, fold, progress)
        return report_on(recommender, fold, result, self.evidence, self._facts(result, fold.train))

    def _facts(self, result: ComparisonResult, train: Dataset) -> dict[str, Any]:
        folds = self.folds
        facts: dict[str, Any] = {
            "people": result.people,
            "people_with_history": _people_with_history(folds),
            "requests": sum(len(fold.people) for fold in folds),
            "items": len(train.items),
            "train_events": len(train.log),
            "protocol": self.project.evaluate.protocol.replace("_", " "),
        }
        if len(folds) > 1:
            first, last = (fold.name.removeprefix("from ") for fold in (folds[0], folds[-1]))
            facts |= {"cuts": len(folds), "test_from": f"{first} to {last}"}
        else:
            facts |= self.fold_facts
        if self.last is not None and (choice := self.last[0].model.ranker.choice):
            facts["ranker_inputs"] = choice
        return facts | {
            "relevant": self.project.relevant,
            "weighed": weights_reported(self.project),
            "logged_slates": bool(train.log.is_kind([IMPRESSION]).any()),
            "fit_seconds": round(self.fit_seconds, 2),
            "recommend_seconds": {name: round(seconds, 3) for name, seconds in self.seconds.items()},
        }


def _people_with_history(folds: Sequence[FoldSlates]) -> int:
    people: set[int] = set()
    for fold in folds:
        if fold.catalogue.indptr is not None:
            people.update(fold.people[np.diff(fold.catalogue.indptr) > 0].tolist())
    return len(people)


def _by_row(policy: OtherPolicy, fold: Fold) -> Policy:
    return lambda rows, k: policy(fold.users[rows], k)

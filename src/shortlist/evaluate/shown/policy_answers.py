"""The slates that the recommenders of an evaluation would have shown instead of the logged slates of its test."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np

from shortlist.cascade.context import ContextEncoder
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.evaluate.fold import Fold
from shortlist.evaluate.policies import BATCH, BaselineModels, baseline_scorers
from shortlist.evaluate.shown.judgement import MIN_SLATES, ShownResult, judge_shown
from shortlist.evaluate.shown.logged_slates import LoggedSlates, read_logged_slates
from shortlist.evaluate.shown.model_answers import ModelAnswers, ask_models
from shortlist.rank.past_requests import requests_as_of
from shortlist.recommender import Recommender
from shortlist.rerank.filters import allowed_items
from shortlist.retrieve import top_k

MAX_SLATES = 4_000
"""Slates of a test that are judged; more are thinned out evenly."""


def judge_evaluation(
    recommender: Recommender, subject: str, dataset: Dataset, fold: Fold, progress: Progress = silent
) -> ShownResult | None:
    """Compare a recommender with its baselines by the slates that were shown in a test.

    Each request is answered with what was known when its slate was shown. None if the test has too few slates, or no
    outcome that counts.

    Parameters
    ----------
    recommender
        Trained on the events before the test, which its live state holds.
    subject
        Its name in the result.
    dataset
        The whole log.
    fold
        The fold that starts at `fold.moment` and reaches to the end of the log.
    progress
        Called with a description and the share that is done.
    """
    project = recommender.project
    logged = read_logged_slates(project, dataset, fold.moment, int(dataset.log.time[-1]) + 1, MAX_SLATES)
    if logged is None or len(logged) < MIN_SLATES:
        return None
    baselines = baseline_answers(recommender, dataset, fold, logged)
    own = deepcopy(recommender)  # the slates change the live state
    targets = {name: one.target for name, one in baselines.items()}
    answers = ask_models({subject: own}, dataset, logged, fold.moment, progress, targets) | baselines
    scales = dict(zip(project.objectives, recommender.model.scales.tolist(), strict=True))
    return judge_shown(logged, answers, project.objectives, scales, project.evaluate.bootstrap, project.seed)


def baseline_answers(
    recommender: Recommender, dataset: Dataset, fold: Fold, logged: LoggedSlates
) -> dict[str, ModelAnswers]:
    """Return what each baseline would have shown, and how it orders what was shown."""
    project, train, slots = recommender.project, fold.train, logged.items.shape[1]
    allowed = allowed_items(train.items, None, project.rerank.in_stock)
    scorers = baseline_scorers(recommender, BaselineModels.of(train))
    targets = {name: np.full(logged.items.shape, -1, np.int64) for name in scorers}
    scores = {name: np.full(logged.items.shape, np.nan) for name in scorers}
    users = logged.users.astype(np.int32)
    contexts = ContextEncoder(dataset.log.context, {})
    for start in range(0, len(logged), BATCH):
        part = slice(start, start + BATCH)
        requests = requests_as_of(
            dataset, project.retrieve, users[part], logged.moments[part], project.rerank
        )
        context = contexts.of_requests(logged.contexts[part])
        requests = replace(requests, allowed=allowed, available=allowed, context=context)
        shown = np.maximum(logged.items[part], 0)
        for name, scorer in scorers.items():
            of_all = scorer(requests)
            scores[name][part] = np.take_along_axis(of_all, shown, axis=1)
            found = top_k(of_all, requests, slots).item
            targets[name][part, : found.shape[1]] = found
    return {name: ModelAnswers(targets[name], {}, scores[name]) for name in scorers}

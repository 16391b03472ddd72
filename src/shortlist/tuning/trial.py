"""One trial: train a project on the past, and compute the NDCG of its slates on the validation slice."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.split import stage_cuts
from shortlist.engines import make_engine
from shortlist.errors import DataError, import_extra
from shortlist.evaluate.measures import IntArray, accuracy_metrics
from shortlist.evaluate.relevance import relevant_items
from shortlist.expressions.typed import Uses
from shortlist.features.feature_set import FeatureSet
from shortlist.features.keys import RequestKeys
from shortlist.features.rows import FeatureRows
from shortlist.rank.base import Ranker
from shortlist.rank.example_settings import ExampleSettings
from shortlist.rank.past_requests import requests_as_of
from shortlist.rank.propensity import position_curve
from shortlist.rank.registry import make_ranker
from shortlist.rank.training_set import TrainingSet, Window, make_training_set
from shortlist.rank.utility import UtilityWeights
from shortlist.rerank.conditions import Conditions
from shortlist.rerank.freshness import first_seen_times
from shortlist.rerank.pipeline import RerankPipeline
from shortlist.rerank.request_values import RequestValues, Value, value_of, values_of_history
from shortlist.rerank.rule_masks import RuleMasks
from shortlist.rerank.strengths import RerankStrengths
from shortlist.retrieve import Retriever, make_retrievers
from shortlist.retrieve.fusion.blend import blend
from shortlist.tuning.space import SettingSpace

MAX_PEOPLE = 1_000
"""The number of people in the sample of the validation slice."""
MAX_FITTED = 64
"""Above this number of fitted retrievers, they are dropped after the trial."""


class TrialEvaluator:
    """Computes the value of settings: the NDCG@k of slates for people who act in the validation slice.

    A trial fits the retrievers on the past and the ranker on its window. Features, the position curve and the people
    are the same in all trials; retrievers with the same settings are fitted once.

    Parameters
    ----------
    project : Project
        The project that is tuned.
    dataset : Dataset
        The log; its test is not used.

    Attributes
    ----------
    space : SettingSpace
        The settings that are searched.

    Raises
    ------
    DataError
        If the validation slice has no relevant items.
    """

    def __init__(self, project: Project, dataset: Dataset) -> None:
        self.project, self.dataset = project, dataset
        self.space = SettingSpace(project, len(dataset.items))
        self.cuts = stage_cuts(dataset.log, project.evaluate)
        self.past, self.until = dataset.before(self.cuts.ranker), dataset.before(self.cuts.validation)
        self.features = FeatureSet.from_project(project, dataset).fit(self.past)
        self.curve = position_curve(self.until, project)
        validation = dataset.between(self.cuts.validation, self.cuts.end)
        positive = np.flatnonzero(validation.positives(project.objectives[project.relevant]))
        self.people, self.truth = relevant_items(
            project, self.until, validation.log.user[positive], validation.log.item[positive], MAX_PEOPLE
        )
        if not len(self.people):
            raise DataError(
                "the validation slice has no relevant items; increase evaluate.validation",
                field="evaluate.validation",
            )
        self._fitted: dict[str, Retriever] = {}

    def __repr__(self) -> str:
        return f"TrialEvaluator({self.project.name!r}, {len(self.people)} people, {self.space!r})"

    def evaluate(self, trial: Any) -> float:
        """Return the value of the settings that an Optuna trial suggests.

        Raises
        ------
        optuna.TrialPruned
            If the retrieval alone, or the ranker with a third of its trees, is worse than the median trial.
        """
        project = self.space.project_with(self.space.suggest(trial))
        if project.rank.heads == "auto":  # "auto" trains both kinds, which would double the time of a trial
            project = _with_rank(project, heads="joint")
        retrievers = self._fit_retrievers(project)
        rows, order = self._candidates(project, retrievers)
        _report(trial, 0, self._ndcg(order))
        examples = self._examples(project, retrievers)
        matrix = self.features.offline_matrix(rows, self.until, engine=make_engine(project.data.engine))
        fewer_trees = _with_rank(project, trees=max(project.rank.trees // 3, 1))
        for step, variant in enumerate((fewer_trees, project), start=1):
            ranker = make_ranker(variant).fit(*examples)
            value = self._ndcg(self._slates(variant, ranker, rows, matrix))
            if variant is fewer_trees:
                _report(trial, step, value)
        if len(self._fitted) > MAX_FITTED:
            self._fitted.clear()
        return value

    def _fit_retrievers(self, project: Project) -> dict[str, Retriever]:
        retrievers = {}
        for (name, retriever), source in zip(
            make_retrievers(project.retrieve).items(), project.retrieve.sources, strict=True
        ):
            key = json.dumps([name, source], sort_keys=True)
            if key not in self._fitted:
                self._fitted[key] = retriever.fit(self.past)
            retrievers[name] = self._fitted[key]
        return retrievers

    def _examples(
        self, project: Project, retrievers: dict[str, Retriever]
    ) -> tuple[TrainingSet, TrainingSet]:
        """The training set of the ranker's window, and that of the validation slice."""
        cuts, settings = self.cuts, ExampleSettings.of(project)
        window, held_out = (
            make_training_set(
                known,
                retrievers,
                self.features,
                Window(start, end, cuts.ranker),
                own,
                examination=self.curve,
            )
            for known, start, end, own in (
                (self.until, cuts.ranker, cuts.validation, settings),
                (self.dataset, cuts.validation, cuts.end, settings.for_validation()),
            )
        )
        return window, held_out

    def _candidates(
        self, project: Project, retrievers: dict[str, Retriever]
    ) -> tuple[FeatureRows, NDArray[np.int32]]:
        """The candidates of all people as feature rows, and the best k by retrieval alone."""
        moments = np.full(len(self.people), self.cuts.validation, np.int64)
        requests = requests_as_of(self.until, project.retrieve, self.people, moments, project.rerank)
        blended = blend(retrievers, requests, project.retrieve.candidates)
        keys = RequestKeys(self.people, {}, requests.attributes)
        rows = blended.feature_rows(keys, moments, requests.histories)
        return rows, blended.item[:, : project.evaluate.k]

    def _slates(
        self, project: Project, ranker: Ranker, rows: FeatureRows, matrix: NDArray[np.float32]
    ) -> NDArray[np.int64]:
        """Rank and re-rank the candidates of each person."""
        predictions = ranker.predict(matrix)
        scales = np.maximum(np.abs(predictions.mean(0)), 1e-9).astype(np.float64)
        weights = np.array([o.weight for o in project.objectives.values()])
        utility = UtilityWeights(weights, scales, project.utility.combine).utility(predictions)
        pipeline = self._pipeline(project)
        strengths = RerankStrengths(project.rerank.diversity, project.rerank.freshness)
        k = project.evaluate.k
        slates = np.full((len(self.people), k), -1, np.int64)
        bounds = np.searchsorted(rows.request, np.arange(len(self.people) + 1))
        for person in range(len(self.people)):
            part = slice(int(bounds[person]), int(bounds[person + 1]))
            bound = pipeline.for_request(self._values(person, pipeline.uses))
            order = bound.rerank(rows.item[part], utility[part], k, self.cuts.validation, strengths)
            slates[person, : len(order)] = rows.item[part][order]
        return slates

    def _pipeline(self, project: Project) -> RerankPipeline:
        """The re-rankers of some settings; their rules can read users and contexts."""
        data = self.until
        users = {name: attribute.kind for name, attribute in data.users.attributes.items()}
        context = {name: attribute.kind for name, attribute in data.log.context.items()}
        masks = RuleMasks(Conditions(data.items, users, context))
        return RerankPipeline(project.rerank, data.items, first_seen_times(data, project.rerank), masks=masks)

    def _values(self, person: int, uses: Uses) -> RequestValues:
        """The values that rules read of a request of one person at the end of training. No item is viewed, and contexts are unknown."""
        found: dict[tuple[str, str], Value] = {}
        data, code = self.until, int(self.people[person])
        for scope, name in uses:
            if scope == "now":
                found[scope, name] = float(self.cuts.validation)
            elif scope == "user":
                found[scope, name] = value_of(data.users.attributes[name], code)
            elif scope == "history":
                low, high = data.histories.indptr[code : code + 2]
                found[scope, name] = values_of_history(data.items, data.histories.item[low:high], name)
            elif scope == "context":
                found[scope, name] = None
        return found

    def _ndcg(self, slates: IntArray) -> float:
        return float(accuracy_metrics(slates, self.truth, self.project.evaluate.k)["ndcg"].mean())


def _with_rank(project: Project, **settings: Any) -> Project:
    return project.model_copy(update={"rank": project.rank.model_copy(update=settings)})


def _report(trial: Any, step: int, value: float) -> None:
    """Report an intermediate value; raise `TrialPruned` if the pruner stops the trial."""
    optuna: Any = import_extra("optuna", "tune")
    trial.report(value, step)
    if trial.should_prune():
        raise optuna.TrialPruned

"""Training: the stages learn from a log one after the other, each from what came before it.

    |---------- past ----------|--- ranker window ---|--- validation ---|

Retrievers are fitted on the past; the ranker learns from requests of its window, whose candidates those retrievers
propose; early stopping, calibration and the scales of the objectives come from the validation slice. Then the
retrievers are refitted on everything, and the ranker is kept: it reads sources as ranks and normalised scores, which
refitting does not move.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.model import Model
from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, Share, silent
from shortlist.data.split import Cuts, stage_cuts
from shortlist.errors import DataError
from shortlist.features.feature_set import FeatureSet
from shortlist.rank.base import Ranker
from shortlist.rank.choose_inputs import (
    FEW_TRAINED,
    best_source,
    choose_inputs,
    is_open,
    judging_settings,
    judging_start,
    of_source,
    requests_of,
)
from shortlist.rank.example_settings import ExampleSettings
from shortlist.rank.fresh_sources import REFITS, Refit, refit_on
from shortlist.rank.gbdt.ranker import GBDTRanker
from shortlist.rank.profile import profile_of
from shortlist.rank.propensity import Examination, position_curve
from shortlist.rank.registry import make_ranker
from shortlist.rank.request_context import WITHOUT_CONTEXT
from shortlist.rank.training_set import TrainingSet, Window, make_training_set
from shortlist.rank.unlearnt import warn_of_constants
from shortlist.retrieve import Retriever, make_retrievers
from shortlist.retrieve.auto_sources import is_auto, parse_auto
from shortlist.store.merge import MergedDataset
from shortlist.threads import apply_thread_limit

if TYPE_CHECKING:
    from shortlist.rank.gbdt.tree_job import Grow

STEPS = (
    "retrievers on the past",
    "training: candidates",
    "training: features",
    "validation: candidates",
    "validation: features",
    "ranker",
    "retrievers on everything",
)
"""The steps that `train` reports, in their order."""


class WholeData(Protocol):
    """A log that is larger than the data set of a training, which holds all events of some users and the whole catalogue."""

    def fit(
        self, retrievers: Mapping[str, Retriever], until: int | None, progress: Progress, step: str
    ) -> None:
        """Fit retrievers on what the log held before a moment, ms (None: on everything)."""

    def refit(
        self, retrievers: Mapping[str, Retriever], moments: Sequence[int]
    ) -> Iterator[Mapping[str, Retriever]]:
        """Yield, for each moment (ms), the retrievers; those that one pass fits are fitted on what the log held before it."""

    def features(self, features: FeatureSet, until: int) -> FeatureSet:
        """Return the features with the priors of what was before a moment, ms, and counts of all users."""


def train(
    project: Project,
    log: MergedDataset,
    progress: Progress = silent,
    earlier: Model | None = None,
    whole: WholeData | None = None,
    grow: Grow | None = None,
) -> Model:
    """Train every stage of a project on a log.

    Parameters
    ----------
    project
        Settings.
    log
        Catalogue, users and log, and up to which row of which event store the log reaches.
    progress
        Called with the step and the share of it that is done.
    earlier
        A model trained before. The final fit of its retrievers begins from its factors where a source of the same name can, and its
        trees are kept and added to. Candidates for training do not come from it: it has seen the ranker's window.
    whole
        What the data set is a sample of: retrievers and counts of items learn from it, the ranker from the sample.
    grow
        Where the trees of the ranker grow (default: in this process).

    Raises
    ------
    DataError
        Where the log is too short, or an objective never happens.
    """
    apply_thread_limit()
    dataset = log.dataset
    cuts = stage_cuts(dataset.log, project.evaluate)
    if whole is None:
        project = with_chosen_sources(project, dataset.before(cuts.ranker), progress, earlier)
    retrievers = make_retrievers(project.retrieve, project.where)
    data = whole or _OwnData(dataset)
    data.fit(retrievers, cuts.ranker, progress, STEPS[0])
    features = data.features(FeatureSet.from_project(project, dataset), cuts.ranker)
    curve = position_curve(dataset.before(cuts.validation), project)
    settings = ExampleSettings.of(project)
    examples = _Examples(retrievers, features, cuts, settings, curve, progress, data.refit, cuts.ranker)
    chosen, ranker = _trained_ranker(project, dataset, examples, data, earlier, grow)
    predictions = chosen.predictions
    warn_of_constants(project.objectives, chosen.training, predictions)
    _warm_start(retrievers, earlier, dataset)
    data.fit(retrievers, None, progress, STEPS[-1])
    return Model(
        project=project,
        dataset=dataset,
        retrievers=retrievers,
        ranker=ranker,
        features=features.without_past(),
        profile=profile_of(chosen.training),
        scales=_scales(predictions, chosen.validation),
        version=_version(project, dataset, predictions),
        position=log.position,
        retired=log.retired.copy(),
    )


class _OwnData:
    """The data set itself, where it is the whole log."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self.refit = refit_on(dataset)

    def fit(
        self, retrievers: Mapping[str, Retriever], until: int | None, progress: Progress, step: str
    ) -> None:
        progress(step, 0.0)

        def report(part: str, share: float) -> None:
            progress(f"{step}: {part}", share)

        dataset = self._dataset if until is None else self._dataset.before(until)
        for number, retriever in enumerate(retrievers.values()):
            retriever.fit(dataset, report)
            progress(step, (number + 1) / len(retrievers))

    def features(self, features: FeatureSet, until: int) -> FeatureSet:
        return features.fit(self._dataset.before(until))


@dataclass(frozen=True, repr=False)
class _Examples:
    """The terms that the ranker's training and validation examples share."""

    retrievers: Mapping[str, Retriever]
    features: FeatureSet
    cuts: Cuts
    settings: ExampleSettings
    curve: Examination | None
    progress: Progress
    refit: Refit
    fitted_until: int
    """End of the events on which the retrievers were fitted, ms."""

    def training(self, until: Dataset) -> TrainingSet:
        """Make the examples of the ranker's window. until: the events before the validation slice."""
        lost = self.settings.rank.without_list
        settings = replace(self.settings, without_context=WITHOUT_CONTEXT, without_list=lost)
        return self._make(until, (self.cuts.ranker, self.cuts.validation), "training", settings)

    def validation(self, dataset: Dataset) -> TrainingSet:
        """Make the examples of the validation slice. dataset: all events."""
        return self._make(
            dataset, (self.cuts.validation, self.cuts.end), "validation", self.settings.for_validation()
        )

    def judging(self, dataset: Dataset) -> TrainingSet | None:
        """Make the examples that decide what the ranker reads; None where no user comes. dataset: all events."""
        span, quiet = (judging_start(self.cuts), self.cuts.end), replace(self, progress=silent)
        try:
            return quiet._make(dataset, span, "judging", judging_settings(self.settings))
        except DataError:
            return None

    def renewed(self, project: Project, data: WholeData) -> _Examples:
        """Return the terms with retrievers that were fitted on what was before the validation slice.

        Those of the ranker's window would be older in the slice than sources ever are in serving, and trees that learnt from the slice would
        distrust them.
        """
        retrievers = make_retrievers(project.retrieve, project.where)
        data.fit(retrievers, self.cuts.validation, self.progress, "retrievers before the validation")
        return replace(self, retrievers=retrievers, fitted_until=self.cuts.validation)

    def newest(self, dataset: Dataset) -> TrainingSet:
        """Make the examples of the validation slice from which the ranker is fitted again. dataset: all events."""
        span = self.cuts.validation, self.cuts.end
        return self._make(dataset, span, "newest", self.settings.for_validation())

    def early(self, dataset: Dataset) -> TrainingSet | None:
        """Make those of the first half of the slice, labelled by what had happened by then; None where no user comes.

        A ranker that has learnt from them is judged by requests of the middle of the slice. dataset: all events.
        """
        middle, quiet = judging_start(self.cuts), replace(self, progress=silent)
        try:
            return quiet._make(
                dataset.before(middle),
                (self.cuts.validation, middle),
                "early",
                self.settings.for_validation(),
            )
        except DataError:
            return None

    def _make(
        self, dataset: Dataset, span: tuple[int, int], name: str, settings: ExampleSettings
    ) -> TrainingSet:
        def report(step: str, share: float) -> None:
            self.progress(f"{name}: {step}", share)

        window = Window(*span, self.fitted_until, REFITS, self.refit)
        return make_training_set(
            dataset, self.retrievers, self.features, window, settings, report, self.curve
        )


def with_chosen_sources(
    project: Project, past: Dataset, progress: Progress = silent, earlier: Model | None = None
) -> Project:
    """Return the project with sources in place of `sources = "auto"`, chosen on a log; other projects as they are.

    Training that begins from an earlier model keeps its sources: their factors are where it begins.
    """
    given = project.retrieve.sources
    if not is_auto(given):
        return project
    if earlier is not None:
        sources = earlier.project.retrieve.sources
    else:
        from shortlist.retrieve.fusion.choose_sources import SourceContext, choose_sources

        context = SourceContext(project.rerank.show_seen, project.seed)
        sources = choose_sources(past, project.retrieve, parse_auto(given, project.where), context, progress)
    retrieve = project.retrieve.model_copy(update={"sources": sources})
    return project.model_copy(update={"retrieve": retrieve})


@dataclass(frozen=True, eq=False, repr=False)
class _Fitted:
    """A ranker, its predictions of the validation slice (float32, rows × objectives), its examples, and the source that it reads alone."""

    ranker: Ranker
    predictions: NDArray[np.float32]
    training: TrainingSet
    validation: TrainingSet
    source: str = ""

    def refitted(
        self, newest: TrainingSet, report: Share | None = None, before: Ranker | None = None
    ) -> Ranker:
        """Return the ranker after it has learnt from newer examples, too."""
        sets = [of_source(s, self.source) if self.source else s for s in (self.training, newest)]
        return self.ranker.refitted(sets[0], sets[1], report, before)


def _trained_ranker(
    project: Project,
    dataset: Dataset,
    examples: _Examples,
    data: WholeData,
    earlier: Model | None,
    grow: Grow | None,
) -> tuple[_Fitted, Ranker]:
    """Return the ranker as it was chosen on the validation slice, and the one that serves."""
    training = examples.training(dataset.before(examples.cuts.validation))
    validation = examples.validation(dataset)
    fitted = _fit_ranker(project, training, validation, examples.progress, earlier, grow)
    newest = examples.renewed(project, data) if project.rank.refit else None
    judging = early = None
    if earlier is None and is_open(project, training):
        judging = (newest or examples).judging(dataset)
        early = newest.early(dataset) if newest and judging else None
    chosen = _chosen_ranker(project, fitted, judging, early)
    if newest is None:
        return chosen, chosen.ranker
    return chosen, _refitted(chosen, newest.newest(dataset), examples.progress, earlier)


def _fit_ranker(
    project: Project,
    training: TrainingSet,
    validation: TrainingSet,
    progress: Progress,
    earlier: Model | None,
    grow: Grow | None,
) -> _Fitted:
    """Fit the ranker, and predict the validation slice. A `DataError` names the file and line of the setting, which are known here."""

    def report(share: float) -> None:
        progress("ranker", share)

    report(0.0)
    try:
        ranker = make_ranker(project)
        if grow is not None and isinstance(ranker, GBDTRanker):
            ranker = ranker.grown_by(grow)
        ranker.fit(training, validation, report, earlier.ranker if earlier else None)
    except DataError as error:
        where = project.where(error.field) if error.field else ""
        raise DataError(f"{where}{error.message}", error.field) from None
    return _Fitted(ranker, ranker.predict(validation.matrix), training, validation)


def _chosen_ranker(
    project: Project, whole: _Fitted, judging: TrainingSet | None, early: TrainingSet | None = None
) -> _Fitted:
    """Return the ranker, or one that reads only the sources, or one of them, where it orders the validation better (`choose_inputs`).

    early: what the rankers learn from before they are judged, where the chosen one will be fitted again (`_Examples.early`).
    """
    if judging is None or not isinstance(whole.ranker, GBDTRanker):
        return whole
    rank = project.rank.model_copy(update={"inputs": "sources"})
    validation, source = whole.validation, best_source(project, judging)
    found = {"all": whole}
    for name in ("sources", source):
        learned = [whole.training, validation]
        if name != "sources":
            learned = [of_source(part, name) for part in learned]
        ranker = GBDTRanker(rank, project.objectives, project.seed).fit(learned[0], learned[1])
        own = "" if name == "sources" else name
        found[name] = _Fitted(ranker, ranker.predict(validation.matrix), whole.training, validation, own)
    scaled = {
        name: (one.refitted(early) if early else one.ranker, _scales(one.predictions, validation))
        for name, one in found.items()
    }
    choice = choose_inputs(scaled, project, judging, requests_of(whole.training) <= FEW_TRAINED)
    chosen = found[choice.inputs]
    assert isinstance(chosen.ranker, GBDTRanker)
    return replace(chosen, ranker=chosen.ranker.with_choice(str(choice)))


def _refitted(chosen: _Fitted, newest: TrainingSet, progress: Progress, earlier: Model | None) -> Ranker:
    """Return the ranker after it has learnt from the validation slice, too (`rank.refit`)."""

    def report(share: float) -> None:
        progress("ranker on window and validation", share)

    report(0.0)
    ranker = chosen.refitted(newest, report, earlier.ranker if earlier else None)
    report(1.0)
    return ranker


def _scales(predictions: NDArray[np.float32], validation: TrainingSet) -> NDArray[np.float64]:
    """Return the mean prediction of each objective, float64 (objectives,)."""
    mean = np.average(predictions, axis=0, weights=validation.weights)
    return np.maximum(np.abs(mean), 1e-9).astype(np.float64)


def _version(project: Project, dataset: Dataset, predictions: NDArray[np.float32]) -> str:
    """Return the digest of settings, data and outcome."""
    facts = f"{project.model_dump_json()}|{len(dataset.log)}|{dataset.log.time[-1]}|{predictions.sum():.6f}"
    return hashlib.sha256(facts.encode()).hexdigest()[:12]


def _warm_start(retrievers: Mapping[str, Retriever], earlier: Model | None, dataset: Dataset) -> None:
    """Let the next fit of each retriever begin from the earlier model's retriever of that name."""
    if earlier is None:
        return
    rows = earlier.dataset.items.ids.codes(dataset.items.ids.values.to_pylist())
    for name, retriever in retrievers.items():
        if name in earlier.retrievers:
            retriever.warm_start(earlier.retrievers[name], rows)

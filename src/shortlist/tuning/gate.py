"""Retraining with the events of a server's store, and the gate that a new model must pass.

    log of the serving model         events that the store added
    |------------------------------|---------------|--- slice ---|
                                   t₀              T             now

The gate compares two models on the newest slice, from T to now. The serving model stays as it was trained, and its live
state is brought up to T. Beside it stands a candidate: the settings of the new model, trained on everything before T.
If the candidate is significantly worse, the new model is saved but rejected, with the reason; an operator can still promote
it. "Can't tell" passes: a regular retraining seldom improves the metric within a week, but the new model knows the newest
items and events.

People can only take what the serving model shows, so a ranking metric on what they took favours the serving model. Where
the slates of the slice were logged, both models are therefore compared by what was shown (`evaluate/shown`): by the chances
with which slates were drawn if they cover both models, else by the order of the shown items. Without logged slates, both rank
the whole catalogue for the same people, and NDCG decides. `benchmarks/gate_power.py` measures how often it is right.

If the store added too little, the slice is the end of the whole log, and the serving model's settings are trained on the
events before it too. This compares settings, and neither model has seen the slice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from shortlist.config.data import DataSettings
from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.errors import DataError
from shortlist.evaluate.catalogue import catalogue_statistics
from shortlist.evaluate.comparison import FoldSlates, compare_slates
from shortlist.evaluate.fold import Fold
from shortlist.evaluate.folds import fold_between
from shortlist.evaluate.policies import log_events, recommender_policy
from shortlist.evaluate.shown import ShownResult, ask_models, judge_shown, read_logged_slates
from shortlist.evaluate.shown.judgement import MIN_SLATES
from shortlist.metrics.significance import Comparison
from shortlist.recommender import Recommender
from shortlist.store.event_store import EventStore
from shortlist.store.merge import MergedDataset, merge_store

NEW_SHARE = 0.5
"""The slice is this share of the events that are new since the serving model: the latest."""
LOG_SHARE = 0.1
"""The slice is this share of the whole log if too little is new."""
MIN_PEOPLE = 100
"""The smallest number of people in a slice."""
MARGIN = 0.02
"""Judged by what was shown, a new model is rejected if it is certainly worse by more than this share of the utility: models that
are equally good differ by chance and by what the estimate cannot see."""
NEW, PRESENT = "new", "present"
"""Names of the two models in results."""


@dataclass(frozen=True)
class GateResult:
    """The result of the gate.

    Attributes
    ----------
    comparison : Comparison, optional
        The new model minus the serving one on the newest slice; None if they could not be compared.
    sentence : str
        The result, or the reason why nothing was compared.
    shown : ShownResult, optional
        The comparison by slates that were shown, if any were logged.
    """

    comparison: Comparison | None
    sentence: str
    shown: ShownResult | None = None

    @property
    def passed(self) -> bool:
        """Whether the new model may serve: it is not significantly worse."""
        if self.comparison is None or self.comparison.verdict != "worse":
            return True
        if self.shown is None:
            return False
        unit = abs(self.shown.decides(PRESENT)[0].values[PRESENT])
        return self.comparison.simultaneous.high > -MARGIN * unit

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        comparison = {} if self.comparison is None else self.comparison.to_json()
        shown = {} if self.shown is None else {"shown": self.shown.to_json()}
        return {"said": self.sentence, **comparison, **shown}


def extend_log(
    base: Dataset, store: EventStore, settings: DataSettings, serving: Recommender | None
) -> MergedDataset:
    """Merge a log with the store.

    Parameters
    ----------
    base
        The project's tables, or the log of the serving model. In the second case, only what was stored after that
        model was trained is read.
    store
        The store of the server.
    settings
        The project's `[data]`.
    serving
        The model that serves, or None.
    """
    if serving is not None and base is serving.dataset:
        return merge_store(base, store, settings, serving.model.position, serving.state.catalogue.retired)
    return merge_store(base, store, settings)


def retrain(
    project: Project, merged: MergedDataset, serving: Recommender | None, progress: Progress = silent
) -> Recommender:
    """Train on everything that is known.

    Parameters
    ----------
    project
        The project.
    merged
        The log with the events of the store.
    serving
        The model before, from whose factors the training starts.
    progress
        Called with a description and the share that is done.
    """
    return Recommender(project).fit(merged, progress=progress, earlier=serving)


def run_gate(
    project: Project, dataset: Dataset, serving: Recommender | None, progress: Progress = silent
) -> GateResult:
    """Compare the settings of a new model with the model that serves, on the newest slice.

    It trains one or two models, so it takes about as long as training. The live state of `serving` is moved to the
    start of the slice.

    Parameters
    ----------
    project
        The project of the new model.
    dataset
        The log with the events of the store.
    serving
        The model that serves, or None.
    progress
        Called with a description and the share that is done.
    """
    if serving is None:
        return GateResult(None, "There is no model to compare with: the first one passes.")
    project = project.model_copy(update={"experiments": {}})
    trained_until = int(serving.dataset.log.time[-1])
    fold = _newest_slice(project, dataset, trained_until)
    enough_new = fold is not None
    if fold is None:
        fold = _newest_slice(project, dataset, None)
    if fold is None:
        return GateResult(
            None, f"Fewer than {MIN_PEOPLE} people are in the newest slice: too few to compare, so it passes."
        )
    candidate = Recommender(project).fit(fold.train, progress=_prefixed(progress, "gate: "))
    if enough_new:
        rows = np.flatnonzero(fold.train.log.time > trained_until)
        serving.replay(log_events(fold.train, rows))
    else:
        settings_progress = _prefixed(progress, "gate, serving settings: ")
        serving = Recommender(serving.project).fit(fold.train, progress=settings_progress)
    where = "the newest slice" if enough_new else "the newest part of the log (hardly anything is new)"
    on = f"On {where}, from {fold.facts['test_from']}: "
    shown = _compare_shown(project, dataset, fold, {NEW: candidate, PRESENT: serving}, progress)
    if shown is not None:
        said = " ".join(filter(None, [on + shown.sentence(PRESENT), shown.predictions()]))
        return GateResult(shown.decides(PRESENT)[1], said, shown)
    compared = _compare(project, fold, candidate, serving)
    return GateResult(compared, on + compared.sentence())


def _compare_shown(
    project: Project, dataset: Dataset, fold: Fold, models: dict[str, Recommender], progress: Progress
) -> ShownResult | None:
    """Compare by the slates that were shown in the slice; None if there are too few."""
    logged = read_logged_slates(project, dataset, fold.moment, int(dataset.log.time[-1]) + 1)
    if logged is None or len(logged) < MIN_SLATES:
        return None
    answers = ask_models(models, dataset, logged, fold.moment, _prefixed(progress, "gate: "))
    scales = dict(zip(project.objectives, models[NEW].model.scales.tolist(), strict=True))
    return judge_shown(logged, answers, project.objectives, scales, project.evaluate.bootstrap, project.seed)


def _compare(project: Project, fold: Fold, candidate: Recommender, serving: Recommender) -> Comparison:
    people, k = np.arange(len(fold.truth)), project.evaluate.k
    slates = {
        NEW: recommender_policy(candidate, fold)(people, k),
        PRESENT: recommender_policy(serving, fold)(people, k),
    }
    statistics = catalogue_statistics(candidate, fold)
    folds = [FoldSlates("newest", slates, fold.truth, statistics, fold.users.astype(np.int64))]
    return compare_slates(folds, NEW, k, project.evaluate.bootstrap, project.seed).comparisons[0]


def _newest_slice(project: Project, dataset: Dataset, after: int | None) -> Fold | None:
    """The newest events as a fold, of those after a moment (ms) if given; None if it has too few people."""
    log = dataset.log
    times = log.time[log.acted & (log.time > after)] if after is not None else log.time[log.acted]
    if not len(times):
        return None
    share = NEW_SHARE if after is not None else LOG_SHARE
    cut = int(times[min(int(len(times) * (1 - share)), len(times) - 1)])
    try:
        fold = fold_between(project, dataset, cut, int(log.time[-1]) + 1)
    except DataError:  # the slice has no relevant items
        return None
    return fold if len(np.unique(fold.users)) >= MIN_PEOPLE else None


def _prefixed(progress: Progress, prefix: str) -> Progress:
    return lambda what, share: progress(prefix + what, share)

"""Training: the stages learn from a log one after the other, each from what came before it.

    |---------- past ----------|--- ranker window ---|--- validation ---|

Retrievers are fitted on the past; the ranker learns from requests of its window, whose candidates those retrievers
propose; early stopping, calibration and the objectives' scales come from the validation slice. Then the retrievers are
refitted on everything, and the ranker is kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress
from shortlist.data.split import stage_cuts
from shortlist.errors import DataError
from shortlist.features.feature_set import FeatureSet
from shortlist.rank.base import Ranker
from shortlist.rank.profile import Profile, profile_of
from shortlist.rank.propensity import position_curve
from shortlist.rank.registry import make_ranker
from shortlist.rank.training_set import ExampleSettings, TrainingSet, Window, make_training_set
from shortlist.retrieve import Retriever


@dataclass(frozen=True)
class Trained:
    """`scales` float64 (objectives,): the mean prediction of each on the validation slice. `priors`: what smoothed
    features are drawn to. `version`: a digest of settings, data and outcome. `profile`: what the features looked like in training.
    """

    ranker: Ranker
    scales: np.ndarray
    priors: dict[str, float]
    version: str
    profile: Profile


def train_stages(
    retrievers: dict[str, Retriever],
    dataset: Dataset,
    progress: Progress,
    earlier: dict[str, Retriever] | None = None,
    rows: np.ndarray | None = None,
    ranker_before: Ranker | None = None,
) -> Trained:
    """Fit the retrievers in place and train a ranker. Raises `DataError` where the log is too short.

    earlier, rows: retrievers of an earlier bundle, and where each item was in its catalogue (−1: nowhere). Only the fit on
    everything begins from them: they have seen the ranker's window, so candidates for training must not come from them.
    ranker_before: its ranker, whose trees are kept and added to.
    """
    cuts = stage_cuts(dataset.log, dataset.project.evaluate)
    past = dataset.before(cuts.ranker)
    _fit(retrievers, past, progress, "retrievers on the past")
    features = FeatureSet.from_project(dataset.project, dataset).fit(past)

    def examples(seen: Dataset, start: int, end: int, name: str) -> TrainingSet:
        def report(what: str, share: float) -> None:
            progress(f"{name}: {what}", share)

        return make_training_set(
            seen, retrievers, features, Window(start, end, cuts.ranker), settings, report, curve
        )

    until = dataset.before(cuts.validation)
    curve = position_curve(until, dataset.project)
    settings = ExampleSettings.of(dataset.project)
    window = examples(until, cuts.ranker, cuts.validation, "training")
    held = examples(dataset, cuts.validation, cuts.end, "validation")
    try:
        ranker = make_ranker(dataset.project).fit(
            window, held, lambda share: progress("ranker", share), ranker_before
        )
    except DataError as error:  # the file and line of the setting are known here
        where = dataset.project.where(error.field) if error.field else ""
        raise DataError(f"{where}{error.message}", error.field) from None
    predictions = ranker.predict(held.matrix)
    scales = np.maximum(np.abs(np.average(predictions, axis=0, weights=held.weights)), 1e-9).astype(
        np.float64
    )
    for name, retriever in retrievers.items():
        if earlier is not None and rows is not None and name in earlier:
            retriever.warm_start(earlier[name], rows)
    _fit(retrievers, dataset, progress, "retrievers on everything")
    facts = f"{dataset.project.model_dump_json()}|{len(dataset.log)}|{dataset.log.time[-1]}|{predictions.sum():.6f}"
    version = hashlib.sha256(facts.encode()).hexdigest()[:12]
    return Trained(ranker, scales, features.priors, version, profile_of(window))


def _fit(retrievers: dict[str, Retriever], dataset: Dataset, progress: Progress, what: str) -> None:
    for number, retriever in enumerate(retrievers.values()):
        retriever.fit(dataset)
        progress(what, (number + 1) / len(retrievers))

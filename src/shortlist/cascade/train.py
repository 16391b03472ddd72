"""Training: the stages learn from a log one after the other, each from what came before it.

    |---------- past ----------|--- ranker window ---|--- validation ---|

Retrievers are fitted on the past; the ranker learns from requests of its window, whose candidates those retrievers
propose; early stopping, calibration and the scales of the objectives come from the validation slice. Then the
retrievers are refitted on everything, and the ranker is kept: it reads sources as ranks and normalised scores, which
refitting does not move.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.model import Model
from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.data.split import stage_cuts
from shortlist.errors import DataError
from shortlist.features.feature_set import FeatureSet
from shortlist.rank.profile import profile_of
from shortlist.rank.propensity import position_curve
from shortlist.rank.registry import make_ranker
from shortlist.rank.training_set import ExampleSettings, TrainingSet, Window, make_training_set
from shortlist.retrieve import Retriever, make_retrievers
from shortlist.store.merge import StorePosition


def train(
    project: Project,
    dataset: Dataset,
    progress: Progress = silent,
    earlier: Model | None = None,
    position: StorePosition | None = None,
    retired: NDArray[np.bool_] | None = None,
) -> Model:
    """Train every stage of a project on a log.

    Parameters
    ----------
    project
        Settings.
    dataset
        Catalogue, users and log.
    progress
        Called with the step and the share of it that is done.
    earlier
        A model trained before. The final fit of its retrievers begins from its factors where a source of the same name
        can, and its trees are kept and added to. Candidates for training do not come from it: it has seen the
        ranker's window.
    position
        Up to which row of which event store the log reaches.
    retired
        bool (items,): items that are not recommended.

    Raises
    ------
    DataError
        Where the log is too short, or an objective never happens.
    """
    retrievers = make_retrievers(project.retrieve, project.where)
    cuts = stage_cuts(dataset.log, project.evaluate)
    past = dataset.before(cuts.ranker)
    _fit(retrievers, past, progress, "retrievers on the past")
    features = FeatureSet.from_project(project, dataset).fit(past)
    until = dataset.before(cuts.validation)
    curve = position_curve(until, project)
    settings = ExampleSettings.of(project)

    def examples(seen: Dataset, start: int, end: int, name: str) -> TrainingSet:
        def report(what: str, share: float) -> None:
            progress(f"{name}: {what}", share)

        return make_training_set(
            seen, retrievers, features, Window(start, end, cuts.ranker), settings, report, curve
        )

    window = examples(until, cuts.ranker, cuts.validation, "training")
    held = examples(dataset, cuts.validation, cuts.end, "validation")
    try:
        ranker = make_ranker(project).fit(
            window, held, lambda share: progress("ranker", share), earlier.ranker if earlier else None
        )
    except DataError as error:  # the file and line of the setting are known here
        where = project.where(error.field) if error.field else ""
        raise DataError(f"{where}{error.message}", error.field) from None
    predictions = ranker.predict(held.matrix)
    scales = np.maximum(np.abs(np.average(predictions, axis=0, weights=held.weights)), 1e-9)
    if earlier is not None:
        _warm_start(retrievers, earlier, dataset)
    _fit(retrievers, dataset, progress, "retrievers on everything")
    facts = f"{project.model_dump_json()}|{len(dataset.log)}|{dataset.log.time[-1]}|{predictions.sum():.6f}"
    return Model(
        project,
        dataset,
        retrievers,
        ranker,
        features,
        profile_of(window),
        scales.astype(np.float64),
        hashlib.sha256(facts.encode()).hexdigest()[:12],
        position or StorePosition(),
        np.zeros(len(dataset.items), bool) if retired is None else retired.copy(),
    )


def _fit(retrievers: Mapping[str, Retriever], dataset: Dataset, progress: Progress, what: str) -> None:
    for number, retriever in enumerate(retrievers.values()):
        retriever.fit(dataset)
        progress(what, (number + 1) / len(retrievers))


def _warm_start(retrievers: Mapping[str, Retriever], earlier: Model, dataset: Dataset) -> None:
    """Let the next fit of each retriever begin from the earlier model's retriever of that name."""
    rows = earlier.dataset.items.ids.codes(dataset.items.ids.values.to_pylist())
    for name, retriever in retrievers.items():
        if name in earlier.retrievers:
            retriever.warm_start(earlier.retrievers[name], rows)

"""Choose the sources of a cascade for a log: `sources = "auto"`."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from shortlist.config.base import duration_ms
from shortlist.config.retrieve import RetrieveSettings
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.errors import DataError, TrainingWarning
from shortlist.retrieve.auto_sources import AutoSourcesConfig
from shortlist.retrieve.event_weighting import EventWeighting
from shortlist.retrieve.fusion.deadline import Deadline
from shortlist.retrieve.fusion.families import kept_families, search_families, usual_families
from shortlist.retrieve.fusion.holdout import hold_out
from shortlist.retrieve.fusion.search_space import absolute
from shortlist.retrieve.fusion.tuner import Trial, Tuner, number_of_trials

POPULAR: dict[str, Any] = {"model": "popular", "half_life": "auto"}
"""Beside the chosen sources, for users without a history."""
FAMILIES = tuple(name for name in usual_families("time") if name != POPULAR["model"])
DEEP = ("transformer", "two_tower")
"""Networks, which are tried where `deep` is set."""
LENGTH = 20
"""Length of the lists whose NDCG decides."""


class SourceContext(NamedTuple):
    """Further settings of a project that the choice depends on: whether seen items are shown, and the seed."""

    show_seen: bool
    seed: int


def choose_sources(
    dataset: Dataset,
    settings: RetrieveSettings,
    config: AutoSourcesConfig,
    context: SourceContext,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Tune each family of retrievers on the end of a log, and return the best ones as sources.

    The last fifth of the events is held out. Families whose NDCG is at least half of the best one's are taken, the best first. The
    ranker of the cascade learns how to weigh them, so that nothing is fused here. Added are `popular` with the decay that the log shows, for
    users without a history;
    `content`, for items without events, where items have attributes; and `again`, where seen items are shown.

    Parameters
    ----------
    dataset
        The events before the ranker's window: what follows judges the ranker, and must not choose its sources.
    settings
        How events weigh.
    config
        Number of sources, time, and whether deep models are tried.
    context
        Whether seen items are shown, and the seed of the hold-out's sample.
    progress
        Called with the step and the share of it that is done.

    Returns
    -------
    list of dict
        Tables of `[[retrieve.sources]]`.
    """
    tuned = _tuned(dataset, settings, config, context.seed, progress)
    if tuned is None:
        warnings.warn(
            "the log is too short to choose sources; those that suit most logs are used",
            TrainingWarning,
            stacklevel=2,
        )
        tuned = [{"model": "neighbours"}, {"model": "als"}]
    sources: list[dict[str, Any]] = [dict(POPULAR), *tuned]
    if any(a.kind != "link" for a in dataset.items.attributes.values()):
        sources.append({"model": "content"})
    if context.show_seen:
        sources.append({"model": "again"})
    return sources


def _tuned(
    dataset: Dataset, settings: RetrieveSettings, config: AutoSourcesConfig, seed: int, progress: Progress
) -> list[dict[str, Any]] | None:
    """Return the best families with their settings; None where nothing can be held out."""
    try:
        holdout = hold_out(dataset, "time", seed=seed)
    except DataError:
        return None
    deadline = Deadline(None if config.budget is None else duration_ms(config.budget) / 1000)
    tuner = Tuner(holdout, LENGTH, seed, EventWeighting.of(settings), deadline)
    trials = max(number_of_trials(len(holdout.train.log)) // 2, 3)
    deep = DEEP if config.deep and find_spec("torch") else ()
    families = [*FAMILIES, *deep]
    refused = search_families(tuner, families, trials, progress, doing="choosing sources:")
    for family, reason in refused.items():
        warnings.warn(f"{family} is no source: {reason}", TrainingWarning, stacklevel=3)
    kept, _ = kept_families(tuner, LENGTH)
    return [_table(trial, len(dataset.items)) for trial in kept[: config.most]]


def _table(trial: Trial, n_items: int) -> dict[str, Any]:
    return {"model": trial.model, **{k: _plain(v) for k, v in absolute(trial.settings, n_items).items()}}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value

"""Training again, from what a server's store has gathered, and the gate that a new model must pass.

    the present model's log          what the store has added
    |------------------------------|---------------|··· slice ···|
                                   t₀              T             now

The gate asks what would have happened on the newest slice, T to now, had either served then. The present model stands as it was, with
its live state brought up to T; beside it stands a twin of the new one, the same settings trained on what was known before T. Both rank
the whole catalogue for the same people, and are compared person by person. Where the twin is clearly worse, the new model is written
but turned down, with the sentence as its reason; an operator can still promote it. "Can't tell" passes: a model that is trained again
as usual is no better in a week than the one before, and its worth is in knowing the newest.

Where the store has added too little to be judged by, the slice is the newest of the whole log, and the present model is trained on what
came before it as well: then settings are compared, and nobody has seen the answers.
"""

from __future__ import annotations

from dataclasses import dataclass

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
from shortlist.metrics.significance import Comparison
from shortlist.recommender import Recommender
from shortlist.store.event_store import EventStore
from shortlist.store.merge import MergedDataset, merge_store

SHARE = 0.5
"""Of the events that are new since the present model, the latest, are the slice."""
USUAL = 0.1
"""Of the whole log, where hardly anything is new."""
PEOPLE = 100
"""With fewer people in it, a slice says nothing."""


@dataclass(frozen=True)
class Gate:
    """`comparison`: new minus present on the newest slice; None where nothing could be compared, and `said` why."""

    comparison: Comparison | None
    said: str

    @property
    def passed(self) -> bool:
        return self.comparison is None or self.comparison.verdict != "worse"


def extend_log(
    base: Dataset, store: EventStore, settings: DataSettings, present: Recommender | None
) -> MergedDataset:
    """Merge a log with the store.

    Parameters
    ----------
    base
        The project's tables, or the log of the present model. In the second case, only what was stored after that
        model was trained is read.
    store
        The store of the server.
    settings
        The project's `[data]`.
    present
        The model that serves, if there is one.
    """
    if present is not None and base is present.dataset:
        return merge_store(base, store, settings, present.model.position, present.state.catalogue.retired)
    return merge_store(base, store, settings)


def train_again(
    project: Project, more: MergedDataset, present: Recommender | None, progress: Progress = silent
) -> Recommender:
    """A recommender of all that is known. present: the one before, whose factors it begins from."""
    return Recommender(project).fit(more.dataset, progress, present, more.position, more.retired)


def pass_gate(
    project: Project, dataset: Dataset, present: Recommender | None, progress: Progress = silent
) -> Gate:
    """Compare what would be trained with what serves, on the newest slice. Trains a twin, so takes about as long as training."""
    if present is None:
        return Gate(None, "There is no model to compare with: the first one passes.")
    project = project.model_copy(update={"experiments": {}})
    own_end = int(present.dataset.log.time[-1])
    fold = _slice(project, dataset, own_end)
    fresh_only = fold is not None
    if fold is None:
        fold = _slice(project, dataset, None)
    if fold is None:
        return Gate(
            None, f"Fewer than {PEOPLE} people could be asked for: too few to judge by, so it passes."
        )
    twin = Recommender(project).fit(fold.train, _named(progress, "gate: "))
    if fresh_only:
        rows = np.flatnonzero(fold.train.log.time > own_end)
        present.replay(log_events(fold.train, rows))
    else:
        present = Recommender(present.project).fit(fold.train, _named(progress, "gate, present: "))
    people = np.arange(len(fold.truth))
    k = project.evaluate.k
    slates = {
        "new": recommender_policy(twin, fold)(people, k),
        "present": recommender_policy(present, fold)(people, k),
    }
    one = FoldSlates(
        "newest", slates, fold.truth, catalogue_statistics(twin, fold), fold.users.astype(np.int64)
    )
    compared = compare_slates([one], "new", k, project.evaluate.bootstrap, project.seed).comparisons[0]
    what = "the newest slice" if fresh_only else "the newest part of the log (hardly anything is new)"
    return Gate(compared, f"On {what}, from {fold.facts['test_from']}: {compared.sentence()}")


def _slice(project: Project, dataset: Dataset, since: int | None) -> Fold | None:
    """The newest slice as an experiment; None where too few people are in it. since: only of what came after that, ms."""
    log = dataset.log
    own = log.time[log.acted & (log.time > since)] if since is not None else log.time[log.acted]
    if not len(own):
        return None
    share = SHARE if since is not None else USUAL
    cut = int(own[min(int(len(own) * (1 - share)), len(own) - 1)])
    try:
        fold = fold_between(project, dataset, cut, int(log.time[-1]) + 1)
    except DataError:  # nobody in it has anything relevant
        return None
    return fold if len(np.unique(fold.users)) >= PEOPLE else None


def _named(progress: Progress, before: str) -> Progress:
    return lambda what, share: progress(before + what, share)

"""Training data of a recommender: a data set, a log merged from an event store, or tables with a guessed project."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.waiting import leave_out_waiting
from shortlist.errors import ProjectError, TrainingWarning
from shortlist.store.merge import MergedDataset, StorePosition


def training_data(
    data: Any, items: Any, users: Any, project: Project | None
) -> tuple[MergedDataset, Project]:
    """Return the log to train on, and the project: the given one, or one that is guessed from tables.

    Objectives that wait for events are left out, with a `TrainingWarning`.

    Raises
    ------
    DataError
        Lists every error that was found in the tables.
    ProjectError
        For a data set without a project.
    """
    if isinstance(data, (Dataset, MergedDataset)):
        if items is not None or users is not None:
            raise ProjectError(
                "a data set holds its items and users; give the tables items and users together with a table of events"
            )
        if project is None:
            raise ProjectError(
                "a project is guessed from tables of events, not from a data set; write Recommender(project).fit(dataset)"
            )
        log = data if isinstance(data, MergedDataset) else alone(data)
    elif project is not None:
        log = alone(Dataset.from_frames(data, items, users, project))
    else:
        dataset, project = Dataset.with_guess(data, items, users)
        log = alone(dataset)
    ready = leave_out_waiting(project, log.dataset.log)
    for reason in ready.waiting.values():
        warnings.warn(reason, TrainingWarning, stacklevel=3)
    return log, ready.project


def alone(dataset: Dataset) -> MergedDataset:
    """Return a data set to which no event store has added anything."""
    return MergedDataset(dataset, StorePosition(), np.zeros(len(dataset.items), bool), 0, 0)

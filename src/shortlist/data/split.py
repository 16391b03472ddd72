"""Cuts in time: what each stage may learn from.

    |---------- past ----------|--- ranker window ---|--- validation ---|--- test ---|

Shares are of the events but impressions, so that a burst of traffic does not empty a part. A cut is a moment, never a
row: events of one instant stay on one side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.data.dataset import Dataset
from shortlist.errors import DataError


@dataclass(frozen=True)
class Cuts:
    """Moments in ms: the ranker's window starts, the validation starts, and everything ends."""

    ranker: int
    validation: int
    end: int


def cut_for_test(dataset: Dataset) -> int:
    """The moment from which events are the test."""
    return _moment(dataset, 1 - dataset.project.evaluate.test)


def stage_cuts(dataset: Dataset) -> Cuts:
    """Where a training set is cut for its stages. Raises `DataError` where it is too short to be cut."""
    settings = dataset.project.evaluate
    validation = _moment(dataset, 1 - settings.validation)
    ranker = _moment(dataset, 1 - settings.validation - settings.ranker_window)
    end = int(dataset.log.time[-1]) + 1
    if not dataset.log.time[0] < ranker < validation < end:
        raise DataError(
            f"{len(dataset.log):,} events over {len(np.unique(dataset.log.time)):,} moments are too few to be cut into "
            "past, ranker window and validation; a data set needs some hundred events over time"
        )
    return Cuts(ranker, validation, end)


def _moment(dataset: Dataset, share: float) -> int:
    times = dataset.log.time[dataset.log.acted]
    if not len(times):
        raise DataError("the log has only impressions; nothing can be learnt from it")
    return int(times[min(int(len(times) * share), len(times) - 1)])

"""Cuts in time: what each stage may learn from.

    |---------- past ----------|--- ranker window ---|--- validation ---|--- test ---|

The fractions in `[evaluate]` are of the events without impressions, so that a burst of traffic does not empty a part.
A cut is a moment, not a row: events with the same time are on the same side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.config.evaluate import EvaluateSettings
from shortlist.data.log import Log
from shortlist.errors import DataError


@dataclass(frozen=True)
class Cuts:
    """Where the stages are cut, in ms.

    Parameters
    ----------
    ranker
        Start of the ranker's window; retrievers are fitted on the events before it.
    validation
        Start of the validation.
    end
        End of the log.
    """

    ranker: int
    validation: int
    end: int


def cut_for_test(log: Log, settings: EvaluateSettings) -> int:
    """Return the moment (ms) at which the test begins."""
    return _moment(log, 1 - settings.test)


def stage_cuts(log: Log, settings: EvaluateSettings) -> Cuts:
    """Return where a training log is cut for its stages.

    Raises
    ------
    DataError
        The log is too short to be cut.
    """
    validation = _moment(log, 1 - settings.validation)
    ranker = _moment(log, 1 - settings.validation - settings.ranker_window)
    end = int(log.time[-1]) + 1
    if not log.time[0] < ranker < validation < end:
        raise DataError(
            f"{len(log):,} events at {len(np.unique(log.time)):,} moments are too few to be cut into past, ranker "
            "window and validation; a data set needs some hundred events over time"
        )
    return Cuts(ranker, validation, end)


def _moment(log: Log, fraction: float) -> int:
    """The time of the event (without impressions) at a fraction of the log."""
    times = log.time[log.acted]
    if not len(log):
        raise DataError(
            "no event is left before the test: the log has too few events, or all of them at one moment; a data set needs some hundred "
            "events over time"
        )
    if not len(times):
        raise DataError("the log has impressions only; a model cannot learn from it")
    return int(times[min(int(len(times) * fraction), len(times) - 1)])

"""Experiments on live people: arms by hash, exposures, intervals that allow peeking, interleaving, a report."""

from shortlist.experiments.analyse import ExperimentResult, ExposedPeople, analyse, analyse_interleaved
from shortlist.experiments.assign import assign_arm
from shortlist.experiments.interleave import team_draft
from shortlist.experiments.sequential import always_valid, cuped

__all__ = [
    "ExperimentResult",
    "ExposedPeople",
    "always_valid",
    "analyse",
    "analyse_interleaved",
    "assign_arm",
    "cuped",
    "team_draft",
]

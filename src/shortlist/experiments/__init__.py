"""Experiments on live people: arms by hash, exposures, intervals that allow peeking, interleaving, a report."""

from shortlist.experiments.analyse import Outcome, People, analyse, analyse_interleaved
from shortlist.experiments.assign import arm_of
from shortlist.experiments.interleave import team_draft
from shortlist.experiments.sequential import always_valid, cuped

__all__ = [
    "Outcome",
    "People",
    "always_valid",
    "analyse",
    "analyse_interleaved",
    "arm_of",
    "cuped",
    "team_draft",
]

"""From logs: what would have happened under another policy. Estimates with intervals, or a refusal with its reason."""

from shortlist.evaluate.offpolicy.marginal import estimate_marginal
from shortlist.evaluate.offpolicy.outcome import fit_outcome
from shortlist.evaluate.offpolicy.single import Choices, estimate_choices
from shortlist.evaluate.offpolicy.slates import (
    SlateLog,
    cascade_dr,
    estimate_examined,
    estimate_slates,
    pairwise,
    pseudo_inverse,
)
from shortlist.evaluate.offpolicy.support import OffPolicy, Overlap, overlap

__all__ = [
    "Choices",
    "OffPolicy",
    "Overlap",
    "SlateLog",
    "cascade_dr",
    "estimate_choices",
    "estimate_examined",
    "estimate_marginal",
    "estimate_slates",
    "fit_outcome",
    "overlap",
    "pairwise",
    "pseudo_inverse",
]

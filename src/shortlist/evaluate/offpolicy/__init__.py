"""Off-policy evaluation: the value of another policy from a log with propensities, with an interval or a refusal."""

from shortlist.evaluate.offpolicy.bandit import BanditLog, estimate_bandit
from shortlist.evaluate.offpolicy.cascade_dr import cascade_dr
from shortlist.evaluate.offpolicy.mips import estimate_mips
from shortlist.evaluate.offpolicy.overlap import Overlap, measure_overlap
from shortlist.evaluate.offpolicy.pbm import estimate_pbm
from shortlist.evaluate.offpolicy.policy_value import OffPolicyEstimate
from shortlist.evaluate.offpolicy.pseudo_inverse import pairwise_marginals, pseudo_inverse
from shortlist.evaluate.offpolicy.reward_model import fit_reward_model
from shortlist.evaluate.offpolicy.slates import SlateLog, estimate_slates

__all__ = [
    "BanditLog",
    "OffPolicyEstimate",
    "Overlap",
    "SlateLog",
    "cascade_dr",
    "estimate_bandit",
    "estimate_mips",
    "estimate_pbm",
    "estimate_slates",
    "fit_reward_model",
    "measure_overlap",
    "pairwise_marginals",
    "pseudo_inverse",
]

"""Assignment of users to arms by a hash: stable on every server, and nothing is stored."""

from __future__ import annotations

import hashlib

from shortlist.config.experiments import Experiment


def unit_hash(*parts: object) -> float:
    """Hash the parts to a number in [0, 1); the same parts always give the same number."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def assign_arm(name: str, experiment: Experiment, user: object) -> str:
    """Return the arm of a user.

    The name of the experiment is part of the hash, so two experiments are independent of each other.

    Parameters
    ----------
    name : str
        The name of the experiment.
    experiment : Experiment
        Its arms with their shares. A new `salt` assigns all users anew.
    user : object
        The id of the user. An id as text and as number is the same user.
    """
    point = unit_hash(name, experiment.salt, user) * sum(arm.share for arm in experiment.arms.values())
    for arm, settings in experiment.arms.items():
        point -= settings.share
        if point < 0:
            return arm
    return list(experiment.arms)[-1]

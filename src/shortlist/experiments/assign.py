"""Who gets which arm: a hash of experiment and user, so that nobody moves and nothing is stored."""

from __future__ import annotations

import hashlib
from typing import Any

from shortlist.config.experiments import Experiment


def unit_hash(*parts: Any) -> float:
    """Where on the line from 0 to 1 something falls: by a hash, so the same everywhere and always."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def assign_arm(name: str, experiment: Experiment, user: Any) -> str:
    """The arm of a user: the same on every server and every day. Two experiments are independent of each other, because the
    experiment's name is hashed too. An id counts the same whether it arrives as text or number.
    """
    point = unit_hash(name, experiment.salt, user) * sum(arm.share for arm in experiment.arms.values())
    for arm, settings in experiment.arms.items():
        point -= settings.share
        if point < 0:
            return arm
    return list(experiment.arms)[-1]
